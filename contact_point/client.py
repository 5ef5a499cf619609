"""Asking the other contact point: one signed message over mutual TLS, one verified answer.

The other end is known before a byte of a message leaves: its certificate is checked and pinned inside the handshake
(:mod:`contact_point.tls`). The answer's signature covers ours, so it answers this message and no other.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, Self

import httpx2

from contact_point import tls, wire
from contact_point.keys import VerifyingKey
from contact_point.wire import HttpRequest, HttpResponse, Problem

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    from contact_point.keys import SigningKey
    from contact_point.settings import Designation
    from pcsc.messages import Message

TIMEOUT: Final = httpx2.Timeout(60.0, connect=10.0)
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
        super().__init__(f"the other contact point refused it ({problem.code}): {article}{problem.detail}")
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

    def __init__(self, other: Designation, key: SigningKey, context: ssl.SSLContext) -> None:
        """Talk to ``other`` through ``context`` (see :func:`contact_point.tls.client_context`), signing with ``key``."""
        self._other = other
        self._key = key
        self._verifying = VerifyingKey.from_pem(other.signing_key_pem.encode())
        # trust_env: a proxy named in the environment would be a third party (Article 3(3)).
        self._http = httpx2.Client(verify=context, trust_env=False, timeout=TIMEOUT, follow_redirects=False)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._http.close()

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send ``message``, whose encoded form is ``body``, and return the answer with its bytes.

        Raises:
            UnreachableError: no answer came.
            NotContactPointError: the other end is not the designated contact point; nothing was sent.
            RefusedError: the message was not accepted.
            WireError, SignatureRefusedError: what came back is not a signed answer to this message.

        """
        url = self._other.address + wire.PATHS[type(message)]
        request = wire.sign_request(url, body, self._key, nonce=secrets.token_hex(16), now=now)
        status, headers, answer = self._send(request, body)
        if len(answer) > wire.MAX_BODY:
            raise wire.WireError(f"an answer has at most {wire.MAX_BODY} bytes; {len(answer)} came")
        wire.verify_response(HttpResponse(status, headers, request), answer, self._verifying, now=now)
        if status != httpx2.codes.OK:
            raise RefusedError(wire.read_problem(answer, status), seconds(headers.get("retry-after", "")))
        decoded = wire.decode(answer, *wire.ANSWERS[type(message)])
        if decoded.control_number != message.control_number:
            raise wire.WireError(
                f"expected the answer to {message.control_number}; got one to {decoded.control_number}"
            )
        return decoded, answer

    def _send(self, request: HttpRequest, body: bytes) -> tuple[int, dict[str, str], bytes]:
        try:
            response = self._http.post(request.url, content=body, headers=request.headers)
        except httpx2.HTTPError as error:
            if (refusal := tls.refusal(error)) is not None:
                raise refusal from None
            raise UnreachableError(
                f"no answer came from {self._other.name} at {self._other.address} ({error}): the message is kept and can be "
                "sent again with `pcsc resume`; it will be answered once"
            ) from None
        return response.status_code, dict(response.headers), response.content
