"""Figures of the record: counted from its entries alone, the same for the same entries, and telling nothing about anybody."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annex.parameters import Party
from pcsc.duties import Duty, DutyKind
from pcsc.messages import Authority
from pcsc.records import Direction, Entry
from pcsc.statistics import Ageing, Answered, Pack, Rule16, ageing, pack, rule_16
from tests.kept import compare

PROVIDED, RECEIVED, ACT = Direction.PROVIDED, Direction.RECEIVED, Direction.ACT
POLICE: Final = Authority("Hokkaido Prefectural Police", "First Investigation Division", "HKD-1", "Hokkaido")
JUNE: Final = (date(2026, 6, 1), date(2026, 6, 30))


class Record:
    """The record of one Party, as a test writes it: times are days and hours of June 2026."""

    def __init__(self, ours: Party) -> None:
        self.ours = ours
        self.entries: list[Entry] = []
        self._numbers = count()

    def add(self, exchange: int, event: str, direction: Direction, day: float, **changes: Any) -> None:
        at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(days=day - 1)
        fields: dict[str, Any] = {
            "exchange": f"XX260601-{exchange}",
            "message": f"XX260601-{exchange}-{event}",
            "information": (),
            "made_at": at,
            "other": self.ours.other,
            "authority": POLICE,
            "identified": True,
            "article": "",
            "arrangement": "test-1",
            "rules": "2022-04-01",
        }
        fields |= {"number": next(self._numbers), "event": event, "direction": direction, "at": at, **changes}
        self.entries.append(Entry(**fields))

    def figures(self, first: date = JUNE[0], last: date = JUNE[1]) -> Pack:
        return pack(self.entries, first, last, self.ours, explanation_days=14)


def a_month_of_japan() -> Record:
    """Return a record with every kind of event in it."""
    record = Record(Party.JP)
    for exchange, days, conclusion in ((1, 1, "exclusion"), (2, 4, "exclusion"), (3, 9, "identification")):
        record.add(exchange, "query", PROVIDED, 2, search="latent", identified=False)
        record.add(exchange, "match", RECEIVED, 2.01)
        record.add(exchange, "examination", ACT, 2.01 + days, article="4(5)", note=f"{conclusion} by examiner Sato")
        record.add(exchange, "determination", PROVIDED, 2.02 + days + exchange)
        record.add(exchange, "deletion", ACT, 2.02 + days + exchange, article="8(2)", note="candidate destroyed")
    record.add(4, "query", PROVIDED, 5, search="tenprint")
    record.add(4, "no match", RECEIVED, 5.01)
    record.add(1, "explanation request", RECEIVED, 12)
    record.add(1, "explanation", PROVIDED, 13)
    record.add(2, "explanation request", RECEIVED, 12)
    record.add(5, "query", RECEIVED, 6, search="tenprint")
    record.add(5, "match", PROVIDED, 6.01)
    record.add(5, "explanation request", PROVIDED, 20)
    record.add(6, "query", RECEIVED, 7)
    record.add(6, "match", PROVIDED, 7.01)
    record.add(6, "request", RECEIVED, 8)
    record.add(6, "reply", PROVIDED, 9)
    record.add(6, "deletion", ACT, 9, article="8(1)", note="probe destroyed")
    record.add(6, "result request", PROVIDED, 20)
    record.add(6, "result of use", RECEIVED, 21)
    record.add(3, "use", ACT, 21, article="8(5)(1)(c)", note="use for immigration by Suzuki: allowed")
    record.add(3, "lapse", ACT, 22, article="8(2)")
    record.add(3, "correction notice", PROVIDED, 23)
    record.add(3, "measure", ACT, 24, article="10(2)", note="non-disclosure by Tanaka; to be told: INTERPOL")
    record.add(9, "query", RECEIVED, 24, search="latent")
    record.add(9, "not accepted", ACT, 24, article="4(7)", note="query not accepted: 4-7.QUOTA")
    record.add(7, "breach notice", RECEIVED, 24, identified=None)
    record.add(8, "consultation", RECEIVED, 25, identified=None)
    return record


WHOLE: Final = a_month_of_japan()


def test_messages_and_acts_are_counted_by_event_and_direction() -> None:
    events = WHOLE.figures().events
    assert events["query"] == {"provided": 4, "received": 3}
    assert events["match"] == {"provided": 2, "received": 3}
    assert events["no match"] == {"received": 1}
    assert events["correction notice"] == {"provided": 1}
    assert events["breach notice"] == events["consultation"] == {"received": 1}
    assert events["examination"] == {"act": 3}


def test_queries_are_counted_by_what_they_searched_with_and_said_of_the_individual() -> None:
    figures = WHOLE.figures()
    assert figures.searches == {
        "provided": {"latent": 3, "tenprint": 1},
        "received": {"latent": 1, "not stated": 1, "tenprint": 1},
    }
    assert figures.individuals == {"provided": {"identified": 1, "unidentified": 3}, "received": {"identified": 3}}


def test_false_candidates_are_the_share_that_examiners_excluded() -> None:
    figures = WHOLE.figures()
    assert figures.conclusions == {"identification": 1, "exclusion": 2, "inconclusive": 0}
    assert figures.false_candidates_per_mille == 667


def test_of_an_exchange_the_last_conclusion_stands() -> None:
    record = Record(Party.US)
    record.add(1, "match", RECEIVED, 1)
    record.add(1, "examination", ACT, 2, note="inconclusive by examiner 7")
    record.add(1, "examination", ACT, 3, note="exclusion by examiner 8")
    figures = record.figures()
    assert figures.conclusions == {"identification": 0, "exclusion": 1, "inconclusive": 0}
    assert figures.days_to_examination == 1  # the first one


def test_days_are_whole_and_their_median_is_one_of_them() -> None:
    figures = WHOLE.figures()
    assert (figures.days_to_examination, figures.days_to_determination) == (4, 6)
    assert isinstance(figures.days_to_examination, int)


def test_a_period_without_anything_has_no_share_and_no_median() -> None:
    empty = WHOLE.figures(date(2026, 1, 1), date(2026, 1, 31))
    assert (empty.events, empty.deletions, empty.explanations_asked_of_us) == ({}, {}, Answered(0, 0, 0))
    assert (empty.false_candidates_per_mille, empty.days_to_examination, empty.days_to_determination) == (None,) * 3


def test_explanations_are_counted_by_who_asked_and_those_that_are_overdue_are_told() -> None:
    figures = WHOLE.figures()
    assert figures.explanations_asked_of_us == Answered(asked=2, answered=1, overdue=1)
    assert figures.explanations_asked_by_us == Answered(asked=1, answered=0, overdue=0)  # due on 4 July


def test_what_is_overdue_is_so_at_the_end_of_the_period_whatever_came_later() -> None:
    record = a_month_of_japan()
    before = record.figures()
    record.add(2, "explanation", PROVIDED, 35)
    record.add(5, "explanation", RECEIVED, 36)
    assert record.figures() == before
    later = record.figures(date(2026, 6, 1), date(2026, 7, 31))
    assert later.explanations_asked_of_us == Answered(asked=2, answered=2, overdue=1)
    assert later.explanations_asked_by_us == Answered(asked=1, answered=1, overdue=1)


@pytest.mark.parametrize(("days", "overdue"), [(14, 0), (14.001, 1)])
def test_an_explanation_is_in_time_up_to_the_moment_it_is_due(days: float, overdue: int) -> None:
    record = Record(Party.US)
    record.add(1, "explanation request", RECEIVED, 1)
    record.add(1, "explanation", PROVIDED, 1 + days)
    assert record.figures().explanations_asked_of_us == Answered(asked=1, answered=1, overdue=overdue)


def test_deletions_lapses_and_uses_are_counted_by_clause() -> None:
    figures = WHOLE.figures()
    assert figures.deletions == {"8(1)": 1, "8(2)": 3}
    assert (figures.lapses, figures.uses) == ({"8(2)": 1}, {"8(5)(1)(c)": 1})
    assert figures.not_accepted == {"4(7)": 1}


def test_measures_are_counted_by_their_kind() -> None:
    assert WHOLE.figures().measures == {"correction": 0, "deletion": 0, "non-disclosure": 1}


def test_a_period_is_whole_days_in_utc() -> None:
    record = Record(Party.US)
    for day in (0.9999, 1.0, 30.9999, 31.0):
        record.add(1, "query", RECEIVED, day)
    assert record.figures().events == {"query": {"received": 2}}
    assert record.figures(date(2026, 5, 31), date(2026, 5, 31)).events == {"query": {"received": 1}}


def test_a_period_has_its_days_in_order() -> None:
    with pytest.raises(ValueError, match="got 2026-06-30 to 2026-06-01: exchange the two"):
        WHOLE.figures(*reversed(JUNE))


def test_a_party_counts_its_own_record() -> None:
    with pytest.raises(ValueError, match="figures of US are counted from its own record; this one is kept by JP"):
        pack(WHOLE.entries, *JUNE, Party.US, explanation_days=14)


@given(st.permutations(WHOLE.entries))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_the_same_entries_give_the_same_text_in_whatever_order(entries: list[Entry]) -> None:
    made = pack(iter(entries), *JUNE, Party.JP, explanation_days=14)
    assert made.canonical().encode() == WHOLE.figures().canonical().encode()


def test_the_text_is_json_with_every_figure_and_nothing_about_anybody() -> None:
    text = WHOLE.figures().canonical()
    read = json.loads(text)
    assert (read["ours"], read["first"], read["last"]) == ("JP", "2026-06-01", "2026-06-30")
    assert read["explanations_asked_of_us"] == {"answered": 1, "asked": 2, "overdue": 1}
    for entry in WHOLE.entries:
        personal = (
            entry.exchange,
            entry.message,
            entry.authority.name,
            entry.authority.unit,
            entry.authority.identifier,
        )
        assert not [each for each in (*personal, "Sato", "Suzuki", "Tanaka", "INTERPOL") if each in text]


def test_the_text_is_the_one_that_was_last_read_over() -> None:
    compare(Path(__file__).parent / "kept" / "statistics.txt", WHOLE.figures().canonical())


def test_an_answer_in_the_moment_of_its_request_answers_it() -> None:
    record = Record(Party.US)
    for exchange in (1, 2, 3):
        record.add(exchange, "explanation request", RECEIVED, 1)
    record.add(1, "explanation", PROVIDED, 1)
    assert record.figures().explanations_asked_of_us == Answered(asked=3, answered=1, overdue=2)


def test_an_examination_of_no_match_of_the_record_has_no_days() -> None:
    record = Record(Party.US)
    record.add(1, "examination", ACT, 3, note="exclusion by examiner 8")
    record.add(2, "match", RECEIVED, 1)
    record.add(2, "examination", ACT, 40, note="exclusion by examiner 8")
    assert record.figures().days_to_examination is None


# The report of Japan's Rule 16


def test_the_yearly_report_has_exactly_its_four_figures() -> None:
    assert rule_16(WHOLE.entries, 2026, Party.JP) == Rule16(
        year=2026,
        match_answers_given=2,
        explanation_requests_made=1,
        further_information_requests_received=1,
        result_of_use_requests_made=1,
    )


def test_the_yearly_report_is_of_one_year() -> None:
    record = Record(Party.JP)
    for at in (datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)):
        record.add(1, "match", PROVIDED, 1, at=at)
    assert [rule_16(record.entries, year, Party.JP).match_answers_given for year in (2024, 2025, 2026)] == [0, 1, 1]


def test_the_yearly_report_is_japans() -> None:
    with pytest.raises(ValueError, match=r"^figures of JP are counted from its own record; this one is kept by US$"):
        rule_16([replace(entry, other=Party.JP) for entry in WHOLE.entries], 2026, Party.JP)
    with pytest.raises(ValueError, match=r"Rule No\. 16 of 2018 orders a report of Japan; this contact point is of US"):
        rule_16(Record(Party.US).entries, 2026, Party.US)


# What is owed


def test_duties_age_by_article_and_kind() -> None:
    now = datetime(2026, 6, 10, 12, tzinfo=UTC)
    duties = [
        Duty("1", DutyKind.EXAMINE, "examine the matching prints", "4(5)", now - timedelta(days=3, hours=1)),
        Duty("2", DutyKind.EXAMINE, "examine the matching prints", "4(5)", now - timedelta(seconds=1)),
        Duty("3", DutyKind.EXAMINE, "examine the matching prints", "4(5)", now),
        Duty("4", DutyKind.ANSWER, "answer the request for further information", "5(2)", now + timedelta(days=2)),
    ]
    assert ageing(duties, now) == (
        Ageing("4(5)", "examine the matching prints", waiting=3, overdue=2, oldest_days=3),
        Ageing("5(2)", "answer the request for further information", waiting=1, overdue=0, oldest_days=0),
    )
    assert ageing([], now) == ()
