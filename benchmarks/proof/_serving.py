"""Two contact points as a proof needs them: real folders, real TLS, each served by the program itself in its own process.

A query costs no extraction: it is made with a latent print that an examiner marked (Type-13 and Type-9), so only its picture
is decoded, in the jail, and that is a small one. Persons are synthetic; the first one is enrolled, the others are strangers.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from contact_point import delivery, installation, main, service, wire
from contact_point.demonstration import designate
from contact_point.identity import Identity
from contact_point.installation import Plan
from contact_point.keys import SigningKey
from contact_point.prints import Print
from contact_point.store import Impression
from contact_point.transport import LONGEST_ANSWER, Client
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.images import Image
from matcher.quality import measure
from matcher.template import ImpressionType, Origin
from pcsc import records
from pcsc.errors import RecordError
from pcsc.messages import Query, Search
from pcsc.records import Direction
from tests.contact_point.parties import free_port, justification, subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from annex.parameters import Party
    from contact_point.identity import State
    from contact_point.querying import Justification
    from contact_point.service import Installation, Transport
    from contact_point.settings import Settings
    from contact_point.wire import HttpRequest
    from pcsc.messages import Message

SERVE: Final = ("-m", "contact_point", "serve", "--dir")
"""What makes a Python process serve the installation in the folder that follows: the command itself."""

ENROLLED, STRANGER = 1, 2

_SEED: Final = 7
_WIDTH, _HEIGHT = 160, 192  # pixels: 25 minutiae, and 26 kB as PNG
_STARTS: Final = 600.0  # seconds
_STOPS: Final = 60.0
_QUOTA: Final = 100_000  # a day: as many as an arrangement can say


@cache
def probe(person: int) -> Print:
    """Return a later impression of a person's finger, with minutiae marked as on a latent print."""
    finger = synthesis.Finger(_SEED, person=person)
    image = Image(finger.image(1, width=_WIDTH, height=_HEIGHT), 500.0)
    seen = finger.template(1, width=_WIDTH, height=_HEIGHT)
    marked = replace(seen, position=0, origin=Origin.MARKED, impression=ImpressionType.LATENT)
    return Print(image, marked, measure(image, marked))


def enrol(root: Path) -> Settings:
    """Enrol the person whom queries find at the contact point in a folder, and return its settings."""
    finger = synthesis.Finger(_SEED, person=ENROLLED)
    image = Image(finger.image(0, width=_WIDTH, height=_HEIGHT), 500.0)
    template = finger.template(0, width=_WIDTH, height=_HEIGHT)
    impression = Impression(write_iso19794_2([template]), images.write_png(image))
    with main.opened(root) as here:
        service.enrol(here, [subject("someone", impression)])
        return here.settings


def why(party: Party, case: str = "case-1") -> Justification:
    """Return why ``party`` makes a latent query."""
    return replace(justification(party, case=case), search=Search.LATENT)


def set_up(folders: Mapping[Party, Path], databases: Mapping[Party, str] | None = None, *, quota: int = _QUOTA) -> None:
    """Make both installations in these folders, which are empty or made, and let each designate the other.

    ``databases`` has the URL of each that is not to be a file in its folder; ``quota`` is how many queries of each kind their
    arrangement allows in a day.
    """
    text = (Path(installation.__file__).parent / "models" / "arrangement.toml").read_text(encoding="utf-8")
    said = ("tenprint = 100\n", "latent = 20\n")
    assert all(text.count(each) == 1 for each in said), "the model arrangement states its quotas otherwise"
    for each in said:
        text = text.replace(each, f"{each.split()[0]} = {quota}\n")
    for party, root in folders.items():
        document = root.parent / f"arrangement-{party}.toml"
        document.write_text(text, encoding="utf-8")
        name, url = f"contact point of {party}", (databases or {}).get(party, "")
        plan = Plan(party, name, "127.0.0.1", free_port(), threads=1, arrangement=document, database=url)
        installation.create(root, plan, main.clock())
    for party, root in folders.items():
        with main.opened(root) as here:
            card = (folders[party.other] / "card.json").read_text(encoding="utf-8")
            designate(here.settings, card, "note verbale of 2019-01-05")


@contextmanager
def served(here: Settings, log: Path, command: Sequence[str] = SERVE) -> Iterator[int]:
    """Serve an installation in a process of its own; yield its process id once it answers."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    arguments = [sys.executable, *command, str(here.folder.root)]
    with (
        log.open("ab") as out,
        subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out) as process,
    ):
        try:
            _await_port(here, process, log)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(_STOPS)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_port(here: Settings, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as caller:
            if caller.connect_ex((here.host, here.port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"the contact point of {here.party} did not start: its last words are in {log}")


class Said(NamedTuple):
    """How one message was answered: 0 for no answer at all. Times are of the monotonic clock, in seconds."""

    number: str
    kind: str
    begun: float
    seconds: float
    status: int
    retry_after: str


class Watched(Client):
    """The way to the other contact point, noting how each message was answered and how long that took. Thread-safe."""

    def __init__(self, found: Settings) -> None:
        """Go to the contact point that ``found`` designates."""
        super().__init__(Identity(found.folder, main.clock), SigningKey.load(found.folder.signing_key))
        self.said: list[Said] = []
        self._heard = threading.local()

    def post(
        self, message: Message, body: bytes, now: datetime, *, within: float = LONGEST_ANSWER
    ) -> tuple[Message, bytes]:
        """Send a message, as :meth:`Client.post` does."""
        self._heard.answer = (0, "")
        begun = time.monotonic()
        try:
            return super().post(message, body, now, within=within)
        finally:
            seconds = time.monotonic() - begun
            status, retry_after = self._heard.answer
            number, kind = message.control_number, wire.kind_of(message)
            self.said.append(Said(number, kind, begun, seconds, status, retry_after))

    def _send(
        self, state: State, request: HttpRequest, body: bytes, within: float
    ) -> tuple[int, dict[str, str], bytes]:
        status, headers, answer = super()._send(state, request, body, within)
        self._heard.answer = (status, headers.get("retry-after", ""))
        return status, headers, answer


@contextmanager
def asking(root: Path) -> Iterator[tuple[Installation, Watched]]:
    """Open an installation for whoever asks with it, and the watched way that it asks by."""
    with ExitStack() as stack:
        here = stack.enter_context(main.opened(root))
        way = stack.enter_context(Watched(here.settings))
        yield replace(here, other=way), way


@contextmanager
def unlogged() -> Iterator[None]:
    """Say nothing of checkpoints that were not exchanged while a contact point was away: the next ones are."""
    log = logging.getLogger(delivery.__name__)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


class Numbered:
    """A way that remembers the number of the query that went by it."""

    def __init__(self, way: Transport | None) -> None:
        """Go by this way."""
        assert way is not None
        self._way = way
        self.number = ""

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Send a message."""
        if isinstance(message, Query):
            self.number = message.control_number
        return self._way.post(message, body, now)


def messages_in_the_record(here: Installation) -> dict[str, Counter[str]]:
    """Return how often each message is in a record, by exchange and kind."""
    found: dict[str, Counter[str]] = {}
    with here.store.transaction() as tx:
        for entry in tx.entries():
            if entry.direction is not Direction.ACT:
                found.setdefault(entry.exchange, Counter())[entry.event] += 1
    return found


def faults_of_the_records(*both: Installation) -> Iterator[str]:
    """Say where a record does not verify, and where the two disagree."""
    entries = []
    for here in both:
        with here.store.transaction() as tx:
            entries.append(list(tx.entries()))
            try:
                records.verify(tx.record())
            except RecordError as error:
                yield f"the record of {here.settings.party}: {error}"
    for each in records.reconcile(*entries):
        yield f"{each.event} {each.message}: {each.what}"
