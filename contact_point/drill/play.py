"""What happens to the marked prints: two contact points in processes of their own, and every end that a print can come to.

Each marked print meets one :class:`Fate`, in turn, and the two contact points ask each other in turn. What an operator does is
done here, by the functions behind the commands; what the other contact point's server does, it does in its own process. Some
of the servers are killed while they work on a query, and started again.
"""

from __future__ import annotations

import os
import resource
import secrets
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from annex.eligibility import Case, Disposition
from annex.parameters import Party
from contact_point import delivery, installation, main, prints, queried, querying, service, wire
from contact_point.demonstration import (
    DemonstrationError,
    Side,
    await_start,
    designate,
    free_port,
    justification,
    log_of,
    particulars,
)
from contact_point.drill import places
from contact_point.drill.marks import Mark, What, of_image, of_key, of_template
from contact_point.installation import Plan
from contact_point.keys import SLOT_BYTES, KeysError, KeySlots
from contact_point.prints import Print
from contact_point.store import Impression, Subject
from contact_point.transport import ClientError, RefusedError
from matcher import images, synthesis
from matcher.formats import write_iso19794_2
from matcher.images import Image
from matcher.quality import measure
from matcher.template import ImpressionType, Origin, Template
from pcsc import duties
from pcsc.errors import TreatyError
from pcsc.exchange import State
from pcsc.messages import Conclusion, Query, Search, WrittenNotification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pcsc.exchange import Exchange

ROWS: Final = 4
"""Rows of a marked picture that are random."""

PERSONS: Final = 20
"""One person is enrolled for so many marked prints, in each gallery."""

LONGEST: Final = 0.4
"""Seconds after which a server is killed at the latest, at random from the moment at which the query is made."""


PATIENCE: Final = 5
"""Times the usual patience that a server is given to start."""


class DrillError(Exception):
    """The drill could not be carried out; it says nothing about what is left of a print."""


class Fate(StrEnum):
    """What becomes of a print."""

    NO_MATCH = "no match"
    LATENT = "no match, a latent print with an examiner's minutiae"
    DROPPED = "match, and no request"
    REQUESTED = "match, shown to an examiner, requested and answered"
    HELD = "match, still undetermined"
    POOR = "refused there: no print can be made out"
    DAMAGED = "refused there: a damaged transaction"
    MALFORMED = "refused there: no message"
    POLITICAL = "refused here: a political offence"
    KILLED = "the server killed in the middle"


_TURNS: Final = tuple(Fate)


@dataclass(slots=True)
class Point:
    """One of the two contact points: its operator's hold on it, and its server."""

    side: Side
    temp: Path
    work: Path
    """Where the server works, and would leave a core: beside the volume, so that a core is not found there once more."""
    server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server, with a temporary folder of its own."""
        root = self.side.here.settings.folder.root
        command = [sys.executable, "-m", "contact_point", "serve", "--dir", str(root)]
        environment = os.environ | {"TMPDIR": str(self.temp), "PYTHONPATH": os.pathsep.join(sys.path)}
        before = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))  # whoever wants no core has to see to it
        try:
            with log_of(self.side).open("ab") as log:
                self.server = subprocess.Popen(
                    command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.work, env=environment
                )
        finally:
            resource.setrlimit(resource.RLIMIT_CORE, before)
        self._await(self.server)

    def _await(self, server: subprocess.Popen[bytes]) -> None:
        """Wait as long as the server lives and is not there yet, within reason: the drill may well run on a busy machine."""
        last = ""
        for _ in range(PATIENCE):
            try:
                await_start(server, self.side)
            except DemonstrationError as error:
                last = str(error)
            else:
                return
            if server.poll() is not None:
                break
        raise DrillError(last)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the server, and wait for its end; doing it again is harmless."""
        if self.server is None:
            return
        self.server.send_signal(how)
        try:
            self.server.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.server = None


@dataclass(slots=True)
class Stage:
    """The two contact points, what was planted so far, and what came of it."""

    points: dict[Party, Point]
    seed: int
    marks: list[Mark] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    persons: dict[Party, int] = field(default_factory=lambda: dict.fromkeys(Party, 0))
    held: set[str] = field(default_factory=set)
    keys: dict[Party, dict[int, Mark]] = field(default_factory=lambda: {party: {} for party in Party})
    wrapped: dict[Party, dict[bytes, Mark]] = field(default_factory=lambda: {party: {} for party in Party})
    left_behind: set[int] = field(default_factory=set)
    """Processes that belonged to servers which were killed."""

    def count(self, what: str) -> None:
        """Count one more of something."""
        self.counts[what] = self.counts.get(what, 0) + 1


@contextmanager
def stage(root: Path, beside: Path) -> Iterator[Stage]:
    """Make both contact points in ``root``, with work folders ``beside`` it; their servers stop at the end of the block."""
    document = root / "arrangement.toml"
    model = (files("contact_point").joinpath("models/arrangement.toml")).read_text(encoding="utf-8")
    document.write_text(model.replace("tenprint = 100", "tenprint = 100000").replace("latent = 20", "latent = 100000"))
    for party in Party:
        plan = Plan(party, f"contact point of {party} (drill)", "127.0.0.1", free_port(), 1, document)
        installation.create(root / party.value.lower(), plan, main.clock())
    points = {}
    with ExitStack() as stack:
        for party in Party:
            folder = root / party.value.lower()
            with main.opened(folder) as here:
                card = (root / party.other.value.lower() / "card.json").read_text(encoding="utf-8")
                designate(here.settings, card, "drill")
            temp, work = root / "temp" / party.value.lower(), beside / f"work-{party.value.lower()}"
            temp.mkdir(parents=True)
            work.mkdir()
            points[party] = Point(Side(party, stack.enter_context(main.opened(folder))), temp, work)
            stack.callback(points[party].stop)
        yield Stage(points, secrets.randbits(31))


def marked(pixels: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> Image:
    """Return a picture with rows of random pixels at its upper edge."""
    copy = np.array(pixels)
    copy[:ROWS] = np.frombuffer(secrets.token_bytes(ROWS * copy.shape[1]), np.uint8).reshape(ROWS, -1)
    return Image(copy, 500.0)


def enrol(at: Stage, markers: int) -> None:
    """Enrol marked persons in both galleries, whose prints will be sent as candidates."""
    for party in Party:
        here = at.points[party].side.here
        at.persons[party] = 1 + markers // PERSONS
        for person in range(at.persons[party]):
            image = marked(_finger(at, party, person).image(0))
            template = here.reader.read_image(image).template
            impression = Impression(write_iso19794_2([template]), images.write_png(image))
            name = f"{party} {person}"
            service.enrol(here, [Subject(name, particulars((_CONVICTED,)), (impression,))])
            own = frozenset({f"memory of the {party} server"})  # a gallery is searched in memory
            at.marks.append(Mark(What.CANDIDATE_IMAGE, name, of_image(image), images.write_png(image)))
            if chunks := of_template(template):
                at.marks.append(Mark(What.CANDIDATE_TEMPLATE, name, chunks, write_iso19794_2([template]), own))


_CONVICTED: Final = Case(Disposition.CONVICTED_FINAL, date(2015, 4, 1))


def _finger(at: Stage, party: Party, person: int) -> synthesis.Finger:
    return synthesis.Finger(at.seed, person=2 * person + (party is Party.US))


def order(markers: int) -> list[int]:
    """Return the numbers of the marked prints as they come: first those at which a server is killed, and its memory gone."""
    return sorted(range(markers), key=lambda number: _TURNS[number % len(_TURNS)] is not Fate.KILLED)


def play(at: Stage, number: int) -> None:
    """Plant the marked print of this number and let it meet its fate."""
    fate = _TURNS[number % len(_TURNS)]
    party = tuple(Party)[number // len(_TURNS) % 2]
    here = at.points[party].side.here
    there = party.other
    person = number // len(_TURNS) % at.persons[there]
    enrolled = fate in {Fate.DROPPED, Fate.REQUESTED, Fate.HELD} or (fate is Fate.KILLED and number % 3)
    finger = _finger(at, there, person if enrolled else 1000 + number // 8)
    picture = np.zeros((416, 320), np.uint8) if fate is Fate.POOR else finger.image(1 + number)
    if fate is Fate.POOR:
        picture[:] = np.frombuffer(secrets.token_bytes(picture.size), np.uint8).reshape(picture.shape)
    image = marked(picture)
    template = _examiners(image) if fate is Fate.LATENT else None
    probe = _print(here.reader, image, template, fate)
    at.marks.append(Mark(What.IMAGE, f"{number}", of_image(image), images.write_png(image)))
    if probe is not None and (chunks := of_template(probe.template)):
        at.marks.append(Mark(What.TEMPLATE, f"{number}", chunks, write_iso19794_2([probe.template])))
    at.count(fate.value)
    act = _ACTS.get(fate, _ask)
    act(at, party, image if probe is None else probe)


def _print(reader: prints.PrintReader, image: Image, marks: Template | None, fate: Fate) -> Print | None:
    if fate is Fate.POOR:
        return None
    if marks is not None:
        return Print(image, marks, measure(image, marks))
    return reader.read_image(image)


def _examiners(image: Image) -> Template:
    """Return random minutiae, as an examiner may have marked them on a latent print."""
    rng = np.random.default_rng(secrets.randbits(64))
    height, width = image.pixels.shape
    return Template.of(
        rng.integers(20, width - 20, 40),
        rng.integers(20, height - 20, 40),
        rng.uniform(0, 6.28, 40),
        kind=rng.integers(1, 3, 40),
        quality=rng.integers(40, 100, 40),
        width=width,
        height=height,
        origin=Origin.MARKED,
        impression=ImpressionType.LATENT,
    )


# The acts


def _ask(at: Stage, party: Party, probe: Print) -> Exchange:
    """Query with a print and note the keys that it is held under meanwhile."""
    why = replace(justification(party), search=Search.LATENT if probe.latent else Search.TENPRINT)
    exchange = querying.open_query(at.points[party].side.here, [probe], why, main.clock())
    at.count(f"answered: {exchange.state}")
    note_keys(at)
    return exchange


def _dropped(at: Stage, party: Party, probe: Print) -> None:
    exchange = _ask(at, party, probe)
    if exchange.state is State.MATCH:
        here = at.points[party].side.here
        querying.determine(here, exchange.control_number, will_request=False, now=main.clock())


def _requested(at: Stage, party: Party, probe: Print) -> None:
    exchange = _ask(at, party, probe)
    if exchange.state is not State.MATCH:
        return
    here, number = at.points[party].side.here, exchange.control_number
    picture = here.settings.folder.root / f"{number}.svg"
    querying.write_picture(here, number, picture, main.clock())
    querying.examine(here, number, Conclusion.IDENTIFICATION, "examiner (drill)", main.clock())
    querying.determine(here, number, will_request=True, now=main.clock())
    basis = justification(party).basis
    notification = WrittenNotification("To establish who left the print.", "drill", ("name",), basis, "drill")
    querying.request(here, number, notification, main.clock())
    queried.answer_request(
        at.points[party.other].side.here, number, give=("name",), by="officer (drill)", now=main.clock()
    )


def _political(at: Stage, party: Party, probe: Print) -> None:
    why = justification(party)
    why = replace(why, basis=replace(why.basis, political=True))
    with _refused(at):
        querying.open_query(at.points[party].side.here, [probe], why, main.clock())


def _poor(at: Stage, party: Party, image: Image) -> None:
    _send(at, party, image, lambda body: body, lambda data: data)


def _damaged(at: Stage, party: Party, probe: Print) -> None:
    _send(at, party, probe.image, lambda body: body, lambda data: data[:-40] + data[-20:])


def _malformed(at: Stage, party: Party, probe: Print) -> None:
    _send(at, party, probe.image, lambda body: body.replace(b'"prints":', b'"prints":1,"print":', 1), lambda data: data)
    _send(at, party, probe.image, lambda body: body[:-2], lambda data: data)


def _send(
    at: Stage,
    party: Party,
    image: Image,
    body: Callable[[bytes], bytes],
    data: Callable[[bytes], bytes],
) -> None:
    """Send a query that the other contact point has to refuse; ours would not have made it."""
    here, now, why = at.points[party].side.here, main.clock(), justification(party)
    number = service.new_number(here, now)
    sent = service.fingerprint_data(
        here, [prints.finger_image(image, 0)], kind=prints.SEARCH, control_number=number, now=now
    )
    query = Query(
        control_number=number,
        made_at=now,
        salt=service.new_salt(),
        querying=party,
        authority=why.authority,
        identified=why.identified,
        search=why.search,
        basis=why.basis,
        expectation=why.expectation,
        prints=data(sent),
    )
    with _refused(at):
        delivery.transport(here).post(query, body(wire.encode(query)), now)


@contextmanager
def _refused(at: Stage) -> Iterator[None]:
    try:
        yield
    except (RefusedError, TreatyError) as refused:
        code = refused.problem.code if isinstance(refused, RefusedError) else refused.code
        at.count(f"refused: {code}")
    else:
        raise DrillError("a query that the agreement or the other contact point does not allow was answered")


def _killed(at: Stage, party: Party, probe: Print) -> None:
    """Kill the server that works on the query, start it again, and let the query be sent again."""
    here, point = at.points[party].side.here, at.points[party.other]
    server = point.server
    if server is None:
        raise DrillError(f"the server of {party.other} does not run")
    descendants = places.processes(server.pid)[1:]
    knife = threading.Timer(LONGEST * secrets.randbelow(1000) / 1000, server.kill)
    knife.start()
    try:
        exchange = querying.open_query(here, [probe], justification(party), main.clock())
    except ClientError:
        at.count("killed before the answer came")
        note_keys(at)
    else:
        at.count("killed after the answer came")
        at.count(f"answered: {exchange.state}")
    knife.join()
    point.stop(signal.SIGKILL)
    point.start()
    at.left_behind |= set(descendants)
    for _ in range(3):
        outcomes = delivery.resume(here, main.clock)
        for outcome in outcomes:
            if not isinstance(outcome, Exception):
                at.count(f"answered: {outcome.state}")
        if not any(isinstance(outcome, Exception) for outcome in outcomes):
            break
    note_keys(at)
    with here.store.transaction() as tx:
        matches = [each for each in tx.exchanges() if each.state is State.MATCH and each.control_number not in at.held]
    for each in matches:
        querying.determine(here, each.control_number, will_request=False, now=main.clock())


def _held(at: Stage, party: Party, probe: Print) -> None:
    at.held.add(_ask(at, party, probe).control_number)


_ACTS: Final[Mapping[Fate, Callable[[Stage, Party, Any], object]]] = {
    Fate.DROPPED: _dropped,
    Fate.REQUESTED: _requested,
    Fate.HELD: _held,
    Fate.POOR: _poor,
    Fate.DAMAGED: _damaged,
    Fate.MALFORMED: _malformed,
    Fate.POLITICAL: _political,
    Fate.KILLED: _killed,
}
"""What is done with a print of each fate; any other is asked about, and that is all."""


# Keys


def note_keys(at: Stage) -> None:
    """Note every key that content is held under at this moment, bare and as it lies in its slot."""
    for party, point in at.points.items():
        here = point.side.here
        slots = KeySlots.open(here.settings.folder.exchange_slots)
        with here.store.transaction() as tx:
            held = [each for each in tx.held() if each.slot not in at.keys[party]]
        for each in held:
            with suppress(KeysError):  # destroyed meanwhile
                key = slots.get(each.slot)
                at.keys[party][each.slot] = Mark(What.KEY, f"{party} {each.kind} {each.slot}", of_key(key), key)
        for content in wrapped(here.settings.folder.exchange_slots):
            mark = Mark(What.WRAPPED, f"{party}", of_key(content[8:48]), content)
            at.wrapped[party].setdefault(content, mark)


def wrapped(slots: Path) -> set[bytes]:
    """Return what lies in the slots of a file, the header apart."""
    content = slots.read_bytes()
    pieces = (content[at : at + SLOT_BYTES] for at in range(SLOT_BYTES, len(content), SLOT_BYTES))
    return {piece for piece in pieces if any(piece)}


def rotate(at: Stage) -> None:
    """Replace both wrapping keys of each contact point, and note those that were, and every wrapped key that is gone."""
    note_keys(at)
    for party, point in at.points.items():
        folder = point.side.here.settings.folder
        for path in (folder.exchange_slots, folder.gallery_slots):
            before = path.with_suffix(".kek").read_bytes()
            KeySlots.open(path).rotate()
            now = path.with_suffix(".kek").read_bytes()
            for start in range(0, len(before), 512):
                key = before[start : start + 512].rstrip(b"\0")[8:40]
                if key and key not in now:
                    at.marks.append(Mark(What.WRAPPING, f"{party} {path.name}", of_key(key), key))
        with point.side.here.store.transaction() as tx:
            live = {each.slot for each in tx.held()}
        here = wrapped(folder.exchange_slots)
        at.marks += [mark for slot, mark in at.keys[party].items() if slot not in live]
        at.marks += [mark for content, mark in at.wrapped[party].items() if content not in here]
        at.counts[f"keys still held by {party}"] = len(live & at.keys[party].keys())


def overdue(at: Stage) -> list[str]:
    """Return what of a print is still held, of exchanges that are to hold none."""
    late = []
    for party, point in at.points.items():
        with point.side.here.store.transaction() as tx:
            for each in tx.held():
                permitted = duties.permitted(tx.exchange(each.exchange))
                if each.kind not in permitted:
                    late.append(f"{party} holds {each.kind} of {each.exchange}, which is not permitted any more")
    return late
