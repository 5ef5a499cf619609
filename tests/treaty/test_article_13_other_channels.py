"""Article 13(1): nothing in the agreement prevents either Party from requesting or providing information "in accordance with
other applicable international agreements", or under its own law. 13(3): it gives no right to any private person.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

import pytest

from contact_point.directory import read_directory
from pcsc import life
from pcsc.authorities import LegalBasis
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
            "wanted": Wanted.PRINT,
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


@pytest.mark.parametrize("wanted", Wanted)
@pytest.mark.parametrize("serious", [True, False])
def test_13_1_another_channel_is_open_whatever_the_agreement_allows(wanted: Wanted, *, serious: bool) -> None:
    advice = advise(question(wanted=wanted, serious=serious), read_directory())
    others = [channel for channel in advice.channels if channel.basis is not LegalBasis.AGREEMENT]
    # Where nothing is open it is the law of the requested State that stops it, and never the agreement.
    assert others or not any(stop.source.startswith("Art.") for stop in advice.stops)
    assert others or wanted is Wanted.INTERCEPTION


def test_13_3_the_agreement_gives_no_right_to_a_private_person() -> None:
    directory = read_directory()
    allowed = advise(question(), directory)
    asked = advise(question(requester=Requester.PRIVATE_PERSON), directory)
    assert (bool(allowed.channels), allowed.stops) == (True, ())
    assert asked.channels == ()
    assert "Art. 13(3)" in [stop.source for stop in asked.stops]
