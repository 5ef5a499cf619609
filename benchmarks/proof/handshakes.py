"""Nobody but the designated contact point is answered: bad handshakes and requests, each over a real connection.

The US contact point answers in this process as `pcsc serve` lets it. Whoever calls holds the keys of the Japanese contact
point and of its authority, and has one thing wrong. A row of the table is what was wrong and the reason that the contact point
gave: in its log where the handshake ended, in its answer where a request came. Then every route is asked by every kind of
caller, and a certificate is revoked while its connection is open.
"""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from starlette.routing import Route

from benchmarks.proof import Outcome
from benchmarks.proof._forged import DAY, Shape, context, other_keys
from benchmarks.proof._range import PATH, Range, opened, post, told
from contact_point import installation, main, peer, renewal
from contact_point.certificates import CertificateAuthority, load_certificates
from contact_point.identity import Identity
from contact_point.keys import SigningKey
from contact_point.tls import PROXY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FULL: Final = 10

WITHIN: Final = 60.0
"""Seconds within which a certificate that is revoked is refused on the connection that it opened."""

_HOUR: Final = timedelta(hours=1)
_DENIED: Final = re.compile("403 |PEER_DID_NOT|certificate")
_UNKNOWN: Final = "issuer certificate|self-signed certificate"
_NOBODY_UID: Final = 65534
_NOBODY: Final = "403 3-3.INDIRECT"


class Row(NamedTuple):
    """Something wrong, how it is tried, and what the reason must say (a regular expression)."""

    name: str
    attempt: Callable[[Range], str]
    says: str


def shown(name: str, says: str, **shape: Any) -> Row:
    """Return the row of a certificate by the right authority, of the right key, with one thing wrong."""
    return Row(name, lambda at: at.say(at.message(), at.forger.make(**shape)), says)


def _shapes() -> list[Row]:
    uri = "urn:pcsc:ncp:jp"
    not_notified, one_uri = f"{_NOBODY} .*is not a national contact point", f"{_NOBODY} .*names exactly one URI"
    purpose = "unsuitable certificate purpose"
    return [
        shown("expired", "certificate has expired", begins=-9 * DAY, ends=-DAY),
        shown("not yet valid", "certificate is not yet valid", begins=DAY),
        shown("URI of another holder", not_notified, uris=(uri + ":payroll",)),
        shown("URI of the one called", not_notified, uris=("urn:pcsc:ncp:us",)),
        shown("URI in capitals", not_notified, uris=(uri.upper(),)),
        shown("two URIs", one_uri, uris=(uri, "urn:pcsc:ncp:us")),
        shown("the same URI twice", one_uri, uris=(uri, uri)),
        shown("no URI", one_uri, uris=()),
        shown("no SAN", one_uri, uris=(), hosts=()),
        shown("URI as a DNS name", one_uri, uris=(), hosts=(x509.DNSName(uri),)),
        shown("EKU of a server", purpose, usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        shown("EKU of code", purpose, usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
        shown("key usage without signatures", purpose, signs=False),
        shown("CA certificate as leaf", f"{_NOBODY} .*is that of an authority", authority=True),
    ]


def _keys() -> list[Row]:
    said = dict.fromkeys(other_keys(), f"{_NOBODY} .*ECDSA key on P-384")
    said |= {"another key": "is not one the other Party notified", "RSA, 1,024 bits": "certificate key too weak"}

    def attempt(name: str) -> Callable[[Range], str]:
        return lambda at: at.say(at.message(), at.forger.of_key(other_keys()[name]))

    return [Row(f"key: {name}", attempt(name), says) for name, says in said.items()]


def _authorities() -> list[Row]:
    now = main.clock()
    nobody, namesake = (CertificateAuthority.create(each, now) for each in ("nobody", "JP contact point authority"))

    def by(issuer: Callable[[Range], CertificateAuthority]) -> Callable[[Range], str]:
        return lambda at: at.say(at.message(), at.forger.by(issuer(at)))

    def mixed(at: Range) -> str:
        leaf, key = at.forger.certify(Shape(), issuer=nobody)
        return at.say(at.message(), at.forger.file(leaf, key, [at.forger.authority.certificate]))

    def self_signed(at: Range) -> str:
        itself = CertificateAuthority(nobody.certificate, at.forger.key)
        leaf, key = at.forger.certify(Shape(named=nobody.certificate.subject), issuer=itself)
        return at.say(at.message(), at.forger.file(leaf, key))

    def authority(at: Range) -> str:
        return at.say(at.message(), at.forger.file(at.forger.authority.certificate, at.forger.authority.key))

    def constrained(at: Range) -> str:
        elsewhere = (x509.DNSName("elsewhere.example"),)
        return at.say(at.message(), at.forger.by(at.names, uris=(), hosts=elsewhere))

    return [
        Row("unknown authority", by(lambda _: nobody), _UNKNOWN),
        Row("authority of the same name", by(lambda _: namesake), f"{_UNKNOWN}|certificate signature failure"),
        Row(
            "authority of the Party called",
            by(lambda at: CertificateAuthority.load(at.us.settings.folder.authority)),
            _UNKNOWN,
        ),
        Row("unknown authority, the right one in the chain", mixed, _UNKNOWN),
        Row("self-signed", self_signed, _UNKNOWN),
        Row("the authority itself", authority, "unsuitable certificate purpose"),
        Row(
            "path too long",
            lambda at: at.say(at.message(), at.forger.intermediate()),
            "path length constraint exceeded",
        ),
        Row("name outside its constraints", constrained, "permitted subtree violation"),
    ]


def _protocols() -> list[Row]:
    none, unsupported = "PEER_DID_NOT_RETURN_A_CERTIFICATE", "UNSUPPORTED_PROTOCOL"
    old = ssl.TLSVersion.TLSv1_2
    return [
        Row("no certificate", lambda at: at.say(post(PATH)), none),
        Row("no certificate, SNI of the caller", lambda at: _as_named(at, "jp.example"), none),
        Row("TLS 1.2", lambda at: at.say(at.message(), at.own(), maximum_version=old), unsupported),
        Row("key agreement on P-256", _other_group, "NO_SUITABLE_KEY_SHARE"),
        Row("plain HTTP", lambda at: at.plainly(post(PATH)), "HTTP_REQUEST"),
        Row("HTTP of a proxy", lambda at: at.plainly(b"CONNECT us:443 HTTP/1.1\r\n\r\n"), "HTTPS_PROXY_REQUEST"),
        Row("noise", lambda at: at.plainly(b"\x00" * 64), "WRONG_VERSION_NUMBER|BAD_RECORD_TYPE|UNSUPPORTED_PROTOCOL"),
        Row("session resumption", _resumption, "resumed: no, tickets: no"),
    ]


def _as_named(at: Range, name: str) -> str:
    made = context(at.trusted, None, check_hostname=False)
    return at.through(made, post(PATH), name)


def _other_group(at: Range) -> str:
    made = context(at.trusted, at.own())
    made.set_ecdh_curve("prime256v1")
    return at.through(made, at.message())


def _resumption(at: Range) -> str:
    """Return whether a second handshake could go on from the first, which would leave out the certificate."""
    made = context(at.trusted, at.own())
    with at.connected() as raw, made.wrap_socket(raw, server_hostname="127.0.0.1") as way:
        way.sendall(at.message())
        told(b"".join(iter(lambda: way.recv(65536), b"")))
        session = way.session
    with at.connected() as raw, made.wrap_socket(raw, server_hostname="127.0.0.1", session=session) as way:
        tickets = session is not None and session.has_ticket
        return f"resumed: {'yes' if way.session_reused else 'no'}, tickets: {'yes' if tickets else 'no'}"


def _commands() -> list[Row]:
    """Return what only the command `openssl` can try."""
    if shutil.which("openssl") is None:
        return []

    def sha1(at: Range) -> str:
        return at.say(at.message(), at.forger.with_sha1(at.jp.settings.folder.authority))

    return [
        Row("signed over SHA-1", sha1, "too weak"),
        Row("TLS 1.1", lambda at: _s_client(at, b"", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "UNSUPPORTED_PROTOCOL"),
        Row("early data", _early_data, "no session to send it with|Early data was (not sent|rejected)"),
        Row(
            "renegotiation",
            lambda at: _s_client(at, b"R\n", "-tls1_2", "-legacy_renegotiation"),
            "UNSUPPORTED_PROTOCOL",
        ),
        Row(
            "fall back to an old version",
            lambda at: _s_client(at, b"", "-tls1_2", "-fallback_scsv"),
            "UNSUPPORTED_PROTOCOL",
        ),
    ]


def _openssl(at: Range, said: bytes, *options: str | Path) -> str:
    found = at.us.settings
    where = ("-connect", f"{found.host}:{found.port}", "-CAfile", at.trusted, "-cert", at.own(), "-key", at.own())
    done = subprocess.run(["openssl", "s_client", *where, *options], input=said, capture_output=True, check=False)
    return (done.stdout + done.stderr).decode("latin-1")


def _s_client(at: Range, said: bytes, *options: str) -> str:
    before = len(at.heard.said)
    _openssl(at, said, *options)
    return at.logged(before)


def _early_data(at: Range) -> str:
    """Return what becomes of a request in the first flight, which anybody on the way could send again."""
    session, request = at.work / "session.pem", at.work / "early.txt"
    session.unlink(missing_ok=True)
    request.write_bytes(at.message())
    _openssl(at, at.message(), "-ign_eof", "-sess_out", session)
    if not session.exists():
        return "no session to send it with: no ticket was given"
    said = _openssl(at, b"", "-sess_in", session, "-early_data", request)
    return next((each for each in said.splitlines() if "arly data" in each), said[-200:])


def _requests() -> list[Row]:
    """Return requests by the right certificate that are refused for what they are."""

    def own(name: str, says: str, said: Callable[[Range], bytes]) -> Row:
        return Row(name, lambda at: at.say(said(at), at.own()), says)

    chunked = {"transfer-encoding": "chunked", "content-length": "2"}
    unsigned, bad, upgrading = "401 9.SIGNATURE", "^400 Invalid HTTP", "400 4-7.FORMAT .*no other protocol"
    upgrade = {
        "connection": "close, upgrade, http2-settings",
        "upgrade": "h2c",
        "http2-settings": "AAMAAABkAARAAAAAAAIAAAAA",
    }
    socket_ = {"connection": "close, upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
    return [
        own("not signed", unsigned, lambda _: post(PATH)),
        own("signed with another key", unsigned, lambda at: at.message(key=_stray_key(at))),
        own("clock an hour behind", unsigned, lambda at: at.message(age=_HOUR)),
        own("clock an hour ahead", unsigned, lambda at: at.message(age=-_HOUR)),
        Row("sent again", _again, "409 9.REPLAY"),
        own("no such route", "404 3-3.NO_SUCH_RESOURCE", lambda _: post("/v1/everything")),
        own("path beside the routes", "404 3-3.NO_SUCH_RESOURCE", lambda _: post("/v1/../" + PATH[1:] + "/../admin")),
        own("GET", "405 3-3.NO_SUCH_RESOURCE", lambda _: post(PATH).replace(b"POST", b"GET", 1)),
        own("HTTP/2 upgrade", upgrading, lambda _: post(PATH, headers=upgrade) + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        own("HTTP/2 without asking", bad, lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        own("WebSocket upgrade", upgrading, lambda _: post(PATH, headers=socket_)),
        own("two lengths of a body", bad, lambda _: post(PATH, headers=chunked)),
        own("NUL in a header", bad, lambda _: post(PATH, headers={"x": "a\0b"})),
        *(
            own(f"header {name}", "403 .*in a header", partial(Range.message, headers={name: "SUCCESS"}))
            for name in _names()
        ),
        Row("another holder, our certificate in a header", _smuggled, "403 .*in a header"),
    ]


def _names() -> list[str]:
    return [name.decode() for name in PROXY_HEADERS]


def _stray_key(at: Range) -> SigningKey:
    path = at.work / "stray.pem"
    return SigningKey.load(path) if path.exists() else SigningKey.create(path)


def _again(at: Range) -> str:
    said = at.message()
    at.say(said, at.own())
    return at.say(said, at.own())


def _escaped(at: Range, authority: CertificateAuthority | None = None, **shape: Any) -> str:
    pem = at.own().read_text() if not shape and authority is None else None
    if pem is None:
        pem = at.forger.file(*at.forger.certify(Shape(**shape), issuer=authority)).read_text()
    return quote(pem.partition("-----BEGIN PRIVATE")[0], safe="")


def _smuggled(at: Range) -> str:
    said = dict(zip(_names(), (_escaped(at), "SUCCESS", "TLSv1.3"), strict=True))
    return at.say(at.message(said), at.forger.make(uris=("urn:pcsc:ncp:jp:payroll",)))


def _proxied() -> list[Row]:
    """Return what is tried at a contact point behind a proxy, and on the socket between the two."""
    nobody = CertificateAuthority.create("nobody", main.clock())
    none = f"{_NOBODY} .*without a client certificate over TLS 1.3"

    def said(at: Range, certificate: str, verified: str = "SUCCESS", version: str = "TLSv1.3") -> bytes:
        return at.message(dict(zip(_names(), (certificate, verified, version), strict=True)))

    def twice(at: Range) -> bytes:
        first, line = said(at, _escaped(at)), f"{_names()[0]}: {_escaped(at)}\r\n".encode()
        return first.replace(b"\r\n", b"\r\n" + line, 1)

    def socket_(name: str, says: str, what: Callable[[Range], bytes]) -> Row:
        return Row(f"socket: {name}", lambda at: at.behind_proxy(what(at)), says)

    def overwritten(at: Range) -> str:
        caller = context(at.trusted, at.forger.make(uris=("urn:pcsc:ncp:jp:payroll",)))
        return at.through(caller, said(at, _escaped(at)), port=at.proxy)

    def underscored(at: Range) -> bytes:
        return said(at, _escaped(at)).replace(b"pcsc-client-certificate", b"pcsc_client_certificate", 1)

    rows = [
        Row("proxy: our certificate in a header of the caller", overwritten, f"{_NOBODY} .*is not a national contact"),
        socket_("no certificate", none, lambda at: at.message()),
        socket_("not verified", none, lambda at: said(at, _escaped(at), "FAILED:unable to verify")),
        socket_("TLS 1.2", none, lambda at: said(at, _escaped(at), version="TLSv1.2")),
        socket_("no certificate in the header", none, lambda at: said(at, "none")),
        socket_("two certificates", none, twice),
        socket_("underscores for hyphens", none, underscored),
        socket_("unknown authority", f"{_NOBODY} .*was not issued by", lambda at: said(at, _escaped(at, nobody))),
        socket_("expired", f"{_NOBODY} .*is valid from", lambda at: said(at, _escaped(at, begins=-9 * DAY, ends=-DAY))),
        socket_(
            "URI of another holder",
            f"{_NOBODY} .*is not a national",
            lambda at: said(at, _escaped(at, uris=("urn:x",))),
        ),
    ]
    if os.geteuid() == 0:
        rows.append(Row("socket: another user", _as_nobody, "user 65534 is not user 0"))
    return rows


def _as_nobody(at: Range) -> str:
    """Return what a user hears on the socket who could reach it, and is not the proxy's."""
    before = len(at.heard.said)
    for folder in (at.work, at.private.parent):
        folder.chmod(0o711)
    headers = dict(zip(_names(), (_escaped(at), "SUCCESS", "TLSv1.3"), strict=True))
    said, (heard, tells) = at.message(headers), os.pipe()
    child = os.fork()
    if child == 0:
        with suppress(OSError):
            os.setgroups([])
            os.setuid(_NOBODY_UID)
            os.write(tells, at.behind_proxy(said).encode())
        os._exit(0)
    os.close(tells)
    with os.fdopen(heard) as answer:
        got = answer.read()
    os.waitpid(child, 0)
    return got if got[:1].isdigit() else at.logged(before)


ROWS: Final[tuple[Callable[[], list[Row]], ...]] = (
    _shapes, _keys, _authorities, _protocols, _commands, _requests, _proxied,
)  # fmt: skip


def prove(n: int, tell: Callable[[str], None]) -> Outcome:
    """Try every row ``n`` times, every route by every caller, and revoke a certificate in mid-connection."""
    return proved(n, tell)


def proved(n: int, tell: Callable[[str], None], trust: type[Identity] = Identity) -> Outcome:
    """Do that against a contact point that admits whom ``trust`` admits."""
    rows = [row for made in ROWS for row in made()]
    counts: dict[str, int | float | str] = {"rows": len(rows)}
    violations: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="pcsc-handshakes-", dir=installation.passing()) as work,
        opened(Path(work), trust) as at,
    ):
        violations += _controls(at)
        refused = 0
        for row in rows:
            for _ in range(n):
                reason = row.attempt(at)
                right = re.search(row.says, reason) is not None
                refused += right
                if not right:
                    violations.append(f"{row.name}: expected a refusal that says {row.says!r}; got {reason!r}")
            counts[row.name] = _short(reason)
            tell(f"{row.name}: {_short(reason)}")
        counts["refused"] = refused
        counts |= _routes(at, violations)
        violations += _controls(at)
        counts |= _lists(at, violations)
    return Outcome(counts, violations)


def _short(reason: str) -> str:
    return reason if len(reason) <= 110 else reason[:109] + "…"


def _controls(at: Range) -> list[str]:
    """Return what is wrong where the right caller is not answered: nothing of the rest would mean anything."""
    ways = {"": at.say(at.message(), at.own())}
    ways[" through the proxy"] = at.through(context(at.trusted, at.own()), at.message(), port=at.proxy)
    return [
        f"the designated contact point was not answered{way}: {said}" for way, said in ways.items() if said[:3] != "200"
    ]


def _callers(at: Range) -> dict[str, tuple[Path | None, re.Pattern[str]]]:
    """Return every kind of caller: what it shows, and how it is denied."""
    folder = at.us.settings.folder
    own_party = at.work / "own-party.pem"
    own_party.write_bytes(folder.certificate.read_bytes() + folder.certificate_key.read_bytes())
    nobody = CertificateAuthority.create("nobody", main.clock())
    return {
        "the other Party's contact point, unsigned": (at.own(), re.compile("401 9.SIGNATURE")),
        "another holder of the other Party": (at.forger.make(uris=("urn:pcsc:ncp:jp:payroll",)), re.compile("403 3-3")),
        "our own Party": (own_party, _DENIED),
        "unknown": (at.forger.by(nobody), _DENIED),
        "none": (None, _DENIED),
    }


def _routes(at: Range, violations: list[str]) -> dict[str, int | float | str]:
    """Ask every route of the application as every caller; return how many there are and what they heard."""
    assert at.us.identity is not None
    key = SigningKey.load(at.us.settings.folder.signing_key)
    routes = [
        (method, each.path)
        for each in peer.build(at.us, key, at.us.identity, main.clock).routes
        if isinstance(each, Route)
        for method in each.methods or ()
    ]
    counts: dict[str, int | float | str] = {"routes": len(routes)}
    for name, (certificate, denied) in _callers(at).items():
        heard = Counter[str]()
        for method, path in routes:
            reason = at.say(post(path).replace(b"POST", method.encode(), 1), certificate)
            heard[" ".join(reason.split()[:2]) if reason[0].isdigit() else reason] += 1
            if not denied.search(reason):
                violations.append(f"{method} {path} by {name}: expected a refusal; got {reason!r}")
        counts[f"by {name}"] = ", ".join(f"{times} x {what}" for what, times in heard.items())
    return counts


def _lists(at: Range, violations: list[str]) -> dict[str, int | float | str]:
    """Meet revocation lists that cannot be used, then revoke the certificate of a connection that is open."""
    counts: dict[str, int | float | str] = {}
    for name, reason, says in _bad_lists(at):
        counts[f"list: {name}"] = _short(reason)
        if not re.search(says, reason):
            violations.append(f"list: {name}: expected a refusal that says {says!r}; got {reason!r}")
    folder, authority = at.us.settings.folder, at.jp.settings.folder.authority
    renewal.enter_lists(folder, renewal.publish(authority, [], main.clock()).read_bytes(), main.clock())
    with at.connected() as raw, context(at.trusted, at.own()).wrap_socket(raw, server_hostname="127.0.0.1") as way:
        before = _kept(at, way)
        (leaf,) = load_certificates(at.jp.settings.folder.certificate.read_bytes())
        renewal.enter_lists(
            folder, renewal.publish(authority, [leaf.serial_number], main.clock()).read_bytes(), main.clock()
        )
        began = time.monotonic()
        after = _kept(at, way)
        while after[:3] == "200" and time.monotonic() - began < WITHIN:
            time.sleep(0.1)
            after = _kept(at, way)
        counts["revoked in mid-connection"] = _short(after)
        counts["refused_after_s"] = round(time.monotonic() - began, 3)
    if before[:3] != "200" or "9.REVOKED" not in after:
        violations.append(
            f"a connection whose certificate was revoked: {before!r} before, {after!r} after {WITHIN:g} s"
        )
    counts["revoked, new connection"] = _short(reason := at.say(at.message(), at.own()))
    if "revoked the certificate" not in reason:
        violations.append(f"a revoked certificate on a new connection: expected a refusal; got {reason!r}")
    return counts


def _bad_lists(at: Range) -> Iterator[tuple[str, str, str]]:
    """Put lists there that cannot be used, and say how the right caller is answered."""
    folder, now = at.us.settings.folder, main.clock()
    authority = at.jp.settings.folder.authority
    nobody = at.work / "nobody"
    nobody.mkdir()
    CertificateAuthority.create("JP contact point authority", now).save(nobody)
    ended = renewal.publish(authority, [], now - 100 * DAY, 9 * DAY).read_bytes()
    whole = renewal.publish(authority, [], now).read_bytes()
    lists = {
        "ended": ended,
        "cut off": whole[:200],
        "empty": b"",
        "of another": renewal.publish(nobody, [], now).read_bytes(),
    }
    for name, written in lists.items():
        folder.other_revoked.write_bytes(written)
        yield name, at.say(at.message(), at.own()), "503 9.REVOCATION_LIST .*pcsc keys enter"


def _kept(at: Range, way: ssl.SSLSocket) -> str:
    """Ask on a connection that stays open, and return what was answered."""
    way.sendall(at.message({"connection": "keep-alive"}))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += way.recv(65536)
    head, _, body = answer.partition(b"\r\n\r\n")
    size = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    while len(body) < size:
        body += way.recv(65536)
    return told(head + b"\r\n\r\n" + body)
