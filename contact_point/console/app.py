"""The application of the console: its pages, and what holds for every answer.

A request is, in this order: of a host that is ours, of somebody who is in (:mod:`contact_point.console.sessions`), who may do
what they want (:mod:`contact_point.console.roles`), and sent from a page of their own session. What goes wrong is told with the
article, in the reader's language; what nobody foresaw tells a trace and nothing else.
"""

from __future__ import annotations

import logging
import secrets
from importlib import resources
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from contact_point.console import pages
from contact_point.console.lockout import LockedOutError, LoginError
from contact_point.console.roles import RoleError
from contact_point.console.sessions import ForgeryError, LockedError, NoSessionError, SessionError
from contact_point.console.site import HEADERS, Site, see_other, version
from contact_point.delivery import TROUBLE
from contact_point.hardening import TELLS_NOBODY, forget
from pcsc.errors import TreatyError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.settings import Console

_log = logging.getLogger("contact_point.console")

_KINDS: Final = {
    "css": "text/css",
    "js": "text/javascript",
    "svg": "image/svg+xml",
    "ico": "image/x-icon",
    "txt": "text/plain",
}
_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}

REFUSED: Final[tuple[tuple[type[Exception], int], ...]] = (
    (RoleError, 403),
    (ForgeryError, 403),
    (LockedOutError, 429),
    (LoginError, 401),
    (TreatyError, 409),
    (ValueError, 422),
)
"""What is told in its own words, and with which status; the first that fits."""


def build(here: Installation, console: Console, clock: Callable[[], datetime]) -> FastAPI:
    """Return the application for the people of one contact point."""
    site = Site(here, console, clock)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=TELLS_NOBODY)
    for add in pages.ALL:
        add(app, site)
    app.add_api_route("/static/{of}/{name}", _static, include_in_schema=False)
    app.middleware("http")(_held_to(site))
    for kind in (HTTPException, RequestValidationError, *(kind for kind, _ in REFUSED), SessionError, *TROUBLE):
        app.add_exception_handler(kind, _told(site))
    return app


def _held_to(site: Site) -> Callable[[Request, Callable[[Request], Awaitable[Response]]], Awaitable[Response]]:
    """Return what every request goes through: of our host alone (DNS rebinding), and with headers on every answer."""
    expected = urlsplit(site.console.origin).netloc

    async def through(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        if request.headers.get("host") != expected:
            response = Response(
                f"This console is at {site.console.origin}: open it there.", 421, media_type="text/plain"
            )
        elif request.method not in {"GET", "HEAD"} and request.headers.get("origin") != site.console.origin:
            response = Response("Art. 9: this was not sent from a page of this console.", 403, media_type="text/plain")
        else:
            response = await _answered(site, request, go_on)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if site.console.origin.startswith("https:"):
            response.headers["Strict-Transport-Security"] = "max-age=63072000"
        return response

    return through


async def _answered(site: Site, request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
    try:
        return await go_on(request)
    except Exception as error:  # noqa: BLE001 - the last resort: whatever went wrong is answered, and tells nothing
        trace = secrets.token_hex(8)
        _log.error("trace %s: %s", trace, type(error).__name__, exc_info=error)
        forget(error)  # Art. 9: with whatever was to be shown
        words = site.words(request)
        return site.page("trouble.html", words, shown={"said": words("trouble.unforeseen", trace=trace)}, status=500)


def _told(site: Site) -> Callable[[Request, Exception], Response]:
    """Return what answers an error that was foreseen."""

    def tell(request: Request, error: Exception) -> Response:
        if isinstance(error, NoSessionError):
            return see_other("/in")
        if isinstance(error, LockedError):
            return see_other("/locked")
        words = site.words(request)
        if isinstance(error, HTTPException):
            return site.page(
                "trouble.html", words, shown={"said": words("trouble.nothing_there")}, status=error.status_code
            )
        if isinstance(error, RequestValidationError):
            return site.page("trouble.html", words, shown={"said": words("trouble.form")}, status=422)
        status = next((status for kind, status in REFUSED if isinstance(error, kind)), 502)
        _log.info("refused with %d: %s", status, type(error).__name__)
        return site.page("trouble.html", words, shown={"said": str(error)}, status=status)

    return tell


def _static(of: str, name: str) -> Response:
    """Return a static file, for ever: another version has another address."""
    found = resources.files(__package__).joinpath("static", name)
    kind = _KINDS.get(name.rpartition(".")[2])
    if "/" in name or kind is None or not found.is_file() or of != version(name):
        raise HTTPException(404)
    return Response(found.read_bytes(), media_type=kind, headers=_FOR_EVER)
