"""A gallery and probes for it, made so that only one thing differs between queries: why there is no match.

Sixty persons are asked for, in three groups that take turns: one is not enrolled (*absent*), one is enrolled and outside what
Annex II makes available to the query (*excluded*), and of one only a worn print is enrolled, too little of it for a match
(*below*). Around them stand 140 strangers, so that 200 places of the gallery change nothing but who is where, and 100 are out
of view. Every probe is a latent print with the same picture and its own minutiae, as many on each: what is read, decoded and
sent is alike. After three turns each person was asked for in each of the three ways.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from annex.eligibility import Disposition
from contact_point import main, prints, service
from contact_point.holdings import Holdings
from contact_point.prints import Print
from contact_point.store import Impression
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.gallery import Gallery, Policy
from matcher.images import Image
from matcher.quality import measure
from matcher.template import ImpressionType, Origin, Template
from pcsc.messages import Query, Search
from tests.contact_point.parties import justification, subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.service import Installation
    from matcher.quality import Quality

_SEED: Final = 9
_WIDTH, _HEIGHT = 160, 192  # pixels: 26 kB as PNG
_MINUTIAE: Final = 16  # of a probe
_WORN: Final = 8  # of a print that is too little for a match
GROUP: Final = 20
_PERSONS: Final = 200
_STRANGERS: Final = range(5_000, 6_000)


class Reason(Enum):
    """Why there is no match."""

    ABSENT = "absent"
    EXCLUDED = "excluded"
    BELOW = "below the threshold"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is asked for: the print that would be found, what is left of it when worn, and a later impression."""

    name: str
    group: int
    whole: Template
    worn: Template
    later: Template

    def role(self, turn: int) -> Reason:
        """Return why there is no match with this person in a turn."""
        return tuple(Reason)[(self.group + turn) % len(Reason)]


def some(made: Template, keep: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Template:
    """Return a template with these of its minutiae."""
    kept = np.sort(keep)
    named = {name: getattr(made, name)[kept] for name in ("x", "y", "direction", "kind", "quality")}
    size = {"width": made.width, "height": made.height}
    return Template.of(**named, **size, origin=made.origin, impression=made.impression)


def first(made: Template) -> Template:
    """Return a template with as many minutiae as a probe has."""
    return some(made, np.arange(_MINUTIAE))


def _impressions(person: int) -> tuple[Template, Template]:
    finger = synthesis.Finger(_SEED, person=person)
    first, later = (replace(finger.template(each, width=_WIDTH, height=_HEIGHT), position=0) for each in (0, 1))
    return first, later


@cache
def strangers() -> tuple[Template, ...]:
    """Return the prints of those whom nobody asks for, and some more."""
    made = (_impressions(number)[0] for number in _STRANGERS)
    enough = (each for each in made if len(each) >= _MINUTIAE)
    return tuple(each for each, _ in zip(enough, range(_PERSONS), strict=False))


@cache
def people() -> tuple[Person, ...]:
    """Return those who are asked for: a later impression finds the whole print and not the worn one."""
    rng = np.random.default_rng(_SEED)
    # The fewer are searched, the less it takes for a match: from half of those in view to all that there are.
    few, all_ = _gallery(_PERSONS // 4), _gallery(_PERSONS)
    found: list[Person] = []
    for number in range(_STRANGERS.start):
        whole, later = _impressions(number)
        if min(len(whole), len(later)) < _MINUTIAE:
            continue
        probe = marked(some(later, rng.permutation(len(later))[:_MINUTIAE])).template
        worn = some(whole, rng.permutation(len(whole))[:_WORN])
        if _finds(all_, probe, whole) and not _finds(few, probe, worn):
            found.append(Person(f"person-{number}", len(found) % len(Reason), whole, worn, probe))
        if len(found) == GROUP * len(Reason):
            return tuple(found)
    raise RuntimeError("there are too few synthetic persons whose prints match")


def _gallery(persons: int) -> Gallery:
    gallery = Gallery()
    gallery.add_many((f"{at}", [each]) for at, each in enumerate(strangers()[:persons]))
    return gallery


def _finds(gallery: Gallery, probe: Template, enrolled: Template) -> bool:
    gallery.add("mate", [enrolled])
    found = gallery.search([probe], None, Policy(0.001, 1))
    gallery.remove("mate")
    return bool(found)


@cache
def _picture() -> Image:
    return Image(synthesis.Finger(_SEED).image(0, width=_WIDTH, height=_HEIGHT), 500.0)


@cache
def _png() -> bytes:
    return images.write_png(_picture())


@cache
def _quality() -> Quality:
    return measure(_picture(), strangers()[0])


def marked(template: Template) -> Print:
    """Return a latent print whose minutiae an examiner marked: the picture is the same on all, and counts for nothing."""
    made = replace(template, origin=Origin.MARKED, impression=ImpressionType.LATENT)
    return Print(_picture(), made, _quality())


def query(asking: Installation, probe: Print, *, identified: bool = True) -> Query:
    """Return the query with a probe; for each further one, :func:`again`."""
    now, why = main.clock(), justification(asking.settings.party)
    number = service.new_number(asking, now)
    sent = service.fingerprint_data(asking, [probe.sent], kind=prints.SEARCH, control_number=number, now=now)
    return Query(
        control_number=number,
        made_at=now,
        salt=service.new_salt(),
        querying=asking.settings.party,
        authority=why.authority,
        identified=identified,
        search=Search.LATENT,
        basis=why.basis,
        expectation=why.expectation,
        prints=sent,
    )


def again(asking: Installation, made: Query) -> Query:
    """Return a query as another one, with the same prints."""
    now = main.clock()
    return replace(made, control_number=service.new_number(asking, now), made_at=now, salt=service.new_salt())


def turn(asked: Installation, number: int) -> None:
    """Let everybody take the role of a turn, in the gallery of a contact point that may be serving.

    Raises:
        RuntimeError: the gallery does not answer as the roles have it.

    """
    with asked.store.transaction() as tx:
        there = [name for name, enrolled in tx.changed_since(0) if enrolled is not None]
    for name in there:
        service.remove(asked, name)
    service.enrol(asked, [subject(name, _impression(made), disposition=said) for name, made, said in _enrolled(number)])
    _check(asked, number)


def _enrolled(number: int) -> Iterator[tuple[str, Template, Disposition]]:
    here = 0
    for each in people():
        role = each.role(number)
        if role is Reason.EXCLUDED:
            yield each.name, each.whole, Disposition.ACQUITTED
        elif role is Reason.BELOW:
            yield each.name, each.worn, Disposition.CONVICTED_FINAL
        here += role is not Reason.ABSENT
    for at, made in enumerate(strangers()[: _PERSONS - here]):
        out = at < _PERSONS // 2 - GROUP
        yield f"stranger-{at}", made, Disposition.ACQUITTED if out else Disposition.CONVICTED_FINAL


def _impression(made: Template) -> Impression:
    return Impression(write_iso19794_2([made]), _png())


def _check(asked: Installation, number: int) -> None:
    """See that nobody is found, and that only those who are excluded would be if all were in view."""
    now = main.clock()
    holdings, arrangement = Holdings(asked.store, asked.settings.party, threads=1), asked.settings.arrangement(now)
    for each in people():
        for identified in (True, False):
            found, _ = holdings.search(
                [each.later], identified=identified, search=Search.LATENT, arrangement=arrangement, on=now.date()
            )
            expected = not identified and each.role(number) is Reason.EXCLUDED
            if (found is not None) is not expected:
                raise RuntimeError(f"{each.name} is {each.role(number).value} and the gallery does not answer so")
