"""Article 11(1) and (2): the record of what was provided and received.

"(1) the types of information which the Party has provided or received; (2) the date and time of the provision or receipt;
and (3) identification of the authority conducting, at the time of the automated querying, the prevention, detection, or
investigation of the serious crime."
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import pytest

from annex.parameters import Party
from pcsc import life, records
from pcsc.exchange import Side, State
from pcsc.messages import Authority, Checkpoints, Message, Reachability, Receipt
from pcsc.records import Direction, Entry, of_act, of_message
from tests.builders import (
    CANDIDATE,
    NOW,
    POLICE,
    PROBE,
    SALT,
    acceptance,
    arrangement,
    basis,
    breach_notice,
    consent_decision,
    consent_request,
    consultation,
    correction_notice,
    determination,
    exchange,
    explanation,
    explanation_request,
    match,
    no_match,
    offer,
    provided_unasked,
    provision,
    query,
    receipt,
    reply,
    request,
    result_of_use,
    result_request,
    unasked,
    unasked_offer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES: dict[str, tuple[Callable[[], Message], str, tuple[str, ...]]] = {
    "query": (query, "4(3)", ("fingerprint data", "authority", "basis of the query")),
    "match": (match, "4(5)", ("result of automated querying", "reference number", "fingerprint data")),
    "no match": (no_match, "4(4)", ("result of automated querying",)),
    "determination": (determination, "8(2)", ("determination whether to request",)),
    "request": (request, "5(1)", ("written notification", "authority")),
    "reply": (reply, "5(2)", ("name",)),
    "acceptance": (acceptance, "8(8)", ("acceptance of conditions",)),
    "provision": (provision, "5(2)", ("name",)),
    "provision without request": (unasked, "6", ("name",)),
    "explanation request": (explanation_request, "4(6)", ("request for an explanation",)),
    "explanation": (explanation, "4(6)", ("explanation of the purpose of a query",)),
    "result request": (result_request, "7", ("request for the result of use",)),
    "result of use": (result_of_use, "7", ("result of use",)),
    "consent request": (consent_request, "8(5)(2)", ("request for consent",)),
    "consent decision": (consent_decision, "8(5)(2)", ("decision on consent",)),
    "correction notice": (correction_notice, "10(1)", ("notice of incorrect or unreliable information", "name")),
    "breach notice": (breach_notice, "9", ("notice of a breach",)),
    "consultation": (consultation, "14", ("request for consultations",)),
}


TEXTS = (
    "suspect names him",
    "FBI-2026-12",
    "another finger",
    "He was charged",
    "inquest",
    "merged",
    "a disk",
    "a day.",
)
"""What the messages beside the life of an exchange say in their own words."""


def recorded(message: Message, direction: Direction = Direction.RECEIVED, side: Side = Side.QUERIED) -> Entry:
    received_at = NOW + timedelta(seconds=2)
    return of_message(7, exchange(State.MATCH, side), message, direction, committed="c0" * 32, now=received_at)


@pytest.mark.parametrize(("event", "made"), MESSAGES.items(), ids=MESSAGES)
def test_11_2_1_an_entry_names_the_types_of_information_that_crossed(
    event: str, made: tuple[Callable[[], Message], str, tuple[str, ...]]
) -> None:
    message, article, types = made
    entry = recorded(message())
    assert (entry.event, entry.article, entry.information) == (event, article, types)


def test_11_1_everything_that_carries_information_is_recorded_and_a_receipt_carries_none() -> None:
    assert set(get_args(Message)) == set(records.KINDS) | {Checkpoints, Reachability, Receipt}
    assert records.types_of(receipt()) == ()


def test_11_2_1_an_offer_and_a_refusal_have_given_nothing_yet() -> None:
    assert records.types_of(offer()) == ("answer to a request",)
    assert records.types_of(unasked_offer()) == ("offer of information without request",)


def test_11_2_1_an_entry_holds_the_types_and_never_the_content() -> None:
    for message, _, _ in MESSAGES.values():
        text = recorded(message()).canonical()
        for content in (
            PROBE.decode(),
            CANDIDATE.decode(),
            "Richard Roe",
            "identify the person",
            "HKD-2026-77",
            SALT,
            *TEXTS,
        ):
            assert content not in text


def test_11_2_2_an_entry_holds_the_time_of_both_sides_in_utc() -> None:
    entry = recorded(query())
    assert (entry.made_at, entry.at) == (NOW, NOW + timedelta(seconds=2))
    assert json.loads(entry.canonical())["at"] == "2026-11-22T03:04:07+00:00"


@pytest.mark.parametrize("side", Side)
def test_11_2_3_an_entry_identifies_the_investigating_authority_on_both_sides(side: Side) -> None:
    entry = recorded(query(), side=side)
    assert entry.authority == POLICE
    assert entry.other is (Party.US if side is Side.QUERYING else Party.JP)
    assert json.loads(entry.canonical())["authority"]["identifier"] == "HKD-1"


def test_11_2_3a_the_authority_is_that_of_the_time_of_the_query_also_in_later_entries() -> None:
    renamed = Authority("National Police Agency", "Serious Crime Division", "NPA-1", "Japan")
    assert recorded(request(authority=renamed)).authority == POLICE


@pytest.mark.parametrize("side", Side)
def test_11_2_3c_where_there_was_no_query_the_record_says_so_and_leaves_nothing_blank(side: Side) -> None:
    """Information without request, a breach and consultations follow from no automated query."""
    for at, message in (
        (provided_unasked(side), unasked()),
        (life.open_notice(breach_notice(), side, arrangement(), NOW), breach_notice()),
        (life.open_notice(consultation(), side, arrangement(), NOW), consultation()),
    ):
        entry = of_message(0, at, message, Direction.PROVIDED, committed="c0" * 32, now=NOW)
        authority = json.loads(entry.canonical())["authority"]
        assert authority["name"] == "no automated query"
        assert authority["unit"] == "what is recorded did not follow from an automated query (Article 11(2)(3))"
        assert (entry.identified, entry.search) == (None, "")


def test_11_2_an_entry_says_what_the_query_searched_with() -> None:
    assert recorded(query()).search == "tenprint"


def test_11_1_a_provision_without_request_that_was_not_admitted_was_received_all_the_same() -> None:
    refused = life.turned_away(unasked(basis=basis(political=True)), arrangement(), NOW)
    assert refused is not None
    assert (refused.state, refused.side, refused.article, refused.provided_at) == (State.CLOSED, Side.QUERYING, 6, None)
    assert life.turned_away(unasked(), arrangement(), datetime(2019, 1, 4, tzinfo=UTC)) is None


def test_11_1_a_commitment_to_the_bytes_stands_in_their_place() -> None:
    assert recorded(match()).commitment == "c0" * 32


def test_11_1_every_entry_leads_to_its_query_its_rules_and_its_arrangement() -> None:
    for message, _, _ in MESSAGES.values():
        entry = recorded(message())
        assert (entry.exchange, entry.rules, entry.arrangement) == (query().control_number, "2022-04-01", "test-1")
        assert entry.identified is True


def test_11_1_a_query_that_was_not_admitted_was_received_all_the_same() -> None:
    refused = life.turned_away(query(basis=basis(political=True)), arrangement(), NOW)
    assert refused is not None
    assert (refused.state, refused.side, refused.rules) == (State.CLOSED, Side.QUERIED, "2022-04-01")
    entry = of_message(0, refused, query(), Direction.RECEIVED, committed="c0" * 32, now=NOW)
    assert (entry.authority, entry.event) == (POLICE, "query")
    assert life.turned_away(query(), arrangement(), datetime(2019, 1, 4, tzinfo=UTC)) is None  # not under the agreement


def test_11_1_an_act_of_our_own_is_recorded_under_its_article_and_gives_nothing_to_anybody() -> None:
    at = exchange(State.NO_REQUEST, Side.QUERIED)
    entry = of_act(8, at, "deletion", article="8(1)", note="probe destroyed", now=NOW)
    assert (entry.direction, entry.event, entry.article, entry.note) == (
        Direction.ACT, "deletion", "8(1)", "probe destroyed",
    )  # fmt: skip
    assert (entry.information, entry.commitment) == ((), "")
    assert (entry.authority, entry.other, entry.at) == (POLICE, Party.JP, NOW)
