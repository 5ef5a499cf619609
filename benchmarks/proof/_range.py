"""A contact point that answers in this process, and all that somebody who calls it may hold."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from annex.parameters import Party
from benchmarks.proof import _serving
from benchmarks.proof._forged import Forger, Shape, context
from contact_point import main, service, tls, wire
from contact_point.certificates import CertificateAuthority
from contact_point.demonstration import designate
from contact_point.keys import SigningKey
from contact_point.service import Installation
from contact_point.settings import Proxy, read, read_card, write_card
from pcsc.messages import Reachability
from tests.contact_point.proxies import proxying

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from contact_point.identity import Identity

PATH: Final = wire.PATHS[Reachability]

_WAITS: Final = 5.0
_NO_TIME: Final = timedelta()
_NO_HEADERS: Final[Mapping[str, str]] = {}
_REFUSED: Final = "Art. 9: refused a connection"


class Heard(logging.Handler):
    """What the contact point writes into its log."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@dataclass(slots=True)
class Range:
    """The contact point that is called, and all that a caller may hold."""

    us: Installation
    jp: Installation
    work: Path
    forger: Forger
    heard: Heard
    names: CertificateAuthority
    """An authority on the Japanese card that may certify names in one domain only."""
    proxy: int
    """The port of a proxy before the same contact point."""
    private: Path
    """The socket behind the proxy."""

    @property
    def trusted(self) -> Path:
        """The authority of the contact point that is called."""
        return self.jp.settings.folder.other_authority

    def own(self) -> Path:
        """Return the right certificate with its key."""
        folder = self.jp.settings.folder
        path = self.work / "own.pem"
        path.write_bytes(folder.certificate.read_bytes() + folder.certificate_key.read_bytes())
        return path

    def say(self, said: bytes, shown: Path | None = None, **settings: Any) -> str:
        """Say something over TLS, and return why it was refused."""
        return self.through(context(self.trusted, shown, **settings), said)

    def through(self, caller: ssl.SSLContext, said: bytes, name: str = "127.0.0.1", port: int | None = None) -> str:
        """Say something through a caller's context, and return why it was refused."""
        before = len(self.heard.said)
        answer = b""
        with suppress(OSError), self.connected(port) as raw, caller.wrap_socket(raw, server_hostname=name) as way:
            way.sendall(said)
            answer = b"".join(iter(lambda: way.recv(65536), b""))
        return told(answer) if answer else self.logged(before)

    def plainly(self, said: bytes) -> str:
        """Say something without TLS, and return why it was refused."""
        before = len(self.heard.said)
        with suppress(OSError), self.connected() as raw:
            raw.sendall(said)
            raw.shutdown(socket.SHUT_WR)
            raw.recv(65536)
        return self.logged(before)

    @contextmanager
    def connected(self, port: int | None = None) -> Iterator[socket.socket]:
        """Connect to the contact point that is called."""
        found = self.us.settings
        with socket.create_connection((found.host, port or found.port), timeout=20) as raw:
            yield raw

    def behind_proxy(self, said: bytes) -> str:
        """Say something on the socket behind the proxy, and return why it was refused."""
        with socket.socket(socket.AF_UNIX) as raw:
            raw.settimeout(20)
            raw.connect(str(self.private))
            raw.sendall(said)
            answer = b"".join(iter(lambda: raw.recv(65536), b""))
            return told(answer) if answer else "nothing was said"

    def logged(self, before: int) -> str:
        """Return the reason in the log, which may be a moment behind."""
        deadline = time.monotonic() + _WAITS
        while time.monotonic() < deadline:
            for each in self.heard.said[before:]:
                if each.startswith(_REFUSED):
                    return each.partition(": ")[2].partition(": ")[2]
            time.sleep(0.01)
        return "nothing was said"

    def message(
        self, headers: Mapping[str, str] = _NO_HEADERS, *, age: timedelta = _NO_TIME, key: SigningKey | None = None
    ) -> bytes:
        """Return a request that asks for a sign of life, signed, as it goes over the connection."""
        now = main.clock() - age
        body = wire.encode(Reachability(service.new_number(self.jp, now), now, service.new_salt()))
        signing = key or SigningKey.load(self.jp.settings.folder.signing_key)
        url = self.us.settings.address + PATH
        signed = wire.sign_request(url, body, signing, nonce=secrets.token_hex(16), now=now)
        return post(PATH, body, {**signed.headers, **headers})


def post(path: str, body: bytes = b"{}", headers: Mapping[str, str] = _NO_HEADERS) -> bytes:
    """Return a request as it goes over the connection."""
    named = {"host": "contact-point", "content-length": str(len(body)), "connection": "close", **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def told(answer: bytes) -> str:
    """Return the status of an answer, and the code and detail of a problem."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)[1].decode()
    with suppress(ValueError):
        problem = json.loads(body)
        return f"{status} {problem.get('code', '')} {problem.get('detail', '')}".strip()
    return f"{status} {body[:60].decode('latin-1')}".strip()


@contextmanager
def opened(work: Path, trust: type[Identity]) -> Iterator[Range]:
    """Make both contact points in a folder, and let the US one answer whom ``trust`` admits: by itself, and behind a proxy."""
    folders = {party: work / party.value for party in Party}
    _serving.set_up(folders)
    heard = Heard()
    with ExitStack() as stack:
        log = logging.getLogger("contact_point")
        before = log.level
        log.setLevel(logging.INFO)
        log.addHandler(heard)
        stack.callback(log.setLevel, before)
        stack.callback(log.removeHandler, heard)
        forger = Forger(read(folders[Party.JP]).folder, work, main.clock())
        names = _within_one_domain(forger, folders)
        us, jp = (stack.enter_context(main.opened(folders[party])) for party in (Party.US, Party.JP))
        us = replace(us, identity=trust(us.settings.folder, main.clock))
        private = work / "private"
        private.mkdir(mode=0o710)
        behind = replace(us, settings=replace(us.settings, proxy=Proxy(private / "peer.sock", os.geteuid())))
        for each in (us, behind):
            stack.enter_context(_answering(each))
        folder = us.settings.folder
        outside = tls.server_context(
            certificate=folder.certificate, key=folder.certificate_key, peer_authority=folder.other_authority
        )
        port = stack.enter_context(proxying(outside, private / "peer.sock"))
        yield Range(us, jp, work, forger, heard, names, port, private / "peer.sock")


def _within_one_domain(forger: Forger, folders: dict[Party, Path]) -> CertificateAuthority:
    """Put a second authority on the Japanese card, which may certify names in one domain only."""
    own = CertificateAuthority.create("JP contact point authority 2", main.clock())
    constraints = x509.NameConstraints([x509.DNSName("jp.example")], None)
    shape = Shape(uris=(), hosts=(), usages=(), authority=True, signs=False, constraints=constraints, path_length=0)
    certificate, _ = forger.certify(replace(shape, named=own.certificate.subject), own.key, issuer=own)
    names = CertificateAuthority(certificate, own.key)
    card = read_card((folders[Party.JP] / "card.json").read_text(encoding="utf-8"))
    both = replace(card, authority_pem=card.authority_pem + names.cert_pem.decode())
    designate(read(folders[Party.US]), write_card(both), "note of a second authority")
    return names


@contextmanager
def _answering(here: Installation) -> Iterator[None]:
    server = main.server(here)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
