"""The prints this Party holds and makes available: the gallery in memory, and who in it a query may see.

The store is the truth; this is its searchable copy. Every search first takes in what changed in the store, so that a
disposition entered by another process a moment ago counts: eligibility is a matter of the time of the query (Annex II).
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from annex.eligibility import Standing, available
from contact_point.parsing import first_fault
from matcher.formats import read_iso19794_2
from matcher.gallery import Gallery, Policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from annex.parameters import Party
    from contact_point.store import Enrolled, Store
    from matcher.template import Template
    from pcsc.arrangement import Arrangement
    from pcsc.messages import Search


class ParticularsError(ValueError):
    """Particulars that are not those of a person."""


@dataclass(frozen=True, slots=True)
class Particulars:
    """What the national system knows of a person: standing under Annex II, and items for Article 5(2).

    ``case_numbers`` are what the national system calls the cases of the standing, in their order, so that a feed can speak of
    them (:mod:`contact_point.dispositions`); an empty one where a case has none.

    Raises:
        ParticularsError: there are numbers, and not one for each case, or one stands twice.

    """

    standing: Standing
    items: Mapping[str, str] = field(default_factory=dict)
    case_numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        given = [each for each in self.case_numbers if each]
        if self.case_numbers and (len(self.case_numbers) != len(self.standing.cases) or len(set(given)) != len(given)):
            raise ParticularsError(
                f"expected no case_numbers, or one of its own for each of {len(self.standing.cases)} cases, empty where a case "
                f"has none; got {len(self.case_numbers)}, of which {len(set(given))} differ: which case an event is about "
                "decides (Annex II 1(1)(b), the case relevant to the arrest)"
            )


_PARTICULARS: Final = TypeAdapter(Particulars)


def read_particulars(text: str | bytes) -> Particulars:
    """Return the particulars in a JSON text.

    Raises:
        ParticularsError: it is not one; the message names the field.

    """
    try:
        return _PARTICULARS.validate_json(text)
    except ValidationError as error:
        raise ParticularsError(
            f"particulars are a JSON object with a standing (Annex II) and items (Article 5(2)); {first_fault(error)}"
        ) from None


def write_particulars(particulars: Particulars) -> str:
    """Return particulars as JSON."""
    return _PARTICULARS.dump_json(particulars).decode()


@dataclass(frozen=True, slots=True)
class View:
    """What a query could search: how many persons there were, how many in view, and which, as a digest (Annex II).

    ``revision`` is that of the gallery: as long as it is the same, the same view comes out again.
    """

    revision: int
    persons: int
    available: int
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """The person whose prints match best, with the number and finger position of the print that does, and their standing."""

    subject: str
    print: int
    position: int
    standing: Standing


class _Seen(NamedTuple):
    """A view with what a search through it needs: which places of the gallery, and who and which prints stand there."""

    view: View
    places: np.ndarray[tuple[int], np.dtype[np.bool_]]
    standings: Mapping[str, Standing]
    prints: Mapping[str, tuple[int, ...]]


class Holdings:
    """The gallery of one installation. Thread-safe."""

    def __init__(self, store: Store, party: Party, *, threads: int) -> None:
        """Load the gallery of ``store``; searches use ``threads`` cores."""
        self._store = store
        self._party = party
        self._gallery = Gallery(threads=threads)
        self._standings: dict[str, Standing] = {}
        # Which print of a person stands at each place of the gallery's list of theirs.
        self._prints: dict[str, tuple[int, ...]] = {}
        # A view follows from the gallery's revision, the query's flag and the day; kept until one of them is another.
        self._views: dict[tuple[bool, date], _Seen] = {}
        self._revision = 0
        self._lock = threading.Lock()
        self.refresh()

    def __len__(self) -> int:
        """Return the number of persons held."""
        return len(self._standings)

    def refresh(self) -> None:
        """Take in what was enrolled or removed since the last time, by whatever process."""
        with self._lock:
            with self._store.reading() as tx:
                if tx.revision() == self._revision:
                    return
            with self._store.transaction() as tx:
                revision = tx.revision()
                changed = list(tx.changed_since(self._revision))
            self._views.clear()
            # New ones, so that a search under way keeps those that it has.
            standings, prints = dict(self._standings), dict(self._prints)
            for name, _ in changed:
                if standings.pop(name, None) is not None and prints.pop(name):
                    self._gallery.remove(name)
            self._standings = (
                standings  # who changed is in no view until both the prints and the standing are the new ones
            )
            here = {name: enrolled for name, enrolled in changed if enrolled is not None}
            self._prints = prints | {name: tuple(at for at, _, _ in _searched(each)) for name, each in here.items()}
            self._gallery.add_many((name, _templates(each)) for name, each in here.items() if _searched(each))
            self._standings = standings | {
                name: read_particulars(each.particulars).standing for name, each in here.items()
            }
            self._revision = revision

    def search(
        self, probe: Sequence[Template], *, identified: bool, search: Search, arrangement: Arrangement, on: date
    ) -> tuple[Found | None, View]:
        """Return the one person whose prints match, among those made available to such a query, or None; and the view.

        Annex II decides what is searched: prints outside the view are never compared, so an excluded person, an absent
        one and one below the threshold come out the same (Article 4(2), 4(4)).
        """
        self.refresh()
        policy = Policy(arrangement.false_positive_identification_rate, arrangement.candidates[search])
        seen = self._seen(identified=identified, on=on)
        candidates = self._gallery.search(probe, mask=seen.places, policy=policy)
        if not candidates:
            return None, seen.view
        # The best matching finger alone: what the examiner needs to confirm the result, and no more (Art. 4(5)).
        best = max(candidates[0].fingers, key=lambda finger: finger.score)
        name = candidates[0].subject
        return Found(name, seen.prints[name][best.finger], best.position, seen.standings[name]), seen.view

    def view(self, *, identified: bool, on: date) -> View:
        """Return the view of such a query as the gallery is now, so that a decision can be made again."""
        self.refresh()
        return self._seen(identified=identified, on=on).view

    def _seen(self, *, identified: bool, on: date) -> _Seen:
        """Return what such a query may see of the gallery as it is (Annex II)."""
        with self._lock:
            if (kept := self._views.get((identified, on))) is not None:
                return kept
            standings, names = self._standings, self._gallery.subjects
            places = np.array(
                [
                    name in standings
                    and available(standings[name], queried=self._party, identified=identified, on=on).available
                    for name in names
                ],
                dtype=np.bool_,
            )
            # By name, not by place: places depend on the order of changes, and are other ones after a restart.
            here = sorted(name for name, is_available in zip(names, places.tolist(), strict=True) if is_available)
            digest = hashlib.sha256("\n".join(here).encode()).hexdigest()
            view = View(self._revision, len(standings), len(here), digest)
            self._views = {key: kept for key, kept in self._views.items() if key[1] == on}  # yesterday is over
            self._views[identified, on] = seen = _Seen(view, places, standings, self._prints)
            return seen


def _searched(enrolled: Enrolled) -> tuple[tuple[int, bytes, bool], ...]:
    """Return the prints that a search may find.

    Art. 4(5): a match is accompanied by the fingerprint data. A print of which only a template is held could not be, so
    it is not made available for the purpose of automated querying (Art. 4(2)).
    """
    return tuple(each for each in enrolled.prints if each[2])


def _templates(enrolled: Enrolled) -> list[Template]:
    # Sealed by ourselves, so what it says of who found the minutiae is believed.
    return [read_iso19794_2(template, ours=True)[0] for _, template, _ in _searched(enrolled)]
