"""What is no longer permitted is read by nobody, in the moment between the act that ends it and its destruction: Article 8.

A process may die in that moment, and another one may look: here an exchange is stepped as its act does it, and nothing is
disposed of yet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import disposal, provided, querying
from contact_point.main import clock
from contact_point.provided import Wanted
from contact_point.transport import RefusedError
from pcsc import life
from pcsc.duties import Content
from pcsc.errors import ConditionsError, OutOfOrderError
from pcsc.exchange import State
from pcsc.messages import Conclusion, Recipient, RecipientKind
from pcsc.use import Purpose

from . import databases
from .parties import Listening, events, exchange, held, justification

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from contact_point.service import Installation
    from pcsc.exchange import Exchange

    from .parties import Finger, Parties

database, postgresql = databases.database_or_long, databases.postgresql

INTERPOL = Recipient(RecipientKind.BODY, "INTERPOL")


def stepped(here: Installation, number: str, step: Callable[[Exchange], Exchange]) -> None:
    """Take a step of an exchange, and die before what it no longer permits is destroyed."""
    with here.store.transaction() as tx:
        before = tx.exchange(number)
        tx.step(step(before), before=before.state)


def not_followed(at: Exchange) -> Exchange:
    """Return the exchange once it is determined that nothing is requested."""
    return life.determine(at, will_request=False, now=clock())


def test_8_9_what_is_no_longer_necessary_is_neither_used_nor_released(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    jp = parties.jp
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US), parties.answering(Party.JP):
        number = parties.provided(fingers[0], "name")
    stepped(jp, number, lambda at: life.close(at, clock()))
    assert Content.INFORMATION in held(jp, number)
    before, recorded = exchange(jp, number), events(jp, number)
    gone = "is at 'closed': there is no provided information to use"
    with pytest.raises(ConditionsError, match=gone):
        provided.use(jp, number, Wanted(Purpose.NOTIFIED, "investigator", political=False), clock())
    with pytest.raises(ConditionsError, match=gone):
        provided.release(jp, number, INTERPOL, by="officer", law="Act 1, Art. 1", now=clock())
    assert (exchange(jp, number), events(jp, number)) == (before, recorded)
    disposal.sweep(jp, clock())
    assert Content.INFORMATION not in held(jp, number)


def test_8_2_the_prints_of_a_match_are_not_shown_after_the_determination(
    parties: Parties, fingers: tuple[Finger, ...], tmp_path: Path
) -> None:
    jp = parties.jp
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        number = parties.matched(fingers[0])
    querying.examine(jp, number, Conclusion.EXCLUSION, "examiner", clock())
    stepped(jp, number, not_followed)
    assert held(jp, number) >= {Content.PROBE, Content.CANDIDATE}
    gone = r"is at 'no request' and holds no matching prints: .*Art\. 8\(2\)"
    with pytest.raises(OutOfOrderError, match=gone):
        querying.examination(jp, number)
    with pytest.raises(OutOfOrderError, match=gone):
        querying.write_picture(jp, number, tmp_path / "prints.png", clock())
    assert not (tmp_path / "prints.png").exists()
    disposal.sweep(jp, clock())
    assert not held(jp, number) & {Content.PROBE, Content.CANDIDATE}


def test_8_1_the_prints_of_an_answer_are_not_given_again_after_the_determination(
    parties: Parties, fingers: tuple[Finger, ...]
) -> None:
    us, way = parties.us, Listening(parties.jp.other)
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.answering(Party.US):
        opened = querying.open_query(
            replace(parties.jp, other=way), [fingers[0].later_print], justification(Party.JP), clock()
        )
        number = opened.control_number
        ((query, body),) = way.sent
        way.post(query, body, clock())
        assert way.answers[0] == way.answers[1]  # as long as it may be held it is given again
        stepped(us, number, not_followed)
        assert exchange(us, number).state is State.NO_REQUEST
        assert Content.ANSWER in held(us, number)
        with pytest.raises(RefusedError, match="was answered, and the answer was deleted when it had served"):
            way.post(query, body, clock())
