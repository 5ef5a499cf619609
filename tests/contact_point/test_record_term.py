"""The end of the record's term, in a real database: Article 11(3)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import disposal, querying
from contact_point.main import clock
from contact_point.store import UnknownExchangeError
from pcsc import records
from pcsc.agreement import months_after
from pcsc.errors import RecordError

from .parties import Finger, Parties, justification

if TYPE_CHECKING:
    from contact_point.service import Installation


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

        disposal.discharge(here, end)
        with here.store.transaction() as tx:
            with pytest.raises(UnknownExchangeError):
                tx.exchange(first)
            assert (list(tx.entries(first)), tx.held(first), tx.received(first)) == ([], [], None)
            after = records.verify(tx.record(), kept_since=clock())
            assert (after.expired, after.head) == (mine, before.head)
            # T-11-3c: a hold that cites its law survives, and is listed with the exchange.
            assert tx.exchange(second).kept_under == "Public Records Act, Art. 5"
            assert list(tx.entries(second))
        assert first.encode() not in here.settings.folder.database.read_bytes()

        disposal.keep_beyond_term(here, second, "", by="compliance", now=clock())
        assert disposal.expire(here, term_end(here, second)) == [second]


def test_11_3_a_hold_cites_the_law_that_orders_it(parties: Parties, fingers: tuple[Finger, ...]) -> None:
    with parties.answering(Party.US):
        exchange = querying.open_query(parties.jp, [fingers[0].later_print], justification(Party.JP), clock())
    with pytest.raises(RecordError, match="no law is cited: cite the provision that orders to keep it"):
        disposal.keep_beyond_term(parties.jp, exchange.control_number, " ", by="compliance", now=clock())
