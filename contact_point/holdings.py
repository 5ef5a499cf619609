"""The prints this Party holds and makes available: the gallery in memory, and who in it a query may see.

The store is the truth; this is its searchable copy. Every search first takes in what changed in the store, so that a
disposition entered by another process a moment ago counts: eligibility is a matter of the time of the query (Annex II).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

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
    from contact_point.store import Store, Subject
    from matcher.gallery import Candidate
    from matcher.template import Template
    from pcsc.arrangement import Arrangement


@dataclass(frozen=True, slots=True)
class Particulars:
    """What the national system knows of a person: standing under Annex II, and items for Article 5(2)."""

    standing: Standing
    items: Mapping[str, str] = field(default_factory=dict)


_PARTICULARS: Final = TypeAdapter(Particulars)


class ParticularsError(ValueError):
    """Particulars that are not those of a person."""


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


class Holdings:
    """The gallery of one installation. Thread-safe."""

    def __init__(self, store: Store, party: Party, *, threads: int) -> None:
        """Load the gallery of ``store``; searches use ``threads`` cores."""
        self._store = store
        self._party = party
        self._gallery = Gallery(threads=threads)
        self._standings: dict[str, Standing] = {}
        self._revision = 0
        self._lock = threading.Lock()
        self.refresh()

    def __len__(self) -> int:
        """Return the number of persons held."""
        return len(self._standings)

    def refresh(self) -> None:
        """Take in what was enrolled or removed since the last time, by whatever process."""
        with self._lock:
            with self._store.transaction() as tx:
                revision = tx.revision()
                if revision == self._revision:
                    return
                changed = list(tx.changed_since(self._revision))
            standings = dict(self._standings)  # a new one, so that a search under way keeps the one it has
            for name, _ in changed:
                if standings.pop(name, None) is not None:
                    self._gallery.remove(name)
            self._standings = (
                standings  # who changed is in no view until both the prints and the standing are the new ones
            )
            here = [subject for _, subject in changed if subject is not None]
            self._gallery.add_many((subject.name, _templates(subject)) for subject in here)
            self._standings = standings | {
                subject.name: read_particulars(subject.particulars).standing for subject in here
            }
            self._revision = revision

    def search(
        self, probe: Sequence[Template], *, identified: bool, arrangement: Arrangement, on: date
    ) -> Candidate | None:
        """Return the one person whose prints match, among those made available to such a query, or None.

        Annex II decides what is searched: prints outside the view are never compared, so an excluded person, an absent
        one and one below the threshold come out the same (Article 4(2), 4(4)).
        """
        self.refresh()
        policy = Policy(arrangement.false_positive_identification_rate, arrangement.candidates)
        found = self._gallery.search(probe, view=self._view(identified=identified, on=on), policy=policy)
        return found[0] if found else None

    def _view(self, *, identified: bool, on: date) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return, for each place of the gallery, whether its person is made available."""
        standings = self._standings
        return np.array(
            [
                name in standings
                and available(standings[name], queried=self._party, identified=identified, on=on).available
                for name in self._gallery.subjects
            ],
            dtype=np.bool_,
        )


def _templates(subject: Subject) -> list[Template]:
    return [read_iso19794_2(impression.template)[0] for impression in subject.impressions]
