"""The API for the other contact point, attacked: identity, signatures, replays, repetitions, kills."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx2
import pytest

from annex.parameters import Party
from contact_point import delivery, disposal, main, peer, prints, querying, service, tls, wire
from contact_point.certificates import CertificateAuthority
from contact_point.demonstration import designate
from contact_point.keys import SigningKey, VerifyingKey
from contact_point.main import clock
from contact_point.store.tables import CONTENT
from contact_point.tls import Pin
from contact_point.transport import RefusedError, UnreachableError
from contact_point.wire import HttpRequest, HttpResponse
from pcsc import errors, records
from pcsc.duties import Content
from pcsc.exchange import State
from pcsc.messages import Checkpoints, Determination, Item, Query, Reply, Search

from .parties import Listening, justification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contact_point.service import Installation

    from .parties import Finger, Parties


def query(here: Installation, finger: Finger, *, number: str | None = None) -> Query:
    """Return a query as the querying side makes it, without sending it."""
    why = justification(here.settings.party)
    number = number or service.new_number(here, clock())
    return Query(
        control_number=number,
        made_at=clock(),
        salt=service.new_salt(),
        querying=here.settings.party,
        authority=why.authority,
        identified=True,
        search=Search.TENPRINT,
        basis=why.basis,
        expectation=why.expectation,
        prints=prints.transaction(
            [finger.later_print.sent],
            kind=prints.SEARCH,
            control_number=number,
            originator="JP/NCP",
            destination="US/NCP",
            delete_by=None,
            now=clock(),
        ),
    )


class Caller:
    """Whoever calls the US contact point, with a certificate and a signing key of their choice."""

    def __init__(self, parties: Parties, context: ssl.SSLContext | None = None, key: SigningKey | None = None) -> None:
        folder = parties.jp.settings.folder
        self.key = key or SigningKey.load(folder.signing_key)
        self.url = parties.us.settings.address + wire.PATHS[Query]
        self.http = httpx2.Client(verify=context or _context(parties), trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def signed(self, body: bytes) -> HttpRequest:
        return wire.sign_request(self.url, body, self.key, nonce=secrets.token_hex(16), now=clock())

    def send(self, request: HttpRequest, body: bytes) -> httpx2.Response:
        return self.http.post(request.url, content=body, headers=request.headers)

    def ask(self, body: bytes) -> httpx2.Response:
        return self.send(self.signed(body), body)


def _context(parties: Parties, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    found = parties.jp.settings
    assert found.other is not None
    return tls.client_context(
        certificate=certificate or found.folder.certificate,
        key=key or found.folder.certificate_key,
        peer_authority=found.folder.other_authority,
        pin=Pin(found.other.uri, frozenset(found.other.tls_keys)),
    )


def problem(response: httpx2.Response) -> tuple[int, str]:
    assert response.headers["content-type"] == wire.PROBLEM_TYPE
    return response.status_code, json.loads(response.content)["code"]


def nothing_happened(here: Installation) -> bool:
    with here.store.transaction() as tx:
        keys = here.store._slots.live() | here.store._records.live()
        return not tx.exchanges() and tx.next_entry() == 0 and not keys


@pytest.fixture
def us_answers(parties: Parties, fingers: tuple[Finger, ...]) -> Iterator[Parties]:
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        yield parties


# Who calls: Articles 1(1), 3(3)


def _issued(parties: Parties, tmp_path: Path, kind: str) -> ssl.SSLContext:
    """Return a context with a certificate that the US contact point must not accept."""
    jp, us = parties.jp.settings.folder, parties.us.settings.folder
    authority = CertificateAuthority.load(us.authority if kind == "of the other authority" else jp.authority)
    if kind == "self-made authority":
        authority = CertificateAuthority.create("nobody", clock())
    uri = "urn:pcsc:ncp:xx" if kind == "other URI" else "urn:pcsc:ncp:jp"
    made = clock() - timedelta(days=800) if kind == "expired" else clock()
    leaf = authority.issue(uri, ["127.0.0.1"], made)
    leaf.save(tmp_path / "leaf.pem", tmp_path / "leaf.key")
    return _context(parties, tmp_path / "leaf.pem", tmp_path / "leaf.key")


def test_1_1_no_certificate_is_refused_before_the_body_is_read(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    authority = us_answers.jp.settings.folder.other_authority
    with Caller(us_answers, ssl.create_default_context(cafile=authority)) as caller, pytest.raises(httpx2.HTTPError):
        caller.ask(wire.encode(query(us_answers.jp, fingers[0])))
    assert nothing_happened(us_answers.us)


@pytest.mark.parametrize("kind", ["expired", "of the other authority", "self-made authority"])
def test_1_1_a_certificate_that_does_not_verify_is_refused_in_the_handshake(
    us_answers: Parties, fingers: tuple[Finger, ...], tmp_path: Path, kind: str
) -> None:
    with Caller(us_answers, _issued(us_answers, tmp_path, kind)) as caller, pytest.raises(httpx2.HTTPError):
        caller.ask(wire.encode(query(us_answers.jp, fingers[0])))
    assert nothing_happened(us_answers.us)


@pytest.mark.parametrize("kind", ["other URI", "other key"])
def test_3_3_a_certificate_of_the_right_authority_that_is_not_pinned_is_refused(
    us_answers: Parties, fingers: tuple[Finger, ...], tmp_path: Path, kind: str
) -> None:
    with Caller(us_answers, _issued(us_answers, tmp_path, kind)) as caller:
        response = caller.ask(wire.encode(query(us_answers.jp, fingers[0])))
    assert problem(response) == (403, "3-3.INDIRECT")
    assert nothing_happened(us_answers.us)


def test_3_3_our_side_sends_nothing_to_a_server_that_is_not_the_designated_one(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The US designation is changed to another key: JP refuses in the handshake, and the query stays unsent."""
    card = json.loads(parties.jp.settings.folder.other.read_text())
    card["tls_keys"] = ["0" * 64]
    designate(parties.jp.settings, json.dumps(card), "a note")
    with (
        parties.answering(Party.US),
        main.opened(parties.jp.settings.folder.root) as jp,
        pytest.raises(tls.NotContactPointError, match=r"3\(3\)"),
    ):
        querying.open_query(jp, [fingers[0].later_print], justification(Party.JP), clock())
    assert nothing_happened(parties.us)


# What is signed: Article 9


def test_9_a_body_changed_after_signing_is_refused(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    with Caller(us_answers) as caller:
        body = wire.encode(query(us_answers.jp, fingers[0]))
        changed = body.replace(b'"identified":true', b'"identified":null'[:16] + b"e", 1).replace(
            b"robbery", b"arson..", 1
        )
        response = caller.send(caller.signed(body), changed)
    assert problem(response) == (401, "9.SIGNATURE")
    assert nothing_happened(us_answers.us)


def test_9_a_message_signed_with_another_key_is_refused(
    us_answers: Parties, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    with Caller(us_answers, key=SigningKey.create(tmp_path / "other.pem")) as caller:
        response = caller.ask(wire.encode(query(us_answers.jp, fingers[0])))
    assert problem(response) == (401, "9.SIGNATURE")


def test_9_an_unsigned_message_is_refused(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller:
        response = caller.http.post(caller.url, content=body, headers={"Content-Type": wire.CONTENT_TYPE})
    assert problem(response) == (401, "9.SIGNATURE")


def test_9_a_signed_request_replayed_as_it_was_is_refused(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    with Caller(us_answers) as caller:
        body = wire.encode(query(us_answers.jp, fingers[1]))
        request = caller.signed(body)
        assert caller.send(request, body).status_code == 200
        assert problem(caller.send(request, body)) == (409, "9.REPLAY")


def test_9_a_message_for_another_resource_is_refused(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller:
        caller.url = us_answers.us.settings.address + "/v1/determinations"
        assert problem(caller.ask(body)) == (400, "4-7.FORMAT")
        caller.url = us_answers.us.settings.address + "/v1/nothing"
        assert problem(caller.ask(body)) == (404, "3-3.NO_SUCH_RESOURCE")


def test_11_checkpoints_that_name_no_checkpoint_are_told_as_a_fault_of_theirs(us_answers: Parties) -> None:
    """A technical failure would be sent again for ever."""
    number, salt = service.new_number(us_answers.jp, clock()), service.new_salt()
    message = Checkpoints(number, clock(), salt, "", (), "no note", ())
    with Caller(us_answers) as caller:
        caller.url = us_answers.us.settings.address + wire.PATHS[Checkpoints]
        response = caller.ask(wire.encode(message))
    assert problem(response) == (400, "4-7.FORMAT")
    assert "what is said to be witnessed last is no note of a checkpoint" in response.json()["detail"]


def test_9_a_message_too_large_is_refused(us_answers: Parties) -> None:
    body = b"x" * (wire.MAX_BODY + 1)
    with Caller(us_answers) as caller:
        assert problem(caller.ask(body)) == (400, "4-7.FORMAT")


def signed_by_us(parties: Parties, request: HttpRequest, response: httpx2.Response) -> bool:
    """Whether an answer is signed by the US contact point, as the answer to this request where that has a signature."""
    assert parties.jp.settings.other is not None
    key = VerifyingKey.from_pem(parties.jp.settings.other.signing_key_pem.encode())
    told = HttpResponse(response.status_code, dict(response.headers), request)
    if "Signature" in request.headers:
        wire.verify_response(told, response.content, key, now=clock())
    else:
        covers = wire.RESPONSE_COVERS[:3]
        wire._verify(told, response.content, key, covers, clock())
    return True


def _otherwise(**changes: object) -> Callable[[HttpRequest], HttpRequest]:
    return lambda request: replace(request, **changes)  # type: ignore[arg-type]


def _with(name: str, value: str) -> Callable[[HttpRequest], HttpRequest]:
    return lambda request: replace(request, headers={**request.headers, name: value})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_otherwise(headers={"Content-Type": wire.CONTENT_TYPE}), (401, "9.SIGNATURE")),
        (_with("Signature", "("), (401, "9.SIGNATURE")),
        (_with("Signature", ""), (401, "9.SIGNATURE")),
        (_with("Signature", "pyhms=:AAAA:"), (401, "9.SIGNATURE")),
        (_with("Signature-Input", "x" * 30_000), (401, "9.SIGNATURE")),
        (_with("Content-Digest", "sha-256=:AAAA:"), (401, "9.SIGNATURE")),
        (lambda each: replace(each, url=each.url + "?again=1"), (401, "9.SIGNATURE")),
        (lambda each: replace(each, url=each.url + "/"), (404, "3-3.NO_SUCH_RESOURCE")),
        (lambda each: replace(each, url=each.url.replace("/v1/", "/v2/")), (404, "3-3.NO_SUCH_RESOURCE")),
        (_otherwise(method="GET"), (405, "3-3.NO_SUCH_RESOURCE")),
    ],
    ids=["unsigned", "no field", "empty", "garbled", "no input", "digest", "query", "slash", "version", "method"],
)
def test_9_every_refusal_is_signed_and_says_article_code_and_what_to_do(
    us_answers: Parties,
    fingers: tuple[Finger, ...],
    change: Callable[[HttpRequest], HttpRequest],
    expected: tuple[int, str],
) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller:
        request = change(caller.signed(body))
        response = caller.http.request(request.method, request.url, content=body, headers=request.headers)
    assert problem(response) == expected
    assert signed_by_us(us_answers, request, response)
    told = json.loads(response.content)
    assert all(told[name] for name in ("type", "status", "code", "article", "detail", "action", "trace"))
    assert response.headers.get("allow") == ("POST" if expected[0] == 405 else None)
    assert nothing_happened(us_answers.us)


def test_9_a_signature_that_no_answer_could_cover_is_refused_like_any_other(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller:
        headers = {name: value.encode() for name, value in caller.signed(body).headers.items()}
        response = caller.http.post(caller.url, content=body, headers={**headers, "Signature": b"\xe9"})
    assert problem(response) == (401, "9.SIGNATURE")
    assert signed_by_us(us_answers, HttpRequest(caller.url, {}), response)


@pytest.mark.parametrize(("nonce", "came"), [("", "0 came"), ("n" * 129, "129 came")])
def test_9_a_nonce_is_bounded(us_answers: Parties, fingers: tuple[Finger, ...], nonce: str, came: str) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller:
        response = caller.send(wire.sign_request(caller.url, body, caller.key, nonce=nonce, now=clock()), body)
    assert problem(response) == (401, "9.SIGNATURE")
    assert f"nonce has 1 to 128 characters (RFC 9421, 2.3) and is used once; {came}" in response.json()["detail"]


def test_4_7_a_message_comes_as_json(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    body = wire.encode(query(us_answers.jp, fingers[1]))
    with Caller(us_answers) as caller:
        for said, expected in (("text/plain", 400), ("application/json; charset=utf-8", 200)):
            request = HttpRequest(caller.url, {"Content-Type": said})
            wire._sign(request, body, caller.key, wire.REQUEST_COVERS, secrets.token_hex(16), clock())
            response = caller.send(request, body)
            assert response.status_code == expected
            assert ("a message comes as application/json" in response.text) is (expected == 400)


def _rules(kind: type[errors.TreatyError] = errors.TreatyError) -> Iterator[type[errors.TreatyError]]:
    for each in kind.__subclasses__():
        yield from (each, *_rules(each))


@pytest.mark.parametrize("rule", [*_rules()], ids=lambda rule: rule.__name__)
def test_every_rule_is_told_with_its_article_its_code_and_what_to_do(rule: type[errors.TreatyError]) -> None:
    error = rule.__new__(rule)
    error.args = ("expected this; got that",)
    told = peer.problem_of(error)
    assert (told.article, told.code) == (rule.article, rule.code)
    assert told.detail == ("expected this; got that" if told.status < 500 else peer.TECHNICAL)
    assert told.action
    assert 400 <= told.status < 500 or told.status == 503


# Asked again: exactly one answer


def test_the_same_query_signed_again_brings_the_same_bytes_and_one_record(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller:
        first, second = caller.ask(body), caller.ask(body)
    assert first.status_code == 200
    assert first.content == second.content
    assert _events(us_answers.us) == ["query", "match"]


def test_after_a_restart_the_same_query_brings_the_same_bytes_and_its_signature_is_still_used_up(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    parties.enrol(Party.US, "someone", fingers[0])
    body = wire.encode(query(parties.jp, fingers[0]))
    with Caller(parties) as caller:
        request = caller.signed(body)
        with parties.answering(Party.US):
            first = caller.send(request, body)
            caller.http.close()
    with Caller(parties) as caller, parties.answering(Party.US):
        assert problem(caller.send(request, body)) == (409, "9.REPLAY")
        again = caller.ask(body)
        caller.http.close()
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert _events(parties.us) == ["query", "match"]


def test_of_two_contents_under_one_number_at_once_one_is_answered_and_the_other_refused(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    one = query(us_answers.jp, fingers[0])
    bodies = [wire.encode(one), wire.encode(query(us_answers.jp, fingers[1], number=one.control_number))]
    with Caller(us_answers) as caller, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(caller.ask, bodies * 2))
    answered = {answer.content for answer in answers if answer.status_code == 200}
    assert len(answered) == 1
    assert {problem(each) for each in answers if each.status_code != 200} == {(422, "3-4.NUMBER_REUSED")}
    assert sum(answer.status_code == 200 for answer in answers) == 2
    assert _events(us_answers.us).count("query") == 1


def test_11_1_a_message_that_was_not_accepted_is_recorded_once_however_often_it_comes(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The answer that says so may be lost like any other."""
    exchange = querying.open_query(us_answers.jp, [fingers[0].later_print], justification(Party.JP), clock())
    numbers = (service.new_number(us_answers.jp, clock()) for _ in range(2))
    first, second = (
        Determination(number, clock(), service.new_salt(), exchange.reference or "", will_request=True)
        for number in numbers
    )
    with Caller(us_answers) as caller, ThreadPoolExecutor(3) as pool:
        caller.url = us_answers.us.settings.address + wire.PATHS[Determination]
        assert caller.ask(wire.encode(first)).status_code == 200
        late = [wire.encode(replace(second, will_request=False))] * 3
        assert {problem(each)[0] for each in pool.map(caller.ask, late)} == {409}
        assert problem(caller.ask(wire.encode(second))) == (422, "3-4.NUMBER_REUSED")
    told = [event for event in _events(us_answers.us) if event != "deletion"]
    assert told == ["query", "match", "determination", "determination", "not accepted"]


def test_the_number_of_a_query_that_was_refused_is_not_taken_for_another_content(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    one = query(us_answers.jp, fingers[0])
    with Caller(us_answers) as caller:
        refused = wire.encode(replace(one, prints=b"no transaction"))
        for _ in range(2):
            assert problem(caller.ask(refused)) == (422, "4-7.FORMAT")
        assert problem(caller.ask(wire.encode(one))) == (422, "3-4.NUMBER_REUSED")
    assert _events(us_answers.us) == ["query", "not accepted"]


def test_a_control_number_with_another_content_is_refused(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    with Caller(us_answers) as caller:
        one = query(us_answers.jp, fingers[0])
        assert caller.ask(wire.encode(one)).status_code == 200
        other = query(us_answers.jp, fingers[1], number=one.control_number)
        assert problem(caller.ask(wire.encode(other))) == (422, "3-4.NUMBER_REUSED")


def test_the_same_query_from_several_at_once_brings_the_same_bytes_and_one_record(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    body = wire.encode(query(us_answers.jp, fingers[0]))
    with Caller(us_answers) as caller, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: caller.ask(body), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert _events(us_answers.us) == ["query", "match"]


def test_the_same_determination_from_several_at_once_is_taken_in_once(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    exchange = querying.open_query(us_answers.jp, [fingers[0].later_print], justification(Party.JP), clock())
    number = service.new_number(us_answers.jp, clock())
    notice = Determination(number, clock(), service.new_salt(), exchange.reference or "", will_request=False)
    with Caller(us_answers) as caller, ThreadPoolExecutor(4) as pool:
        caller.url = us_answers.us.settings.address + wire.PATHS[Determination]
        answers = list(pool.map(lambda _: caller.ask(wire.encode(notice)), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert _events(us_answers.us).count("determination") == 1


def test_5_2_a_request_of_the_peers_own_is_not_answered_by_the_peer(
    us_answers: Parties, fingers: tuple[Finger, ...]
) -> None:
    """A reply is to a request of ours; in an exchange that the other side opened there is none."""
    exchange = querying.open_query(us_answers.jp, [fingers[0].later_print], justification(Party.JP), clock())
    number = service.new_number(us_answers.jp, clock())
    reply = Reply(number, clock(), service.new_salt(), "JP-REQUEST-1", exchange.reference or "", (Item("name", "X"),))
    with Caller(us_answers) as caller:
        caller.url = us_answers.us.settings.address + wire.PATHS[Reply]
        assert problem(caller.ask(wire.encode(reply))) == (404, "5-1.NO_MATCH")


def test_two_clients_at_once_get_each_their_own_answer(us_answers: Parties, fingers: tuple[Finger, ...]) -> None:
    bodies = [wire.encode(query(us_answers.jp, finger)) for finger in fingers[:2]]
    with Caller(us_answers) as one, Caller(us_answers) as two, ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda caller, body: caller.ask(body).json(), (one, two), bodies))
    assert [answer["message"] for answer in answers] == ["match", "no-match"]
    with us_answers.us.store.transaction() as tx:
        assert records.verify(tx.record()).entries == 5


def test_4_7_the_quota_of_the_day_is_kept(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    parties.amend(Party.US, "tenprint = 100", "tenprint = 1")
    with parties.answering(Party.US):
        querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
        with pytest.raises(
            RefusedError, match=r"4-7\.QUOTA.*allows 1 tenprint queries a day and 1 were made"
        ) as refused:
            querying.open_query(parties.jp, [fingers[1].later_print], justification(Party.JP), clock())
    assert not refused.value.final  # tomorrow the same query may be sent again


def _events(here: Installation) -> list[str]:
    with here.store.transaction() as tx:
        return [entry.event for entry in tx.entries()]


# Killed between commit and answer

_DYING = """
import os, signal, sys
from pathlib import Path
from contact_point import main, queried

act = queried.receive
def receive(here, message, body, now):
    act(here, message, body, now)
    os.kill(os.getpid(), signal.SIGKILL)   # committed, and not a byte of the answer written

queried.receive = receive
main.serve(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(("enrolled", "expected"), [(True, State.MATCH), (False, State.NO_MATCH)])
def test_killed_between_commit_and_answer_then_asked_again(
    parties: Parties, fingers: tuple[Finger, ...], enrolled: bool, expected: State
) -> None:
    """The same answer, no second record, and no print left beyond what Article 8(1) allows."""
    if enrolled:
        parties.enrol(Party.US, "someone", fingers[0])
    root = parties.us.settings.folder.root
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, "-c", _DYING, str(root)], env=environment, stderr=subprocess.DEVNULL
    ) as dying:
        try:
            _await_port(parties.us)
            with pytest.raises(UnreachableError):
                querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
            assert dying.wait(timeout=30) == -signal.SIGKILL
        finally:
            dying.kill()  # where it did not die as it should
    with parties.us.store.transaction() as tx:
        (committed,) = tx.exchanges()
        entries = tx.next_entry()
        answer = tx.content(committed.control_number, Content.ANSWER, number=committed.control_number)
    with parties.answering(Party.US):
        disposal.recover(parties.us, clock())
        way = Listening(parties.jp.other)
        (exchange,) = delivery.resume(replace(parties.jp, other=way), clock)
    assert exchange.state is expected
    assert way.answers == [answer]
    with parties.us.store.transaction() as tx:
        assert tx.next_entry() == entries
        kinds = {each.kind for each in tx.held()}
        assert parties.us.store._slots.live() == tx.slots(CONTENT)
    assert (Content.PROBE in kinds) is enrolled  # Art. 8(1): held only after a match, until the request is answered


def _await_port(here: Installation) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((here.settings.host, here.settings.port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


def test_9_the_framework_exports_nothing_whatever_the_environment_says(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    here, other = parties.us, parties.us.settings.other
    assert other is not None
    app = peer.build(here, SigningKey.load(here.settings.folder.signing_key), other, main.clock)
    assert not any(app._telemetry[name] for name in ("tracing", "metrics", "logs", "operation_spans", "auto_configure"))
