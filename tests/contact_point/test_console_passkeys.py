"""Passkeys of the console: enrolled by a link, used by their owner, at this site alone (Article 9)."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from contact_point.console import lockout, passkeys, people
from contact_point.console.lockout import LockedOutError, LoginError
from contact_point.console.passkeys import CHALLENGE_LASTS, LONGEST, EnrolmentError
from contact_point.settings import Console, SettingsError
from tests.builders import NOW

from .authenticator import HOST, ORIGIN, Authenticator, unpadded
from .databases import Place
from .entered import ONE, SITE, confirmed, with_passkey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from contact_point.store import Person, Store

HERE = "192.0.2.1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Place(tmp_path, tmp_path / "store.sqlite")
    yield made.store
    made.store.close()


def log_in(store: Store, authenticator: Authenticator, address: str = HERE, **changed: Any) -> Person:
    begun = passkeys.challenge(store, SITE, now=NOW)
    answer = authenticator.sign(begun.options, **changed)
    return passkeys.recognise(store, SITE, begun.token, answer, address=address, now=NOW)


def refused(store: Store, authenticator: Authenticator, address: str = HERE, **changed: Any) -> str:
    with pytest.raises(LoginError) as error:
        log_in(store, authenticator, address, **changed)
    return str(error.value)


def enrolling(store: Store, authenticator: Authenticator, link: str, **changed: Any) -> Person:
    begun = passkeys.begin_with_link(store, SITE, link, now=NOW)
    return passkeys.enrol(store, SITE, begun.token, authenticator.make(begun.options, **changed), now=NOW)


# Enrolment


def test_a_passkey_is_enrolled_by_a_link_and_recognises_its_person(store: Store) -> None:
    ann, authenticator = with_passkey(store)
    bea, other = with_passkey(store, "Bea Example")
    assert log_in(store, authenticator) == ann
    assert log_in(store, other) == bea
    assert log_in(store, authenticator) == ann


def test_9_the_browser_is_asked_for_a_key_that_verifies_its_owner_and_is_found_without_a_name(store: Store) -> None:
    made = confirmed(store)
    asked = json.loads(passkeys.begin_with_link(store, SITE, made.link, now=NOW).options)
    assert asked["rp"] == {"name": "pcsc", "id": HOST}
    selection = asked["authenticatorSelection"]
    assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")
    assert [each["alg"] for each in asked["pubKeyCredParams"]] == [-7, -257]
    assert asked["attestation"] == "none"
    login = json.loads(passkeys.challenge(store, SITE, now=NOW).options)
    assert (login["rpId"], login["userVerification"], login["allowCredentials"]) == (HOST, "required", [])


def test_9_a_link_is_used_once(store: Store) -> None:
    made = confirmed(store)
    first = passkeys.begin_with_link(store, SITE, made.link, now=NOW)
    second = passkeys.begin_with_link(store, SITE, made.link, now=NOW)  # to look at it does not use it up
    passkeys.enrol(store, SITE, first.token, Authenticator().make(first.options), now=NOW)
    with pytest.raises(
        EnrolmentError, match=r"^Art\. 9: the link was used meanwhile, or its time is over: ask an admin"
    ):
        passkeys.enrol(store, SITE, second.token, Authenticator().make(second.options), now=NOW)
    with pytest.raises(
        EnrolmentError, match=r"^Art\. 9: this link is good for nothing: it was used, or is more than 24"
    ):
        passkeys.begin_with_link(store, SITE, made.link, now=NOW)
    with store.transaction() as tx:
        assert len(tx.passkeys(made.person.id)) == 1


def test_9_a_link_is_good_for_a_day(store: Store) -> None:
    made = confirmed(store)
    last = NOW + people.LINK_LASTS - timedelta(seconds=1)
    begun = passkeys.begin_with_link(store, SITE, made.link, now=last)
    answer = Authenticator().make(begun.options)
    with pytest.raises(EnrolmentError, match=r"^Art\. 9: the link was used meanwhile, or its time is over"):
        passkeys.enrol(store, SITE, begun.token, answer, now=last + timedelta(seconds=1))
    with pytest.raises(EnrolmentError, match=r"^Art\. 9: this link is good for nothing"):
        passkeys.begin_with_link(store, SITE, made.link, now=last + timedelta(seconds=1))


@pytest.mark.parametrize("link", ["", "guessed", "\ud800", "x" * 10_000])
def test_9_no_link_is_guessed(store: Store, link: str) -> None:
    confirmed(store)
    with pytest.raises(EnrolmentError, match=r"^Art\. 9: this link is good for nothing"):
        passkeys.begin_with_link(store, SITE, link, now=NOW)


def test_9_a_link_of_who_left_is_good_for_nothing(store: Store) -> None:
    made = confirmed(store)
    begun = passkeys.begin_with_link(store, SITE, made.link, now=NOW)
    people.end(store, made.person.id, by=ONE, now=NOW)
    with pytest.raises(EnrolmentError, match=r"^Art\. 9: this took longer than five minutes, or was sent twice"):
        passkeys.enrol(store, SITE, begun.token, Authenticator().make(begun.options), now=NOW)
    with pytest.raises(EnrolmentError, match=r"^Art\. 9: this link is good for nothing"):
        passkeys.begin_with_link(store, SITE, made.link, now=NOW)
    with pytest.raises(
        EnrolmentError, match=r"^Art\. 9: a passkey is of somebody who works here, and this person left"
    ):
        passkeys.begin(store, SITE, made.person.id, now=NOW)


NO_PASSKEY = (
    r"^Art\. 9: expected a new passkey of console\.example\.org, made at https://console\.example\.org by an authenticator "
    r"that verified its owner; what came is none \(\w+\): begin again from the link, with another authenticator if it stays so$"
)


@pytest.mark.parametrize(
    ("authenticator", "changed"),
    [
        pytest.param(Authenticator(origin="https://console.example.org.evil.org"), {}, id="at another site"),
        pytest.param(Authenticator(origin="http://console.example.org"), {}, id="without TLS"),
        pytest.param(Authenticator(origin=f"{ORIGIN}:8443"), {}, id="at another port"),
        pytest.param(Authenticator(host="example.org"), {}, id="of another relying party"),
        pytest.param(Authenticator(verifies=False), {}, id="owner not verified"),
        pytest.param(Authenticator(), {"challenge": unpadded(b"another challenge")}, id="of another challenge"),
        pytest.param(Authenticator(), {"type": "webauthn.get"}, id="a login"),
        pytest.param(Authenticator(), {"cose": {1: 1, 3: -8, -1: 6}}, id="EdDSA, which is not approved"),
        pytest.param(Authenticator(credential=b""), {}, id="without a credential"),
    ],
)
def test_9_what_is_no_passkey_of_this_site_is_not_enrolled(
    store: Store, authenticator: Authenticator, changed: dict[str, Any]
) -> None:
    made = confirmed(store)
    with pytest.raises(EnrolmentError, match=NO_PASSKEY):
        enrolling(store, authenticator, made.link, **changed)
    with store.transaction() as tx:
        assert tx.passkeys(made.person.id) == []
    assert enrolling(store, Authenticator(), made.link) == made.person  # the link is still good


@pytest.mark.parametrize("answer", ["", "{}", "[]", "null", '{"id": 1}', "x" * (LONGEST + 1), '{"id": "\\ud800"}'])
def test_what_is_no_answer_of_a_browser_enrols_and_recognises_nobody(store: Store, answer: str) -> None:
    made = confirmed(store)
    begun = passkeys.begin_with_link(store, SITE, made.link, now=NOW)
    with pytest.raises(EnrolmentError, match=NO_PASSKEY):
        passkeys.enrol(store, SITE, begun.token, answer, now=NOW)
    begun = passkeys.challenge(store, SITE, now=NOW)
    with pytest.raises(LoginError):
        passkeys.recognise(store, SITE, begun.token, answer, address=HERE, now=NOW)


def test_9_a_challenge_of_an_enrolment_is_used_once_and_within_five_minutes(store: Store) -> None:
    made, authenticator = confirmed(store), Authenticator()
    begun = passkeys.begin_with_link(store, SITE, made.link, now=NOW)
    answer = authenticator.make(begun.options)
    late = r"^Art\. 9: this took longer than five minutes, or was sent twice: begin again from the link$"
    with pytest.raises(EnrolmentError, match=late):
        passkeys.enrol(store, SITE, begun.token, answer, now=NOW + CHALLENGE_LASTS)
    with pytest.raises(EnrolmentError, match=NO_PASSKEY):
        passkeys.enrol(store, SITE, begun.token, "{}", now=NOW)
    with pytest.raises(EnrolmentError, match=late):
        passkeys.enrol(store, SITE, begun.token, answer, now=NOW)


def test_9_a_passkey_is_one_persons(store: Store) -> None:
    _, authenticator = with_passkey(store)
    made = confirmed(store, "Bea Example")
    with pytest.raises(EnrolmentError, match=r"^Art\. 9: this passkey is enrolled already, and is one person's"):
        enrolling(store, replace(authenticator), made.link)


def test_who_is_in_enrols_a_further_passkey_and_both_are_theirs(store: Store) -> None:
    ann, first = with_passkey(store)
    second = Authenticator()
    begun = passkeys.begin(store, SITE, ann.id, now=NOW)
    asked = json.loads(begun.options)
    assert [each["id"] for each in asked["excludeCredentials"]] == [unpadded(first.credential)]
    assert passkeys.enrol(store, SITE, begun.token, second.make(begun.options), now=NOW) == ann
    assert [log_in(store, each) for each in (first, second)] == [ann, ann]


# Login


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"origin": "https://console.example.org.evil.org"}, id="at another site"),
        pytest.param({"origin": "http://console.example.org"}, id="without TLS"),
        pytest.param({"challenge": unpadded(b"another challenge")}, id="of another challenge"),
        pytest.param({"type": "webauthn.create"}, id="an enrolment"),
        pytest.param({"owner": ""}, id="of nobody"),
        pytest.param({"owner": unpadded(b"somebody else")}, id="of somebody else"),
    ],
)
def test_9_what_a_passkey_signed_for_anything_else_recognises_nobody(store: Store, changed: dict[str, Any]) -> None:
    ann, authenticator = with_passkey(store)
    refused(store, authenticator, **changed)
    assert log_in(store, authenticator) == ann


@pytest.mark.parametrize("change", [{"host": "example.org"}, {"verifies": False}, {"key": Authenticator().key}])
def test_9_an_authenticator_that_is_another_or_did_not_verify_its_owner_recognises_nobody(
    store: Store, change: dict[str, Any]
) -> None:
    _, authenticator = with_passkey(store)
    refused(store, replace(authenticator, **change))


def test_9_a_challenge_is_used_once_and_within_five_minutes(store: Store) -> None:
    made, authenticator = confirmed(store), Authenticator(counts=False)  # nothing else tells a second use
    ann = enrolling(store, authenticator, made.link)
    begun = passkeys.challenge(store, SITE, now=NOW)
    answer = authenticator.sign(begun.options)
    with pytest.raises(LoginError):
        passkeys.recognise(store, SITE, begun.token, answer, address=HERE, now=NOW + CHALLENGE_LASTS)
    assert passkeys.recognise(store, SITE, begun.token, answer, address=HERE, now=NOW) == ann
    with pytest.raises(LoginError):
        passkeys.recognise(store, SITE, begun.token, answer, address=HERE, now=NOW)
    with pytest.raises(LoginError):
        passkeys.recognise(store, SITE, "", answer, address=HERE, now=NOW)


def test_9_a_challenge_of_an_enrolment_is_none_of_a_login(store: Store) -> None:
    ann, authenticator = with_passkey(store)
    begun = passkeys.begin(store, SITE, ann.id, now=NOW)
    with pytest.raises(LoginError):
        passkeys.recognise(store, SITE, begun.token, authenticator.sign(begun.options), address=HERE, now=NOW)


def test_9_a_count_of_signatures_that_does_not_grow_is_a_copys(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    ann, authenticator = with_passkey(store)
    copy = replace(authenticator)
    assert log_in(store, authenticator) == log_in(store, authenticator) == ann
    refused(store, copy)
    assert (
        f"Art. 9: a passkey of person {ann.id} signed for the 1th time after the 2th: it may have been" in caplog.text
    )
    refused(store, copy)
    assert log_in(store, authenticator) == ann


def test_an_authenticator_that_does_not_count_is_taken_as_it_is(store: Store) -> None:
    made, authenticator = confirmed(store), Authenticator(counts=False)
    enrolling(store, authenticator, made.link)
    assert log_in(store, authenticator) == log_in(store, authenticator) == made.person


def test_9_one_that_counted_and_counts_no_more_is_refused(store: Store) -> None:
    _, authenticator = with_passkey(store)
    log_in(store, authenticator)
    refused(store, replace(authenticator, counts=False, signed=0))


def test_9_nothing_tells_whether_a_person_exists(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever was never here, left, is somebody with another key, or was not looked at: one sentence, and the same options."""
    _, known = with_passkey(store)
    gone, left = with_passkey(store, "Bea Example")
    with store.transaction() as tx:
        kept = tx.passkeys(gone.id)
    people.end(store, gone.id, by=ONE, now=NOW)
    stranger = Authenticator(owner=known.owner)
    said = {
        refused(store, stranger),
        refused(store, left),
        refused(store, replace(known, key=stranger.key)),
        refused(store, known, owner=""),
        refused(store, known, type="webauthn.create"),
    }
    with store.transaction() as tx:  # the row of who left came back
        tx.add_passkey(kept[0])
    said.add(refused(store, left))
    assert len(said) == 1
    assert said.pop().startswith("Art. 9: you were not recognised, so nothing is shown: try again within five minutes")
    assert "Example" not in caplog.text
    one, other = (json.loads(passkeys.challenge(store, SITE, now=NOW).options) for _ in range(2))
    assert one.pop("challenge") != other.pop("challenge")
    assert one == other


def test_1_2_no_log_repeats_what_was_sent(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    _, authenticator = with_passkey(store)
    refused(store, authenticator, origin="https://ann.example.net")
    refused(store, authenticator, type="Ann Example")
    assert "a passkey was refused: InvalidAuthenticationResponse" in caplog.text
    assert "Ann" not in caplog.text
    assert "ann." not in caplog.text


# Lockout


def fail(store: Store, authenticator: Authenticator, now: Any = NOW, address: str = HERE) -> None:
    begun = passkeys.challenge(store, SITE, now=now)
    answer = replace(authenticator, verifies=False).sign(begun.options)
    with pytest.raises(LoginError):
        passkeys.recognise(store, SITE, begun.token, answer, address=address, now=now)


def succeed(store: Store, authenticator: Authenticator, now: Any = NOW, address: str = HERE) -> Person:
    begun = passkeys.challenge(store, SITE, now=now)
    return passkeys.recognise(store, SITE, begun.token, authenticator.sign(begun.options), address=address, now=now)


@pytest.fixture(params=[True, False])
def whose(request: pytest.FixtureRequest, store: Store) -> Authenticator:
    """Return a passkey that somebody has, and one that nobody has."""
    _, known = with_passkey(store)
    return known if request.param else Authenticator(owner=known.owner)


def test_9_after_five_failures_each_further_one_costs_twice_the_wait(store: Store, whose: Authenticator) -> None:
    for _ in range(6):
        fail(store, whose)
    at = NOW
    for wait in (30, 60, 120, 240, 480, 960, 1920, 3600, 3600):
        with pytest.raises(
            LockedOutError,
            match=rf"^Art\. 9: too many attempts failed, and nothing is looked at for {wait} seconds: wait, then try again$",
        ):
            succeed(store, whose, at)
        with pytest.raises(LockedOutError) as waits:
            succeed(store, whose, at + timedelta(seconds=wait, microseconds=-1))
        assert waits.value.seconds == 1
        at += timedelta(seconds=wait)
        fail(store, whose, at)


def test_9_a_success_begins_the_count_anew_and_so_does_a_day(store: Store) -> None:
    ann, authenticator = with_passkey(store)
    for _ in range(3):
        for _ in range(5):
            fail(store, authenticator)
        assert succeed(store, authenticator) == ann
    for _ in range(6):
        fail(store, authenticator)
    day = NOW + lockout.REMEMBERED + timedelta(seconds=1)
    for _ in range(5):
        fail(store, authenticator, day)
    assert succeed(store, authenticator, day) == ann


def test_9_who_waits_is_not_looked_at_and_the_challenge_stays_good(store: Store) -> None:
    ann, authenticator = with_passkey(store)
    for _ in range(6):
        fail(store, authenticator)
    begun = passkeys.challenge(store, SITE, now=NOW)
    answer = authenticator.sign(begun.options)
    for _ in range(20):  # and no attempt while waiting makes it longer
        with pytest.raises(LockedOutError):
            passkeys.recognise(store, SITE, begun.token, answer, address=HERE, now=NOW)
    later = NOW + timedelta(seconds=30)
    assert passkeys.recognise(store, SITE, begun.token, answer, address=HERE, now=later) == ann


def test_9_failures_from_one_place_are_counted_whatever_is_shown_and_keep_nobody_else_out(store: Store) -> None:
    ann, authenticator = with_passkey(store)
    for _ in range(51):
        fail(store, Authenticator(owner=authenticator.owner))
    with pytest.raises(LockedOutError):
        succeed(store, authenticator)
    assert succeed(store, authenticator, address="192.0.2.2") == ann


def test_9_an_answer_without_a_challenge_costs_its_passkey_nothing(store: Store) -> None:
    ann, authenticator = with_passkey(store)
    begun = passkeys.challenge(store, SITE, now=NOW)
    answer = authenticator.sign(begun.options)
    for _ in range(60):
        with pytest.raises(LoginError):
            passkeys.recognise(store, SITE, "none", answer, address=HERE, now=NOW)
    assert succeed(store, authenticator) == ann


def test_1_2_what_failures_are_counted_by_is_a_digest(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "store.sqlite")
    fail(place.store, Authenticator())
    assert HERE.encode() not in place.on_disk()
    place.store.close()


# The site


@pytest.mark.parametrize(
    "origin",
    [
        *("", "console.example.org", "http://console.example.org", "https://192.0.2.1", "https://[::1]:8443"),
        *("http://127.0.0.1:8080", "https://console.example.org/", "https://console.example.org/console", "https://"),
        *("https://a@console.example.org", "https://console.example.org?a=b", "ftp://localhost"),
    ],
)
def test_9_a_console_without_a_name_or_tls_is_no_place_for_passkeys(origin: str) -> None:
    with pytest.raises(
        SettingsError,
        match=r"^\[console\] origin: expected https:// and a name, or http://localhost, .* a passkey is bound",
    ):
        Console(origin)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://console.example.org", "console.example.org"),
        ("https://console.example.org:8445", "console.example.org"),
        ("http://localhost:8080", "localhost"),
    ],
)
def test_passkeys_are_bound_to_the_name_of_the_console(origin: str, host: str) -> None:
    assert Console(origin).host == host
