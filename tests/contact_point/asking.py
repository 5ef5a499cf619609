"""A program of an authority that dies: ``python -m tests.contact_point.asking FOLDER NUMBER PRINT STEP``.

It makes one query, as any program does, and is killed at a step: when an event of that name is told, or when the answer came
("came") and before anything of it was taken in.
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from annex.parameters import Party
from contact_point.client import ContactPoint, Event, Probe
from pcsc.messages import Checkpoints

from .parties import justification

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Transport
    from pcsc.messages import Message


def die() -> None:
    """End this process at once, as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Fatal:
    """A way whose first answer arrives and finds nobody."""

    def __init__(self, other: Transport | None) -> None:
        assert other is not None
        self.other = other

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        answer = self.other.post(message, body, now)
        if not isinstance(message, Checkpoints):
            die()
        return answer


def main(folder: Path, number: str, shown: Path, step: str) -> None:
    """Query, and die."""

    def told(event: Event) -> None:
        if type(event).__name__ == step:
            die()

    with ContactPoint.open(folder, told=told) as point:
        way = Fatal(point.here.other) if step == "came" else point.here.other
        replace(point, here=replace(point.here, other=way)).query(number, [Probe(shown)], justification(Party.JP))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), sys.argv[4])
