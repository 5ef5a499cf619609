"""The words that refer a request to the agreement that must govern it: Article 5(4)."""

from __future__ import annotations

from datetime import date
from typing import Final

import pytest

from annex.parameters import Party
from contact_point.advice import advise, referral, who
from pcsc.authorities import NOT_STATED
from pcsc.cooperation import Family, Question, Requester, Wanted
from pcsc.errors import SoleGroundError

ON: Final = date(2026, 11, 22)
MUST: Final = [
    each for each in Wanted if each.family in {Family.EVIDENCE, Family.DATA} and each is not Wanted.INTERCEPTION
]


@pytest.mark.parametrize("wanted", MUST)
@pytest.mark.parametrize("to", Party)
def test_5_4b_a_referral_says_what_the_adviser_says(wanted: Wanted, to: Party) -> None:
    words = referral(wanted, to.other, to, ON)
    channel = advise(Question(Requester.CONTACT_POINT, to.other, to, wanted, ON)).channels[0]
    assert channel.governed is not None
    assert words.startswith(f"Referral of '{wanted}' to {channel.basis.words}. {channel.governed.text}")
    assert f"Legal basis: {channel.why[0].text} ({channel.why[0].source})" in words
    assert words.endswith(f" Received by: {who(channel.receiver)}.")


def test_5_4b_the_authority_of_japan_is_the_ministry_of_justice() -> None:
    words = referral(Wanted.EVIDENCE, Party.US, Party.JP, ON)
    assert words.endswith("Received by: Ministry of Justice; International Affairs Division, Criminal Affairs Bureau.")


def test_an_authority_that_no_source_states_is_not_stated() -> None:
    assert who(None) == NOT_STATED


@pytest.mark.parametrize("wanted", sorted(set(Wanted) - set(MUST) - {Wanted.INTERCEPTION}))
def test_5_4a_what_need_not_be_governed_otherwise_is_no_ground(wanted: Wanted) -> None:
    with pytest.raises(
        SoleGroundError, match=rf"^Art\. 5\(4\): nothing says that '{wanted}' must be governed by another"
    ):
        referral(wanted, Party.JP, Party.US, ON)


def test_5_4a_where_the_law_stops_it_the_sentence_is_given_instead() -> None:
    with pytest.raises(
        SoleGroundError, match=r"carries no refusal alone\. Japan's domestic law does not permit .* Refuse"
    ):
        referral(Wanted.INTERCEPTION, Party.US, Party.JP, ON)
