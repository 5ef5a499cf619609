"""The pages of the console over real HTTP: who comes in, what is shown, and what is refused."""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlencode

import pytest
import uvicorn

from annex.parameters import Party
from contact_point import examining, querying
from contact_point.console import app, sessions
from contact_point.console.roles import Role
from contact_point.console.site import HEADERS
from contact_point.console.words import Language, catalogue, preferred
from contact_point.main import clock
from contact_point.settings import Console
from pcsc.exchange import State
from tests.contact_point.entered import confirmed
from tests.contact_point.parties import exchange

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.service import Installation
    from tests.contact_point.parties import Finger, Parties

HOST: Final = "localhost:8080"
ORIGIN: Final = f"http://{HOST}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


class Browser:
    """What a browser sends: the cookie of its session, the origin of its page, nothing of what it was not told."""

    def __init__(self, port: int, cookie: str = "") -> None:
        self.port, self.cookie = port, cookie

    def get(self, path: str, **headers: str) -> Answer:
        return self._sent("GET", path, None, headers)

    def post(self, path: str, _headers: dict[str, str] | None = None, **fields: str) -> Answer:
        fields = {"token": sessions.form_token(self.cookie)} | fields
        about = {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN} | (_headers or {})
        return self._sent("POST", path, urlencode(fields), about)

    def _sent(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        about = {"Host": HOST, "Cookie": f"{sessions.COOKIE}={self.cookie}"} | headers
        connection.request(method, path, body, about)
        found = connection.getresponse()
        answer = Answer(found.status, {name.lower(): value for name, value in found.getheaders()}, found.read())
        connection.close()
        return answer


@contextmanager
def served(here: Installation, console: Console = Console(ORIGIN)) -> Iterator[int]:  # noqa: B008 - frozen
    """Serve the console of an installation; give the port."""
    server = uvicorn.Server(uvicorn.Config(app.build(here, console, clock), log_config=None, ws="none"))
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()


def come_in(here: Installation, port: int, name: str, *roles: Role, language: Language = Language.ENGLISH) -> Browser:
    """Let somebody be in, as their passkey would have let them."""
    person = confirmed(here.store, name, *roles, now=clock()).person
    return Browser(port, sessions.begin(here.store, person.id, language, now=clock()))


@pytest.fixture
def matched(parties: Parties, fingers: tuple[Finger, ...]) -> Iterator[tuple[Installation, str]]:
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        yield parties.jp, parties.matched(fingers[0])


def test_4_5_a_match_is_examined_from_the_queue_to_the_conclusion(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER)
        queues = sato.get("/")
        assert queues.status == 200
        assert "Matches to examine" in queues.text
        assert f'href="/examine/{number}"' in queues.text

        page = sato.get(f"/examine/{number}")
        assert "Analysis: the probe alone" in page.text
        assert "candidate.png" not in page.text
        assert sato.get(f"/examine/{number}/probe.png").body.startswith(b"\x89PNG")
        refused = sato.get(f"/examine/{number}/candidate.png")
        assert (refused.status, "mark the probe first" in refused.text) == (409, True)

        sealed = sato.post(f"/examine/{number}/analysis", marks="[[20, 30], [40, 50]]", value="yes", note="core seen")
        assert (sealed.status, sealed.headers["location"]) == (303, f"/examine/{number}")
        page = sato.get(f"/examine/{number}")
        assert "Comparison and evaluation" in page.text
        assert page.text.count('<circle cx="20" cy="30"') == 1
        candidate = sato.get(f"/examine/{number}/candidate.png")
        assert candidate.body.startswith(b"\x89PNG")
        assert candidate.headers["cache-control"] == "no-store"
        assert sato.get(f"/examine/{number}/there").status == 204

        assert sato.post(f"/examine/{number}/conclusion", conclusion="exclusion", note="deltas differ").status == 303
        assert "The examination is concluded: Exclusion." in sato.get(f"/examine/{number}").text
        assert exchange(jp, number).state is State.EXAMINED
        assert sato.get(f"/examine/{number}/candidate.png").status == 409
        assert sato.get(f"/examine/{number}/there").status == 410
        with jp.store.reading() as tx:
            shown = [viewing.shown for viewing in tx.viewings(exchange=number)]
        assert ("probe", "candidate") in shown


def test_8_2_no_print_is_given_after_the_determination(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER)
        sato.post(f"/examine/{number}/analysis", marks="[]", value="yes")
        sato.post(f"/examine/{number}/conclusion", conclusion="exclusion")
        querying.determine(jp, number, will_request=False, now=clock())
        for picture in ("probe.png", "candidate.png"):
            answer = sato.get(f"/examine/{number}/{picture}")
            assert (answer.status, answer.headers["content-type"]) == (409, "text/html; charset=utf-8")


def test_9_nobody_is_shown_anything_without_a_session_and_a_role(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    pages = ("/", f"/examine/{number}", f"/examine/{number}/probe.png", f"/examine/{number}/candidate.png")
    with served(jp) as port:
        nobody, other = Browser(port), come_in(jp, port, "Kato", Role.ADMINISTRATOR)
        for page in pages:
            answer = nobody.get(page)
            assert (answer.status, answer.headers.get("location")) == (303, "/in"), page
            refused = other.get(page)
            assert (refused.status, "takes the role of" in refused.text) == (403, True), page
        assert nobody.post(f"/examine/{number}/analysis", marks="[]", value="yes").status == 403


def test_9_what_was_not_sent_from_a_page_of_the_session_does_nothing(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER)
        sent = {"marks": "[]", "value": "yes"}
        elsewhere = sato.post(f"/examine/{number}/analysis", {"Origin": "https://elsewhere.example"}, **sent)
        forged = sato.post(f"/examine/{number}/analysis", token="0" * 64, **sent)
        rebound = sato.get("/", Host="elsewhere.example")
        assert [each.status for each in (elsewhere, forged, rebound)] == [403, 403, 421]
        assert "Art. 9: this was not sent from a page of your session" in forged.text
    with jp.store.reading() as tx:
        assert not examining.progress(tx, number, two=False).analyses


def test_9_every_answer_forbids_caches_and_everything_but_our_own_files(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER)
        for path in ("/", "/in", "/enrol", "/nothing", f"/examine/{number}", f"/examine/{number}/probe.png"):
            answer = sato.get(path)
            assert {name: answer.headers.get(name.lower()) for name in HEADERS} == HEADERS, path
            assert not re.search(r"\son\w+=|style=|<script>", answer.body.decode(errors="replace")), path
        linked = re.findall(r'(?:src|href)="(/static/[^"]+)"', sato.get(f"/examine/{number}").text)
        assert len(linked) == 5
        for path in linked:
            answer = sato.get(path)
            assert (answer.status, "immutable" in answer.headers["cache-control"]) == (200, True), path
            assert sato.get(re.sub("/[0-9a-f]{16}/", "/0000000000000000/", path)).status == 404


def test_a_form_that_holds_what_it_cannot_hold_is_refused_and_does_nothing(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER)
        for marks in ("[[1]]", "[[1, -1]]", '[["1", 2]]', "[[1, 2.5]]", "{}", "x", "[[true, 1]]"):
            answer = sato.post(f"/examine/{number}/analysis", marks=marks, value="yes")
            assert (answer.status, "pairs of whole numbers" in answer.text) == (422, True), marks
        sato.post(f"/examine/{number}/analysis", marks="[]", value="yes")
        answer = sato.post(f"/examine/{number}/conclusion", conclusion="certainly")
        assert (answer.status, "A field is missing" in answer.text) == (422, True)
        assert exchange(jp, number).state is State.MATCH


def test_9_a_locked_session_shows_whose_it_is_and_nothing_else(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER)
        assert sato.post("/lock").headers["location"] == "/locked"
        assert "This session of Sato is locked" in sato.get("/locked").text
        for path in ("/", f"/examine/{number}", f"/examine/{number}/probe.png"):
            assert sato.get(path).headers["location"] == "/locked", path


def test_9_who_leaves_takes_what_the_browser_kept_along(parties: Parties) -> None:
    with served(parties.jp) as port:
        sato = come_in(parties.jp, port, "Sato", Role.EXAMINER)
        left = sato.post("/out")
        assert (left.headers["location"], left.headers["clear-site-data"]) == ("/in", '"cache", "storage"')
        assert sato.get("/").headers["location"] == "/in"


def test_the_console_speaks_both_languages(matched: tuple[Installation, str]) -> None:
    jp, number = matched
    with served(jp) as port:
        sato = come_in(jp, port, "Sato", Role.EXAMINER, language=Language.JAPANESE)
        assert "確認を要する一致" in sato.get("/").text
        assert '<html lang="ja">' in sato.get(f"/examine/{number}").text
        assert sato.post("/language", language="en").status == 303
        assert "Matches to examine" in sato.get("/").text
        assert "パスキーで認証する" in Browser(port).get("/in", **{"Accept-Language": "ja-JP,en;q=0.5"}).text


def test_both_catalogues_have_the_same_keys_and_the_same_places_to_fill_in() -> None:
    english, japanese = (catalogue(each) for each in Language)
    assert english.keys() == japanese.keys()
    for key, words in english.items():
        assert set(re.findall(r"{(\w+)}", words)) == set(re.findall(r"{(\w+)}", japanese[key])), key


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("ja", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja"),
        ("en-US,ja;q=0.9", "en"),
        ("fr, ja;q=0.2, en;q=0.1", "ja"),
        ("ja;q=0, en", "en"),
        ("*;q=x,,;", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_prefers(header: str, language: str) -> None:
    assert preferred(header) == language
