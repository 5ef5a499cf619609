"""An older backup with today's keys opens nothing that was deleted since.

Two contact points exchange queries that match until they hold so many received prints: probes on one side, candidates on the
other. Then a backup is made of everything that may be in one: the folder without the keys of prints. Meanwhile somebody also
keeps, against the rules, the slot file. The determinations follow, which order the prints to be destroyed, and then the daily
rotation of the wrapping keys. Everything is tried on the backup: the slot file of today, the older one under the wrapping key
of today, and every key of today on every sealed print. A few exchanges stay undetermined; their prints have to open, or the
restoration itself would be at fault.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.eligibility import Case, Disposition, Standing
from annex.offences import Category, Offence, Penalty
from annex.parameters import Party
from benchmarks.proof import Outcome
from contact_point import installation, main, queried, querying, service, wire
from contact_point.demonstration import designate
from contact_point.holdings import Particulars, write_particulars
from contact_point.installation import Plan
from contact_point.keys import KeysError, KeySlots, unseal
from contact_point.prints import Print
from contact_point.querying import Justification
from contact_point.settings import Folder
from contact_point.store import Impression, Store, StoreError, Subject
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.images import Image
from matcher.quality import measure
from matcher.template import ImpressionType, Origin
from pcsc.duties import Content
from pcsc.exchange import State
from pcsc.messages import Activity, Authority, Basis, Expectation, Search

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from contact_point.service import Installation
    from pcsc.messages import Message

FULL = 1000

HELD: Final = 5
"""Exchanges that stay undetermined: what they hold has to open."""

_RECEIVED: Final = {Party.JP: Content.CANDIDATE, Party.US: Content.PROBE}
"""What each side received: JP asks, US is asked."""

_FINGER: Final = 20190105


def prove(n: int, told: Callable[[str], None], *, rotate: bool = True, destroy: bool = True) -> Outcome:
    """Delete ``n`` prints and try to open them from a backup made before; about 0.2 CPU seconds each.

    ``rotate`` and ``destroy`` switched off leave out what makes the promise true: the violations are then to be found.
    """
    with tempfile.TemporaryDirectory(prefix="pcsc-backup-") as folder, ExitStack() as stack:
        both = _set_up(Path(folder), stack)
        numbers = _matched(both, -(-n // len(Party)) + HELD, told)
        doomed = set(numbers[HELD:])
        told("making the backups")
        backups = {party: _backed_up(here, Path(folder), party) for party, here in both.items()}
        before = sum(backups[party].opened(doomed, slots=here.settings.folder) for party, here in both.items())
        _delete(both, numbers[HELD:], told, destroy=destroy)
        unrotated = sum(
            each.opened(doomed, slots=each.keys, wrapping=both[party].settings.folder)
            for party, each in backups.items()
        )
        if rotate:
            _rotate(both)
        return _outcome(both, backups, numbers, before, unrotated)


def _outcome(
    both: dict[Party, Installation], backups: dict[Party, Backup], numbers: list[str], before: int, unrotated: int
) -> Outcome:
    doomed, held = set(numbers[HELD:]), set(numbers[:HELD])
    prints = len(doomed) * len(Party)
    today = {party: here.settings.folder for party, here in both.items()}
    with_todays = sum(each.opened(doomed, slots=today[party]) for party, each in backups.items())
    with_older = sum(each.opened(doomed, slots=each.keys, wrapping=today[party]) for party, each in backups.items())
    with_any = sum(each.opened_with_any(doomed, today.values()) for each in backups.values())
    kept = sum(each.opened(held, slots=today[party]) for party, each in backups.items())
    violations = [
        f"{count} of {prints} deleted prints open from an older backup with {what}"
        for what, count in (
            ("today's slots", with_todays),
            ("the older slots and today's wrapping key", with_older),
            ("some key of today", with_any),
        )
        if count
    ]
    violations += [
        f"control: {count} of {expected} prints open {what}"
        for what, count, expected in (
            ("from the backup before the deletion", before, prints),
            ("that are still held", kept, len(held) * len(Party)),
        )
        if count != expected
    ]
    counts: dict[str, int | float | str] = {
        "prints deleted": prints,
        "opened with today's slots": with_todays,
        "opened with the older slots and today's wrapping key": with_older,
        "opened with any key of today": with_any,
        "control: opened before the deletion": before,
        "control: still held, opened with today's slots": kept,
        "opened with the older slots until the wrapping key was rotated": unrotated,
    }
    return Outcome(counts, violations)


# The backup


@dataclass(frozen=True, slots=True)
class Backup:
    """What was copied of one contact point: all that a backup may hold, and beside it, against the rules, the slots."""

    party: Party
    root: Path
    keys: Folder

    def opened(self, numbers: set[str], *, slots: Folder, wrapping: Folder | None = None) -> int:
        """Return how many received prints of these exchanges open when the backup is restored with those keys."""
        with tempfile.TemporaryDirectory(dir=self.root.parent) as made:
            restored = Folder(Path(made) / "restored")
            shutil.copytree(self.root, restored.root)
            for name in ("exchange_slots", "gallery_slots"):
                source, target = getattr(slots, name), getattr(restored, name)
                shutil.copy2(source, target)
                shutil.copy2(_kek(getattr(wrapping or slots, name)), _kek(target))
            files = (restored.exchange_slots, restored.gallery_slots, restored.record_slots)
            with closing(Store(restored.database, *(KeySlots.open(path) for path in files))) as store:
                return sum(self._opens(store, number) for number in numbers)

    def _opens(self, store: Store, number: str) -> bool:
        with suppress(StoreError, KeysError), store.transaction() as tx:
            return bool(tx.content(number, _RECEIVED[self.party]))
        return False

    def opened_with_any(self, numbers: set[str], today: Iterable[Folder]) -> int:
        """Return how many received prints of these exchanges open with any key of any contact point today."""
        keys = [key for folder in today for path in folder.slots for key in _keys(path)]
        with closing(sqlite3.connect(Folder(self.root).database)) as database:
            rows = database.execute("SELECT exchange, kind, number, sealed FROM content").fetchall()
        kind = _RECEIVED[self.party]
        sealed = [
            (f"exchange/{row[0]}/{row[1]}/{row[2]}", row[3]) for row in rows if row[0] in numbers and row[1] == kind
        ]
        if len(sealed) != len(numbers):
            raise RuntimeError(
                f"the backup of {self.party} was to hold {len(numbers)} sealed prints; it has {len(sealed)}"
            )
        return sum(any(_unseals(key, content, place) for key in keys) for place, content in sealed)


def _unseals(key: bytes, sealed: bytes, place: str) -> bool:
    with suppress(KeysError):
        return bool(unseal(key, sealed, bound_to=place))
    return False


def _keys(path: Path) -> list[bytes]:
    slots = KeySlots.open(path)
    return [slots.get(number) for number in slots.live()]


def _kek(slots: Path) -> Path:
    return slots.with_suffix(".kek")


def _backed_up(here: Installation, folder: Path, party: Party) -> Backup:
    """Copy a contact point as it stands: its folder without the keys of prints, and those apart."""
    source, root, keys = here.settings.folder, folder / f"backup-{party}", folder / f"keys-{party}"
    apart = {path.name for slots in (source.exchange_slots, source.gallery_slots) for path in (slots, _kek(slots))}
    with here.store.transaction():  # the write lock: what is copied belongs together
        shutil.copytree(source.root, root, ignore=shutil.ignore_patterns(*apart))
        keys.mkdir()
        for name in apart:
            shutil.copy2(source.exchange_slots.parent / name, keys / name)
    return Backup(party, root, Folder(keys))


# What is played


def _set_up(folder: Path, stack: ExitStack) -> dict[Party, Installation]:
    """Make both contact points and one person's print that US holds; messages are handed over without a network."""
    document = folder / "arrangement.toml"
    model = files("contact_point").joinpath("models/arrangement.toml").read_text(encoding="utf-8")
    document.write_text(model.replace("latent = 20", "latent = 100000"), encoding="utf-8")
    for port, party in enumerate(Party, 1):
        plan = Plan(party, f"contact point of {party}", "127.0.0.1", port, arrangement=document)
        installation.create(folder / party, plan, main.clock())
    both = {}
    for party in Party:
        with main.opened(folder / party) as here:
            card = (folder / party.other / "card.json").read_text(encoding="utf-8")
            designate(here.settings, card, "note")
    with main.opened(folder / Party.US) as here:
        _enrol(here)
    for party in Party:
        both[party] = stack.enter_context(main.opened(folder / party, gallery=party is Party.US))
    return {party: replace(here, other=_Direct(both[party.other])) for party, here in both.items()}


class _Direct:
    """The way to the other contact point, in this process."""

    def __init__(self, to: Installation) -> None:
        self._to = to

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Hand a message over and return the answer, as the wire would."""
        answer = queried.receive(self._to, wire.decode(body, type(message)), body, now)
        return wire.decode(answer, *wire.ANSWERS[type(message)]), answer


def _finger() -> synthesis.Finger:
    return synthesis.Finger(_FINGER)


def _enrol(here: Installation) -> None:
    finger = _finger()
    standing = Standing(date(1980, 5, 1), (Case(Disposition.CONVICTED_FINAL, date(2015, 4, 1)),))
    impression = Impression(write_iso19794_2([finger.template(0)]), images.write_png(Image(finger.image(0), 500.0)))
    service.enrol(here, [Subject("person", write_particulars(Particulars(standing, {})), (impression,))])


def _probe() -> Print:
    """Return the same finger as an examiner would have marked it on a latent print, so that nothing is to be extracted."""
    finger = _finger()
    image = Image(finger.image(0), 500.0)
    template = replace(finger.template(0), origin=Origin.MARKED, impression=ImpressionType.LATENT)
    return Print(image, template, measure(image, template))


def _matched(both: dict[Party, Installation], exchanges: int, told: Callable[[str], None]) -> list[str]:
    """Let JP make so many queries that match; return their control numbers."""
    probe, numbers = _probe(), []
    for count in range(exchanges):
        if count % 50 == 0:
            told(f"query {count} of {exchanges}")
        exchange = querying.open_query(both[Party.JP], [probe], _why(), main.clock())
        if exchange.state is not State.MATCH:
            raise RuntimeError(f"the same print was to match; the answer was {exchange.state}")
        numbers.append(exchange.control_number)
    return numbers


def _why() -> Justification:
    offence = Offence("robbery", Party.JP, "Penal Code, Article 236", Penalty(months=240), Category.ROBBERY)
    return Justification(
        authority=Authority("Police", "Investigation Unit", "JP-1", Party.JP.country),
        basis=Basis(Activity.INVESTIGATION, (offence,), political=False),
        expectation=Expectation.HAS_COMMITTED,
        circumstances="A print was lifted from the till after a robbery; the suspect is said to live abroad.",
        identified=True,
        case_reference="case-1",
        search=Search.LATENT,
    )


def _delete(both: dict[Party, Installation], numbers: list[str], told: Callable[[str], None], *, destroy: bool) -> None:
    """Determine that nothing will be requested: Articles 8(1) and 8(2) order the prints of both sides to be destroyed."""
    for count, number in enumerate(numbers if destroy else ()):
        if count % 50 == 0:
            told(f"determination {count} of {len(numbers)}")
        querying.determine(both[Party.JP], number, will_request=False, now=main.clock())


def _rotate(both: dict[Party, Installation]) -> None:
    for here in both.values():
        for path in here.settings.folder.slots:
            KeySlots.open(path).rotate()
