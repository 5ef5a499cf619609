"""A worker in a process of its own: ``python -m tests.contact_point.working FOLDER``, the folder of a :class:`.test_due.Desk`.

It says that it is ready, waits for a line, and does the first thing that is due; says that it did, waits for another line, and
does what is due until nothing is. So nobody has done everything before another began. What fails is tried again a minute later,
by its own clock.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from contact_point import disposal
from contact_point.due import CHECKPOINT
from pcsc.errors import RecordError

from .test_due import Desk

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from contact_point.due import Act
    from contact_point.store import Due, Transaction

HORIZON = timedelta(days=1)
"""What is due later than that is for another day."""


def main(folder: Path, later: timedelta) -> None:
    """Do what is due."""
    desk = Desk(folder)
    desk.now += later
    end = desk.now + HORIZON
    once = iter(["did"])

    def halting(act: Act) -> Act:
        """Return an act of which the first that is done here is told, in no transaction."""

        def acting(tx: Transaction, row: Due, now: datetime) -> Callable[[], None]:
            after = act(tx, row, now)

            def afterwards() -> None:
                if after is not None:
                    after()
                for word in once:
                    halt(word)

            return afterwards

        return acting

    worker = desk.another(**{what: halting(act) for what, act in disposal.acts(desk.here).items()})
    halt("ready")
    while desk.now < end:
        try:
            desk.work(worker)
            with desk.store.transaction() as tx:
                if tx.claim(end, skip=(CHECKPOINT,)) is None:  # on a server that is not done again within minutes
                    break
        except RecordError:
            continue  # the connection was cut off: a service tries again too
        desk.passes(timedelta(minutes=1))
    desk.store.close()


def halt(word: str) -> None:
    """Say a word to whoever started this, and wait to be told to go on."""
    print(word, flush=True)  # noqa: T201 - for who started this
    sys.stdin.readline()


if __name__ == "__main__":
    main(Path(sys.argv[1]), timedelta(days=int(sys.argv[2])))
