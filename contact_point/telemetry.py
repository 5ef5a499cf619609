"""Traces for whoever looks after a service (OpenTelemetry): off unless ``installation.toml`` names a collector.

``[telemetry] endpoint = "http://127.0.0.1:4318/v1/traces"`` sends one span for each request of the other contact point:
its resource, how it ended (answered, refused, unavailable, lost), from when to when. Nothing else, whoever wishes for it: no
path or query as it came, no header, no address, no name or text of an exception, no parent that the caller names (Article 9).
So what is sent is made here, of words of this program, and neither the framework's own telemetry (``peer.py``) nor a variable
of the environment adds to it.

The packages are of requirements/telemetry.in, and are imported where an endpoint is named.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from contact_point.operation import observed
from contact_point.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from opentelemetry.trace import Tracer

    from contact_point.operation import Application
    from contact_point.settings import Telemetry

SERVICE: Final = "pcsc"
"""The name that every contact point has to its collector; whose it is, its operator knows."""

TIMEOUT: Final = 5.0
"""Seconds that the collector is waited for, in a thread of its own: nobody's answer waits for it."""

_QUEUED: Final = 2048  # spans that wait for a collector that is away; more are dropped
_EVERY: Final = 5000  # milliseconds between two batches
_TOGETHER: Final = 512


@contextmanager
def tracing(at: Telemetry) -> Iterator[Tracer | None]:
    """Yield what makes spans and sends them, until the end of the block; None where no endpoint is named.

    Raises:
        SettingsError: the packages are not installed.

    """
    if not at.endpoint:
        yield None
        return
    provider = _provider(at)
    try:
        yield provider.get_tracer(SERVICE)
    finally:
        provider.shutdown()


def _provider(at: Telemetry) -> Any:
    """Return what collects spans and sends them; all of it is said here, and none is taken from the environment."""
    try:
        from opentelemetry.exporter.otlp.proto.http import Compression  # noqa: PLC0415 - where it is asked for alone
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider, sampling  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from requests import Session  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError(
            f"[telemetry] endpoint: traces are sent by packages that are not installed ({error.name}): `make telemetry` "
            "installs them; or take the line away"
        ) from None
    session = Session()
    session.trust_env, session.max_redirects = False, 0  # no proxy, no other place that somebody names
    exporter = OTLPSpanExporter(
        endpoint=at.endpoint,
        certificate_file=None if at.authority is None else str(at.authority),
        compression=Compression.NoCompression,
        session=session,
        timeout=TIMEOUT,
    )
    provider = TracerProvider(
        sampler=sampling.ALWAYS_ON, resource=Resource({"service.name": SERVICE}), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(exporter, _QUEUED, _EVERY, _TOGETHER, export_timeout_millis=TIMEOUT * 1000)
    )
    return provider


def traced(application: Application, tracer: Tracer) -> Application:
    """Return the application, every request of which makes a span."""
    from opentelemetry.context import Context  # noqa: PLC0415 - where it is asked for alone
    from opentelemetry.trace import SpanKind  # noqa: PLC0415

    def begun(route: str) -> Callable[[str], None]:
        # A context of its own: a caller's header is no parent of it, and carries nothing to the collector.
        span = tracer.start_span(route, Context(), SpanKind.SERVER, {"pcsc.resource": route})

        def ended(outcome: str) -> None:
            span.set_attribute("pcsc.outcome", outcome)
            span.end()

        return ended

    return observed(application, begun)
