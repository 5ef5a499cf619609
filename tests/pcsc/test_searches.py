"""What is looked for in the record (Article 11)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pcsc import records
from pcsc.errors import RecordError
from pcsc.exchange import State
from pcsc.records import Direction, Entry
from pcsc.searches import Asked, is_of
from tests import builders

AT = datetime(2026, 11, 22, 17, tzinfo=UTC)
HOUR = timedelta(hours=1)


def entry() -> Entry:
    exchange = builders.exchange(State.MATCH)
    return records.of_act(0, exchange, "deletion", article="8(5)(2)", note="", now=AT)


def test_who_asks_for_nothing_gets_everything() -> None:
    assert Asked().takes(entry())
    assert Asked().period_alone


def test_a_period_begins_with_its_first_moment_and_ends_before_its_last() -> None:
    assert Asked(since=AT).takes(entry())
    assert not Asked(since=AT + timedelta(microseconds=1)).takes(entry())
    assert Asked(until=AT + timedelta(microseconds=1)).takes(entry())
    assert not Asked(until=AT).takes(entry())
    assert Asked(since=AT, until=AT + HOUR).period_alone


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        (Asked(events=("query", "deletion")), Asked(events=("query",))),
        (Asked(directions=(Direction.ACT,)), Asked(directions=(Direction.PROVIDED, Direction.RECEIVED))),
        (Asked(articles=("4", "8")), Asked(articles=("8(1)", "5"))),
        (Asked(articles=("8(5)(2)",)), Asked(articles=("8(5)(2)(1)",))),
        (Asked(authorities=(builders.exchange().authority.identifier,)), Asked(authorities=("x",))),
        (Asked(authorities=(builders.exchange().authority.name,)), Asked(authorities=("",))),
        (Asked(authorities=("x", builders.exchange().authority.unit)), Asked(authorities=("y",))),
        (Asked(exchange=entry().exchange), Asked(exchange="JP261122-ZZZZZZZZZZZZZZZZ")),
    ],
)
def test_what_is_asked_for_is_taken_and_nothing_else(asked: Asked, other: Asked) -> None:
    assert asked.takes(entry())
    assert not other.takes(entry())
    assert not asked.period_alone
    assert not replace(asked, until=AT).takes(entry())


def test_an_article_takes_its_clauses_and_no_other_article() -> None:
    assert is_of("8(1)", "8")
    assert is_of("8(1)", "8(1)")
    assert not is_of("11(1)", "1")
    assert not is_of("8(10)", "8(1)")
    assert not is_of("8", "8(1)")


def test_a_period_that_is_none_is_refused() -> None:
    with pytest.raises(
        RecordError, match=r"a period ends after it began; got one from 2026-11-22T17:00:00\+00:00 to before"
    ):
        Asked(since=AT, until=AT)
    with pytest.raises(
        RecordError, match=r"a period is in UTC \(Art\. 11\(2\)\(2\)\); got 2026-11-22T17:00:00, which does"
    ):
        Asked(until=AT.replace(tzinfo=None))
