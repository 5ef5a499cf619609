"""A query's life in acts, played by both contact points in one process, so that it can be interrupted anywhere.

Each act is what a person, a message or the clock lets a contact point do, and does only what is still to be done: an act
that was interrupted is finished by doing it again, as an operator would who looks at the exchange first. :data:`ACTS` is a
tree: what follows a match differs with the determination and the reply.

The prints are small synthetic fingers whose minutiae were found once (:func:`render`), and they are read without the jail:
they are our own, and a jail for every one of a thousand processes would cost more than all the rest. The way to the other
contact point is a call of its way in; :mod:`benchmarks.proof._tls` is the real one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import mmap
import struct
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from annex.parameters import Party
from contact_point import disposal, installation, main, peer, provided, queried, querying, service, wire
from contact_point.demonstration import designate
from contact_point.installation import Plan
from contact_point.nist import jailed
from contact_point.nist.reading import JAIL
from contact_point.prints import Print, PrintReader
from contact_point.provided import Wanted
from contact_point.store import Impression
from contact_point.timekeeping import Guard
from contact_point.transport import RefusedError
from matcher import _decoding, synthesis
from matcher.formats import read_iso19794_2, write_iso19794_2
from matcher.images import Image
from matcher.quality import measure
from pcsc.messages import Conclusion, Condition, Ground, Refusal
from pcsc.use import Purpose
from tests.contact_point.parties import free_port, justification, notification, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from contact_point.service import Installation
    from matcher.extraction import Extractor
    from matcher.template import Template
    from pcsc.messages import Message

SIDE: Final = 160
"""Pixels of a print's side: the least with minutiae enough, so that a life's writes are many small ones."""

KNOWN, UNKNOWN = 1, 2
"""The person who is enrolled with the other Party, and one who is not."""


# Prints whose minutiae are known


def picture(person: int, impression: int) -> Image:
    """Return a synthetic print of a person."""
    finger = synthesis.Finger(7, person=person)
    return Image(finger.image(impression, width=SIDE, height=SIDE), 500.0)


def render(path: Path) -> None:
    """Write the minutiae of every print of the life to a file, by a digest of its pixels. Costs 2 CPU seconds, once."""
    reader = PrintReader()
    shown = [picture(person, impression) for person in (KNOWN, UNKNOWN) for impression in (0, 1)]
    found = {_digest(each): write_iso19794_2([reader.read_image(each).template]) for each in shown}
    path.write_text(json.dumps({digest: base64.b64encode(text).decode() for digest, text in found.items()}))


def _digest(image: Image) -> str:
    return hashlib.sha256(image.pixels.tobytes()).hexdigest()


class _Known:
    """Finds the minutiae of the prints of the life, and of no others."""

    def __init__(self, known: Mapping[str, Template]) -> None:
        self._known = known

    def extract(self, image: Image, *, position: int = 0) -> Template:
        return replace(self._known[_digest(image)], position=position)


class Reader(PrintReader):
    """A reader that remembers what it found in the prints of the life."""

    def __init__(self, path: Path) -> None:
        """Remember what :func:`render` wrote."""
        super().__init__()
        found = json.loads(path.read_text())
        self._found = {each: read_iso19794_2(base64.b64decode(text), ours=True)[0] for each, text in found.items()}

    @cached_property
    def _extractor(self) -> Extractor:
        return cast("Extractor", _Known(self._found))

    def print(self, person: int, impression: int) -> Print:
        """Return a print of a person."""
        image = picture(person, impression)
        template = self._found[_digest(image)]
        return Print(image, template, measure(image, template))


def without_jail() -> None:
    """Let this process read prints itself, from now on."""
    tasks = {**_decoding.TASKS, **jailed.TASKS}

    def ask(task: str, arguments: Any, data: bytes, *, most: int) -> tuple[Any, bytes]:
        del most
        return tasks[task](arguments, data)

    JAIL.ask = ask  # type: ignore[method-assign]


# What was sent and answered, as somebody outside sees it


class Passed(NamedTuple):
    """A message on its way to a Party; ``answer`` is None where none is known to have come."""

    to: str
    body: bytes
    answer: bytes | None


class Journal:
    """What passed between the contact points, in shared memory: it outlives a killed process.

    Each note is followed by the removal of a file that is not there, so that a trace tells when it was made.
    """

    SIZE: Final = 1 << 23
    _COUNT: Final = struct.Struct("<QQ")  # entries, and where the next one goes
    _LENGTH: Final = struct.Struct("<I")

    def __init__(self, path: Path) -> None:
        """Open the journal in a file, making it first where there is none."""
        if not path.exists():
            with path.open("wb") as file:
                file.truncate(self.SIZE)
        self._mark = mark_of(path)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self.SIZE)

    def note(self, to: Party, body: bytes, answer: bytes | None = None) -> None:
        """Note that a message was sent or, with ``answer``, what it brought."""
        told = None if answer is None else base64.b64encode(answer).decode()
        text = json.dumps([to.value, base64.b64encode(body).decode(), told]).encode()
        count, end = self._COUNT.unpack_from(self._memory)
        at = (end or self._COUNT.size) + self._LENGTH.size
        self._memory[at : at + len(text)] = text
        self._LENGTH.pack_into(self._memory, at - self._LENGTH.size, len(text))
        self._COUNT.pack_into(self._memory, 0, count + 1, at + len(text))
        with suppress(FileNotFoundError):
            self._mark.unlink()

    def keep(self, notes: int) -> None:
        """Forget all but the first so many notes."""
        at = self._COUNT.size
        for _ in range(notes):
            at += self._LENGTH.size + self._LENGTH.unpack_from(self._memory, at)[0]
        self._COUNT.pack_into(self._memory, 0, notes, at)

    def passed(self) -> list[Passed]:
        """Return all that was noted, in its order."""
        count, _ = self._COUNT.unpack_from(self._memory)
        found, at = [], self._COUNT.size
        for _ in range(count):
            (length,) = self._LENGTH.unpack_from(self._memory, at)
            at += self._LENGTH.size + length
            to, body, answer = json.loads(self._memory[at - length : at])
            found.append(Passed(to, base64.b64decode(body), None if answer is None else base64.b64decode(answer)))
        return found


def mark_of(journal: Path) -> Path:
    """Return the file whose removal marks a note of a journal in a trace."""
    return journal.with_suffix(".mark")


class Direct:
    """The way to the other contact point without a network: its way in, called, with what it refuses told as on the wire."""

    def __init__(self, to: Party, world: dict[Party, Installation], journal: Journal) -> None:
        """Go to the contact point of ``to``, which need not be there yet."""
        self._to, self._world, self._journal = to, world, journal

    def post(self, message: Message, body: bytes, now: datetime) -> tuple[Message, bytes]:
        """Hand a message over and return the answer with its bytes."""
        self._journal.note(self._to, body)
        try:
            answer = queried.receive(self._world[self._to], wire.decode(body, type(message)), body, now)
        except Exception as error:
            raise RefusedError(peer.problem_of(error)) from error
        self._journal.note(self._to, body, answer)
        return wire.decode(answer, *wire.ANSWERS[type(message)]), answer


# Both contact points


class World(NamedTuple):
    """Both contact points at work, in one folder."""

    folder: Path
    here: Mapping[Party, Installation]
    reader: Reader

    @property
    def jp(self) -> Installation:
        """The one that asks."""
        return self.here[Party.JP]

    @property
    def us(self) -> Installation:
        """The one that is asked."""
        return self.here[Party.US]


def make(folder: Path, reader: Reader, databases: Mapping[str, str]) -> None:
    """Make both contact points in a folder, and enrol the known person with the one that is asked.

    ``databases`` has the URL of each Party's database; one that it does not have is a file.
    """
    for party in Party:
        name, database = f"contact point of {party}", databases.get(party, "")
        plan = Plan(party, name, "127.0.0.1", free_port(), threads=1, database=database)
        installation.create(folder / party, plan, main.clock())
    for party in Party:
        with main.opened(folder / party) as here:
            card = (folder / party.other / "card.json").read_text(encoding="utf-8")
            designate(here.settings, card, "note verbale of 2019-01-05")
    print_ = reader.print(KNOWN, 0)
    with main.opened(folder / Party.US) as here:
        service.enrol(here, [subject("someone", Impression(write_iso19794_2([print_.template]), print_.png))])


@contextmanager
def opened(folder: Path, reader: Reader, journal: Journal, act: str) -> Iterator[World]:
    """Open both contact points of a folder at the time of an act, each with the direct way to the other."""
    with ExitStack() as stack:
        here: dict[Party, Installation] = {}
        for party in Party:
            found = stack.enter_context(main.opened(folder / party, gallery=True))
            way = Direct(party.other, here, journal)
            here[party] = replace(found, reader=reader, other=way, clock=_in(ACTS[act].days))
        yield World(folder, here, reader)


def number_of(here: Installation) -> str | None:
    """Return the control number of the one exchange, or None where there is none (yet, or any more)."""
    with here.store.transaction() as tx:
        found = [each.control_number for each in tx.exchanges()]
    return found[0] if found else None


def _has(here: Installation, event: str) -> bool:
    """Whether the record says that something happened: then an operator does not do it again."""
    with here.store.transaction() as tx:
        return any(entry.event == event for entry in tx.entries())


# The acts


def _number(here: Installation) -> str:
    number = number_of(here)
    assert number is not None, "the act before this one has opened an exchange"
    return number


def _query(person: int) -> Callable[[World], None]:
    def act(world: World) -> None:
        if not _has(world.jp, "query"):
            probe = world.reader.print(person, 1)
            querying.open_query(world.jp, [probe], justification(Party.JP), main.clock())

    return act


def _show(world: World) -> None:
    if not _has(world.jp, "picture"):
        taken = len(list(world.folder.glob("picture-*")))
        path = world.folder / f"picture-{taken}.svg"
        querying.write_picture(world.jp, _number(world.jp), path, main.clock())


def _examine(world: World) -> None:
    if not _has(world.jp, "examination"):
        querying.examine(world.jp, _number(world.jp), Conclusion.IDENTIFICATION, "examiner", main.clock())


def _determine(*, will_request: bool) -> Callable[[World], None]:
    def act(world: World) -> None:
        if not _has(world.jp, "determination"):
            querying.determine(world.jp, _number(world.jp), will_request=will_request, now=main.clock())

    return act


def _request(world: World) -> None:
    if not _has(world.jp, "request"):
        asked = notification("name", "date of birth", "criminal history")
        querying.request(world.jp, _number(world.jp), asked, main.clock())


def _answer(*conditions: Condition) -> Callable[[World], None]:
    def act(world: World) -> None:
        if not _has(world.us, "reply"):
            queried.answer_request(
                world.us,
                _number(world.us),
                give=("name", "date of birth"),
                refusals=(Refusal(Ground.NOT_AVAILABLE, "none is recorded", "criminal history"),),
                conditions=conditions,
                by="officer",
                now=main.clock(),
            )

    return act


def _accept(world: World) -> None:
    if not _has(world.jp, "acceptance"):
        querying.accept(world.jp, _number(world.jp), accepted=True, signed_by="Superintendent", now=main.clock())


def _use(world: World) -> None:
    if not _has(world.jp, "use"):
        wanted = Wanted(Purpose.NOTIFIED, "investigator", political=False)
        provided.use(world.jp, _number(world.jp), wanted, main.clock())


def _close(world: World) -> None:
    if not _has(world.jp, "closing"):
        provided.close(world.jp, _number(world.jp), main.clock())


def work(here: Installation) -> None:
    """Do what is due, as the service does every minute."""
    # The clock of this machine is the only one here: that a reference disciplines it is taken for granted.
    disposal.worker(here, Guard(lambda: True), name="proof").work(here.clock, time.monotonic)


def _wait(world: World) -> None:
    for here in world.here.values():
        work(here)


def _in(days: int) -> Callable[[], datetime]:
    """Return the clock as it will be in so many days."""
    return lambda: main.clock() + timedelta(days=days)


class Act(NamedTuple):
    """One act of the life."""

    play: Callable[[World], None]
    days: int = 0
    """How many days from today it is."""


_CONDITION: Final = Condition("Not for immigration-related purposes.", (Purpose.IMMIGRATION.value,))
_LAPSED: Final = 400  # days: longer than any arrangement holds prints, shorter than a record is kept
_OVER: Final = _LAPSED + 3 * 366

ACTS: Final[dict[str, Act]] = {
    "query": Act(_query(KNOWN)),
    "query/picture": Act(_show),
    "query/picture/examine": Act(_examine),
    "query/picture/examine/will request": Act(_determine(will_request=True)),
    "query/picture/examine/will request/request": Act(_request),
    "query/picture/examine/will request/request/offer": Act(_answer(_CONDITION)),
    "query/picture/examine/will request/request/offer/accept": Act(_accept),
    "query/picture/examine/will request/request/offer/accept/use": Act(_use),
    "query/picture/examine/will request/request/offer/accept/use/close": Act(_close),
    "query/picture/examine/will request/request/offer/accept/use/close/lapse": Act(_wait, _LAPSED),
    "query/picture/examine/will request/request/offer/accept/use/close/lapse/term": Act(_wait, _OVER),
    "query/picture/examine/will request/request/reply": Act(_answer()),
    "query/picture/examine/no request": Act(_determine(will_request=False)),
    "query/lapse": Act(_wait, _LAPSED),
    "query of a stranger": Act(_query(UNKNOWN)),
}
"""Each act by its way from the beginning; the acts before it are the other parts of its name."""


def before(act: str) -> str:
    """Return the act that an act follows; empty where it is the first."""
    return act.rpartition("/")[0]


def path_to(act: str) -> list[str]:
    """Return the acts of a life up to and with this one."""
    parts = act.split("/")
    return ["/".join(parts[: at + 1]) for at in range(len(parts))]
