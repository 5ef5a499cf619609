"""Going in and out: a passkey, a first one with a link, the lock, the language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import FastAPI, Form, Request, Response

from contact_point.console import passkeys, sessions
from contact_point.console.sessions import COOKIE, LockedError, SessionError
from contact_point.console.site import see_other
from contact_point.console.words import Language  # noqa: TC001 - the framework reads annotations

if TYPE_CHECKING:
    from contact_point.console.passkeys import Ceremony
    from contact_point.console.site import Site

CEREMONY: Final = "__Host-pcsc-ceremony"
"""The cookie of a login or an enrolment under way."""

Text = Annotated[str, Form()]


def add(app: FastAPI, site: Site) -> None:
    """Add the door."""
    door = _Door(site)
    app.get("/in")(door.show)
    app.get("/locked")(door.show_lock)
    app.post("/in/challenge")(door.challenge)
    app.post("/in")(door.go_in)
    app.get("/enrol")(door.show_enrolment)
    app.post("/enrol/challenge")(door.begin_enrolment)
    app.post("/enrol")(door.enrol)
    app.post("/lock")(door.lock)
    app.post("/out")(door.go_out)
    app.post("/language")(door.speak)


class _Door:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._store = site.here.store

    def show(self, request: Request) -> Response:
        return self._site.page("door.html", self._site.words(request), shown={"locked": None})

    def show_lock(self, request: Request) -> Response:
        try:
            self._site.enter(request, acts=False)
        except LockedError as error:
            whose = error.current.person.name
            return self._site.page("door.html", self._site.words(request), shown={"locked": whose})
        except SessionError:
            return see_other("/in")
        return see_other("/")

    def challenge(self) -> Response:
        return _begun(passkeys.challenge(self._store, self._site.console, now=self._site.clock()))

    def go_in(self, request: Request, answer: Text) -> Response:
        """Begin a session of whoever shows a passkey, or go on in the locked one of the same person."""
        now, before, token = self._site.clock(), request.cookies.get(COOKIE, ""), request.cookies.get(CEREMONY, "")
        address = request.client.host if request.client else ""
        person = passkeys.recognise(self._store, self._site.console, token, answer, address=address, now=now)
        try:
            cookie = sessions.unlock(self._store, before, person.id, now=now)
        except SessionError:
            language = self._site.words(request).language
            cookie = sessions.begin(self._store, person.id, language, now=now, instead=before)
        response = Response(status_code=204)
        _give(response, COOKIE, cookie)
        _take(response, CEREMONY)
        return response

    def show_enrolment(self, request: Request) -> Response:
        return self._site.page("enrol.html", self._site.words(request))

    def begin_enrolment(self, link: Text) -> Response:
        return _begun(passkeys.begin_with_link(self._store, self._site.console, link, now=self._site.clock()))

    def enrol(self, request: Request, answer: Text) -> Response:
        token = request.cookies.get(CEREMONY, "")
        passkeys.enrol(self._store, self._site.console, token, answer, now=self._site.clock())
        response = Response(status_code=204)
        _take(response, CEREMONY)
        return response

    def lock(self, request: Request, token: Text) -> Response:
        visit = self._site.enter_with_form(request, token)
        sessions.lock(self._store, visit.cookie, now=self._site.clock())
        return see_other("/locked")

    def go_out(self, request: Request, token: Text) -> Response:
        visit = self._site.enter_with_form(request, token)
        sessions.end(self._store, visit.cookie)
        response = see_other("/in")
        _take(response, COOKIE)
        # Art. 9: whatever the browser kept of this site goes.
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    def speak(self, request: Request, token: Text, language: Annotated[Language, Form()]) -> Response:
        visit = self._site.enter_with_form(request, token)
        sessions.speak(self._store, visit.cookie, language, now=self._site.clock())
        return see_other("/")


def _begun(ceremony: Ceremony) -> Response:
    response = Response(ceremony.options, media_type="application/json")
    _give(response, CEREMONY, ceremony.token)
    return response


def _give(response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, secure=True, httponly=True, samesite="strict", path="/")


def _take(response: Response, name: str) -> None:
    response.delete_cookie(name, secure=True, httponly=True, samesite="strict", path="/")
