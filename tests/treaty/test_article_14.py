"""Article 14: the Parties hold consultations "for the purpose of facilitating the implementation of this Agreement" (1) and,
if necessary, "on any matter that may arise in the interpretation or application" (2). What they bring is counted from the
record of Article 11.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex.parameters import Party
from pcsc.errors import ConsultationError
from pcsc.exchange import State
from pcsc.messages import Consultation, ConsultationOn
from pcsc.records import Direction, Entry, of_act, of_message
from pcsc.statistics import Rule16, pack, rule_16
from tests.builders import NOW, POLICE, SALT, determination, exchange, match, query

if TYPE_CHECKING:
    from pcsc.messages import Message

TODAY: Final = NOW.date()


def record() -> list[Entry]:
    """Return the record of one exchange as Japan keeps it, and a result of use that Japan asked for."""
    at = exchange(State.WILL_REQUEST)
    crossed: tuple[tuple[Message, Direction], ...] = (
        (query(), Direction.PROVIDED),
        (match(), Direction.RECEIVED),
        (determination(), Direction.PROVIDED),
    )
    entries = [
        of_message(number, at, message, direction, committed="c0" * 32, now=NOW + timedelta(seconds=number))
        for number, (message, direction) in enumerate(crossed)
    ]
    entries += [
        of_act(3, at, "examination", article="4(5)", note="exclusion by examiner 7", now=NOW),
        of_act(4, at, "deletion", article="8(2)", note="candidate destroyed", now=NOW),
    ]
    return [*entries, replace(entries[0], number=5, event="result request", article="7")]


@given(st.permutations(range(6)))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_14_the_figures_come_out_of_the_record_to_the_last_bit(order: list[int]) -> None:
    entries = record()
    made = pack(entries, TODAY, TODAY, Party.JP, explanation_days=14)
    again = pack([entries[place] for place in order], TODAY, TODAY, Party.JP, explanation_days=14)
    assert again.canonical().encode() == made.canonical().encode()


def test_14_1_the_figures_show_how_the_agreement_is_carried_out() -> None:
    made = pack(record(), TODAY, TODAY, Party.JP, explanation_days=14)
    assert made.events["query"] == {"provided": 1}
    assert (made.conclusions["exclusion"], made.false_candidates_per_mille) == (1, 1000)
    assert (made.deletions, made.days_to_determination) == ({"8(2)": 1}, 0)


def test_14_1_the_figures_hold_no_personal_data() -> None:
    text = pack(record(), TODAY, TODAY, Party.JP, explanation_days=14).canonical()
    for entry in record():
        for word in (entry.exchange, entry.message, POLICE.name, POLICE.unit, POLICE.identifier, "examiner 7"):
            assert word not in text


def test_8_6_figures_on_results_of_use_stand_apart_and_say_what_they_serve() -> None:
    read = json.loads(pack(record(), TODAY, TODAY, Party.JP, explanation_days=14).canonical())
    assert read["results_of_use"] == {"result request": {"provided": 1}}
    assert read["results_of_use_serve"] == "solely to review the implementation of the agreement: Article 8(6)"
    assert "result request" not in read["events"]


def test_14_1_japans_yearly_report_has_the_four_figures_of_its_rule_and_no_other() -> None:
    """National Public Safety Commission Rule No. 16 of 2018, Article 7(1), items (i) to (iv)."""
    assert [field.name for field in fields(Rule16)] == [
        "year",
        "match_answers_given",
        "explanation_requests_made",
        "further_information_requests_received",
        "result_of_use_requests_made",
    ]
    assert rule_16(record(), TODAY.year, Party.JP).result_of_use_requests_made == 1


@pytest.mark.parametrize("on", ConsultationOn)
def test_14_1_and_14_2_consultations_are_asked_for_on_a_matter(on: ConsultationOn) -> None:
    asked = Consultation(
        "JP261122-CONSULT01", NOW, SALT, Party.JP, on, "The share of false candidates.", "the director"
    )
    assert asked.on.value in {"14(1)", "14(2)", "15(3)"}
    with pytest.raises(
        ConsultationError, match=r"^Art\. 14\(1\): consultations are about something; the matter is empty"
    ):
        replace(asked, matter=" ")
