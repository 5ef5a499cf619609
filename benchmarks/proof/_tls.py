"""Acts of the life over the real way: one contact point serves in a process of its own, the other one asks over TLS 1.3."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import _life
from contact_point import main, settings
from contact_point.transport import ClientError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from benchmarks.proof._life import Journal, Reader
    from contact_point.service import Installation, Transport
    from pcsc.messages import Message

ACTS: Final = {
    "query": Party.US,
    "query/picture/examine/will request": Party.US,
    "query/picture/examine/will request/request": Party.US,
    "query/picture/examine/will request/request/offer": Party.JP,
    "query/picture/examine/will request/request/offer/accept": Party.US,
    "query/picture/examine/no request": Party.US,
    "query of a stranger": Party.US,
}
"""The acts that send a message, and who receives it."""


def serve(folder: Path, reader: Reader, party: Party, act: str) -> None:
    """Answer as one of the two until told to stop."""
    assert ACTS[act] is party
    with main.opened(folder / party, gallery=True) as here:
        main.server(replace(here, reader=reader)).run()


def play(folder: Path, reader: Reader, journal: Journal, act: str, serving: int) -> str:
    """Play an act with whom it sends to behind TLS; return what kept the message from arriving, empty where nothing did.

    ``serving`` is the process that serves, or is dead.
    """
    receiver = ACTS[act]
    sender = receiver.other
    with ExitStack() as stack:
        found = stack.enter_context(main.opened(folder / sender, gallery=True))
        # The act looks at its own side only: the other one is there in name.
        here: dict[Party, Installation] = {
            sender: replace(found, reader=reader, other=_Noted(found.other, receiver, journal))
        }
        _await(folder / receiver, serving)
        try:
            _life.ACTS[act].play(_life.World(folder, here, reader))
        except ClientError as error:
            return str(error)
    return ""


class _Noted:
    """A way to the other contact point, with what passes on it noted."""

    def __init__(self, other: Transport | None, to: Party, journal: Journal) -> None:
        assert other is not None, "the other contact point is designated"
        self._other, self._to, self._journal = other, to, journal

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        self._journal.note(self._to, body)
        answer, answered = self._other.post(message, body, now)
        self._journal.note(self._to, body, answered)
        return answer, answered


def _await(root: Path, serving: int) -> None:
    """Wait until a contact point answers at its port, or its process is gone."""
    found = settings.read(root)
    with suppress(ProcessLookupError):
        while True:
            with socket.socket() as probe:
                if probe.connect_ex((found.host, found.port)) == 0:
                    return
            os.kill(serving, 0)
            time.sleep(0.02)
