"""Article 13(1): nothing in the agreement prevents either Party from requesting or providing information "in accordance with
other applicable international agreements", or under its own law.
"""

from __future__ import annotations

import pytest

from pcsc import exchange as life
from pcsc.exchange import Side, State
from pcsc.messages import Ground
from tests.builders import NOW, arrangement, exchange, refusal, reply, request


@pytest.mark.parametrize("side", Side)
def test_13_1_what_another_agreement_must_govern_is_referred_to_it_by_name(side: Side) -> None:
    governed = refusal(
        Ground.MUST_BE_GOVERNED,
        "Evidence for trial: request it under the treaty on mutual legal assistance, Article 1.",
    )
    referred = life.reply(exchange(State.REQUESTED, side), reply(items=(), refusals=(governed,)), NOW)
    assert referred.state is State.REFUSED


@pytest.mark.parametrize("side", Side)
def test_13_1_that_another_channel_was_named_closes_neither(side: Side) -> None:
    referred = exchange(State.REFUSED, side)
    again = life.request(referred, request(control_number="JP261122-REQUEST2"), arrangement(), NOW)
    assert again.state is State.REQUESTED
