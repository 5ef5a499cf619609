"""What a query may see of the gallery, over a real database: Article 4(2), 4(5) and Annex II."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pytest

from annex.eligibility import Case, Disposition, Standing
from annex.parameters import Party
from contact_point.holdings import Holdings, Particulars, _templates, write_particulars
from contact_point.keys import KeySlots
from contact_point.store import Impression, Store, Subject
from matcher import synthesis
from matcher.formats import write_iso19794_2
from matcher.template import ImpressionType, Origin
from pcsc.messages import Search
from tests.builders import arrangement

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TODAY = date(2026, 11, 22)
PICTURE = b"a picture; a search reads the template alone"


def person(
    number: int, disposition: Disposition = Disposition.CONVICTED_FINAL, image: bytes | None = PICTURE
) -> Subject:
    """Return a person of one finger."""
    template = write_iso19794_2([synthesis.Finger(5, person=number).template(0)])
    standing = Standing(date(1980, 5, 1), (Case(disposition, date(2015, 4, 1)),))
    return Subject(f"person-{number}", write_particulars(Particulars(standing)), (Impression(template, image),))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return a store in an empty folder."""
    slots = [tmp_path / "exchange.slots", tmp_path / "gallery.slots"]
    for path in slots:
        KeySlots.create(path)
    made = Store(tmp_path / "store.sqlite", *(KeySlots.open(path) for path in slots))
    yield made
    made.close()


def found(holdings: Holdings, number: int, *, identified: bool = True) -> str | None:
    """Return whom a later impression of a person's finger finds."""
    probe = [synthesis.Finger(5, person=number).template(1)]
    match, _ = holdings.search(
        probe, identified=identified, search=Search.TENPRINT, arrangement=arrangement(), on=TODAY
    )
    return None if match is None else match.subject


def test_annex_2_1_the_view_is_told_by_its_numbers_and_a_digest_that_a_restart_gives_again(store: Store) -> None:
    with store.transaction() as tx:
        tx.enrol([person(1), person(2), person(3, Disposition.ACQUITTED)])
    holdings = Holdings(store, Party.JP, threads=1)
    identified = holdings.view(identified=True, on=TODAY)
    everyone = holdings.view(identified=False, on=TODAY)
    assert (identified.persons, identified.available, everyone.available) == (3, 2, 3)
    assert len(identified.digest) == 64
    assert identified.digest != everyone.digest
    assert Holdings(store, Party.JP, threads=1).view(identified=True, on=TODAY) == identified
    assert holdings.view(identified=True, on=TODAY) == identified  # the one that is kept


def test_annex_2_1_1_a_disposition_entered_a_moment_ago_is_in_the_next_view(store: Store) -> None:
    with store.transaction() as tx:
        tx.enrol([person(1), person(2)])
    holdings = Holdings(store, Party.JP, threads=1)
    before = holdings.view(identified=True, on=TODAY)
    assert found(holdings, 1) == "person-1"
    with store.transaction() as tx:
        tx.update("person-1", person(1, Disposition.ACQUITTED).particulars)
    assert found(holdings, 1) is None
    assert found(holdings, 1, identified=False) == "person-1"
    after = holdings.view(identified=True, on=TODAY)
    assert (after.revision, after.available) == (before.revision + 1, before.available - 1)


def test_4_5_a_print_without_an_image_is_in_no_view_until_its_image_is_enrolled(store: Store) -> None:
    with store.transaction() as tx:
        tx.enrol([person(1, image=None), person(2)])
    holdings = Holdings(store, Party.US, threads=1)
    assert found(holdings, 1) is None
    assert holdings.view(identified=True, on=TODAY).available == 1
    with store.transaction() as tx:
        slot = tx.remove("person-1")
        tx.enrol([person(1)])
    store.destroy_prints([slot])
    assert found(holdings, 1) == "person-1"


def test_who_found_the_minutiae_and_how_the_print_was_taken_outlast_the_store(store: Store) -> None:
    made = synthesis.Finger(5, person=1).template(0)
    said = [(origin, impression) for origin in Origin for impression in (ImpressionType.ROLLED, ImpressionType.SWIPE)]
    prints = tuple(
        Impression(write_iso19794_2([replace(made, origin=origin, impression=impression)]), PICTURE)
        for origin, impression in said
    )
    with store.transaction() as tx:
        tx.enrol([replace(person(1), impressions=prints)])
    with store.transaction() as tx:
        ((_, enrolled),) = tx.changed_since(0)
    assert enrolled is not None
    found = _templates(enrolled)
    assert [(each.origin, each.impression) for each in found] == said
