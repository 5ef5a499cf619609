"""The end of the record's term, in a real database: Article 11(3)."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import disposal, provided, querying
from contact_point.keys import KeyDestroyedError
from contact_point.main import clock
from contact_point.provided import Wanted
from contact_point.store import Store, Transaction, UnknownExchangeError
from contact_point.store.tables import EXCHANGE
from pcsc import records
from pcsc.agreement import months_after
from pcsc.errors import RecordError
from pcsc.use import Purpose

from . import databases
from .databases import tables_of
from .parties import Finger, Parties, justification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from contact_point.service import Installation

database, postgresql = databases.database, databases.postgresql


def term_end(here: Installation, control_number: str) -> datetime:
    """Return the moment two years after the last event of an exchange."""
    with here.store.transaction() as tx:
        last = tx.exchange(control_number).last_event_at
    return datetime.combine(months_after(last.date(), 24), last.timetz())


def test_11_3_a_record_is_there_until_its_term_ends_and_then_it_is_gone_and_the_rest_verifies(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    with parties.answering(Party.US):
        first, second = (
            querying.open_query(parties.jp, [finger.later_print], justification(Party.JP), clock()).control_number
            for finger in fingers[:2]
        )
    for here in (parties.jp, parties.us):
        disposal.keep_beyond_term(here, second, "Public Records Act, Art. 5", by="compliance", now=clock())
        end = term_end(here, first)

        assert disposal.expire(here, end - timedelta(seconds=1)) == []
        with here.store.transaction() as tx:
            before = records.verify(tx.record())
            mine = len(list(tx.entries(first)))
        assert (before.expired, mine > 1) == (0, True)

        assert first.encode() in tables_of(here.settings)
        disposal.discharge(here, end)
        with here.store.transaction() as tx:
            with pytest.raises(UnknownExchangeError):
                tx.exchange(first)
            assert (list(tx.entries(first)), tx.held(first), tx.received(first)) == ([], [], None)
            after = records.verify(tx.record(), kept_since=clock())
            assert (after.expired, after.heads) == (mine, before.heads)
            # T-11-3c: a hold that cites its law survives, and is listed with the exchange.
            assert tx.exchange(second).kept_under == "Public Records Act, Art. 5"
            assert list(tx.entries(second))
        assert first.encode() not in tables_of(here.settings)

        disposal.keep_beyond_term(here, second, "", by="compliance", now=clock())
        assert disposal.expire(here, term_end(here, second)) == [second]


def test_11_3_a_hold_cites_the_law_that_orders_it(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    with pytest.raises(RecordError, match="no law is cited: cite the provision that orders to keep it"):
        disposal.keep_beyond_term(parties.jp, exchange.control_number, " ", by="compliance", now=clock())


class Meanwhile(Store):
    """A store where something else is done just after the first transaction, by somebody else."""

    def __init__(self, store: Store, act: Callable[[], object]) -> None:
        self.__dict__ |= vars(store)
        self._acts = [act]

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with super().transaction() as tx:
            yield tx
        if self._acts:
            self._acts.pop()()


def test_11_3_a_hold_entered_while_records_are_being_deleted_keeps_its_record(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp, law = parties.jp, "Public Records Act, Art. 5"
    with parties.answering(Party.US):
        first, second = (
            querying.open_query(jp, [finger.later_print], justification(Party.JP), clock()).control_number
            for finger in fingers[:2]
        )
    end = term_end(jp, second)
    held = Meanwhile(
        jp.store, lambda: disposal.keep_beyond_term(jp, first, law, by="compliance", now=end - timedelta(seconds=1))
    )
    assert disposal.expire(replace(jp, store=held), end) == [second]
    with jp.store.transaction() as tx:
        assert tx.exchange(first).kept_under == law
        assert list(tx.entries(first))
        assert tx.held(first)
        assert not tx.has_exchange(second)


def test_11_3_a_record_that_another_process_deleted_first_is_deleted_once(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp = parties.jp
    with parties.answering(Party.US):
        number = querying.open_query(jp, [fingers[0].later_print], justification(Party.JP), clock()).control_number
    end = term_end(jp, number)
    quicker: list[list[str]] = []
    late = Meanwhile(jp.store, lambda: quicker.append(disposal.expire(jp, end)))
    assert disposal.expire(replace(jp, store=late), end) == []
    assert quicker == [[number]]
    assert jp.store._slots.live() == frozenset()


def test_11_3_the_purposes_and_results_of_an_exchange_end_with_its_record(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    """The exchange itself holds words: it rests sealed, and its key is destroyed with the record."""
    jp, words = parties.jp, "A CLERK WAS CHARGED"
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
    provided.use(jp, number, Wanted(Purpose.NOTIFIED, "investigator", political=False), clock())
    provided.note_result(jp, number, 1, words, clock())
    for here in (jp, parties.us):
        here.store.checkpoint()
        with here.store.transaction() as tx:
            assert all(tx.trace(entry) for entry in tx.entries(number) if entry.trace)
            assert any(entry.trace for entry in tx.entries(number))
        assert words.encode() not in tables_of(here.settings)
        assert b'"decision"' not in tables_of(here.settings)  # a trace as it is written
    provided.close(jp, number, clock())
    with jp.store.transaction() as tx:
        (slot,) = tx.slots(EXCHANGE)
    disposal.expire(jp, term_end(jp, number))
    assert jp.store._slots.live() == frozenset()
    with pytest.raises(KeyDestroyedError):
        jp.store._slots.get(slot)
    assert words.encode() not in tables_of(jp.settings)
