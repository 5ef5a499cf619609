"""What the proofs ask a contact point's store, in one place: keys and rows, exchanges, the record and what is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from contact_point import installation
from contact_point.keys import KeySlots
from pcsc import checkpoints, duties, records
from pcsc.errors import RecordError

if TYPE_CHECKING:
    from pathlib import Path

    from contact_point.service import Installation
    from contact_point.store import Held
    from pcsc.checkpoints import Head
    from pcsc.exchange import Exchange
    from pcsc.records import Entry


class Standing(NamedTuple):
    """All that is stored for exchanges."""

    exchanges: list[Exchange]
    held: list[Held]
    entries: list[Entry]
    keys: frozenset[int]
    """Slots with a key of something held."""
    strays: int
    """Keys beyond those of what is held and of the exchanges themselves."""
    planned: list[str]
    """What is due, at any time."""
    broken: str
    """What is wrong with the record; empty where it verifies."""


def standing(here: Installation) -> Standing:
    """Return what is stored. Reads only."""
    with here.store.transaction() as tx:
        exchanges, held, entries = tx.exchanges(), tx.held(), list(tx.entries())
        planned = [what for number in ("", *(each.control_number for each in exchanges)) for what in tx.planned(number)]
        try:
            heads, found = tuple(tx.heads()), records.verify(tx.record()).heads
            broken = "" if heads == found else f"its heads are {found}, and {heads} is stored"
        except RecordError as error:
            broken = str(error)
    folder = here.settings.folder
    keys, of_exchanges = _live(here, folder.exchange_slots), _live(here, folder.record_slots)
    # An exchange rests under a key of its own, without which it could not have been read above.
    strays = len(keys - {each.slot for each in held}) + len(of_exchanges) - len(exchanges)
    return Standing(exchanges, held, entries, keys, strays, planned, broken)


def _live(here: Installation, path: Path) -> frozenset[int]:
    settings = here.settings
    return KeySlots.open(path, wrapping=installation.wrapping(settings.folder.root, settings.keys)).live()


def doomed(at: Standing) -> list[Held]:
    """Return what has a key and a row, and is not permitted any more by the exchange that it is of."""
    permitted = {each.control_number: duties.permitted(each) for each in at.exchanges}
    return [each for each in at.held if each.slot in at.keys and each.kind not in permitted.get(each.exchange, ())]


def witnessed(here: Installation, of: Installation) -> tuple[Head | None, Head | None]:
    """Return the last head of a record that another contact point witnessed, and where the record stands."""
    with here.store.transaction() as tx:
        note = tx.latest_note(of.settings.uri)
    with of.store.transaction() as tx:
        head = tx.head()
    return None if note is None else checkpoints.parse(checkpoints.parse_note(note).text).head, head
