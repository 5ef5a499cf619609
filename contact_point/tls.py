"""Who is at the other end: mutual TLS between the two national contact points (Articles 1(1), 3(3) and 9).

A contact point is known by a :class:`Pin`: the URI in its certificate and the digests of the keys it may use, as the
other Party notified them. The other Party's authority alone is not enough, it may certify more than its contact point.

The calling side refuses a wrong server inside the handshake, before a byte of a request exists on the wire. The
answering side verifies the chain in the handshake and calls :func:`identify` on every request, because a connection
outlives the moment it was opened: a pin may be withdrawn, a certificate may expire or be revoked. No connection is older
than :data:`LIFE`. Tickets are switched off, since a resumed session would skip the verification.

A context is made of files once. :class:`Newest` is one that asks, for each connection, for the context that counts then.

uvicorn hides the certificate from the application; :func:`protocol` makes the protocol class that does not, and
:func:`client_certificate` refuses a request that came without one. Where a reverse proxy must end TLS,
:func:`protocol_behind_proxy` believes it, and it alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import ssl
import struct
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from contact_point.certificates import CertificateError, load_certificate, san_uris, spki_sha256

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
    from contextlib import AbstractContextManager
    from pathlib import Path


GOODBYE_SECONDS: Final = 1.0
"""How long a stopping server waits for the other end to say goodbye."""

LIFE: Final = 600.0
"""Seconds that a connection lives; the answer under way is given to its end, for at most another :data:`LAST_ANSWER`."""

LAST_ANSWER: Final = 60.0

GROUP: Final = "secp384r1"
"""Key agreement on P-384, an approved curve (NIST SP 800-56A)."""

PROXY_HEADERS: Final = (b"pcsc-client-certificate", b"pcsc-client-verified", b"pcsc-tls-version")
"""What a proxy says of the caller: the certificate (PEM, percent-encoded), ``SUCCESS``, and ``TLSv1.3``, each once."""

Connection: TypeAlias = ssl.SSLObject | ssl.SSLSocket
"""A connection of an event loop, or of a blocking socket."""

_log = logging.getLogger("contact_point.tls")


class TlsError(Exception):
    """The connection to the other contact point cannot be set up or trusted."""


class ContextError(TlsError):
    """A certificate, key, authority or pin in the settings cannot be used."""


class NotContactPointError(TlsError, ssl.SSLError):
    """The other end is not a contact point the other Party notified (Article 3(2), 3(3)).

    Also an ``SSLError``, so that everything that runs a handshake closes the connection. HTTP clients wrap it:
    :func:`refusal` finds it again.
    """

    def __init__(self, message: str) -> None:
        super().__init__(ssl.SSL_ERROR_SSL, message)

    def __str__(self) -> str:
        return str(self.args[1])


class RevokedError(NotContactPointError):
    """The certificate was taken back by the authority that issued it."""


class UnknownStandingError(NotContactPointError):
    """Nobody can tell whether the certificate was taken back: the authority's list is missing, broken or out of date."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One contact point as notified by the other Party (Article 3(2)).

    ``uri`` is the URI in its certificate's subjectAltName; ``keys`` the SHA-256 digests (64 lower-case hexadecimal
    digits) of the SubjectPublicKeyInfo of its current key and, before a change, its next.
    """

    uri: str
    keys: frozenset[str]

    def __post_init__(self) -> None:
        """Refuse a pin that could match nothing or anything.

        Raises:
            ContextError: no URI, no key, or a digest that is not 64 lower-case hexadecimal digits.

        """
        wrong = sorted(key for key in self.keys if not re.fullmatch("[0-9a-f]{64}", key))
        if not self.uri or not self.keys or wrong:
            raise ContextError(
                "Art. 3(2): a pin is a URI and at least one SHA-256 digest of a key, 64 lower-case hexadecimal digits; "
                f"got {self.uri!r} and {wrong or 'no digest'}"
            )


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """What a certificate says about who holds it: the one URI, the digest of its key, and when it is valid."""

    uri: str
    key: str
    not_before: datetime
    not_after: datetime


@lru_cache(maxsize=64)
def read_certificate(certificate_der: bytes) -> PeerCertificate:
    """Read the identity in a certificate.

    Raises:
        NotContactPointError: the bytes are no certificate, it does not name exactly one URI, it is an authority's, or its key
            is not on P-384.

    """
    try:
        uris = san_uris(certificate_der)
        key = spki_sha256(certificate_der)
        certificate = load_certificate(certificate_der)
    except CertificateError as error:
        raise NotContactPointError(f"Art. 1(1), 3(3): the other end is no contact point: {error}") from error
    if len(uris) != 1:
        raise NotContactPointError(
            f"Art. 1(1), 3(3): a contact point's certificate names exactly one URI; this one names {list(uris)}"
        )
    _check_profile(certificate)
    return PeerCertificate(uris[0], key, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def _check_profile(certificate: x509.Certificate) -> None:
    """Refuse what OpenSSL lets pass: an authority that speaks as a contact point, and keys of another kind."""
    try:
        authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    if authority:
        raise NotContactPointError(
            "Art. 1(1), 3(3): the certificate is that of an authority, and an authority is no contact point; the other Party "
            "must present one that was issued to its contact point"
        )
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise NotContactPointError(
            "Art. 9: a contact point's key is an ECDSA key on P-384 (NIST SP 800-57); the certificate's is another, and the "
            "other Party must present one with such a key"
        )


def identify(certificate_der: bytes, pins: Iterable[Pin], now: datetime) -> Pin:
    """Return the contact point that a verified certificate belongs to. Call it on every request.

    Raises:
        NotContactPointError: the URI is none of the pins', the key is not pinned for it, or the certificate is not
            valid at ``now``.

    """
    peer = read_certificate(certificate_der)
    if not peer.not_before <= now <= peer.not_after:
        raise NotContactPointError(
            f"Art. 1(1), 3(3): the certificate of {peer.uri} is valid from {peer.not_before:%Y-%m-%d %H:%M:%S} to "
            f"{peer.not_after:%Y-%m-%d %H:%M:%S} UTC, not at {now}; the other Party must present a valid one"
        )
    return _pinned(peer, pins)


def _pinned(peer: PeerCertificate, pins: Iterable[Pin]) -> Pin:
    named = [pin for pin in pins if pin.uri == peer.uri]
    if not named:
        raise NotContactPointError(
            f"Art. 1(1), 3(3): {peer.uri} is not a national contact point notified by the other Party (Art. 3(2)); "
            "only contact points communicate"
        )
    for pin in named:
        if peer.key in pin.keys:
            return pin
    raise NotContactPointError(
        f"Art. 1(1), 3(3): the key {peer.key[:16]} is not one the other Party notified for {peer.uri} (Art. 3(2)); if "
        "it changed its key, enter the new digest from its note, never from the connection"
    )


Check: TypeAlias = "Callable[[bytes], None]"
"""Raises :class:`NotContactPointError` where a verified certificate (DER) is not to be trusted all the same."""


def server_context(
    *,
    certificate: Path,
    key: Path,
    peer_authority: Path,
    refused: Callable[[str], None] | None = None,
    check: Check | None = None,
) -> ssl.SSLContext:
    """Return the answering side's context: TLS 1.3, a client certificate under ``peer_authority``, no tickets.

    Files are PEM. A refused handshake is logged and, with its reason, given to ``refused``; the servers themselves
    close the connection and say nothing. Which contact point called is decided by :func:`identify`. ``check`` is run at the end
    of the handshake.

    Raises:
        ContextError: a file is missing, cannot be read, or the key is not the certificate's.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # a ticket would let a certificate withdrawn since then in again
    _prepare(context, certificate, key, peer_authority)

    @contextmanager
    def watched(connection: Connection) -> Iterator[None]:
        try:
            yield
            if check is not None:
                check(connection.getpeercert(binary_form=True) or b"")
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            reason = _reason(error)
            _log.warning("Art. 9: refused a connection in the handshake: %s", reason)
            if refused is not None:
                refused(reason)
            raise

    _watch(context, watched)
    return context


def _reason(error: ssl.SSLError) -> str:
    """Return in words why a handshake was refused, whoever refused it."""
    if isinstance(error, NotContactPointError):
        return str(error)
    return getattr(error, "verify_message", None) or error.reason or str(error)


def client_context(
    *, certificate: Path, key: Path, peer_authority: Path, pin: Pin, check: Check | None = None
) -> ssl.SSLContext:
    """Return the calling side's context: TLS 1.3, and only the pinned server, by chain, host name, URI and key.

    ``check`` is run at the end of the handshake. Any other server is refused inside the handshake with
    :class:`NotContactPointError`: nothing of a request is ever encrypted to it. Works for blocking sockets, asyncio and uvloop.

    Raises:
        ContextError: a file is missing, cannot be read, or the key is not the certificate's.

    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _prepare(context, certificate, key, peer_authority)

    @contextmanager
    def watched(connection: Connection) -> Iterator[None]:
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise NotContactPointError(
                f"Art. 1(1), 3(3): the server called is not proven to be {pin.uri}: {error.verify_message}; "
                "nothing was sent"
            ) from error
        shown = connection.getpeercert(binary_form=True) or b""
        _pinned(read_certificate(shown), [pin])
        if check is not None:
            check(shown)

    _watch(context, watched)
    return context


class Newest(ssl.SSLContext):
    """A context that hands each connection to the one that ``newest`` returns at that moment.

    Made with :func:`newest`. Itself it has no certificate and trusts nobody: whoever bypassed it could not connect.
    """

    newest: Callable[[], ssl.SSLContext]

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """Begin a connection on a blocking socket."""
        return self.newest().wrap_socket(*arguments, **named)

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection of an event loop."""
        return self.newest().wrap_bio(*arguments, **named)


def newest(side: Literal["server", "client"], context: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context for one side that is, for each connection, the one that ``context`` returns when it begins."""
    made = Newest(ssl.PROTOCOL_TLS_SERVER if side == "server" else ssl.PROTOCOL_TLS_CLIENT)
    made.verify_mode = ssl.CERT_REQUIRED
    made.newest = context
    return made


def refusal(error: BaseException) -> NotContactPointError | None:
    """Return the refusal of a wrong server that an HTTP client's error wraps, or ``None`` for any other trouble."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, NotContactPointError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _prepare(context: ssl.SSLContext, certificate: Path, key: Path, peer_authority: Path) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.set_ecdh_curve(GROUP)
    try:
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ContextError(
            f"Art. 9: {certificate.name} and {key.name} must be a certificate and its unencrypted key in PEM: {error}"
        ) from error
    try:
        context.load_verify_locations(peer_authority)
    except OSError as error:
        raise ContextError(
            f"Art. 9: {peer_authority.name} must be the certificate of the other Party's authority in PEM: {error}"
        ) from error


def _watch(context: ssl.SSLContext, watched: Callable[[Connection], AbstractContextManager[None]]) -> None:
    """Run every handshake of the context, blocking or not, inside ``watched``."""

    class WatchedObject(ssl.SSLObject):
        def do_handshake(self) -> None:
            with watched(self):
                super().do_handshake()

    class WatchedSocket(ssl.SSLSocket):
        def do_handshake(self, block: bool = False) -> None:
            with watched(self):
                super().do_handshake(block)

    context.sslobject_class = WatchedObject
    context.sslsocket_class = WatchedSocket


class _Bounded(asyncio.Protocol):
    """Comes before an HTTP protocol class of uvicorn: says who called to the application, and bounds a connection's life."""

    app: Callable[..., Awaitable[None]]
    transport: asyncio.Transport
    life: float

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._ends = (
            loop.call_later(self.life, self.shutdown),
            loop.call_later(self.life + LAST_ANSWER, self.transport.abort),
        )
        app, called = self.app, self.called(self.transport)

        async def told(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            await app(called(scope), receive, send)

        self.app = told

    def called(self, transport: asyncio.Transport) -> Callable[[MutableMapping[str, Any]], MutableMapping[str, Any]]:
        """Return what adds to a request's scope who called, for one connection."""
        raise NotImplementedError

    def connection_lost(self, error: Exception | None) -> None:
        for end in self._ends:
            end.cancel()
        super().connection_lost(error)

    def shutdown(self) -> None:
        """End the connection after the answer under way; a caller that does not answer the goodbye is not waited for."""
        super().shutdown()  # type: ignore[misc]  # uvicorn's protocol classes have it
        if self.transport.is_closing():
            asyncio.get_running_loop().call_later(GOODBYE_SECONDS, self.transport.abort)


class _WithCertificate(_Bounded):
    """Who called is who the handshake says."""

    def called(self, transport: asyncio.Transport) -> Callable[[MutableMapping[str, Any]], MutableMapping[str, Any]]:
        connection = transport.get_extra_info("ssl_object")
        if connection is None:
            return lambda scope: scope
        shown, version = connection.getpeercert(binary_form=True), connection.version()
        return lambda scope: _with_tls(scope, shown, version)


class _BehindProxy(_Bounded):
    """Who called is who the proxy says, on a unix socket of which it holds the other end: nobody else is heard there."""

    uid: int

    def called(self, transport: asyncio.Transport) -> Callable[[MutableMapping[str, Any]], MutableMapping[str, Any]]:
        uid = _other_end(transport)
        if uid == self.uid:
            return _as_proxy_says
        _log.warning("Art. 9: refused a connection on the socket of the proxy: user %s is not user %d", uid, self.uid)
        transport.abort()
        return lambda scope: _with_tls(scope, None, None)


def _other_end(transport: asyncio.Transport) -> int | None:
    """Return the user who holds the other end of a unix socket, as the kernel knows it; ``None`` for any other socket."""
    with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as held:
        if held.family != socket.AF_UNIX:
            return None
        said = held.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", said)
    return int(uid)


def _as_proxy_says(scope: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take over the certificate that the proxy verified, and leave its headers to nobody else."""
    said = [[value for name, value in scope["headers"] if name == each] for each in PROXY_HEADERS]
    rest = [(name, value) for name, value in scope["headers"] if name not in PROXY_HEADERS]
    certificate, version = None, None
    with suppress(ValueError):  # said twice, not at all, or no certificate: nobody's
        (pem,), (verified,), (spoken,) = said
        if verified == b"SUCCESS":
            certificate, version = ssl.PEM_cert_to_DER_cert(unquote(pem.decode("ascii"))), spoken.decode("ascii")
    return _with_tls({**scope, "headers": rest}, certificate, version)


def _with_tls(scope: MutableMapping[str, Any], certificate: bytes | None, version: str | None) -> dict[str, Any]:
    tls = {"client_certificate": certificate, "version": version}
    return {**scope, "extensions": {**(scope.get("extensions") or {}), "tls": tls}}


def protocol(base: type, life: float = LIFE) -> type:
    """Return uvicorn's HTTP protocol class ``base``, extended to tell the application who called.

    A connection ends ``life`` seconds after it was made, with the answer under way.
    The application finds ``{"client_certificate": DER bytes or None, "version": "TLSv1.3"}`` in
    ``scope["extensions"]["tls"]``. Use with ``uvicorn.Config(http=..., ws="none")``: WebSockets do not pass here.
    """
    return type(f"{base.__name__}WithCertificate", (_WithCertificate, base), {"life": life})


def protocol_behind_proxy(base: type, uid: int, life: float = LIFE) -> type:
    """Return what :func:`protocol` does, for a unix socket on which a proxy run by the user ``uid`` says who called.

    The proxy ends TLS, verifies the client's certificate, and sets :data:`PROXY_HEADERS`; docs/nginx.md shows one. Whoever
    else connects is refused. The certificate's authority, standing and pin are checked here all the same.
    """
    return type(f"{base.__name__}BehindProxy", (_BehindProxy, base), {"life": life, "uid": uid})


def client_certificate(scope: MutableMapping[str, Any]) -> bytes:
    """Return the caller's certificate (DER) from an ASGI scope.

    Raises:
        NotContactPointError: there is none; the request did not come through mutual TLS, or brings one in a header.

    """
    if any(name in PROXY_HEADERS for name, _ in scope.get("headers") or ()):
        raise NotContactPointError(
            "Art. 1(1), 3(3): the request brings a certificate in a header, which anybody can write; a contact point shows its "
            "certificate in the handshake"
        )
    tls = (scope.get("extensions") or {}).get("tls") or {}
    certificate = tls.get("client_certificate")
    if not isinstance(certificate, bytes) or tls.get("version") != "TLSv1.3":
        raise NotContactPointError(
            "Art. 1(1), 3(3): the request came without a client certificate over TLS 1.3, so nobody can tell who asks; "
            "contact points call each other directly with mutual TLS"
        )
    return certificate
