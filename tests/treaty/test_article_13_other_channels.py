"""Article 13(1): nothing in the agreement prevents either Party from requesting or providing information "in accordance with
other applicable international agreements", or under its own law. 13(3): it gives no right to any private person.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pytest

from contact_point.directory import read_directory
from pcsc import exchange as life
from pcsc.channels import advise
from pcsc.cooperation import Question, Requester, Wanted
from pcsc.exchange import Side, State
from pcsc.messages import Ground
from tests.builders import NOW, arrangement, exchange, refusal, reply, request

EVIDENCE: Final = "Evidence for trial: request it under the treaty on mutual legal assistance, Article 1."


def question(**changes: Any) -> Question:
    """Return the question of a US contact point, that asks Japan whether a print is there."""
    return Question(
        **{
            "requester": Requester.CONTACT_POINT,
            "requesting": "US",
            "requested": "JP",
            "wanted": Wanted.FINGERPRINTS,
            "asked_on": date(2026, 11, 22),
            "serious": True,
            **changes,
        }
    )


@pytest.mark.parametrize("side", Side)
def test_13_1_what_another_agreement_must_govern_is_referred_to_it_by_name(side: Side) -> None:
    governed = refusal(Ground.MUST_BE_GOVERNED, EVIDENCE)
    referred = life.reply(exchange(State.REQUESTED, side), reply(items=(), refusals=(governed,)), NOW)
    assert referred.state is State.REFUSED


@pytest.mark.parametrize("side", Side)
def test_13_1_that_another_channel_was_named_closes_neither(side: Side) -> None:
    referred = exchange(State.REFUSED, side)
    again = life.request(referred, request(control_number="JP261122-REQUEST2"), arrangement(), NOW)
    assert again.state is State.REQUESTED


def test_13_1_every_other_channel_stays_open_beside_the_agreement() -> None:
    for wanted in Wanted:
        asked = question(wanted=wanted, requester=Requester.INVESTIGATING)
        advice = advise(asked, read_directory())
        assert advice.channels or advice.stops
        for stop in advice.stops:
            assert not stop.source.startswith("Art. 13(1)")


def test_13_3_the_agreement_gives_no_right_to_a_private_person() -> None:
    allowed, asked = (
        advise(question(requester=who), read_directory()) for who in (Requester.CONTACT_POINT, Requester.PRIVATE_PERSON)
    )
    assert (bool(allowed.channels), allowed.stops) == (True, ())
    assert asked.channels == ()
    assert "Art. 13(3)" in [stop.source for stop in asked.stops]
