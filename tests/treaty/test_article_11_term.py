"""Article 11(3): the record "shall be maintained for at least two years. After the term of maintenance, each Party shall
delete the record immediately".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from pcsc.arrangement import ArrangementError
from pcsc.checkpoints import of_heads
from pcsc.errors import RecordError
from pcsc.exchange import State
from pcsc.records import Recorded, Verification, append, expire, of_act, verify
from tests.builders import NOW, arrangement, exchange


def record(entries: int) -> list[Recorded]:
    """Return a record of so many acts."""
    places: list[Recorded] = []
    for number in range(entries):
        act = of_act(
            number,
            exchange(State.MATCH),
            "examination",
            article="4(5)",
            note=f"examination {number}",
            now=NOW + timedelta(days=number),
        )
        places.append(append(places[-1] if places else None, act, f"{number:064x}"))
    return places


WHOLE: Final = record(4)
CHECKPOINT: Final = of_heads("urn:pcsc:ncp:jp", verify(WHOLE).heads, NOW)


@pytest.mark.parametrize("months", [0, 12, 23])
def test_11_3_no_arrangement_makes_the_term_shorter_than_two_years(months: int) -> None:
    with pytest.raises(ArrangementError, match=r"record_months.* 24.*"):
        arrangement(record_months=months)
    assert arrangement(record_months=24).record_months == 24


def test_11_3_after_its_term_nothing_of_an_entry_is_left_and_the_record_still_verifies() -> None:
    places = [expire(WHOLE[0]), expire(WHOLE[1]), *WHOLE[2:]]
    assert "examination 0" not in repr(places[0])
    assert (places[0].body, places[0].salt) == (None, None)
    assert verify(places, checkpoints=[CHECKPOINT]) == Verification(2, 2, verify(WHOLE).heads, covered=4)


def test_11_3_an_entry_that_is_taken_out_before_its_term_is_missed() -> None:
    with pytest.raises(RecordError, match="entry 1 is missing from the record: entry 2 stands in its place"):
        verify([WHOLE[0], *WHOLE[2:]])


def test_11_3_an_entry_that_is_emptied_and_moved_or_cut_off_after_its_term_is_missed_all_the_same() -> None:
    places = [expire(WHOLE[0]), expire(WHOLE[1]), *WHOLE[2:]]
    swapped = [replace(places[1], number=0), replace(places[0], number=1), *places[2:]]
    with pytest.raises(RecordError, match="the record is not that of its checkpoint: tree 2026-11 had another root"):
        verify(swapped, checkpoints=[CHECKPOINT])
    with pytest.raises(RecordError, match="the end of the record was cut off"):
        verify(places[:3], checkpoints=[CHECKPOINT])
