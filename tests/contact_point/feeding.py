"""A contact point with persons of whom a feed speaks; and processes that die while they apply one.

As a program, ``python -m tests.contact_point.feeding FOLDER STRIDE`` copies the installation in a folder again and again, lets
a child apply ``feed.csv`` in each copy and kills it, each so many moments later than the one before, and prints how each was
left. A moment is before or after a statement or the commit, or before or after keys are destroyed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from annex.eligibility import Case, Disposition, Standing
from annex.parameters import Party
from contact_point import disposal, dispositions, feed, installation, main
from contact_point.feed_files import COLUMNS, FeedFile, read_feed
from contact_point.holdings import Particulars
from contact_point.installation import Plan
from contact_point.keys import KeySlots
from contact_point.store import Impression, Subject
from matcher import synthesis
from matcher.formats import write_iso19794_2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contact_point.service import Installation

NOW: Final = datetime(2026, 11, 22, 12, tzinfo=UTC)
ARREST: Final = date(2026, 2, 3)
HEADER: Final = ",".join(COLUMNS)
PICTURE: Final = b"a picture; nobody asks for it here"


def make(folder: Path, party: Party = Party.JP) -> None:
    """Make an installation that knows no other."""
    installation.create(folder, Plan(party, f"contact point of {party}", "127.0.0.1", 8443, threads=1), main.clock())


def person(name: str, *outcomes: Disposition, image: bytes | None = PICTURE) -> Subject:
    """Return a person of one finger, with cases named after their outcomes, who were arrested on the same day."""
    cases = tuple(Case(each, ARREST) for each in outcomes)
    particulars = Particulars(Standing(date(1980, 5, 1), cases), {"name": name}, tuple(outcomes))
    template = write_iso19794_2([synthesis.Finger(5, person=sum(name.encode())).template(0)])
    kept = dispositions.write_kept(dispositions.enrolled(particulars, NOW))
    return Subject(name, kept, (Impression(template, image),))


def enrol(here: Installation, *names: str) -> None:
    """Enrol persons whose case is pending."""
    with here.store.transaction() as tx:
        tx.enrol([person(name, Disposition.PENDING) for name in names])


def line(number: object, subject: str, kind: str, day: str = "2026-11-20", **said: str) -> str:
    """Return a line of a feed; about the case ``pending`` unless it says another."""
    of_a_case = kind in dispositions.OF_A_CASE
    values = {"number": str(number), "source": "NPA", "subject": subject, "date": day, "event": kind}
    values |= {"case": "pending"} if of_a_case else {}
    return ",".join((values | said).get(name, "") for name in COLUMNS)


def feed_of(lines: Iterable[str], now: datetime = NOW, party: Party = Party.JP) -> FeedFile:
    """Return a feed of these lines."""
    return read_feed("\n".join([HEADER, *lines]).encode(), party, now.date())


# Processes that die


def _die_at(moment: int) -> None:
    """Kill this process at the moment of that number."""
    moments = count(1)

    def pass_one(*_: object) -> None:
        if next(moments) == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    for where, name in (
        (Engine, "before_cursor_execute"),
        (Engine, "after_cursor_execute"),
        (Engine, "commit"),
        (Pool, "checkin"),
    ):
        event.listen(where, name, pass_one)
    destroy = KeySlots.destroy

    def dying(self: KeySlots, slots: Iterable[int]) -> int:
        pass_one()
        done = destroy(self, slots)
        pass_one()
        return done

    KeySlots.destroy = dying  # type: ignore[method-assign]  # only here, in a child that is to die


def _killed_at(moment: int, folder: Path) -> bool:
    """Have a child apply the feed and die at a moment; return whether it did die."""
    if (child := os.fork()) == 0:
        with main.opened(folder) as here:
            read = read_feed((folder / "feed.csv").read_bytes(), here.settings.party, NOW.date())
            _die_at(moment)
            feed.apply(here, read, NOW, by="A. Officer", code=None)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def left(folder: Path) -> dict[str, Any]:
    """Return how an installation was left: who stands how, which feeds are entered, and how many keys nobody needs."""
    with main.opened(folder) as here:
        found: dict[str, Any] = {"spare": _spare(here)}
        disposal.recover(here, NOW)
        disposal.worker(here, here.guard, name="start").work(main.clock, main.boottime)
        found["spare after a start"] = _spare(here)
        with here.store.reading() as tx:
            kept = {name: dispositions.read_kept(each.particulars) for name, each in tx.standings()}
            found["persons"] = {name: [case.disposition for case in each.standing.cases] for name, each in kept.items()}
            found["feeds"] = len(list(tx.feeds()))
            found["due"] = sorted(tx.planned(""))
    return found


def _spare(here: Installation) -> int:
    """Return how many keys of the gallery no person rests under."""
    with here.store.transaction() as tx:
        return len(here.store._gallery.live()) - len(tx.names())


def run() -> None:
    """Print how each copy was left."""
    folder, stride = Path(sys.argv[1]), int(sys.argv[2])
    found = []
    for moment in count(1, stride):
        copy = folder.with_name(f"copy-{moment}")
        shutil.copytree(folder, copy)
        killed = _killed_at(moment, copy)
        found.append(left(copy))
        shutil.rmtree(copy)
        if not killed:
            break
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    run()
