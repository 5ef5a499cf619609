"""Mutual TLS over real handshakes on 127.0.0.1: who gets in, who is refused, and before what (Art. 1(1), 3(3), 9)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
import uvloop
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from contact_point import tls
from contact_point.certificates import CertificateAuthority, LeafCertificate, spki_sha256
from contact_point.tls import ContextError, NotContactPointError, Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JP, US, OTHER = "urn:pcsc:ncp:jp", "urn:pcsc:ncp:us", "urn:pcsc:ncp:us:payroll"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2090, 1, 1, tzinfo=UTC)
CENTURY = timedelta(days=36500)
HOSTS = ("127.0.0.1", "localhost")
PRINT = b"<the print of a query>"


@dataclass
class Pki:
    """Two Parties' authorities, a forged one, and leaf certificates in files."""

    folder: Path
    leaves: dict[str, LeafCertificate] = field(default_factory=dict)

    def certify(self, name: str, authority: CertificateAuthority, uri: str, *times: Any) -> None:
        self.leaves[name] = authority.issue(uri, HOSTS, *(times or (LONG_AGO, CENTURY)))
        self.leaves[name].save(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def files(self, name: str, peer: str) -> dict[str, Path]:
        return {
            "certificate": self.folder / f"{name}.pem",
            "key": self.folder / f"{name}.key",
            "peer_authority": self.folder / peer / "authority.pem",
        }

    def pin(self, name: str, uri: str) -> Pin:
        return Pin(uri, frozenset({spki_sha256(self.leaves[name].der)}))


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    made = Pki(tmp_path_factory.mktemp("pki"))
    authorities = {}
    for party, name in (("JP", "JP authority"), ("US", "US authority"), ("forged", "US authority")):
        authorities[party] = CertificateAuthority.create(name, LONG_AGO, CENTURY)
        (made.folder / party).mkdir()
        authorities[party].save(made.folder / party)
    made.certify("jp", authorities["JP"], JP)
    made.certify("us", authorities["US"], US)
    made.certify("us new key", authorities["US"], US)
    made.certify("us payroll", authorities["US"], OTHER)
    made.certify("us expired", authorities["US"], US, LONG_AGO, timedelta(days=365))
    made.certify("us not yet valid", authorities["US"], US, FAR_AHEAD, timedelta(days=365))
    made.certify("forged us", authorities["forged"], US)
    made.leaves["us elsewhere"] = authorities["US"].issue(US, ["198.51.100.7"], LONG_AGO, CENTURY)
    made.leaves["us elsewhere"].save(made.folder / "us elsewhere.pem", made.folder / "us elsewhere.key")
    return made


@dataclass
class Served:
    """The Japanese contact point's door: what reached the application and what was refused before it."""

    url: str
    port: int
    scopes: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


async def _answer(scope: Any, send: Any, pins: list[Pin]) -> None:
    status, text = 200, ""
    try:
        text = tls.identify(tls.client_certificate(scope), pins, LONG_AGO + timedelta(days=1)).uri
    except NotContactPointError as error:
        status, text = 403, str(error)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(text).encode()})


@contextlib.contextmanager
def serving(pki: Pki, loop: str, base: type, **settings: Any) -> Iterator[Served]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    served = Served(f"https://127.0.0.1:{port}/", port)
    context = tls.server_context(**pki.files("jp", "US"), refused=served.refused.append)
    for name, value in settings.items():
        setattr(context, name, value)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        served.scopes.append(scope)
        await _answer(scope, send, [pki.pin("us", US)])

    config = uvicorn.Config(
        app,
        http=tls.protocol(base),
        ws="none",
        loop=loop,  # type: ignore[arg-type]
        lifespan="off",
        log_config=None,
        ssl_context_factory=lambda _config, _default: context,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield served
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(
    scope="module",
    params=[("asyncio", HttpToolsProtocol), ("uvloop", HttpToolsProtocol), ("asyncio", H11Protocol)],
    ids=["asyncio-httptools", "uvloop-httptools", "asyncio-h11"],
)
def server(request: pytest.FixtureRequest, pki: Pki) -> Iterator[Served]:
    with serving(pki, *request.param) as served:
        yield served


@pytest.fixture
def door(server: Served) -> Served:
    server.scopes.clear()
    server.refused.clear()
    return server


def call(pki: Pki, name: str, url: str) -> httpx2.Response:
    context = tls.client_context(**pki.files(name, "JP"), pin=pki.pin("jp", JP))
    with httpx2.Client(verify=context, trust_env=False) as client:
        return client.get(url)


def anyone(pki: Pki) -> ssl.SSLContext:
    """Return a plain client that trusts the server and has no certificate of its own."""
    return ssl.create_default_context(cafile=pki.folder / "JP" / "authority.pem")


def ask(context: ssl.SSLContext, port: int) -> bytes:
    """Send a request over a plain TLS socket and return the answer; b"" or an error when refused."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b""))


def refuses(context: ssl.SSLContext, door: Served) -> list[str]:
    """Return the recorded reasons when the server answers nothing to this client."""
    answer = b""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        answer = ask(context, door.port)
    assert (answer, door.scopes) == (b"", [])
    for _ in range(500):  # the server's thread may be a step behind the closed connection
        if door.refused:
            break
        time.sleep(0.01)
    return door.refused


# The answering side


def test_the_contact_point_is_let_in_and_its_identity_arrives_in_the_scope(door: Served, pki: Pki) -> None:
    answer = call(pki, "us", door.url)
    assert (answer.status_code, answer.json()) == (200, US)
    assert door.scopes[0]["extensions"]["tls"] == {"client_certificate": pki.leaves["us"].der, "version": "TLSv1.3"}
    assert door.refused == []


def test_every_request_on_a_kept_connection_carries_the_identity(door: Served, pki: Pki) -> None:
    context = tls.client_context(**pki.files("us", "JP"), pin=pki.pin("jp", JP))
    with httpx2.Client(verify=context, trust_env=False) as client:
        assert [client.get(door.url).status_code for _ in range(3)] == [200, 200, 200]
    assert len({scope["client"] for scope in door.scopes}) == 1
    assert [scope["extensions"]["tls"]["client_certificate"] for scope in door.scopes] == [pki.leaves["us"].der] * 3


def test_another_holder_certified_by_the_same_authority_is_not_the_contact_point(door: Served, pki: Pki) -> None:
    answer = call(pki, "us payroll", door.url)
    assert answer.status_code == 403
    assert answer.json().startswith(f"Art. 1(1), 3(3): {OTHER} is not a national contact point notified")


def test_the_same_uri_with_a_key_that_was_not_notified_is_not_the_contact_point(door: Served, pki: Pki) -> None:
    answer = call(pki, "us new key", door.url)
    assert answer.status_code == 403
    assert f"is not one the other Party notified for {US} (Art. 3(2))" in answer.json()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("us expired", "certificate has expired"),
        ("us not yet valid", "certificate is not yet valid"),
        ("forged us", "unable to get local issuer certificate"),
        ("jp", "self-signed certificate in certificate chain"),
    ],
)
def test_a_certificate_that_does_not_verify_is_refused_with_its_reason(
    door: Served, pki: Pki, name: str, reason: str
) -> None:
    context = tls.client_context(**pki.files(name, "JP"), pin=pki.pin("jp", JP))
    assert refuses(context, door) == [reason]


def test_a_caller_without_a_certificate_is_refused(door: Served, pki: Pki) -> None:
    assert refuses(anyone(pki), door) == ["PEER_DID_NOT_RETURN_A_CERTIFICATE"]


def test_a_self_signed_certificate_is_refused(door: Served, pki: Pki) -> None:
    context = anyone(pki)
    context.load_cert_chain(pki.folder / "forged" / "authority.pem", pki.folder / "forged" / "authority.key")
    assert refuses(context, door) == ["self-signed certificate"]


def test_tls_1_2_is_refused_even_with_the_right_certificate(door: Served, pki: Pki) -> None:
    context = anyone(pki)
    context.load_cert_chain(pki.folder / "us.pem", pki.folder / "us.key")
    assert ask(context, door.port).startswith(b"HTTP/1.1 200")
    door.scopes.clear()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert refuses(context, door) == ["UNSUPPORTED_PROTOCOL"]


def test_a_refusal_is_logged_with_the_article(door: Served, pki: Pki, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "contact_point.tls"):
        refuses(anyone(pki), door)
    assert "Art. 9: refused a connection in the handshake: PEER_DID_NOT_RETURN_A_CERTIFICATE" in caplog.messages


@pytest.mark.parametrize(("settings", "ticket"), [({}, False), ({"num_tickets": 2}, True)])
def test_no_session_ticket_is_issued(pki: Pki, settings: dict[str, int], ticket: bool) -> None:
    context = anyone(pki)
    context.load_cert_chain(pki.folder / "us.pem", pki.folder / "us.key")
    with (
        serving(pki, "asyncio", HttpToolsProtocol, **settings) as door,
        socket.create_connection(("127.0.0.1", door.port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")  # tickets, if any, come before the answer
        assert connection.session is not None
        assert connection.session.has_ticket is ticket


def test_a_request_that_came_without_mutual_tls_is_nobodys() -> None:
    for scope in ({}, {"extensions": {}}, {"extensions": {"tls": {"client_certificate": None, "version": "TLSv1.3"}}}):
        with pytest.raises(
            NotContactPointError, match=r"^Art\. 1\(1\), 3\(3\): the request came without a client cert"
        ):
            tls.client_certificate(scope)


# The calling side


@dataclass
class Recorder:
    """A TLS server that keeps every byte a client says to it."""

    port: int
    heard: bytearray = field(default_factory=bytearray)
    handshakes: int = 0


@contextlib.contextmanager
def recording(pki: Pki, name: str) -> Iterator[Recorder]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.folder / f"{name}.pem", pki.folder / f"{name}.key")
    context.load_verify_locations(pki.folder / "JP" / "authority.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:
        recorder = Recorder(listener.getsockname()[1])

        def serve() -> None:
            raw, _ = listener.accept()
            with raw, contextlib.suppress(ssl.SSLError, ConnectionError):
                raw.settimeout(10)
                with context.wrap_socket(raw, server_side=True) as connection:
                    recorder.handshakes += 1
                    while heard := connection.recv(65536):
                        recorder.heard += heard
                        if PRINT in recorder.heard:
                            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield recorder
        finally:
            thread.join()


def post(context: ssl.SSLContext, url: str) -> int:
    with httpx2.Client(verify=context, trust_env=False) as client:
        return client.post(url, content=PRINT).status_code


def post_async(context: ssl.SSLContext, url: str) -> int:
    async def send() -> int:
        async with httpx2.AsyncClient(verify=context, trust_env=False) as client:
            return (await client.post(url, content=PRINT)).status_code

    return asyncio.run(send())


def post_stream(context: ssl.SSLContext, url: str, loop_factory: Callable[[], Any] | None = None) -> int:
    """Post over the event loop's own TLS, without an HTTP client."""

    async def send() -> int:
        host, port = url.removeprefix("https://").rstrip("/").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        writer.write(b"POST / HTTP/1.1\r\n\r\n" + PRINT)
        status = int((await reader.readline()).split()[1])
        writer.close()
        await writer.wait_closed()
        return status

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(send())


def post_stream_uvloop(context: ssl.SSLContext, url: str) -> int:
    return post_stream(context, url, uvloop.new_event_loop)


every_client = pytest.mark.parametrize("send", [post, post_async, post_stream, post_stream_uvloop])


@every_client
def test_the_pinned_server_is_sent_the_print(pki: Pki, send: Callable[[ssl.SSLContext, str], int]) -> None:
    context = tls.client_context(**pki.files("jp", "US"), pin=pki.pin("us", US))
    with recording(pki, "us") as recorder:
        assert send(context, f"https://127.0.0.1:{recorder.port}/") == 204
    assert PRINT in recorder.heard


@every_client
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("us new key", "is not one the other Party notified for urn:pcsc:ncp:us"),
        ("us payroll", "urn:pcsc:ncp:us:payroll is not a national contact point notified by the other Party"),
        ("us expired", "not proven to be urn:pcsc:ncp:us: certificate has expired; nothing was sent"),
        ("us not yet valid", "certificate is not yet valid; nothing was sent"),
        ("forged us", "not proven to be urn:pcsc:ncp:us: "),
        ("us elsewhere", "IP address mismatch, certificate is not valid for '127.0.0.1'"),
        ("jp", "not proven to be urn:pcsc:ncp:us: self-signed certificate in certificate chain"),
    ],
)
def test_any_other_server_hears_nothing_of_the_request(
    pki: Pki, send: Callable[[ssl.SSLContext, str], int], name: str, why: str
) -> None:
    context = tls.client_context(**pki.files("jp", "US"), pin=pki.pin("us", US))
    with recording(pki, name) as recorder, pytest.raises((httpx2.ConnectError, NotContactPointError)) as caught:
        send(context, f"https://127.0.0.1:{recorder.port}/")
    refusal = tls.refusal(caught.value)
    assert refusal is not None
    assert str(refusal).startswith("Art. 1(1), 3(3): ")
    assert why in str(refusal)
    assert bytes(recorder.heard) == b""


@every_client
def test_without_the_pin_the_wrong_server_would_have_heard_the_print(
    pki: Pki, send: Callable[[ssl.SSLContext, str], int]
) -> None:
    context = ssl.create_default_context(cafile=pki.folder / "US" / "authority.pem")
    context.load_cert_chain(pki.folder / "jp.pem", pki.folder / "jp.key")
    with recording(pki, "us payroll") as recorder:
        assert send(context, f"https://127.0.0.1:{recorder.port}/") == 204
    assert PRINT in recorder.heard


def test_no_route_to_the_server_is_not_a_refusal(pki: Pki) -> None:
    context = tls.client_context(**pki.files("jp", "US"), pin=pki.pin("us", US))
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(httpx2.ConnectError) as caught:
        post(context, f"https://127.0.0.1:{port}/")
    assert tls.refusal(caught.value) is None


# Identity


def test_a_contact_point_may_use_its_current_and_its_next_key(pki: Pki) -> None:
    pin = Pin(US, pki.pin("us", US).keys | pki.pin("us new key", US).keys)
    for name in ("us", "us new key"):
        assert tls.identify(pki.leaves[name].der, [pki.pin("jp", JP), pin], LONG_AGO) is pin


@pytest.mark.parametrize(("name", "now"), [("us expired", FAR_AHEAD), ("us not yet valid", LONG_AGO)])
def test_a_certificate_identifies_nobody_outside_its_validity(pki: Pki, name: str, now: datetime) -> None:
    with pytest.raises(NotContactPointError, match=rf"Art\. 1\(1\), 3\(3\): the certificate of {US} is valid from"):
        tls.identify(pki.leaves[name].der, [pki.pin(name, US)], now)


def test_a_certificate_that_names_no_single_uri_identifies_nobody(pki: Pki) -> None:
    authority = CertificateAuthority.load(pki.folder / "US")
    with pytest.raises(NotContactPointError, match=r"names exactly one URI; this one names \[\]"):
        tls.identify(ssl.PEM_cert_to_DER_cert(authority.cert_pem.decode()), [pki.pin("us", US)], LONG_AGO)


def test_bytes_that_are_no_certificate_identify_nobody(pki: Pki) -> None:
    with pytest.raises(NotContactPointError, match=r"these 3 bytes are not an X\.509 certificate"):
        tls.identify(b"no!", [pki.pin("us", US)], LONG_AGO)


def test_a_pin_needs_a_uri_and_whole_digests() -> None:
    for uri, keys in (("", {"0" * 64}), (US, set()), (US, {"0" * 63}), (US, {"A" * 64})):
        with pytest.raises(ContextError, match=r"^Art\. 3\(2\): a pin is a URI and at least one SHA-256 digest"):
            Pin(uri, frozenset(keys))


# Settings


def test_a_context_names_the_file_that_is_wrong(pki: Pki) -> None:
    files = pki.files("us", "JP")
    with pytest.raises(
        ContextError, match=r"^Art\. 9: us\.pem and jp\.key must be a certificate and its unencrypted key"
    ):
        tls.server_context(**(files | {"key": pki.folder / "jp.key"}))
    with pytest.raises(
        ContextError, match=r"^Art\. 9: absent\.pem must be the certificate of the other Party's author"
    ):
        tls.client_context(**(files | {"peer_authority": pki.folder / "absent.pem"}), pin=pki.pin("jp", JP))


def test_both_contexts_speak_only_tls_1_3_and_check_the_peer_strictly(pki: Pki) -> None:
    for context in (
        tls.server_context(**pki.files("us", "JP")),
        tls.client_context(**pki.files("us", "JP"), pin=pki.pin("jp", JP)),
    ):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.verify_flags & ssl.VERIFY_X509_STRICT
