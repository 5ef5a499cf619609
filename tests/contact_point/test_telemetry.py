"""Traces for a collector: off unless asked for, and nothing in them but words of this program (Article 9)."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, Final

import pytest

from annex.parameters import Party
from contact_point import main, settings, telemetry
from contact_point.settings import SettingsError, Telemetry
from pcsc.duties import Content

from .parties import Parties, _hang_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Tracer

    from contact_point.operation import Message
    from contact_point.service import Installation

    from .parties import Finger

PLANTED: Final = "SAMPLE, Person born 1980-05-01"


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """Return the address of a collector on a loopback port, and what it was sent: path and body, headers before it."""
    taken: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            taken.append((self.path, str(self.headers).encode() + body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/traces", taken
    server.shutdown()
    server.server_close()
    thread.join()


def spans(taken: list[tuple[str, bytes]]) -> list[Any]:
    """Return the spans that a collector was sent."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415

    requests = [ExportTraceServiceRequest.FromString(body.partition(b"\n\n")[2]) for _, body in taken]
    return [
        span
        for request in requests
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def attributes(span: Any) -> dict[str, str]:
    """Return what a span says beside its name and times."""
    return {each.key: each.value.string_value for each in span.attributes}


@contextmanager
def traced_service(here: Installation, reader: Any, tracer: Tracer) -> Iterator[None]:
    """Let a contact point answer, with traces, from a thread."""
    server = main.server(replace(here, reader=reader), None, tracer)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.started
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(60)


def test_off_unless_named_and_then_nothing_of_it_is_imported() -> None:
    assert Telemetry() == Telemetry(endpoint="")
    asked = (
        "import sys\nfrom contact_point import main, telemetry\nfrom contact_point.settings import Telemetry\n"
        "with telemetry.tracing(Telemetry()) as tracer:\n    assert tracer is None\n"
        "print([each for each in sys.modules if each.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_packages_it_says_what_to_install() -> None:
    asked = (
        "import sys\nsys.modules['opentelemetry.sdk.trace'] = sys.modules['opentelemetry.sdk'] = None\n"
        "from contact_point import telemetry\nfrom contact_point.settings import SettingsError, Telemetry\n"
        "try:\n    with telemetry.tracing(Telemetry('http://127.0.0.1:4318/v1/traces')):\n        pass\n"
        "except SettingsError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(
        "[telemetry] endpoint: traces are sent by packages that are not installed (opentelemetry."
    )
    assert "`make telemetry` installs them; or take the line away" in done.stdout


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://10.0.0.1:4318/v1/traces",
        "http://localhost.example:4318/v1/traces",
        "http://localhost:4318/v1/traces",
        "https://who:what@collector.example/v1/traces",
        "https://collector.example/v1/traces?key=1",
        "https:///v1/traces",
        "collector.example:4318",
        "ftp://127.0.0.1/v1/traces",
    ],
)
def test_9_traces_go_to_this_machine_or_over_tls_alone(parties: Parties, endpoint: str) -> None:
    file = parties.jp.settings.folder.installation
    file.write_text(file.read_text(encoding="utf-8") + f'\n[telemetry]\nendpoint = "{endpoint}"\n', encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"^\[telemetry\] endpoint: expected http:// at a loopback address.*\(Art\. 9\)$"
    ):
        settings.read(file.parent)


def test_the_authority_of_a_collector_lies_beside_the_installation(parties: Parties) -> None:
    folder = parties.jp.settings.folder
    said = '\n[telemetry]\nendpoint = "https://collector.example/v1/traces"\nauthority = "collector.pem"\n'
    folder.installation.write_text(folder.installation.read_text(encoding="utf-8") + said, encoding="utf-8")
    found = settings.read(folder.root).telemetry
    assert found == Telemetry("https://collector.example/v1/traces", folder.root / "collector.pem")


def test_9_a_span_tells_the_resource_the_outcome_and_the_time_and_nothing_of_what_was_asked(
    parties: Parties,
    fingers: tuple[Finger, ...],
    collector: tuple[str, list[tuple[str, bytes]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs requirements/telemetry.lock")
    endpoint, taken = collector
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", f"who={PLANTED}")
    monkeypatch.setenv("OTEL_SERVICE_NAME", PLANTED)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    parties.enrol(Party.US, PLANTED, fingers[0])
    root = parties.us.settings.folder.root
    with telemetry.tracing(Telemetry(endpoint)) as tracer, main.opened(root, gallery=True) as here:
        assert tracer is not None
        with traced_service(here, parties.reader, tracer):
            number = parties.matched(fingers[0], circumstances=f"{PLANTED} was seen leaving the warehouse at night.")
            _hang_up(parties.jp.other)
    found = spans(taken)
    assert {path for path, _ in taken} == {"/v1/traces"}
    assert {(span.name, *attributes(span).items()) for span in found} >= {
        ("queries", ("pcsc.resource", "queries"), ("pcsc.outcome", "answered")),
        ("checkpoints", ("pcsc.resource", "checkpoints"), ("pcsc.outcome", "answered")),
    }
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in found)
    assert not [span for span in found if span.parent_span_id or span.events or span.links or span.status.message]
    whole = b"".join(body for _, body in taken)
    with parties.jp.store.transaction() as tx:
        reference, probe = tx.exchange(number).reference, tx.content(number, Content.PROBE)
    said = (
        PLANTED,
        number,
        str(reference),
        "urn:pcsc",
        str(here.settings.port),
        here.settings.name,
        socket.gethostname(),
    )
    assert not [each for each in said if each.encode() in whole]
    assert probe[100:140] not in whole


def test_9_what_a_caller_or_an_exception_says_goes_into_no_span(collector: tuple[str, list[tuple[str, bytes]]]) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs requirements/telemetry.lock")
    endpoint, taken = collector
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    scope: Message = {
        "type": "http",
        "method": "POST",
        "path": f"/v1/{PLANTED}",
        "query_string": PLANTED.encode(),
        "headers": [(b"traceparent", parent.encode()), (b"tracestate", PLANTED.encode())],
    }

    async def failing(*_: object) -> None:
        raise RuntimeError(PLANTED)

    async def nothing(*_: object) -> Message:
        return {}

    with telemetry.tracing(Telemetry(endpoint)) as tracer:
        assert tracer is not None
        ask: Callable[..., Any] = telemetry.traced(failing, tracer)
        with pytest.raises(RuntimeError):
            asyncio.run(ask(scope, nothing, nothing))
    (span,) = spans(taken)
    assert (span.name, attributes(span)) == ("other", {"pcsc.resource": "other", "pcsc.outcome": "lost"})
    assert (span.parent_span_id, list(span.events), span.status.message) == (b"", [], "")
    assert PLANTED.encode() not in taken[0][1]
    assert bytes.fromhex(parent.split("-")[1]) not in taken[0][1]


def test_a_collector_that_is_away_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="needs requirements/telemetry.lock")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        answered = []

        async def answering(_scope: Message, _receive: object, send: Callable[[Message], Any]) -> None:
            await send({"type": "http.response.start", "status": 200})

        async def send(message: Message) -> None:
            answered.append(message["status"])

        with telemetry.tracing(Telemetry(f"http://127.0.0.1:{taken.getsockname()[1]}/v1/traces")) as tracer:
            assert tracer is not None
            ask: Callable[..., Any] = telemetry.traced(answering, tracer)
            for _ in range(600):
                asyncio.run(ask({"type": "http", "path": "/v1/queries"}, None, send))
            assert answered == [200] * 600
    assert PLANTED not in caplog.text
