"""Article 2: information is exchanged "for the purpose of preventing, detecting, and investigating serious crime"."""

from __future__ import annotations

import json

import pytest

from annex.parameters import Party
from contact_point import wire
from contact_point.wire import WireError
from pcsc.errors import PurposeError
from pcsc.messages import Activity, Basis, Query
from pcsc.use import Information, Permission, Purpose, may_use
from tests.builders import NOW, query


def test_2_a_query_serves_prevention_detection_or_investigation_and_nothing_else() -> None:
    assert set(Activity) == {"prevention", "detection", "investigation"}


@pytest.mark.parametrize("purpose", ["immigration", "prosecution", "trial", "screening", ""])
def test_2_a_query_for_another_purpose_is_not_a_query(purpose: str) -> None:
    fields = json.loads(wire.encode(query()))
    fields["basis"]["activity"] = purpose
    with pytest.raises(
        WireError, match=r"malformed at basis\.activity: .*'prevention', 'detection' or 'investigation'"
    ):
        wire.decode(json.dumps(fields).encode(), Query)


def test_2_immigration_is_a_later_use_of_information_that_was_provided() -> None:
    verdict = may_use(Information(article=5), Purpose.IMMIGRATION, by=Party.JP, political=False, now=NOW)
    assert isinstance(verdict, Permission)


def test_2_an_act_without_conduct_has_no_purpose() -> None:
    with pytest.raises(
        PurposeError, match=r"^Art\. 2: .*no offence was stated: give at least one, with its statute"
    ) as refused:
        Basis(Activity.DETECTION, (), political=False)
    assert refused.value.code == "2.PURPOSE"
