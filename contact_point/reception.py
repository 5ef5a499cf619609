"""The server for the other contact point: how it lets callers in, how long it waits for their bytes, and how it stops.

Whoever may open a connection could hold many, and send nothing or a byte a minute. So every wait has an end:

=============================  =====================================  ==================================
what is waited for             for how long                           then
=============================  =====================================  ==================================
the handshake                  :data:`HANDSHAKE` seconds              the connection is closed
the first request              :data:`KEPT` seconds                   the connection is closed
the head of a request          :data:`HEAD` seconds from its first    the connection is closed
                               byte
its body                       at a least rate (:mod:`admission`)     408, signed; the connection ends
the rest of a refused body     :data:`REST` seconds                   the connection is closed
the next request               :data:`KEPT` seconds                   the connection is closed
that an answer is taken        :data:`TAKEN` seconds without          the connection is closed
                               progress
=============================  =====================================  ==================================

and so has their number. Of :data:`GREETED` handshakes under way the oldest ends when one more begins: one that is honest takes
a round trip or two, so it is through before as many others came. Of :data:`CONNECTED` connections the one that has been idle
for longest makes room for the next; where none is idle, the next is closed. Who called is known by then to hold a certificate
of the other Party's authority.

Behind a proxy (:func:`contact_point.tls.protocol_behind_proxy`) the handshakes are the proxy's.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from contact_point.admission import Lanes

HANDSHAKE: Final = 5.0
HEAD: Final = 5.0
REST: Final = 10.0
KEPT: Final = 30
TAKEN: Final = 30.0

LINGER: Final = 0.5
"""Seconds for which a connection that is to end answers a request that was sent before its sender could know: with 503."""

GREETED: Final = 64
CONNECTED: Final = 128

TURN: Final = 0.0005
"""Seconds that a thread keeps the interpreter when another one wants it. The loop asks for it anew at every event, and by
Python's own 5 milliseconds it would spend its time waiting for the threads that work: refusals, above all, would be late."""

STOPPED: Final = 30
"""Seconds until a service that is told to stop has stopped, whatever is still under way."""


class Patient(HttpToolsProtocol):
    """uvicorn's protocol for HTTP/1.1, which waits for a caller no longer than the table says."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request, where there is room for one more."""
        self._wait: asyncio.TimerHandle | None = None
        self._taken: asyncio.TimerHandle | None = None
        self._last = False  # whether no request is waited for any more
        self._ended = True  # whether the last request has come to its end
        self.idle_since = time.monotonic()
        super().connection_made(transport)
        if len(self.connections) > CONNECTED and not self._made_room():
            transport.abort()
            return
        self._wait_for(KEPT)

    def _made_room(self) -> bool:
        idle = [each for each in self.connections if isinstance(each, Patient) and each is not self and each.is_idle]
        if idle:
            min(idle, key=lambda each: each.idle_since).transport.abort()
        return bool(idle)

    @property
    def is_idle(self) -> bool:
        """Whether nothing of a request has come that was not answered."""
        return self._ended and (self.cycle is None or self.cycle.response_complete)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        for timer in (self._wait, self._taken):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def _wait_for(self, seconds: float | None) -> None:
        if self._wait is not None:
            self._wait.cancel()
        self._wait = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take in bytes; the first of a request begin the time for its head."""
        if self.is_idle:
            self._ended = False
            self._wait_for(HEAD)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Leave the time for the body to the application."""
        self._wait_for(None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for no more of this request."""
        self._ended = True
        if self.cycle is not None and self.cycle.response_complete:
            self._wait_for(KEPT)  # uvicorn's own time for the next request ended with the first byte after the answer
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Wait for the rest of a request that was answered before it had come."""
        self.idle_since = time.monotonic()
        if not self._ended:
            self._wait_for(REST)
        super().on_response_complete()

    def shutdown(self) -> None:
        """End the connection after the answer under way, or a moment from now: a request may be on its way already."""
        if not self._last and (self.cycle is None or self.cycle.response_complete):
            self._last = True
            self.loop.call_later(LINGER, self.shutdown)
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Wait for the caller to take what was written."""
        self._taken = self.loop.call_later(TAKEN, self.transport.abort)
        super().pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        if self._taken is not None:
            self._taken.cancel()
            self._taken = None
        super().resume_writing()


class Loop(uvloop.Loop):
    """A loop whose servers bound their handshakes, in time and in number."""

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: str | None = None,
        port: int = 0,
        *,
        ssl: ssl.SSLContext | None = None,
        backlog: int = 128,
        **named: Any,
    ) -> Any:
        """Return a server as the loop's own method does; one that speaks TLS is a :class:`Door`."""
        if ssl is None:
            return await super().create_server(protocol_factory, host, port, backlog=backlog, **named)
        found = await self.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        listening = [_listening(family, address, backlog) for family, _, _, _, address in dict.fromkeys(found)]
        return Door(self, protocol_factory, ssl, listening)


def _listening(family: int, address: Any, backlog: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
        made.listen(backlog)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


class Door:
    """A server that accepts connections itself, so that it knows those whose handshake is under way."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], asyncio.Protocol],
        context: ssl.SSLContext,
        listening: Sequence[socket.socket],
    ) -> None:
        self.sockets = tuple(listening)
        self._loop = loop
        self._protocol = protocol
        self._context = context
        self._greeting: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._accepting = [loop.create_task(self._accept(each)) for each in listening]

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                caller, _ = await self._loop.sock_accept(listening)
            except OSError:  # the caller is gone again, or there are no files left: others give theirs back
                await asyncio.sleep(0.05)
                continue
            if len(self._greeting) >= GREETED:
                oldest = next(iter(self._greeting))
                del self._greeting[oldest]
                oldest.cancel()
            task = self._loop.create_task(self._greet(caller))
            self._greeting[task] = None
            task.add_done_callback(lambda ended: self._greeting.pop(ended, None))

    async def _greet(self, caller: socket.socket) -> None:
        """Go through the handshake; what went wrong in it is told by the context (:mod:`contact_point.tls`)."""
        try:
            async with asyncio.timeout(HANDSHAKE):
                await self._loop.connect_accepted_socket(self._protocol, caller, ssl=self._context)
        except (OSError, TimeoutError, asyncio.CancelledError):
            caller.close()

    def close(self) -> None:
        """Accept nobody any more, and end the handshakes under way."""
        for task, listening in zip(self._accepting, self.sockets, strict=True):
            task.add_done_callback(lambda _, each=listening: each.close())  # type: ignore[misc]  # no earlier: the loop looks at it
            task.cancel()
        for greeting in self._greeting:
            greeting.cancel()

    async def wait_closed(self) -> None:
        """Wait for nothing: what was let in is the server's to end."""


class Server(uvicorn.Server):
    """uvicorn's server, which hands back what was not begun when it is told to stop."""

    def __init__(self, config: uvicorn.Config, lanes: Lanes) -> None:
        super().__init__(config)
        self._lanes = lanes

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until told to stop."""
        sys.setswitchinterval(TURN)
        super().run(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nobody any more, answer what is under way, and end within :data:`STOPPED` seconds."""
        self._lanes.stop()
        await super().shutdown(sockets)
