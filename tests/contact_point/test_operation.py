"""What a service tells on its loopback port and in its log: figures and reasons, and nothing of anybody (Articles 4(4), 9)."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from annex.parameters import Party
from contact_point import delivery, main, operation, querying, service, wire
from contact_point.drill.marks import LENGTH, Chunk, Mark, Marks, What, of_image, of_template
from contact_point.keys import KeySlots
from contact_point.prints import SEARCH, finger_image
from contact_point.settings import Operation, SettingsError
from contact_point.store import Impression
from contact_point.transport import ClientError, RefusedError
from matcher.formats import write_iso19794_2
from pcsc.errors import PoliticalOffenceError
from pcsc.messages import Conclusion, Query

from .parties import Parties, free_port, justification, notification, subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .parties import Finger

ROOT = str(Path(__file__).parents[2])


def ask(address: str, what: str, host: str | None = None) -> tuple[int, str]:
    """Return the status and text of an answer."""
    request = urllib.request.Request(address + what, headers={} if host is None else {"Host": host})  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def watch(parties: Parties) -> operation.Watch:
    return operation.Watch(parties.us)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_health_and_figures_are_told_on_the_loopback_interface(watch: operation.Watch, host: str) -> None:
    with operation.told(Operation(free_port(), host), watch, main.clock) as address:
        assert ask(address, "/metrics")[0] == 200
        status, said = ask(address, "/health")
        found = json.loads(said)
        assert (status, found["status"]) == (503, "failing")  # the gallery is not loaded
        assert {"what": "gallery", "level": "failing"}.items() <= found["found"][-1].items()
        assert ask(address, "/") == (404, "there are /health and /metrics\n")
    with pytest.raises(urllib.error.URLError):
        ask(address, "/health")


@pytest.mark.parametrize("host", ["", "pcsc.example", "pcsc.example:9464", "192.0.2.1", "127.0.0.1.example:80"])
def test_whoever_asks_by_another_name_is_told_nothing(watch: operation.Watch, host: str) -> None:
    with operation.told(Operation(free_port()), watch, main.clock) as address:
        assert ask(address, "/metrics", host) == (403, "ask by a loopback address\n")
        assert ask(address, "/metrics", "localhost:1")[0] == ask(address, "/metrics", "[::1]:1")[0] == 200


def test_4_4_no_other_address_is_bound_whatever_the_settings_became(watch: operation.Watch) -> None:
    at = Operation(free_port())
    object.__setattr__(at, "host", "0.0.0.0")  # noqa: S104 - refused
    with (
        pytest.raises(SettingsError, match=r"on a loopback address alone \(Art. 4\(4\), 9\); got 0.0.0.0"),
        operation.told(at, watch, main.clock),
    ):
        pass


def test_a_port_that_is_taken_is_named(watch: operation.Watch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(
                SettingsError, match=f"cannot be told at 127.0.0.1 port {port}: OSError: .*Address already in use"
            ),
            operation.told(Operation(port), watch, main.clock),
        ):
            pass


def test_whoever_holds_connections_open_takes_the_port_from_nobody_for_long(watch: operation.Watch) -> None:
    with operation.told(Operation(free_port()), watch, main.clock) as address, ExitStack() as stack:
        host, _, port = address.removeprefix("http://").rpartition(":")
        *idle, one_more = (
            stack.enter_context(socket.create_connection((host, int(port)), timeout=60)) for _ in range(8 + 1)
        )
        assert _end(one_more) == b""  # they are taken in order
        for each in idle:
            assert _end(each) == b""  # after some seconds the service gives it up
        assert ask(address, "/metrics")[0] == 200


def _end(connection: socket.socket) -> bytes:
    with suppress(ConnectionResetError):
        return connection.recv(1)
    return b""


def test_without_a_service_manager_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    operation.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/to/be/found")
    operation.notify("READY=1")


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, abstract: bool) -> None:
    name = f"@pcsc-{secrets.token_hex(8)}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        operation.notify("READY=1\nWATCHDOG=1")
        assert manager.recv(100) == b"READY=1\nWATCHDOG=1"


# A service of its own: what is planted comes out nowhere


@dataclass(slots=True)
class Service:
    """The US contact point in a process of its own, and everything that it told."""

    parties: Parties
    port: int
    log: Path
    notified: socket.socket
    process: subprocess.Popen[bytes] | None = None
    told: str = ""

    @property
    def address(self) -> str:
        """Where it tells that it is ready."""
        return "@" + bytes(self.notified.getsockname()).decode().removeprefix("\0")

    def start(self) -> None:
        """Start it, and return once it says that it is ready."""
        here = self.parties.us.settings.folder.root
        self.notified.setblocking(False)
        with suppress(BlockingIOError):  # what the one before said
            while self.notified.recv(100):
                pass
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "contact_point", "serve", "--dir", str(here)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": ROOT, "NOTIFY_SOCKET": self.address},
            )
        self.notified.settimeout(120)
        assert self.notified.recv(100) == b"READY=1\nWATCHDOG=1"

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return how it ended."""
        assert self.process is not None
        self.process.send_signal(how)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.process.wait()

    def look(self) -> tuple[int, dict[str, float]]:
        """Ask for health and figures; return the status, and every figure by name and labels."""
        time.sleep(operation.ANEW + 0.1)
        status, health = ask(f"http://127.0.0.1:{self.port}", "/health")
        _, figures = ask(f"http://127.0.0.1:{self.port}", "/metrics")
        self.told += health + figures
        lines = [line.rpartition(" ") for line in figures.splitlines() if not line.startswith("#")]
        return status, {name: float(value) for name, _, value in lines}

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def served(parties: Parties, tmp_path: Path) -> Iterator[Service]:
    """Yield the US contact point, made to log in JSON and to tell of itself."""
    port, file = free_port(), parties.us.settings.folder.installation
    file.write_text(file.read_text() + f'\n[log]\nformat = "json"\n\n[operation]\nport = {port}\n')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(f"\0pcsc-{secrets.token_hex(8)}")  # a path may be too long for a socket
        us = Service(parties, port, tmp_path / "us.log", notified)
        try:
            yield us
        finally:
            if us.process is not None and us.process.poll() is None:
                us.process.kill()
                us.process.wait()


def _words(text: str) -> Mark:
    pieces = (text.encode()[at : at + LENGTH] for at in range(0, len(text) - LENGTH + 1, LENGTH))
    return Mark(What.KEY, text, tuple(Chunk("words", each) for each in pieces), text.encode())


def _of_finger(finger: Finger) -> Iterator[Mark]:
    for name, given, content in (
        ("enrolled", finger.enrolled_print, finger.enrolled),
        ("later", finger.later_print, finger.later),
    ):
        yield Mark(What.IMAGE, name, of_image(given.image), content)
        template = given.template
        yield Mark(What.TEMPLATE, name, of_template(template), write_iso19794_2([template]))


def found(marks: Marks, text: bytes) -> set[str]:
    return {marks.marks[number].name for _, number, _ in marks.found(text)}


@contextmanager
def broken(database: Path, table: str) -> Iterator[None]:
    """Let a table be away for a while, as in a database that is damaged."""
    with closing(sqlite3.connect(database, timeout=30)) as other:
        other.execute(f"ALTER TABLE {table} RENAME TO away")
        try:
            yield
        finally:
            other.execute(f"ALTER TABLE away RENAME TO {table}")


WORDS = ("name", "subject", "case", "circumstances", "officer", "purpose")


@pytest.fixture
def words() -> dict[str, str]:
    """Return what is planted in words, by where it stands."""
    return {each: f"Zq{secrets.token_hex(15)}" for each in WORDS}


def test_9_what_is_planted_comes_out_nowhere_in_a_life_of_matches_refusals_and_crashes(
    served: Service, words: dict[str, str], fingers: tuple[Finger, ...]
) -> None:
    planted = [_words(each) for each in words.values()] + [each for finger in fingers for each in _of_finger(finger)]
    us = served.parties.us
    impression = Impression(write_iso19794_2([fingers[0].enrolled_print.template]), fingers[0].enrolled)
    service.enrol(us, [subject(words["subject"], impression, items={"name": words["name"], "sex": "not stated"})])
    served.start()
    status, figures = served.look()
    assert status == 200, served.told
    assert figures['pcsc_health{what="gallery"}'] == figures['pcsc_health{what="store"}'] == 1

    planted.append(_lives(served, words, fingers))
    status, figures = served.look()
    assert status == 200, served.told
    _figures_are_right(figures)
    _lines_are_right(served.lines())
    _crash(served, words, fingers[1])

    marks, everything = Marks(planted), served.log.read_bytes() + served.told.encode()
    assert found(marks, everything) == set()
    values = set(re.findall(r'="([^"]*)"', served.told))
    assert len(values) > 20
    assert not [each for each in values if not OURS.fullmatch(each)]
    assert not re.search(r"(JP|US)\d{6}-", served.told)
    # The control: the same search finds each of them where it was written into such a log, in whichever way.
    for write in (bytes, lambda clear: clear.hex().encode(), lambda clear: base64.b64encode(b"x" + clear)):
        for mark in planted:
            assert mark.name in found(marks, everything + write(mark.clear) + everything[:100]), mark.name


OURS = re.compile(r"[a-z0-9() -]{1,40}|\+Inf|[0-9.]+")
"""What the value of a label may look like: a word of this program, or a number."""


def _said(words: dict[str, str], where: str) -> dict[str, str]:
    told = f"A {where} was robbed by {words['circumstances']}, it is said, and the suspect lives abroad."
    return {"case": f"{where} {words['case']}", "circumstances": told}


def _lives(served: Service, words: dict[str, str], fingers: tuple[Finger, ...]) -> Mark:
    """Play a match that is followed up, one query that finds nobody, and four refusals; return a key that is in use."""
    parties, jp, us = served.parties, served.parties.jp, served.parties.us
    number = parties.matched(fingers[0], **_said(words, "till"))
    parties.matched(fingers[1], **_said(words, "bank"))
    with pytest.raises(PoliticalOffenceError):
        parties.matched(fingers[2], political=True, **_said(words, "embassy"))
    querying.examine(jp, number, Conclusion.IDENTIFICATION, words["officer"], main.clock())
    querying.determine(jp, number, will_request=True, now=main.clock())
    asked = replace(notification("name"), purpose=words["purpose"], signed_by=words["officer"])
    querying.request(jp, number, asked, main.clock())
    key = Mark(What.KEY, "a key", *_key(us.settings.folder.exchange_slots))
    with broken(us.settings.folder.database, "nonce"), pytest.raises(RefusedError):
        parties.matched(fingers[2], **_said(words, "post"))
    with pytest.raises(RefusedError) as refused:
        delivery.transport(jp).post(*_malformed(jp, fingers[2]), main.clock())
    assert refused.value.problem.status == 400
    return key


def _figures_are_right(figures: dict[str, float]) -> None:
    for outcome, count in (("answered", 2), ("refused", 1), ("unavailable", 1)):
        assert figures[f'pcsc_request_seconds_count{{outcome="{outcome}",route="queries"}}'] == count
    for event in ("match", "no match"):
        assert figures[f'pcsc_messages_total{{direction="provided",event="{event}"}}'] == 1
    assert figures['pcsc_exchanges{side="queried",state="requested"}'] == 1
    assert figures['pcsc_content{kind="probe"}'] == 1
    assert figures['pcsc_deletion_delay_seconds_count{clause="8(1)"}'] == 1
    assert figures['pcsc_deletion_delay_seconds_bucket{clause="8(1)",le="+Inf"}'] == 1
    assert figures["pcsc_requests_under_way"] == figures["pcsc_requests_queued"] == 0
    assert figures["pcsc_jail_children"] > 0
    assert figures["process_resident_memory_bytes"] > 10e6
    assert 10 < figures["process_open_fds"] < 1000


def _lines_are_right(lines: list[dict[str, Any]]) -> None:
    errors = [each for each in lines if each["level"] == "ERROR"]
    assert [bool(re.fullmatch(r"[0-9a-f]{16}", each["trace"])) for each in errors] == [True]
    assert "Traceback:" in errors[0]["error"]
    assert [each["trace"] for each in lines if " 400 4-7.FORMAT" in each["message"]]


def _crash(served: Service, words: dict[str, str], finger: Finger) -> None:
    """Kill it at work, start it again, and let it crash as a fault of memory would let it, which leaves no line of JSON."""
    assert served.process is not None
    threading.Timer(0.2, served.process.kill).start()
    with suppress(ClientError):
        served.parties.matched(finger, **_said(words, "shop"))
    served.process.wait(60)
    served.start()
    status, figures = served.look()
    assert (status, figures['pcsc_exchanges{side="queried",state="requested"}']) == (200, 1)
    assert served.stop(signal.SIGSEGV) == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in served.log.read_text()


def _key(slots: Path) -> tuple[tuple[Chunk, ...], bytes]:
    """Return one key that content is held under."""
    file = KeySlots.open(slots)
    key = file.get(min(file.live()))
    return (Chunk("key", key[:LENGTH]), Chunk("key", key[LENGTH:])), key


def _malformed(here: Any, finger: Finger) -> tuple[Any, bytes]:
    """Return a query with an unknown field, which has the print in it."""
    number, now, why = service.new_number(here, main.clock()), main.clock(), justification(Party.JP)
    images = [finger_image(finger.later_print.image, 0)]
    sent = service.fingerprint_data(here, images, kind=SEARCH, control_number=number, now=now)
    query = Query(
        control_number=number,
        made_at=now,
        salt=service.new_salt(),
        querying=Party.JP,
        authority=why.authority,
        identified=True,
        search=why.search,
        basis=why.basis,
        expectation=why.expectation,
        prints=sent,
    )
    return query, wire.encode(query).replace(b'"prints":', b'"prints":1,"print":', 1)
