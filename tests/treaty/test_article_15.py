"""Article 15: (1) entry into force, on 5 January 2019 (TIAS 19-105); (2) it applies to any query, request or provision "on
or after" that date, "whether the relevant acts were committed before, on, or after that date".
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, date, datetime

import pytest

from annex.offences import Offence
from annex.parameters import IN_FORCE
from pcsc import exchange as life
from pcsc.errors import NotInForceError
from pcsc.exchange import State
from pcsc.messages import Basis, Query
from tests.builders import CIRCUMSTANCES, arrangement, query

LAST_SECOND = datetime(2019, 1, 4, 23, 59, 59, tzinfo=UTC)
FIRST_SECOND = datetime(2019, 1, 5, tzinfo=UTC)


def test_15_1_the_agreement_is_in_force_from_5_january_2019() -> None:
    assert date(2019, 1, 5) == IN_FORCE


def test_15_1_there_is_no_query_before_that_day_on_either_side() -> None:
    with pytest.raises(
        NotInForceError, match=r"^Art\. 15\(1\): the agreement applies from 2019-01-05; this query is of 2019-01-04"
    ) as refused:
        life.open_query(query(), CIRCUMSTANCES, arrangement(), made_today=0, now=LAST_SECOND)
    assert refused.value.code == "15-1.NOT_IN_FORCE"
    with pytest.raises(NotInForceError, match="this query is of 2019-01-04"):
        life.receive_query(query(), arrangement(), made_today=0, now=LAST_SECOND)
    assert life.receive_query(query(), arrangement(), made_today=0, now=FIRST_SECOND).state is State.SENT


def test_15_1_nor_before_the_arrangement_that_it_is_made_under() -> None:
    later = arrangement(in_force_from=date(2027, 4, 1))
    with pytest.raises(NotInForceError, match="arrangement test-1 applies from 2027-04-01; this query is of 2019-01-05"):
        life.receive_query(query(), later, made_today=0, now=FIRST_SECOND)


def test_15_2_the_date_of_the_acts_is_never_asked() -> None:
    for kind in (Query, Basis, Offence):
        dates = {field.name for field in fields(kind)} & {"committed_on", "offence_date", "date", "on"}
        assert not dates
