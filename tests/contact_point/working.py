"""A worker in a process of its own: ``python -m tests.contact_point.working FOLDER``, the folder of a :class:`.test_due.Desk`.

It says that it is ready, waits for a line, and does what is due until nothing is. What fails is tried again a minute later, by
its own clock. At the end it says how many things it did.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from contact_point.due import CHECKPOINT
from pcsc.errors import RecordError

from .test_due import Desk

HORIZON = timedelta(days=1)
"""What is due later than that is for another day."""


def main(folder: Path, later: timedelta) -> int:
    """Do what is due; return how many things were done."""
    desk = Desk(folder)
    desk.now += later
    end = desk.now + HORIZON
    print("ready", flush=True)  # noqa: T201 - for who started this
    sys.stdin.readline()
    done = 0
    while desk.now < end:
        try:
            done += desk.work()
            with desk.store.transaction() as tx:
                if tx.claim(end, skip=(CHECKPOINT,)) is None:  # on a server that is not done again within minutes
                    break
        except RecordError:
            continue  # the connection was cut off: a service tries again too
        desk.passes(timedelta(minutes=1))
    desk.store.close()
    return done


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), timedelta(days=int(sys.argv[2]))))  # noqa: T201 - for who started this
