"""Why there is no match is told by nothing in the answer: Articles 4(2), 4(4) and Annex II, over real TLS.

How long an answer takes is :mod:`benchmarks.proof.oracle`'s.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pytest

from annex.eligibility import Case, Disposition, Standing
from annex.parameters import Party
from benchmarks.proof._crowd import some
from benchmarks.proof.oracle import Timed
from contact_point import service, wire
from contact_point.client import RefusedError
from contact_point.holdings import Particulars, write_particulars
from contact_point.main import clock
from contact_point.store import Impression, Subject
from matcher.formats import write_iso19794_2
from matcher.images import Image
from pcsc.messages import Match

from .test_peer import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcsc.messages import Query

    from .parties import Finger, Parties


@pytest.fixture
def asking(parties: Parties) -> Iterator[Timed]:
    """Return the way from the US contact point to the Japanese one, which answers: Annex II 1 has prints out of view."""
    with parties.answering(Party.JP), Timed(parties.us.settings) as way:
        yield way


def made(parties: Parties, finger: Finger, *, identified: bool = True) -> Query:
    """Return a query of the US contact point with a later impression of a finger."""
    return replace(query(parties.us, finger), identified=identified)


def ask(way: Timed, asked: Query) -> tuple[bool | None, str]:
    """Return whether there is a match, None where the query was refused, and the shape of the answer."""
    try:
        answer, _ = way.post(asked, wire.encode(asked), clock())
    except RefusedError:
        return None, way.shape
    return isinstance(answer, Match), way.shape


def of_no_criminal_system(finger: Finger) -> Subject:
    """Return a person whose prints no query may find, whatever it says of them."""
    standing = Standing(date(1980, 5, 1), (Case(Disposition.CONVICTED_FINAL, date(2015, 4, 1)),), criminal_system=False)
    impression = Impression(write_iso19794_2([finger.enrolled_print.template]), finger.enrolled)
    return Subject("immigrant", write_particulars(Particulars(standing)), (impression,))


def worn(finger: Finger) -> Finger:
    """Return a finger of which so little is enrolled that its later impression does not find it."""
    template = finger.enrolled_print.template
    little = some(template, np.arange(0, len(template), len(template) // 8))
    return replace(finger, enrolled_print=replace(finger.enrolled_print, template=little))


def test_4_4_absent_excluded_and_below_the_threshold_are_answered_alike(
    parties: Parties, fingers: tuple[Finger, ...], asking: Timed
) -> None:
    one, two, three = fingers
    nobody = [ask(asking, made(parties, one, identified=identified)) for identified in (True, False)]
    parties.enrol(Party.JP, "acquitted", one, Disposition.ACQUITTED)
    service.enrol(parties.jp, [of_no_criminal_system(two)])
    parties.enrol(Party.JP, "worn", worn(three))
    answers = [
        *nobody,
        ask(asking, made(parties, one)),  # Annex II 1(1): not for a query about an identified individual
        ask(asking, made(parties, two)),
        ask(asking, made(parties, two, identified=False)),
        ask(asking, made(parties, three)),
        ask(asking, made(parties, three, identified=False)),
    ]
    assert {found for found, _ in answers} == {False}
    assert len({shape for _, shape in answers}) == 1
    # The same print finds its person where Annex II makes it available: so the shapes can differ.
    found, shape = ask(asking, made(parties, one, identified=False))
    assert found
    assert shape != answers[0][1]


def test_4_4_a_refused_print_is_refused_alike_whoever_is_enrolled(
    parties: Parties, fingers: tuple[Finger, ...], asking: Timed
) -> None:
    shown = fingers[0].later_print
    little = Image(np.ascontiguousarray(shown.image.pixels[:96, :96]), shown.image.dpi)
    poor = replace(fingers[0], later_print=replace(shown, image=little))
    answers = [ask(asking, made(parties, poor))]
    parties.enrol(Party.JP, "acquitted", fingers[0], Disposition.ACQUITTED)
    answers.append(ask(asking, made(parties, poor)))
    parties.enrol(Party.JP, "convicted", fingers[0])
    answers.append(ask(asking, made(parties, poor)))
    assert {found for found, _ in answers} == {None}
    assert len({shape for _, shape in answers}) == 1
    assert answers[0][1].startswith("422, ")


def test_4_4_a_technical_failure_is_told_alike_whether_somebody_was_found_or_not(
    parties: Parties, fingers: tuple[Finger, ...], asking: Timed
) -> None:
    parties.enrol(Party.JP, "acquitted", fingers[0], Disposition.ACQUITTED)
    parties.enrol(Party.JP, "convicted", fingers[1])
    with parties.jp.store._engine.begin() as connection:  # after the search, where the answer is recorded (11(1))
        connection.exec_driver_sql("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'full'); END")
    answers = [ask(asking, made(parties, finger)) for finger in fingers]
    assert {found for found, _ in answers} == {None}
    assert len({shape for _, shape in answers}) == 1
    assert answers[0][1].startswith("503, ")
