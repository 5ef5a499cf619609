"""Slow callers and many of them, over real TLS; and a service that is told to stop while it works."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from benchmarks.proof import _load as load
from benchmarks.proof import _serving as serving
from contact_point import main, reception, wire
from contact_point.identity import Identity
from contact_point.keys import SigningKey
from pcsc import records
from pcsc.messages import Query

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .parties import Parties


@pytest.fixture
def us_answers(parties: Parties) -> Iterator[Parties]:
    with parties.answering(Party.US):
        yield parties


def connected(parties: Parties) -> socket.socket:
    found = parties.us.settings
    return socket.create_connection((found.host, found.port), timeout=60)


@contextmanager
def secured(parties: Parties) -> Iterator[ssl.SSLSocket]:
    context = Identity(parties.jp.settings.folder, main.clock).now.client
    with connected(parties) as raw, context.wrap_socket(raw, server_hostname=parties.us.settings.host) as line:
        yield line


def until_closed(line: socket.socket) -> bytes:
    """Return what still comes until the other end closes the connection."""
    said = b""
    try:
        while part := line.recv(1 << 16):
            said += part
    except (ConnectionError, ssl.SSLError):
        pass
    return said


def is_open(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        return line.recv(1) != b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


class Asking:
    """Whoever sends queries of which each is new."""

    def __init__(self, parties: Parties) -> None:
        self.requests = load.Requests(parties.jp.settings.folder.root)

    def ask(self, line: ssl.SSLSocket) -> int:
        """Return the status of the answer to the next query."""
        line.sendall(self.requests.next()[1])
        return answered(line)[0]


def answered(line: ssl.SSLSocket) -> tuple[int, dict[str, str], bytes]:
    """Return the status, fields and body of an answer; status 0 where none comes."""
    said = b""
    while b"\r\n\r\n" not in said:
        if not (part := line.recv(1 << 16)):
            return 0, {}, b""
        said += part
    head, _, body = said.partition(b"\r\n\r\n")
    fields = dict(each.lower().split(": ", 1) for each in head.decode().split("\r\n")[1:])
    while len(body) < int(fields["content-length"]):
        body += line.recv(1 << 16)
    return int(head.split()[1]), fields, body


def test_who_sends_slowly_is_cut_off_in_the_handshake_in_the_head_and_in_the_body_while_others_are_answered(
    us_answers: Parties,
) -> None:
    """More of each than may be at work at once: none of them has a place."""
    asking, many = Asking(us_answers), 8
    head, _, body = asking.requests.next()[1].partition(b"\r\n\r\n")
    with ExitStack() as stack, ThreadPoolExecutor(3 * many) as pool:
        silent = [stack.enter_context(connected(us_answers)) for _ in range(many)]
        heads, bodies = ([stack.enter_context(secured(us_answers)) for _ in range(many)] for _ in range(2))
        stop = threading.Event()
        stack.callback(stop.set)

        def drip(line: ssl.SSLSocket, text: bytes) -> bytes:
            """Send a byte now and then until the connection ends."""
            line.settimeout(0.2)
            said = b""
            for at in range(len(text)):
                try:
                    line.sendall(text[at : at + 1])
                    if not (part := line.recv(1 << 16)):
                        return said
                    said += part
                except TimeoutError:
                    if stop.is_set():
                        return b"never cut off"
                except OSError:
                    return said
            return b"never cut off"

        for line in bodies:
            line.sendall(head + b"\r\n\r\n")
        cut = [pool.submit(until_closed, line) for line in silent]
        cut += [pool.submit(drip, line, head) for line in heads]
        slow = [pool.submit(drip, line, body) for line in bodies]
        with secured(us_answers) as line:
            assert [asking.ask(line) for _ in range(5)] == [200] * 5
        assert {each.result(60) for each in cut} == {b""}
        for each in slow:
            said = each.result(60)
            assert said.startswith(b"HTTP/1.1 408 ")
            told = json.loads(said.partition(b"\r\n\r\n")[2])
            assert (told["code"], told["article"]) == ("4-7.SLOW", "4(7)")
            assert "a message comes within 5 seconds and one more for every 32768 bytes, 35 at most" in told["detail"]


def test_the_oldest_handshake_ends_where_too_many_are_under_way(us_answers: Parties) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(us_answers)) for _ in range(reception.GREETED + 10)]
        with secured(us_answers) as line:
            assert Asking(us_answers).ask(line) == 200
        assert [is_open(each) for each in silent[:10]] == [False] * 10


def test_the_connection_that_is_idle_for_longest_makes_room_for_the_next(us_answers: Parties) -> None:
    asking = Asking(us_answers)
    with ExitStack() as stack:
        first = stack.enter_context(secured(us_answers))
        assert asking.ask(first) == 200
        lines = [stack.enter_context(secured(us_answers)) for _ in range(reception.CONNECTED)]
        assert asking.ask(lines[-1]) == 200
        assert not is_open(first)
        assert is_open(lines[1])


# Told to stop


def test_told_to_stop_under_load_every_query_is_answered_or_handed_back_and_asked_again_comes_out_once(
    parties: Parties, tmp_path: Path
) -> None:
    parties.amend(
        Party.US, "latent = 20\n", "latent = 1000\n"
    )  # a slow machine is asked more before it has answered three
    asking, callers = Asking(parties), 8
    asking.requests.prepare(callers * 3)
    sent: list[tuple[str, bytes, int]] = []
    with serving.served(parties.us.settings, tmp_path / "US.log") as process, ThreadPoolExecutor(callers) as pool:
        ready = threading.Barrier(callers + 1)

        def load_on() -> None:
            """Send one query after the other until the connection ends."""
            with secured(parties) as line:
                ready.wait(60)
                while True:
                    number, request = asking.requests.next()
                    try:
                        line.sendall(request)
                        status, fields, _ = answered(line)
                    except OSError:
                        status, fields = 0, {}
                    sent.append((number, request, status))
                    if status == 503:
                        assert int(fields["retry-after"]) >= 1
                    if status == 0 or fields.get("connection") == "close":
                        return
                    if status == 503:
                        time.sleep(0.05)

        under = [pool.submit(load_on) for _ in range(callers)]
        ready.wait(60)
        while sum(status == 200 for _, _, status in sent) < 3:
            time.sleep(0.05)
        begun = time.monotonic()
        os.kill(process, signal.SIGTERM)
        for each in under:
            each.result(60)
    assert time.monotonic() - begun < reception.STOPPED + 30
    assert {status for _, _, status in sent} == {200, 503}, "each was answered, or handed back"
    with parties.us.store.transaction() as tx:
        entries = [each for each in tx.entries() if each.event in {"query", "no match"}]
        assert records.verify(tx.record()).entries == tx.next_entry()
    once = sorted(number for number, _, status in sent if status == 200)
    assert sorted(each.message for each in entries if each.event == "query") == once
    assert sorted(each.message for each in entries if each.event == "no match") == once
    with parties.answering(Party.US), secured(parties) as line:
        assert [_again(parties, line, request) for _, request, _ in sent] == [200] * len(sent)
    with parties.us.store.transaction() as tx:
        queries = [each.message for each in tx.entries() if each.event == "query"]
    assert sorted(queries) == sorted(number for number, _, _ in sent)


def _again(parties: Parties, line: ssl.SSLSocket, request: bytes) -> int:
    """Send the body of a request again, signed anew; return the status of the answer."""
    body = request.partition(b"\r\n\r\n")[2]
    url = parties.us.settings.address + wire.PATHS[Query]
    key = SigningKey.load(parties.jp.settings.folder.signing_key)
    signed = wire.sign_request(url, body, key, nonce=secrets.token_hex(16), now=main.clock())
    fields = {"Host": "us", "Content-Length": str(len(body)), **signed.headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    line.sendall(f"POST {wire.PATHS[Query]} HTTP/1.1\r\n{head}\r\n".encode() + body)
    return answered(line)[0]
