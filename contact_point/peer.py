"""The API for the other contact point: HTTPS, TLS 1.3, client certificate, signed messages in and out.

For every request, in this order: who calls (the certificate against the designation and its authority's revocation list, as
they are at that moment: :mod:`contact_point.identity`), whether there is a place for it (:mod:`contact_point.admission`), how
much comes and how fast (bounds on the body), who signed it (RFC 9421, with content digest, time and nonce), what it is (one
message), and only then what it asks. An error tells the article, a stable code and what to do; unexpected ones tell only a
trace id.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from contact_point import arrays, queried, service, tls, wire
from contact_point.admission import RETRY_AFTER, GoneError, Lane, Lanes, NoPlaceError, SlowError
from contact_point.hardening import TELLS_NOBODY, forget
from contact_point.keys import KeysError
from contact_point.nist.reading import KilledError
from contact_point.nist.transaction import NistError
from contact_point.store import ReplayError, StoreError, UnknownExchangeError
from contact_point.tls import NotContactPointError, RevokedError, UnknownStandingError
from contact_point.wire import HttpRequest, HttpResponse, Problem, SignatureRefusedError, WireError
from contact_point.witness import ForkError
from matcher.extraction import ExtractionError
from matcher.gallery import ProbeError
from matcher.images import DecoderKilledError, ImageError
from matcher.jail import JailError
from pcsc import errors
from pcsc.messages import Checkpoints, OutageNotice, Query, Reachability

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from contact_point.admission import Admission
    from contact_point.identity import Identity, State
    from contact_point.keys import SigningKey
    from contact_point.service import Installation
    from pcsc.messages import Message

_log = logging.getLogger("contact_point.peer")

AGAIN: Final = "send the same message again, signed anew, after the seconds of Retry-After"
_READABLE: Final = "make a new query, with prints that keep to the interface and can be read"
_BETTER: Final = "make a new query with a better print of the finger"
_STANDING: Final = "do not send it again: look where the exchange stands on both sides"
NO_SUCH_RESOURCE: Final = "3-3.NO_SUCH_RESOURCE"
USE_A_RESOURCE: Final = "post the message to the resource that docs/openapi.json names for its kind"
TELL_US: Final = "send the same message again, signed anew; where it fails again, tell us the trace"
_NEW: Final = "make a new message, with a number of its own, that keeps to the article"

STATUS: Final[tuple[tuple[type[Exception], int, str, str, str], ...]] = (
    # error, status, article, code, what to do; the first that fits
    (ForkError, 409, "11(1)", "11-1.FORK", "compare both records before anything else, and consult (Article 14)"),
    (errors.QuotaError, 429, "", "", "send the same message again, signed anew, on a later day (UTC)"),
    (errors.OutOfOrderError, 409, "", "", _STANDING),
    (errors.RecordError, 503, "", "", AGAIN),
    (errors.NoAnswerError, 503, "", "", AGAIN),
    (errors.UnavailableError, 503, "", "", AGAIN),
    (errors.WrongPartyError, 403, "", "", "send it to the contact point of the Party that it is meant for"),
    (errors.NotAMatchError, 404, "", "", "make a new message with the reference number that came with the match"),
    (errors.TreatyError, 422, "", "", _NEW),
    (ReplayError, 409, "9", "9.REPLAY", "sign the message again, with another nonce"),
    (
        UnknownStandingError,
        503,
        "9",
        "9.REVOCATION_LIST",
        "publish a revocation list that is in force, then send it again",
    ),
    (RevokedError, 403, "9", "9.REVOKED", "call with a certificate that is not revoked"),
    (NotContactPointError, 403, "3(3)", "3-3.INDIRECT", "call with the certificate of the card that was notified"),
    (SignatureRefusedError, 401, "9", "9.SIGNATURE", "sign it again with the key of the card; compare both clocks"),
    (WireError, 400, "4(7)", "4-7.FORMAT", "correct the message as docs/openapi.json describes it, and send it"),
    (NoPlaceError, 503, "4(1)", "4-1.UNAVAILABLE", AGAIN),
    (SlowError, 408, "4(7)", "4-7.SLOW", "send the whole message, signed anew, without a pause"),
    (ClientDisconnect, 400, "4(7)", "4-7.FORMAT", "send the whole message, signed anew"),
    (GoneError, 400, "4(7)", "4-7.FORMAT", "send the whole message, signed anew"),
    (KilledError, 422, "4(7)", "4-7.KILLED", _READABLE),
    (NistError, 422, "4(7)", "4-7.FORMAT", _READABLE),
    (DecoderKilledError, 422, "4(7)", "4-7.KILLED", _READABLE),
    (ImageError, 422, "4(4)", "4-4.QUALITY", _READABLE),
    (ExtractionError, 422, "4(4)", "4-4.QUALITY", _BETTER),
    (ProbeError, 422, "4(4)", "4-4.QUALITY", _BETTER),
    (JailError, 503, "4(4)", "4-4.TECH", AGAIN),
    (KeysError, 503, "4(4)", "4-4.TECH", AGAIN),
    (UnknownExchangeError, 404, "5(1)", "5-1.NO_MATCH", "make a new message with the number of an exchange"),
    (StoreError, 503, "4(4)", "4-4.TECH", AGAIN),
    (TimeoutError, 503, "4(4)", "4-4.TECH", AGAIN),
)
"""What the other contact point is told of an error, and what it is to do. Every row is one of ``docs/openapi.json``."""

TECHNICAL: Final = "a technical failure: this says nothing about whether there is a match"

_TOLD: Final = (UnknownStandingError, NoPlaceError)
"""Of what is wrong here, this much is told: a list that the caller publishes, and that there is no place now."""

QUERIES, ACTS, NOTES = "queries", "acts", "notes"
LANES: Final[dict[type[Message], str]] = {
    **dict.fromkeys(wire.PATHS, ACTS),
    Query: QUERIES,
    Reachability: NOTES,
    Checkpoints: NOTES,
}
"""Which lane each message goes in. Acts never wait for a query: among them are those that end a hold (Articles 8(1), 8(2))."""

_AT_WORK: Final = {ACTS: 4, NOTES: 2}  # each a signature and a transaction or two
_LINE: Final = {ACTS: 32, NOTES: 16}
_MOST_HELD: Final = 4 * wire.MAX_BODY


def lanes() -> Lanes:
    """Return the lanes of one service: a query is worked on by a core, and as many wait as are worked on.

    More at work than cores would be more answers by a tenth at most, while the disk commits, and each twice as late.
    """
    places = len(os.sched_getaffinity(0))
    queries = Lane(QUERIES, places, places)
    return Lanes({QUERIES: queries} | {name: Lane(name, _AT_WORK[name], _LINE[name]) for name in _AT_WORK}, _MOST_HELD)


IN_OUTAGE: Final = frozenset({OutageNotice, Reachability, Checkpoints})
"""What is taken in also while this contact point is announced to be out of service: it takes no part in any query."""


def build(
    here: Installation,
    key: SigningKey,
    identity: Identity,
    clock: Callable[[], datetime],
    admission: Lanes | None = None,
) -> FastAPI:
    """Return the application that answers whom ``identity`` admits for the installation ``here``, signing with ``key``.

    ``admission`` are its lanes, by default :func:`lanes`.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=TELLS_NOBODY)
    desk = _Desk(here, key, identity, clock, lanes() if admission is None else admission)
    for kind, path in wire.PATHS.items():
        # A plain route: what a framework would read of a body, it would read before there is a place for it.
        app.add_route(path, desk.endpoint(kind), methods=["POST"], name=path.rsplit("/", 1)[-1])
    app.add_exception_handler(HTTPException, desk.not_a_route)
    return app


class _Desk:
    """What every route does with a request."""

    def __init__(
        self,
        here: Installation,
        key: SigningKey,
        identity: Identity,
        clock: Callable[[], datetime],
        admission: Lanes,
    ) -> None:
        self._here = here
        self._lanes = admission
        self._key = key
        self._identity = identity
        self._address = here.settings.address
        self._clock = clock
        self._sent_away: tuple[tuple[int, str], bytes, dict[str, str]] | None = None

    def endpoint(self, kind: type[Message]) -> Callable[[Request], Awaitable[Response]]:
        """Return the route for one kind of message."""

        async def take(request: Request) -> Response:
            try:
                caller = self._identity.admit(tls.client_certificate(request.scope))
                with self._lanes.admitted(LANES[kind]) as admission:
                    signed = self._as_signed(request)
                    body = await _body(request, admission)
                    act = partial(self._receive, kind, signed, body, caller)
                    answer = await admission.run(act, request.is_disconnected)
            except Exception as error:  # noqa: BLE001 - the last resort: whatever went wrong is answered, and tells nothing
                if self._lanes.stopping:
                    await _rest(request)
                problem = self._problem(error, request)
                forget(error)  # Art. 8(1): with the print that was refused
                return problem
            return self._respond(200, wire.CONTENT_TYPE, answer, signed)

        return take

    def _receive(self, kind: type[Message], signed: HttpRequest, body: bytes, caller: State) -> bytes:
        with arrays.unkept():  # Art. 8(1)
            return self._taken_in(kind, signed, body, caller)

    def _taken_in(self, kind: type[Message], signed: HttpRequest, body: bytes, caller: State) -> bytes:
        now = self._clock()
        nonce = wire.verify_request(signed, body, caller.verifying, now=now)
        if signed.headers["content-type"].partition(";")[0].strip().lower() != wire.CONTENT_TYPE:
            raise WireError(f"a message comes as {wire.CONTENT_TYPE}; its Content-Type says otherwise: send it as that")
        message = wire.decode(body, kind)
        with self._here.store.transaction() as tx:
            service.check_fresh(tx, now)
            if kind not in IN_OUTAGE:
                service.check_in_service(tx, now)
            # A signature is fresh for MAX_AGE either way, so its nonce is remembered for twice that.
            tx.use_nonce(nonce, until=now + 2 * wire.MAX_AGE, now=now)
        return queried.receive(self._here, message, body, now)

    def _as_signed(self, request: Request) -> HttpRequest:
        """Return the request as its sender signed it: at our address, whatever its Host says."""
        query = f"?{request.url.query}" if request.url.query else ""
        return HttpRequest(self._address + request.url.path + query, dict(request.headers), request.method)

    async def not_a_route(self, request: Request, error: Exception) -> Response:
        """Answer a request for what is not there, as a problem like any other."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = f"expected a POST to one of the resources under /v1; got {request.method} {request.url.path}"
        problem = Problem(status, "3(3)", NO_SUCH_RESOURCE, detail, USE_A_RESOURCE, _trace())
        response = self._respond(status, wire.PROBLEM_TYPE, problem.encode(), self._as_signed(request))
        response.headers.update(getattr(error, "headers", None) or {})  # 405 says what is allowed (RFC 9110, 15.5.6)
        return response

    def _problem(self, error: Exception, request: Request) -> Response:
        if isinstance(error, NoPlaceError):
            return self._unavailable(error)
        problem = problem_of(error)
        if isinstance(error, NotContactPointError):
            _log.warning("trace %s: refused %s %s: %s", problem.trace, problem.status, problem.code, error)
        elif problem.status >= 500 and not isinstance(error, errors.UnavailableError):
            _log.error("trace %s: %s", problem.trace, type(error).__name__, exc_info=error)
        else:
            _log.warning("trace %s: %s %s", problem.trace, problem.status, problem.code)
        response = self._respond(problem.status, wire.PROBLEM_TYPE, problem.encode(), self._as_signed(request))
        if problem.status == 503:
            wait = error.seconds if isinstance(error, errors.UnavailableError) else RETRY_AFTER
            response.headers["Retry-After"] = str(wait)
        elif isinstance(error, SlowError):
            response.headers["Connection"] = "close"  # the rest of the body would be waited for (RFC 9110, 15.5.9)
        return response

    def _unavailable(self, error: NoPlaceError) -> Response:
        """Return the refusal of a message that is not taken in now: signed once a second, for all of that second.

        It covers no request's signature, so it could be given to another request of that moment. Whoever stands where that can
        be done could as well let nothing through, and the message is kept and sent again either way (Article 9).
        """
        said = int(self._clock().timestamp()), str(error)
        if self._sent_away is None or self._sent_away[0] != said:
            body = problem_of(error).encode()
            signed = self._signed(503, wire.PROBLEM_TYPE, body, HttpRequest(self._address, {}))
            self._sent_away = said, body, signed.headers
        _, body, headers = self._sent_away
        return self._closing(Response(body, 503, {**headers, "Retry-After": str(error.retry_after)}))

    def _respond(self, status: int, content_type: str, body: bytes, signed: HttpRequest) -> Response:
        response = self._signed(status, content_type, body, signed)
        return self._closing(Response(body, status_code=status, headers=response.headers))

    def _signed(self, status: int, content_type: str, body: bytes, signed: HttpRequest) -> HttpResponse:
        nonce = secrets.token_hex(16)
        return wire.sign_response(status, content_type, body, signed, self._key, nonce=nonce, now=self._clock())

    def _closing(self, response: Response) -> Response:
        """Say with the last answer of a connection that it is the last."""
        if self._lanes.stopping:
            response.headers["Connection"] = "close"
        return response


async def _body(request: Request, admission: Admission) -> bytes:
    """Return the body, reading no more than a message may have."""
    if "upgrade" in request.headers:  # what follows would be no body, and is never read
        raise WireError(
            "messages come over HTTP/1.1, and this contact point speaks no other protocol: leave out Upgrade"
        )
    body = await admission.body(request.stream(), wire.MAX_BODY)
    if len(body) > wire.MAX_BODY:
        raise WireError(f"a message has at most {wire.MAX_BODY} bytes; more came: send smaller images")
    return body


async def _rest(request: Request) -> None:
    """Let the rest of a body come, for a moment: a connection closed before it had would take the answer with it (TCP)."""
    with suppress(TimeoutError, ClientDisconnect, RuntimeError):  # the last where all of it was read before
        async with asyncio.timeout(_REST):
            async for _ in request.stream():
                pass


_REST: Final = 1.0  # seconds


def problem_of(error: Exception) -> Problem:
    """Return the problem that tells the other contact point about ``error``."""
    for kind, status, article, code, action in STATUS:
        if isinstance(error, kind):
            # What is wrong with a message is told; what is wrong here is for our log, but for a list that the caller publishes.
            if isinstance(error, errors.TreatyError):
                detail = error.args[0] if status < 500 else TECHNICAL
                return Problem(status, error.article, error.code, detail, action, _trace())
            told = status < 500 or isinstance(error, _TOLD)
            return Problem(status, article, code, str(error) if told else TECHNICAL, action, _trace())
    return Problem(500, errors.NoAnswerError.article, errors.NoAnswerError.code, TECHNICAL, TELL_US, _trace())


def _trace() -> str:
    return secrets.token_hex(8)
