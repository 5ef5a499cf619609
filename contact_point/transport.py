"""Asking the other contact point: one signed message over mutual TLS, one verified answer.

The other end is known before a byte of a message leaves: its certificate is checked and pinned inside the handshake
(:mod:`contact_point.tls`). A connection is kept between messages, but not when who we are or whom we trust changed, and not
for longer than :data:`contact_point.tls.LIFE`. The answer's signature covers ours, so it answers this message and no other.
"""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self

import httpx2

from contact_point import tls, wire
from contact_point.wire import HttpRequest, HttpResponse, Problem

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from datetime import datetime

    from contact_point.identity import Identity, State
    from contact_point.keys import SigningKey
    from pcsc.messages import Message

LONGEST_CONNECT: Final = 10.0
"""Seconds until there is a connection."""

LONGEST_ANSWER: Final = 60.0
"""Seconds: an answer takes a decode, an extraction and a search."""


LONGEST_WAIT: Final = 86_400
"""Seconds: whoever asks for more is asked again after a day."""


def seconds(retry_after: str) -> int:
    """Return the delay-seconds of a Retry-After header (RFC 9110, 10.2.3), a day at most; 0 where it says something else."""
    if not (retry_after.isascii() and retry_after.isdecimal()):
        return 0
    digits = retry_after.lstrip("0") or "0"
    return LONGEST_WAIT if len(digits) > len(str(LONGEST_WAIT)) else min(int(digits), LONGEST_WAIT)


class ClientError(Exception):
    """The other contact point was not reached, or what came back is not its answer."""


class UnreachableError(ClientError):
    """No answer came. The message may have arrived: send the same one again, it is answered once."""


class WaitingError(ClientError):
    """The other contact point asked to be left alone for a while: the message is kept and sent again then."""


class RefusedError(ClientError):
    """The other contact point did not accept the message, and says why."""

    def __init__(self, problem: Problem, retry_after: int = 0) -> None:
        """Take the problem as it came; ``retry_after`` is in how many seconds it may be sent again, 0 where none are named."""
        article = f"Art. {problem.article}: " if problem.article else ""
        action = f"; {problem.action}" if problem.action else ""
        super().__init__(f"the other contact point refused it ({problem.code}): {article}{problem.detail}{action}")
        self.problem = problem
        self.retry_after = retry_after

    @property
    def final(self) -> bool:
        """Whether sending the same message again cannot help."""
        return 400 <= self.problem.status < 500 and self.problem.status not in {
            401,
            408,
            425,
            429,
        }  # 401: signed again, with the time of then, it may verify


class Client:
    """A connection to the other contact point; keeps it open between messages. Thread-safe. Close it, or use `with`."""

    def __init__(self, identity: Identity, key: SigningKey, life: float = tls.LIFE) -> None:
        """Talk to the contact point that ``identity`` has designated then, signing with ``key``."""
        self._identity = identity
        self._key = key
        self._life = life
        self._lock = threading.Lock()
        self._line: _Line | None = None

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.hang_up()

    def hang_up(self) -> None:
        """Close the connection once nothing is under way on it; the next message makes a new one."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            line.let_go()

    def post(
        self, message: Message, body: bytes, now: datetime, *, within: float = LONGEST_ANSWER
    ) -> tuple[Message, bytes]:
        """Send ``message``, whose encoded form is ``body``, and return the answer with its bytes.

        No longer than ``within`` seconds is waited for a connection, or for any part of the answer.

        Raises:
            UnreachableError: no answer came.
            NotContactPointError: the other end is not the designated contact point; nothing was sent.
            RefusedError: the message was not accepted.
            WireError, SignatureRefusedError: what came back is not a signed answer to this message.

        """
        state = self._identity.now
        url = state.other.address + wire.PATHS[type(message)]
        request = wire.sign_request(url, body, self._key, nonce=secrets.token_hex(16), now=now)
        status, headers, answer = self._send(state, request, body, within)
        if len(answer) > wire.MAX_BODY:
            raise wire.WireError(f"an answer has at most {wire.MAX_BODY} bytes; {len(answer)} came")
        wire.verify_response(HttpResponse(status, headers, request), answer, state.verifying, now=now)
        if status != httpx2.codes.OK:
            raise RefusedError(wire.read_problem(answer, status), seconds(headers.get("retry-after", "")))
        decoded = wire.decode(answer, *wire.ANSWERS[type(message)])
        if decoded.control_number != message.control_number:
            raise wire.WireError(
                f"expected the answer to {message.control_number}; got one to {decoded.control_number}"
            )
        return decoded, answer

    @contextmanager
    def _connected(self, state: State) -> Iterator[httpx2.Client]:
        """Give the connection of this state, for one message."""
        with self._lock:
            stale = self._line
            if stale is not None and stale.state is state and time.monotonic() < stale.until:
                line, stale = stale, None
            else:
                line = self._line = _Line(state, self._identity.client, time.monotonic() + self._life)
            line.take()
        if stale is not None:
            stale.let_go()
        try:
            yield line.http
        finally:
            line.let_go()

    def _send(
        self, state: State, request: HttpRequest, body: bytes, within: float
    ) -> tuple[int, dict[str, str], bytes]:
        timeout = httpx2.Timeout(min(within, LONGEST_ANSWER), connect=min(within, LONGEST_CONNECT))
        try:
            with self._connected(state) as http:
                response = http.post(request.url, content=body, headers=request.headers, timeout=timeout)
        except httpx2.HTTPError as error:
            if (refusal := tls.refusal(error)) is not None:
                raise refusal from None
            raise UnreachableError(
                f"no answer came from {state.other.name} at {state.other.address} ({error}): the message is kept and can be "
                "sent again with `pcsc resume`; it will be answered once"
            ) from None
        return response.status_code, dict(response.headers), response.content


class _Line:
    """Connections made under one state; closed when the last one who holds it lets go."""

    def __init__(self, state: State, context: ssl.SSLContext, until: float) -> None:
        self.state = state
        self.until = until
        # trust_env: a proxy named in the environment would be a third party (Article 3(3)).
        self.http = httpx2.Client(verify=context, trust_env=False, follow_redirects=False)
        self._lock = threading.Lock()
        self._held = 1

    def take(self) -> None:
        with self._lock:
            self._held += 1

    def let_go(self) -> None:
        with self._lock:
            self._held -= 1
            last = self._held == 0
        if last:
            self.http.close()
