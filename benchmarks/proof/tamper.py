"""A record of Article 11 is bent in every way that is listed here, and `pcsc-verify` is asked whether it holds.

The record is that of one contact point: ``n`` entries in five monthly trees, two exchanges at a time, the entries of the first
two months ended by their term. After every round of messages the other contact point cosigned a checkpoint and kept it. What
is given to the verifier is the file that :mod:`contact_point.archive` writes, with both keys from outside.

Bits. Every bit of every place is turned over, alone, and every bit of the header with its notes. A whole run for each would
read ``n`` lines a million times over, so only the line that was hit is looked at again, and this finds the same: a whole run
passes every other line to the same function, of which the result does not depend on its neighbours (:func:`verify.read_place`);
where the hit line reads as the same place, a whole run sees no difference, and that is counted as not found; where it reads as
a place of another number, another Party or another month out of order, the whole run calls the same
:func:`verify.check_order`; where only its leaf is another, the root of its tree is the one to which the leaf leads along the
inclusion proof of its neighbours, which did not change, and that is held against the signed root; anything else is run whole.
The claim is not only argued: bits drawn at random are turned over in the file, and the verdict of a whole run on all its bytes
is compared.

Lines. Every truncation, at each byte; each place left out, each given twice, each two neighbours exchanged and as many far
apart, all of these also with the numbers written anew.

The holder of the key can sign whatever it likes, so the file alone cannot tell. Set back to each earlier state, or with each
entry rewritten and all trees signed anew, the file holds by itself, and is found by the notes that the other contact point
kept, the last of each month, and only by them. What comes after the last is the tail that no note shows: it is measured at
every moment of the record, just before what was recorded is cosigned, as our own acts and as messages. Messages the other
contact point recorded too: reconciling finds those, so what nobody could notice are acts since the last message.
"""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import Outcome
from contact_point import archive, notes, verify
from contact_point.keys import SigningKey
from pcsc import checkpoints, merkle, records
from pcsc.checkpoints import Head
from pcsc.exchange import Exchange, Side, State
from pcsc.messages import Message
from pcsc.records import Direction, Entry, Recorded
from tests import builders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FULL: Final = 1000
"""Entries of the record."""

SEED: Final = 11
SAMPLED: Final = 400
"""Bits for which a whole run is compared, at most."""

_URI: Final = {party: f"urn:pcsc:ncp:{party.value.lower()}" for party in Party}
_MONTHS: Final = tuple(
    datetime(year, month, 1, 6, tzinfo=UTC)
    for year, month in ((2024, 9), (2024, 10), (2026, 9), (2026, 10), (2026, 11))
)
_ENDED: Final = {"2024-09", "2024-10"}  # the term of these is over when the record is exported
_EXPORTED: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)


# The record


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A note that both signed, and how many entries the record had then."""

    note: str
    tree: str
    entries: int


@dataclass(slots=True)
class Scene:
    """A record as its holder keeps it, and what the other contact point keeps of it."""

    signer: archive.Signer
    places: list[Recorded] = field(default_factory=list)
    heads: list[tuple[Head, ...]] = field(default_factory=list)
    """The heads of all trees after each entry."""
    witnessed: list[Witnessed] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    theirs: list[Entry] = field(default_factory=list)
    """The messages as the other contact point recorded them."""

    def kept(self, entries: int) -> list[Witnessed]:
        """Return the notes that the other contact point needs when the record has so many: the last of each tree."""
        return list({each.tree: each for each in self.witnessed if each.entries <= entries}.values())

    @property
    def rested(self) -> list[Recorded]:
        """The places as they rest when the record is exported: those whose term has ended are empty."""
        return [records.expire(place) if place.tree in _ENDED else place for place in self.places]


def play(n: int, folder: Path) -> Scene:
    """Return a record of ``n`` entries; keys are made in ``folder``, all else is the same every time."""
    keys = {party: SigningKey.create(folder / f"{party}.pem") for party in Party}
    other = keys[Party.US].verifying
    scene = Scene(archive.Signer(Party.JP, _URI[Party.JP], keys[Party.JP], _URI[Party.US], other))
    salts = random.Random(SEED)  # noqa: S311 - salts of an example
    frontiers: dict[str, merkle.Frontier] = {}
    for number, step in zip(range(n), steps(), strict=False):
        _append(scene, frontiers, step, number, n, salts.randbytes(32).hex())
        if step.ends_round:
            heads, at = scene.heads[-1], scene.entries[-1].at
            note = scene.signer.sign(heads, at)
            cosigned = notes.cosign(note, _URI[Party.US], keys[Party.US])
            scene.witnessed.append(Witnessed(cosigned, heads[-1].tree, number + 1))
    return scene


@dataclass(frozen=True, slots=True)
class Step:
    """One entry to be made: a message one way or the other, or an act where there is none."""

    exchange: Exchange
    event: str
    message: Message | None
    ours: bool = False
    ends_round: bool = False


def steps() -> Iterator[Step]:
    """Yield the steps of two exchanges at a time, taken in turn, for ever."""
    number = 0
    while True:
        lives = [_life(number), _life(number + 1)]
        for one, two in zip(*lives, strict=True):
            yield from one
            yield from two
        number += 2


def _life(number: int) -> list[list[Step]]:
    """Return the rounds of an exchange from the query to the use of what was provided."""
    control = f"JP261122-{number:016}"
    at = builders.exchange(State.PROVIDED, control_number=control, reference=f"{number:024}")

    def say(message: Message, event: str, *, ours: bool = False, ends_round: bool = True) -> Step:
        numbered = replace(message, control_number=control if event == "query" else f"{control}-{event}")
        return Step(at, event, numbered, ours, ends_round)

    def act(event: str) -> Step:
        return Step(at, event, None)

    return [
        [
            say(builders.query(), "query", ours=True, ends_round=False),
            say(builders.match(), "match"),
            act("examination"),
        ],
        [say(builders.determination(), "determination", ours=True), act("deletion")],
        [say(builders.request(), "request", ours=True)],
        [say(builders.reply(), "reply"), act("use"), act("use")],
    ]


def _append(scene: Scene, frontiers: dict[str, merkle.Frontier], step: Step, number: int, n: int, salt: str) -> None:
    """Record a step, on both sides where it is a message."""
    per_month = -(-n // len(_MONTHS))
    now = _MONTHS[number // per_month] + timedelta(minutes=number % per_month)
    if number == n // 2:
        now -= timedelta(days=40)  # a clock that went back by more than a month opens no tree
    if step.message is None:
        entry = records.of_act(number, step.exchange, step.event, article="11(1)", note=f"{step.event} done", now=now)
    else:
        committed = records.commitment(salt, step.event.encode())
        directions = (Direction.PROVIDED, Direction.RECEIVED)
        mine, other = directions if step.ours else directions[::-1]
        entry = records.of_message(number, step.exchange, step.message, mine, committed=committed, now=now)
        mirrored = replace(step.exchange, side=Side.QUERIED)
        theirs = records.of_message(len(scene.theirs), mirrored, step.message, other, committed=committed, now=now)
        scene.theirs.append(theirs)
    place = records.append(scene.places[-1] if scene.places else None, entry, salt)
    frontiers[place.tree] = frontiers.get(place.tree, merkle.Frontier.empty()).append(bytes.fromhex(place.leaf))
    scene.places.append(place)
    scene.entries.append(entry)
    scene.heads.append(tuple(_head(tree, frontier) for tree, frontier in frontiers.items()))


def _head(tree: str, frontier: merkle.Frontier) -> Head:
    return checkpoints.Head(tree, frontier.size, frontier.root().hex())


def _heads(places: Iterable[Recorded]) -> tuple[Head, ...]:
    """Return the heads of these places, whoever wrote them."""
    leaves: dict[str, list[bytes]] = {}
    for place in places:
        leaves.setdefault(place.tree, []).append(bytes.fromhex(place.leaf))
    return tuple(_head(tree, merkle.Frontier.over(each)) for tree, each in leaves.items())


# The verifier, as the proof calls it


@dataclass(frozen=True, slots=True)
class Remembering(verify.Key):
    """A key that remembers the signatures that are its: one note is turned over a thousand times while its neighbours stay."""

    _made: set[tuple[bytes, str]] = field(default_factory=set, compare=False)

    def made(self, signature: bytes, text: str) -> bool:
        """Whether a signature of this text was made with this key."""
        if (signature, text) not in self._made:
            if not verify.Key(self.public).made(signature, text):
                return False
            self._made.add((signature, text))
        return True


@dataclass(slots=True)
class Verifier:
    """What is asked; a test puts something in here that asks less, and the proof has to notice."""

    key: verify.Key
    other_key: verify.Key
    read_place: Callable[[bytes, str], verify.Place] = verify.read_place
    check_order: Callable[[verify.Place, int, str, str], None] = verify.check_order

    @classmethod
    def of(cls, scene: Scene) -> Verifier:
        """Return the verifier of a record with the keys of both contact points."""
        other = scene.signer.other_key
        assert other is not None
        pems = (scene.signer.key.public_pem, other.pem)
        own, theirs = (Remembering(verify.read_key(pem.decode(), "the key").public) for pem in pems)
        return cls(own, theirs)

    def header(self, line: bytes) -> verify.Header:
        """Read a header."""
        return verify.read_header(line, key=self.key, other_key=self.other_key)

    def whole(self, data: bytes) -> verify.Found:
        """Check a whole file, from its bytes."""
        return verify.check_record(io.BytesIO(data), key=self.key, other_key=self.other_key)


def refused(attempt: Callable[[], object]) -> bool:
    """Whether the verifier does not let something pass."""
    try:
        attempt()
    except verify.VerificationError:
        return True
    return False


@dataclass(slots=True)
class Tally:
    """What was tried and found, by kind, and what was not found in words."""

    told: Callable[[str], None]
    counts: dict[str, int | float | str] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def add(self, kind: str, what: str, *, found: bool) -> None:
        """Count one attempt."""
        for name, more in ((kind, 1), (f"{kind}_found", int(found))):
            self.counts[name] = int(self.counts.get(name, 0)) + more
        if not found:
            self.violations.append(f"{kind}: {what} was not found")

    def done(self, kind: str) -> None:
        """Tell that a kind is through."""
        self.told(f"{kind}: {self.counts.get(f'{kind}_found', 0)} of {self.counts.get(kind, 0)} found")


@dataclass(frozen=True, slots=True)
class File:
    """An exported record: its bytes, its lines with their line feeds, and what the verifier read of them."""

    data: bytes
    header: verify.Header
    lines: list[bytes]
    places: list[verify.Place]

    @classmethod
    def of(cls, data: bytes, verifier: Verifier) -> File:
        """Return a file that verifies."""
        verifier.whole(data)
        header, *lines = data.splitlines(keepends=True)
        places = [verify.read_place(line[:-1], f"line {number}") for number, line in enumerate(lines, 2)]
        return cls(data, verifier.header(header[:-1]), lines, places)


def exported(scene: Scene) -> bytes:
    """Return the bytes of the record as it is exported."""
    notes_kept = [each.note for each in scene.witnessed]
    header = archive.header(scene.signer, scene.heads[-1], notes_kept, _EXPORTED)
    file = io.BytesIO()
    archive.write(file, header, scene.rested)
    return file.getvalue()


# Bits


@dataclass(frozen=True, slots=True)
class Beside:
    """What stands beside a place in its tree and does not change when the place does."""

    index: int
    head: verify.Head
    proof: tuple[bytes, ...]


def beside(places: Sequence[verify.Place]) -> list[Beside]:
    """Return for each place where it stands in its tree, with its inclusion proof."""
    found = []
    for tree in dict.fromkeys(place.tree for place in places):
        leaves = [place.leaf for place in places if place.tree == tree]
        head = verify.Head(tree, len(leaves), merkle.root(leaves))
        found += [Beside(index, head, merkle.inclusion(leaves, index)) for index in range(len(leaves))]
    return found


def turned(line: bytes) -> Iterable[tuple[int, bytes]]:
    """Yield a line with one bit turned over, for every bit."""
    buffer = bytearray(line)
    for at in range(len(buffer)):
        for bit in range(8):
            buffer[at] ^= 1 << bit
            yield 8 * at + bit, bytes(buffer)
            buffer[at] ^= 1 << bit


def bits_of_places(file: File, verifier: Verifier, tally: Tally) -> None:
    """Turn over every bit of every place."""
    known = beside(file.places)
    for number, line in enumerate(file.lines):
        for bit, changed in turned(line):
            found = recheck(file, verifier, number, changed, known[number])
            tally.add("bits_of_places", f"bit {bit} of place {number}", found=found)
        if number % 100 == 99:
            tally.done("bits_of_places")
    tally.done("bits_of_places")


def recheck(file: File, verifier: Verifier, number: int, changed: bytes, known: Beside) -> bool:
    """Whether a whole run would find that the line of place ``number`` is ``changed``, which is one bit of it.

    Raises no error; see the module's docstring for why it is the same.
    """
    if not changed.endswith(b"\n"):  # the next line, if there is one, hangs on to it
        rest = b"".join(file.lines[number + 1 : number + 2])
        return refused(lambda: _first_place(verifier, changed + rest, number))
    if b"\n" in changed[:-1]:
        return refused(lambda: _first_place(verifier, changed, number))
    try:
        place = verifier.read_place(changed[:-1], f"line {number + 2}")
    except verify.VerificationError:
        return True
    if place == file.places[number]:
        return False
    before = file.places[number - 1].tree if number else ""
    if refused(lambda: verifier.check_order(place, number, before, file.header.party)):
        return True
    if replace(place, leaf=file.places[number].leaf) == file.places[number]:
        return _root(place, known) != known.head.root
    places = [*file.places[:number], place, *file.places[number + 1 :]]
    return refused(lambda: verify.follow(file.header, places))


def _first_place(verifier: Verifier, data: bytes, number: int) -> verify.Place:
    """Read the first line of what stands from place ``number`` on, as a whole run does."""
    return verifier.read_place(next(verify.read_lines(io.BytesIO(data))), f"line {number + 2}")


def _root(place: verify.Place, known: Beside) -> bytes:
    """Return the root of the tree of a place whose leaf is another, and whose neighbours are not."""
    return verify.root_by_inclusion(place.leaf, known.index, known.head.size, known.proof)


def bits_of_header(file: File, verifier: Verifier, tally: Tally, *, every: int = 1) -> None:
    """Turn over every bit of the first line, notes and keys included; or one in ``every``."""
    first = file.data[: file.data.index(b"\n") + 1]
    for bit, changed in islice(turned(first), 0, None, every):
        found = refused(lambda: _header(file, verifier, changed))  # noqa: B023 - called at once
        tally.add("bits_of_header", f"bit {bit} of the header", found=found)
    tally.done("bits_of_header")


def _header(file: File, verifier: Verifier, changed: bytes) -> None:
    """Check a record whose first line is ``changed``."""
    line = next(verify.read_lines(io.BytesIO(changed if changed.endswith(b"\n") else changed + file.lines[0])))
    verify.follow(verifier.header(line), file.places)


def bits_by_whole_runs(file: File, verifier: Verifier, tally: Tally, count: int) -> None:
    """Turn over bits drawn at random, run on the whole file, and compare with what looking at the line alone found."""
    draw, known = random.Random(SEED), beside(file.places)  # noqa: S311 - a sample, not a secret
    begins = [len(file.data) - sum(map(len, file.lines[at:])) for at in range(len(file.lines))]
    agreed = 0
    for bit in sorted(draw.sample(range(8 * len(file.data)), min(count, 8 * len(file.data)))):
        changed = bytearray(file.data)
        changed[bit // 8] ^= 1 << bit % 8
        found = refused(lambda: verifier.whole(bytes(changed)))  # noqa: B023 - called at once
        tally.add("bits_by_whole_runs", f"bit {bit} of the file", found=found)
        number = sum(begin <= bit // 8 for begin in begins) - 1
        if number >= 0:
            begin = begins[number]
            line = bytes(changed[begin : begin + len(file.lines[number])])
            agreed += recheck(file, verifier, number, line, known[number]) == found
        else:
            agreed += 1  # of the header there is one way to look
    tally.counts["whole_runs_that_agree"] = agreed
    if agreed != tally.counts["bits_by_whole_runs"]:
        tally.violations.append("bits: a whole run and a look at the line alone came to different verdicts")
    tally.done("bits_by_whole_runs")


# Lines


def truncations(file: File, tally: Tally) -> None:
    """Cut the file off after each of its bytes but the last."""
    first = file.data[: file.data.index(b"\n") + 1]
    for number, line in enumerate([first, *file.lines]):
        for end in range(1, len(line)):
            found = refused(lambda: list(verify.read_lines(io.BytesIO(line[:end]))))  # noqa: B023 - called at once
            tally.add("truncations", f"a cut after {end} bytes of line {number + 1}", found=found)
    for count in range(len(file.places)):
        found = refused(lambda: verify.follow(file.header, file.places[:count]))  # noqa: B023 - called at once
        tally.add("truncations", f"a cut after {count} places", found=found)
    tally.add("truncations", "an empty file", found=refused(lambda: next(verify.read_lines(io.BytesIO()))))
    tally.done("truncations")


def moves(file: File, tally: Tally) -> None:
    """Leave places out, give them twice, and exchange them: as they are, and with their numbers written anew."""
    count = len(file.places)
    draw = random.Random(SEED)  # noqa: S311 - a sample, not a secret
    far = [tuple(sorted(draw.sample(range(count), 2))) for _ in range(count)]
    for at in range(count):
        order = list(range(count))
        _moved(file, tally, "left_out", [*order[:at], *order[at + 1 :]])
        _moved(file, tally, "replayed", [*order[: at + 1], *order[at:]])
        _moved(file, tally, "replayed", [*order, at])
        _moved(
            file,
            tally,
            "replayed",
            [*order[: at + 1], at, *order[at + 2 :]][:count] if at + 1 < count else [*order, at],
        )
    for one, two in [*pairwise(range(count)), *far]:
        order = list(range(count))
        order[one], order[two] = order[two], order[one]
        _moved(file, tally, "swapped", order)
    for kind in ("left_out", "replayed", "swapped"):
        tally.done(kind)


def _moved(file: File, tally: Tally, kind: str, order: list[int]) -> None:
    """Try the places in another order or number, as they are and numbered from 0."""
    places = [file.places[at] for at in order]
    what = next((f"at place {at}" for at, number in enumerate(order) if at != number), "at the end")
    tally.add(kind, what, found=refused(lambda: verify.follow(file.header, places)))
    # The number in an entry is under its leaf: with the line's number alone written anew the line does not read any more.
    for at, place in enumerate(places):
        if place.number == at:
            continue
        line = json.dumps(
            json.loads(file.lines[place.number]) | {"number": at}, ensure_ascii=False, separators=(",", ":")
        )
        if place.entry is not None:
            found = refused(lambda: verify.read_place(line.encode(), f"line {at + 2}"))  # noqa: B023 - called at once
            tally.add(kind, f"{what}, numbered anew", found=found)
            return
        places[at] = verify.read_place(line.encode(), f"line {at + 2}")
    tally.add(kind, f"{what}, numbered anew", found=refused(lambda: verify.follow(file.header, places)))


# The holder of the key


def presented(scene: Scene, places: Sequence[Recorded], heads: Sequence[Head], verifier: Verifier) -> _Presented:
    """Return what the holder shows of places that it signed anew, the notes of the other contact point left out."""
    alone = replace(scene.signer, other_uri=None, other_key=None)
    line = archive.first_line(archive.header(alone, heads, [], _EXPORTED))
    header = verify.read_header(line[:-1], key=verifier.key)
    return _Presented(header, [_read(place) for place in places])


@dataclass(frozen=True, slots=True)
class _Presented:
    """A record that its holder signed, with nobody beside it."""

    header: verify.Header
    places: list[verify.Place]

    def holds(self, kept: Sequence[Witnessed] = ()) -> bool:
        """Whether it holds, beside the notes that were kept elsewhere."""
        read = [(f"note {at}", verify.read_note(each.note, f"note {at}")) for at, each in enumerate(kept)]
        return not refused(lambda: verify.follow(self.header, self.places, kept=verify.read_kept(self.header, read)))


def _read(place: Recorded) -> verify.Place:
    """Return a place as the verifier reads it."""
    line = json.dumps(asdict(place), ensure_ascii=False, separators=(",", ":")).encode()
    return verify.read_place(line, f"line {place.number + 2}")


def holder(scene: Scene, verifier: Verifier, tally: Tally) -> None:
    """Set the record back, and rewrite it, with the key of its holder: the note that was kept last tells."""
    kept = scene.kept(len(scene.places))
    last = kept[-1].entries
    read = [_read(place) for place in scene.places]
    unfounded = 0
    for count in range(1, len(scene.places) + 1):
        shown = _Presented(presented(scene, (), scene.heads[count - 1], verifier).header, read[:count])
        _told_by_note(tally, "rollbacks", shown, kept, covered=count < last, what=f"the record as of entry {count}")
        unfounded += not shown.holds()
    for number, place in enumerate(scene.places):
        changed = _rewritten(place)
        places = [*scene.places[:number], changed, *scene.places[number + 1 :]]
        shown = presented(scene, (), _heads(places), verifier)
        shown = replace(shown, places=[*read[:number], _read(changed), *read[number + 1 :]])
        _told_by_note(tally, "signed_anew", shown, kept, covered=number < last, what=f"entry {number} rewritten")
        unfounded += not shown.holds()
    # Without the note both hold: it is the note that finds them, and not some accident of the file.
    tally.counts["found_without_the_note"] = unfounded
    for kind in ("rollbacks", "signed_anew"):
        tally.done(kind)


def _told_by_note(
    tally: Tally, kind: str, shown: _Presented, kept: list[Witnessed], *, covered: bool, what: str
) -> None:
    """Count an attempt of the holder; after the last note it is the tail, and nobody's to find."""
    if covered:
        tally.add(kind, what, found=not shown.holds(kept))
    elif not shown.holds(kept):
        tally.violations.append(f"{kind}: {what} is after the last note, and was refused all the same")


def _rewritten(place: Recorded) -> Recorded:
    """Return a place with another entry, made as its first one was."""
    assert place.body is not None
    assert place.salt is not None
    said = json.loads(place.body)
    said["information"] = ["something else"]
    body = json.dumps(said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return replace(place, body=body, leaf=records.commitment(place.salt, body.encode()))


def tail(scene: Scene, verifier: Verifier, tally: Tally) -> None:
    """Measure at every moment what the holder could cut off unnoticed, and what reconciling finds of that."""
    acts = messages = rounds = 0
    marks = [0, *(each.entries for each in scene.witnessed)]
    for moment in range(1, len(scene.places) + 1):
        mark = max(each for each in marks if each < moment)  # what is recorded now is cosigned a moment later
        cut = scene.entries[mark:moment]
        crossed = [entry for entry in cut if entry.direction is not Direction.ACT]
        acts, messages = max(acts, len(cut) - len(crossed)), max(messages, len(crossed))
        rounds = max(rounds, len({entry.exchange for entry in crossed}))
        if crossed:
            theirs = [each for each in scene.theirs if each.message in {entry.message for entry in crossed}]
            named = {each.message for each in records.reconcile(scene.entries[:mark][-1:], theirs)}
            tally.add(
                "tail_messages", f"a message cut off at entry {mark}", found={e.message for e in crossed} <= named
            )
    for each in scene.witnessed:
        for count, notices in ((each.entries, False), (each.entries - 1, True)):
            shown = presented(scene, scene.places[:count], scene.heads[count - 1], verifier)
            if count:
                tally.add(
                    "tail_ends",
                    f"the edge of the note over {each.entries}",
                    found=shown.holds(scene.kept(each.entries)) is not notices,
                )
    tally.counts |= {"tail_acts_max": acts, "tail_messages_max": messages, "tail_exchanges_max": rounds}
    if rounds > 1:
        tally.violations.append(f"the tail holds messages of {rounds} exchanges; the promise is one at most")
    tally.done("tail_messages")
    tally.done("tail_ends")


# The proof


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Bend a record of ``n`` entries in every way; each that is not found is a violation."""
    with TemporaryDirectory() as name:
        scene = play(n, Path(name))
    verifier = Verifier.of(scene)
    file = File.of(exported(scene), verifier)
    return Outcome(*attacked(scene, file, verifier, told))


def attacked(
    scene: Scene, file: File, verifier: Verifier, told: Callable[[str], None]
) -> tuple[dict[str, int | float | str], list[str]]:
    """Return what was counted and what was not found."""
    empty = sum(place.entry is None for place in file.places)
    tally = Tally(told, {"entries": len(file.places), "empty": empty, "bytes": len(file.data)})
    tally.counts |= {"trees": len(scene.heads[-1]), "checkpoints": len(file.header.checkpoints)}
    truncations(file, tally)
    moves(file, tally)
    holder(scene, verifier, tally)
    tail(scene, verifier, tally)
    bits_by_whole_runs(file, verifier, tally, SAMPLED)
    bits_of_header(file, verifier, tally)
    bits_of_places(file, verifier, tally)
    return tally.counts, tally.violations
