"""What every page stands on: who is here, in which language, what they may do, and what an answer to a browser carries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final

import jinja2
from fastapi.responses import HTMLResponse, RedirectResponse

from contact_point.console import roles, sessions
from contact_point.console.sessions import Current
from contact_point.console.words import Language, Words, preferred

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from fastapi import Request, Response

    from contact_point.console.roles import Act
    from contact_point.examination import Panel
    from contact_point.service import Installation
    from contact_point.settings import Console
    from contact_point.store import Person

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Content Security Policy, level 3: nothing but our own files."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    # Art. 9: neither the browser's cache nor one on the way keeps what was shown.
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "publickey-credentials-get=(self), publickey-credentials-create=(self), clipboard-read=()",
}

_STATIC: Final = resources.files(__package__).joinpath("static")


@cache
def version(name: str) -> str:
    """Return what tells this version of a static file from every other."""
    return hashlib.sha256(_STATIC.joinpath(name).read_bytes()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is here."""

    cookie: str
    current: Current
    words: Words

    @property
    def person(self) -> Person:
        """Return who it is, with the roles of now."""
        return self.current.person

    @property
    def signature(self) -> str:
        """Return how they sign what they do: no two persons have the same."""
        return f"{self.person.name} <{self.person.mail}>"

    @property
    def token(self) -> str:
        """Return what every form carries."""
        return sessions.form_token(self.cookie)

    def may(self, act: Act) -> bool:
        """Return whether they may do it."""
        return roles.may(self.person.roles, act)


class Site:
    """One contact point's console."""

    def __init__(self, here: Installation, console: Console, clock: Callable[[], datetime]) -> None:
        self.here = here
        self.console = console
        self.clock = clock
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("contact_point.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals |= {"Act": roles.Act, "Language": Language, "static": _static, "points": _points}

    def enter(self, request: Request, act: Act | None = None, *, acts: bool = True) -> Visit:
        """Return who calls, once it is certain that they may do what they want to.

        A page that asks again by itself has ``acts`` false: it does not keep a session from being locked.

        Raises:
            SessionError: nobody is in, or the session is locked.
            NotPermittedError: they may not do it.

        """
        cookie = request.cookies.get(sessions.COOKIE, "")
        current = sessions.resume(self.here.store, cookie, now=self.clock(), act=acts)
        if act is not None:
            roles.check(current.person.roles, act)
        return Visit(cookie, current, Words(Language(current.session.language)))

    def enter_with_form(self, request: Request, token: str, act: Act | None = None) -> Visit:
        """Return who sent a form of their own session.

        Raises:
            SessionError, NotPermittedError: as :meth:`enter`.
            ForgeryError: the form is not of this session.

        """
        cookie = request.cookies.get(sessions.COOKIE, "")
        sessions.check_form(cookie, token)
        return self.enter(request, act)

    def words(self, request: Request) -> Words:
        """Return the words for somebody who is not in: in the language that their browser prefers."""
        return Words(preferred(request.headers.get("accept-language", "")))

    def page(
        self,
        template: str,
        words: Words,
        visit: Visit | None = None,
        shown: Mapping[str, object] | None = None,
        *,
        status: int = 200,
    ) -> HTMLResponse:
        """Return a page."""
        standing = {"t": words, "visit": visit, "now": self.clock(), "party": self.here.settings.party}
        return HTMLResponse(self._templates.get_template(template).render(standing | dict(shown or {})), status)


def see_other(path: str) -> Response:
    """Send the browser on after a form (RFC 9110, 15.4.4)."""
    return RedirectResponse(path, 303)


def _points(panel: Panel) -> list[tuple[int, int]]:
    """Return where the minutiae of a print are, in pixels at 500 dpi."""
    return list(zip(panel.template.x.tolist(), panel.template.y.tolist(), strict=True))


def _static(name: str) -> str:
    """Return the address of a static file, which is another one for every version of it."""
    return f"/static/{version(name)}/{name}"
