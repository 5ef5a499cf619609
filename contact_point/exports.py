"""Exports of the record for whoever looks after it: what is asked for is written in parts, with the proof of what it is.

An export is made in three steps. The *plan* (:func:`plan`) reads the record twice: where the range begins and ends, then what
is in it, and when the first term in it ends. It signs the heads and proves the range. Then the copy is entered (Article 11(3))
and its folder made (:func:`begin`). :func:`write` writes parts, each from a snapshot of its own, so that whatever is to be
destroyed meanwhile waits no longer than one part takes. What an interruption leaves is a journal, from which :func:`write` goes
on: the parts come out as they would have, byte for byte.

What an export shows, and what it does not, is decided in docs/decisions/0034 and told in the manifest itself
(:mod:`contact_point.export_folder`). Reading, deciding and writing take as much memory for any number of entries.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

from pydantic import TypeAdapter

from contact_point import archive, columns, disposal, export_folder, notes, witness
from contact_point.archive import Signer
from contact_point.export_folder import JOURNAL, MANIFEST, Counts, Described, Head, Part, Plan, Range, Step
from contact_point.keys import SigningKey
from contact_point.service import Installation
from contact_point.writing import put, sync_folder
from pcsc import checkpoints, merkle, records, retention
from pcsc.errors import RecordError
from pcsc.merkle import Frontier
from pcsc.records import Entry
from pcsc.searches import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path
    from typing import IO

    from contact_point.columns import Form
    from contact_point.export_folder import Completeness
    from contact_point.store import Copy
    from pcsc.arrangement import Arrangement
    from pcsc.checkpoints import Checkpoint
    from pcsc.records import Recorded

    Told = Callable[[str, int, int], object]
    """Is told of the progress: what is being done, how many places are through, of how many."""

ROWS: Final = 10_000
"""Rows of a part: what Parquet keeps in memory, and what an interruption costs."""
PLACES: Final = 10 * ROWS
"""Places of a part, where few of them have rows."""
_SNAPSHOT: Final = 10_000
"""Places that are read in one snapshot."""
_REMEMBERED: Final = 4096
"""Exchanges of which it is remembered that their term was looked up."""

_ENTRY: Final = TypeAdapter(Entry)


def _untold(_what: str, _done: int, _of: int) -> None:
    """Tell nobody."""


def signer(here: Installation) -> Signer:
    """Return who signs what is exported here."""
    said, keys = here.settings, witness.keys(here)
    other = None if said.other is None else said.other.uri
    key = SigningKey.load(said.folder.signing_key)
    return Signer(said.party, said.uri, key, other, None if other is None else keys[other])


# The plan


def plan(
    here: Installation,
    asked: Asked,
    *,
    form: Form,
    by: str,
    now: datetime,
    left_out: Collection[str] = (),
    told: Told = _untold,
) -> Plan:
    """Return what an export would hold: the range, the proof that it is the record's, and when the export is to be destroyed.

    Reads what it is to hold twice, and what comes after its period once: an entry of the period can stand there, if a clock was
    set back.

    Raises:
        RecordError: the record has no entry, or does not open.
        ValueError: there are no such columns, nobody is named who asks, or what writes this form is not installed.

    """
    if not by.strip():
        raise ValueError("an export says who asked for it, and nobody is named: name the person")
    columns.check_form(form)
    chosen, who = columns.chosen(left_out), signer(here)
    now = now.replace(microsecond=0)
    with here.store.reading() as tx:
        heads, kept = tx.heads(), tx.notes(here.settings.uri)
    over_all = who.sign(heads, now)
    completeness: Completeness = "abridged" if left_out else "whole" if asked.period_alone else "selected"
    begin, end = _span(here, asked, heads, told)
    if completeness == "whole":  # the neighbours show by their times that nothing of the period stands beyond
        begin, end = _with_neighbours(here, begin, end, asked, heads)
    ranges = _Trees(here, who, heads, kept, now).ranges(begin, end)
    made = Plan(
        party=who.party,
        uri=who.uri,
        key=who.key.public_pem.decode(),
        other_key=None if who.other_key is None or not _cosigned(ranges) else who.other_key.pem.decode(),
        made_at=checkpoints.time_text(now),
        by=by.strip(),
        asked=asked,
        completeness=completeness,
        form=form,
        columns=tuple(Described(each.name, each.type, each.meaning) for each in chosen),
        left_out=tuple(each.name for each in columns.COLUMNS if each not in chosen),
        expires_at="",
        first=begin,
        end=end,
        counts=Counts(0, 0, 0, 0),
        ranges=ranges,
        checkpoint=over_all,
    )
    counts, until = _counted(here, made, here.settings.arrangement(now), now, told)
    return replace(made, counts=counts, expires_at=checkpoints.time_text(until))


def places(here: Installation, begin: int, end: int) -> Iterator[Recorded]:
    """Yield the places from ``begin`` to before ``end``, from snapshots that are none of them held for long."""
    for at in range(begin, end, _SNAPSHOT):
        with here.store.reading() as tx:
            yield from tx.record(at, min(at + _SNAPSHOT, end))


def entry_in(place: Recorded) -> Entry | None:
    """Return the entry in a place of our own record, if its term has not ended."""
    return None if place.body is None else _ENTRY.validate_json(place.body)


def first_in_period(heads: Sequence[checkpoints.Head], since: datetime | None) -> int:
    """Return the number of the first place in a tree that can hold an entry of this time or later.

    No entry stands in a tree before that of its month, so what is in earlier trees is earlier.
    """
    least = "" if since is None else records.tree_of(since)
    return sum(head.size for head in heads if head.tree < least)


def _span(here: Installation, asked: Asked, heads: Sequence[checkpoints.Head], told: Told) -> tuple[int, int]:
    """Return the range that a period has in the record: all that may be of it, as far as entries and trees tell."""
    last, first = sum(head.size for head in heads), first_in_period(heads, asked.since)
    if asked.until is None and (asked.since is None or first == last):
        return first, last
    span = _Span(asked, first, first)
    for place in places(here, first, last):
        span.take(place)
        if not place.number % _SNAPSHOT:
            told("looking for the period", place.number - first, last - first)
    return span.begin, span.end


@dataclass(slots=True)
class _Span:
    """The range of a period, as it is found."""

    asked: Asked
    begin: int
    end: int
    found: bool = False
    over: bool = False

    def take(self, place: Recorded) -> None:
        """Look at the next place."""
        entry, asked = entry_in(place), self.asked
        if entry is None:  # of its month, as far as anybody knows
            self.over |= asked.until is not None and f"{place.tree}-01T00:00:00+00:00" >= _start(asked.until)
        elif asked.takes_time(entry.at):
            self.found, self.over = True, False
        elif asked.until is not None and entry.at >= asked.until:
            self.over = True
        elif not self.found:
            self.begin, self.over = place.number + 1, False
        if not self.over:
            self.end = place.number + 1


def _start(until: datetime) -> str:
    """Return a time as the beginnings of months compare with it."""
    return until.astimezone(UTC).isoformat(timespec="seconds")


def _with_neighbours(
    here: Installation, begin: int, end: int, asked: Asked, heads: Sequence[checkpoints.Head]
) -> tuple[int, int]:
    """Return the range with the entry before it and the one after it, where these show by their times that they are not of it.

    Before the first place of a tree nothing is needed: the tree before is of another month.
    """
    last = sum(head.size for head in heads)
    if begin > first_in_period(heads, asked.since):
        begin -= 1
    if end < last and next(places(here, end, end + 1)).body is not None:
        end += 1
    return begin, end


def _counted(
    here: Installation, made: Plan, arrangement: Arrangement, now: datetime, told: Told
) -> tuple[Counts, datetime]:
    """Return how many places, entries and rows there are in the range, and when the first term in it ends: Article 11(3)."""
    shown = rows = ended = 0
    until = retention.copy_until((), arrangement, now)
    looked_up: dict[str, None] = {}
    for at in range(made.first, made.end, _SNAPSHOT):
        told("counting", at - made.first, made.end - made.first)
        with here.store.reading() as tx:
            for place in tx.record(at, min(at + _SNAPSHOT, made.end)):
                entry = entry_in(place)
                if entry is None:
                    ended += 1
                    continue
                is_row, is_shown = made.asked.takes(entry), made.shows(entry)
                rows, shown = rows + is_row, shown + is_shown
                if (is_row or is_shown) and entry.exchange not in looked_up:
                    until = min(until, retention.copy_until((tx.exchange(entry.exchange),), arrangement, now))
                    looked_up[entry.exchange] = None
                    if len(looked_up) > _REMEMBERED:
                        del looked_up[next(iter(looked_up))]
    return Counts(made.end - made.first, shown, rows, ended), until


# The proof that the range is the record's


@dataclass(frozen=True, slots=True)
class _Trees:
    """The trees of the record as they stand, who signs their heads now, and the notes that are kept of them."""

    here: Installation
    who: Signer
    heads: Sequence[checkpoints.Head]
    kept: Sequence[str]
    now: datetime

    def ranges(self, begin: int, end: int) -> tuple[Range, ...]:
        """Return the places from ``begin`` to before ``end`` as ranges of leaves, with what shows whose they are."""
        witnessed: defaultdict[str, list[tuple[Checkpoint, str]]] = defaultdict(list)
        for note in self.kept:
            checkpoint = checkpoints.parse(checkpoints.parse_note(note).text)
            witnessed[checkpoint.head.tree].append((checkpoint, note))
        found, first = [], 0
        for at, head in enumerate(self.heads):
            low, high = max(0, begin - first), min(head.size, end - first)
            if low < high:
                left = self._roots(head.tree, 0, low)
                signed = self._signed(at, witnessed, low)
                over = tuple(Head(note, self._roots(head.tree, high, size)) for note, size in signed)
                found.append(Range(head.tree, first, low, high, left, over))
            first += head.size
        return tuple(found)

    def _signed(self, at: int, witnessed: dict[str, list[tuple[Checkpoint, str]]], low: int) -> list[tuple[str, int]]:
        """Return notes over a tree with the size that each has of it: ours of today, and the last that both signed."""
        head, following = self.heads[at], self.heads[at + 1].tree if at + 1 < len(self.heads) else ""
        candidates = [(note, head.size) for said, note in reversed(witnessed.get(following, ())) if said.before == head]
        candidates += [
            (note, said.head.size) for said, note in reversed(witnessed.get(head.tree, ())) if said.head.size > low
        ]
        both = next(([each] for each in candidates if self.who.cosigned(each[0])), [])
        return [(self.who.sign(self.heads[: at + 1], self.now), head.size), *both]

    def _roots(self, tree: str, begin: int, end: int) -> tuple[str, ...]:
        """Return the roots of the subtrees from ``begin`` to ``end``, in base64; none where that is before the beginning."""
        return tuple(
            base64.b64encode(self._root(tree, *each)).decode() for each in merkle.subtrees(begin, max(begin, end))
        )

    def _root(self, tree: str, begin: int, count: int) -> bytes:
        """Return the root over so many leaves of a tree from ``begin`` on, read a block at a time."""
        frontier = Frontier.empty()
        for at in range(begin, begin + count, _SNAPSHOT):
            with self.here.store.reading() as tx:
                for leaf in tx.leaves(tree, at, min(at + _SNAPSHOT, begin + count)):
                    frontier = frontier.append(leaf)
        return frontier.root()


def _cosigned(ranges: Sequence[Range]) -> bool:
    return any(len(checkpoints.parse_note(head.checkpoint).signatures) > 1 for each in ranges for head in each.heads)


# Written


def begin(here: Installation, folder: Path, made: Plan, now: datetime) -> Copy:
    """Enter the copy, and make its folder with the journal that :func:`write` goes on from.

    The entry comes first: an interruption leaves an entry without a folder, never a folder without an entry.

    Raises:
        RecordError: a term in it has ended meanwhile, so that it may not be kept.
        FileExistsError: the folder is there, and not empty.

    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(17, "an export is written to a new folder, or an empty one", str(folder))
    until = datetime.fromisoformat(made.expires_at)
    if until <= now:
        raise RecordError(
            f"the first term in what is asked for ends now (Art. 11(3)), so {folder.name} was not written: do it again"
        )
    with here.store.transaction() as tx:
        arrangement = here.settings.arrangement(now)
        copy = disposal.enter_copy(tx, folder, (), arrangement, sha256=made.digest, now=now, at_most=until - now)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        put(folder / JOURNAL, export_folder.line(made), 0o600)
    except BaseException:
        with here.store.transaction() as tx:
            tx.copy_destroyed(copy.id, now)
        raise
    return copy


def write(here: Installation, folder: Path, *, told: Told = _untold, rows: int = ROWS, places: int = PLACES) -> Plan:
    """Write what the journal in a folder does not name yet, then the manifest; return the plan.

    A part is durable before the journal names it, and the manifest before the journal goes. What a process that died left
    beside that is overwritten first (Article 11(3)).

    Raises:
        RecordError: there is no journal, or a term in it ended meanwhile: the folder is erased when its time ends, or before.
        BlockingIOError: somebody else is writing it.
        OSError: the disk refuses; it goes on from there.

    """
    with export_folder.locked(folder), _journal(folder) as (file, made, steps):
        parts = [part for step in steps for part in step.parts]
        for stale in export_folder.files(folder):
            if stale.name not in {JOURNAL, MANIFEST, *(part.name for part in parts)}:
                disposal.erase_file(stale)
        at, shown = (steps[-1].through if steps else made.first), sum(step.shown for step in steps)
        while at < made.end:
            _check_term(made, here.clock())
            told("writing", at - made.first, made.end - made.first)
            step = _write_step(here, folder, made, at, parts, rows=rows, places=places)
            file.write(export_folder.line(step))
            _durable(file)
            parts, at, shown = [*parts, *step.parts], step.through, shown + step.shown
        _check_whole(made, parts, shown)
        _finish(here, folder, made, parts)
    return made


@contextmanager
def _journal(folder: Path) -> Iterator[tuple[IO[bytes], Plan, list[Step]]]:
    """Open the journal of a folder to add to it, without what was cut off at its end."""
    try:
        file = (folder / JOURNAL).open("r+b")
    except FileNotFoundError:
        raise RecordError(
            f"{folder.name} holds no export that is being written: it is whole, or was never begun"
        ) from None
    with file:
        made, steps, whole = export_folder.read_journal(file.read())
        file.truncate(whole)
        file.seek(whole)
        yield file, made, steps


def _check_term(made: Plan, now: datetime) -> None:
    if datetime.fromisoformat(made.expires_at) <= now:
        raise RecordError(
            f"this export was to be destroyed at {made.expires_at}, with the first term in it (Art. 11(3)): it is not written "
            "on; export again"
        )


def _write_step(
    here: Installation, folder: Path, made: Plan, begin: int, before: Sequence[Part], *, rows: int, places: int
) -> Step:
    """Write the next part of each kind; return once they are durable."""
    numbers = {kind: 1 + sum(part.kind == kind for part in before) for kind in ("places", "entries")}
    shown, through = 0, begin
    first_row = None
    with (
        _PartFile(folder / f"places-{numbers['places']:05}.jsonl") as evidence,
        _PartFile(folder / f"entries-{numbers['entries']:05}.{made.form}") as table,
        here.store.reading() as tx,
    ):
        written = columns.Rows(made.form, made.chosen, table.write)
        for place in tx.record(begin, min(begin + places, made.end)):
            entry = entry_in(place)
            is_shown = entry is not None and made.shows(entry)
            evidence.write(archive.place_line(place if is_shown else records.expire(place)))
            shown, through = shown + is_shown, place.number + 1
            if entry is not None and made.asked.takes(entry):
                first_row = entry.number if first_row is None else first_row
                written.add(entry)
                if written.count == rows:
                    break
        if first_row is not None:
            written.end()
    parts = [evidence.part("places", begin, through - begin)]
    if first_row is None:
        table.path.unlink()
    else:
        parts.append(table.part("entries", first_row, written.count))
    sync_folder(folder)
    return Step(through, shown, tuple(parts))


class _PartFile:
    """A file that is written once, for its owner alone, and durable when it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest, self._size = hashlib.sha256(), 0

    def __enter__(self) -> Self:
        made = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(made, "wb")
        return self

    def write(self, data: bytes) -> None:
        """Write what comes next."""
        self._file.write(data)
        self._digest.update(data)
        self._size += len(data)

    def __exit__(self, *_: object) -> None:
        try:
            _durable(self._file)
        finally:
            self._file.close()

    def part(self, kind: export_folder.Kind, first: int, count: int) -> Part:
        """Return what the journal says of it."""
        return Part(self.path.name, kind, first, count, self._size, self._digest.hexdigest())


def _check_whole(made: Plan, parts: Sequence[Part], shown: int) -> None:
    """Refuse to sign what is not what was planned: an entry whose term ended while it was written is not shown."""
    rows = sum(part.count for part in parts if part.kind == "entries")
    if (rows, shown) != (made.counts.rows, made.counts.shown):
        raise RecordError(
            f"{made.counts.rows} rows were to be written and {rows} are there: a term ended meanwhile (Art. 11(3)), so the "
            "export is not signed: delete its folder, then `pcsc record destroyed ID`, and export again"
        )


def _finish(here: Installation, folder: Path, made: Plan, parts: Sequence[Part]) -> None:
    """Sign the manifest and put it in the journal's place."""
    said = export_folder.manifest(made, parts)
    key = SigningKey.load(here.settings.folder.signing_key)
    said["signature"] = notes.sign(export_folder.signed_text(said), made.uri, key)
    put(folder / MANIFEST, export_folder.text(said).encode(), 0o600)
    (folder / JOURNAL).unlink()
    sync_folder(folder)


def _durable(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
