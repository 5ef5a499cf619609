"""An exported record, and what is shown of it: files that `pcsc-verify` checks without the database they came from.

A record is JSON Lines. The first line is a :class:`Header`: whose record it is, and the checkpoints that bind it. Each line
after it is one place. A line is exactly one text: members in their order, no spaces; what is written otherwise is refused, so
no bit of the file is free. Every tree has a checkpoint in the header, the last one that the other contact point cosigned where
there is one, and the newest is signed with the export itself and covers all of it.

An *inclusion* shows one place under one checkpoint (:func:`inclusion`), and a *chain* that checkpoints are one history
(:func:`history`). Reading checks the form; whether what is read holds together is for :func:`pcsc.records.verify`, and whose it
is for :func:`signed`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections import defaultdict
from dataclasses import asdict, dataclass
from itertools import chain, pairwise
from typing import IO, TYPE_CHECKING, Any, Final

from pydantic import TypeAdapter, ValidationError

from annex.parameters import Party
from contact_point import notes
from contact_point.keys import SignatureError, SigningKey, VerifyingKey
from contact_point.parsing import first_fault
from pcsc import checkpoints, merkle
from pcsc.errors import RecordError
from pcsc.records import Direction, Entry, Recorded, expire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from pcsc.checkpoints import Checkpoint, Head

FORMAT: Final = "pcsc record 2"
INCLUSION: Final = "pcsc inclusion 1"
CHAIN: Final = "pcsc checkpoints 1"

MAX_LINE: Final = 16 * 1024 * 1024
"""Bytes of a line; an entry has less than one thousandth of it."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of an exported record.

    The keys are for convenience: whoever wrote the file chose them. A reader takes the key from the card of the contact point.
    """

    party: Party
    uri: str
    made_at: str
    """When it was exported: the time of the last checkpoint, "2026-11-22T17:07:09Z"."""
    key: str
    """The key that signed the checkpoints, in PEM."""
    other_key: str | None
    """The key of the other contact point, in PEM, where it cosigned one of them."""
    checkpoints: tuple[str, ...]
    """Notes, by tree and size; the last covers the whole record."""


@dataclass(frozen=True, slots=True)
class Written:
    """What was written: how many places, and the SHA-256 of the file in hexadecimal."""

    places: int
    sha256: str


_HEADER = TypeAdapter(Header)
_PLACE = TypeAdapter(Recorded)
_ENTRY = TypeAdapter(Entry)


@dataclass(frozen=True, slots=True)
class Signer:
    """The contact point that exports its record, and the key of the other one, which cosigned."""

    party: Party
    uri: str
    key: SigningKey
    other_uri: str | None = None
    other_key: VerifyingKey | None = None

    def cosigned(self, note: str) -> bool:
        """Whether both contact points signed a note, with the keys that they have now."""
        if self.other_uri is None or self.other_key is None:
            return False
        try:
            notes.verify(note, self.uri, self.key.verifying)
            notes.verify(note, self.other_uri, self.other_key)
        except SignatureError:
            return False
        return True

    def sign(self, heads: Sequence[Head], now: datetime) -> str:
        """Return a fresh note of the last of these heads; it is not kept."""
        return notes.sign(checkpoints.of_heads(self.uri, heads, now).text(), self.uri, self.key)


def header(signer: Signer, heads: Sequence[Head], kept: Iterable[str], now: datetime) -> Header:
    """Return the header of an export made now of a record with these heads; ``kept`` are the notes of it that are kept.

    Raises:
        CheckpointError: the record has no entry yet.

    """
    whole = checkpoints.of_heads(signer.uri, heads, now)
    by_tree: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for note in kept:
        head = checkpoints.parse(checkpoints.parse_note(note).text).head
        by_tree[head.tree].append((head.size, note))
    # A tree that the other contact point never saw, such as a month of nothing but deletions, is signed now by us alone.
    chosen = [
        next((note for _, note in sorted(by_tree[head.tree], reverse=True) if signer.cosigned(note)), None)
        or signer.sign(heads[: at + 1], now)
        for at, head in enumerate(heads)
    ]
    if checkpoints.parse_note(chosen[-1]).text != whole.text():
        chosen.append(signer.sign(heads, now))
    cosigned = signer.other_key if any(map(signer.cosigned, chosen)) else None
    return Header(
        signer.party,
        signer.uri,
        checkpoints.time_text(whole.at),
        signer.key.public_pem.decode(),
        None if cosigned is None else cosigned.pem.decode(),
        tuple(chosen),
    )


def under_former_keys(signer: Signer, kept: Iterable[str]) -> list[str]:
    """Return the trees that were cosigned under other keys than those of today: an export has our signature alone for them."""
    last = {checkpoints.parse(checkpoints.parse_note(note).text).head.tree: note for note in kept}
    return [tree for tree, note in last.items() if not signer.cosigned(note)]


def first_line(header: Header) -> bytes:
    """Return the line that an exported record begins with."""
    return _line({"format": FORMAT, **asdict(header)})


def place_line(place: Recorded) -> bytes:
    """Return the line of a place."""
    return _line(asdict(place))


def write(file: IO[bytes], header: Header, record: Iterable[Recorded], *, for_other_party: bool = False) -> Written:
    """Write a record.

    ``for_other_party`` leaves the places of our own acts empty: examinations, deletions and uses are not communicated, and
    their notes name persons. The rest verifies as before, and is all that can be compared.
    """
    digest, count = hashlib.sha256(), -1
    lines = map(place_line, record if not for_other_party else map(_of_messages, record))
    for line in chain([first_line(header)], lines):
        file.write(line)
        digest.update(line)
        count += 1
    return Written(count, digest.hexdigest())


def save(path: Path, content: IO[bytes]) -> None:
    """Write what a file holds, from its beginning, to a new one that its owner alone may read; durable when this returns.

    It is written elsewhere first so that it can be entered as a copy before it is there: an interruption leaves an entry
    without a file, never a file without an entry.

    Raises:
        FileExistsError: the file exists.

    """
    content.seek(0)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        try:
            shutil.copyfileobj(content, file)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise


def _line(value: dict[str, Any]) -> bytes:
    """Return the one text of a line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _of_messages(place: Recorded) -> Recorded:
    """Return a place as the other Party may see it."""
    act = place.body is not None and Direction(json.loads(place.body)["direction"]) is Direction.ACT
    return expire(place) if act else place


# Reading


def read_header(path: Path) -> Header:
    """Return the header of an exported record.

    Raises:
        RecordError: it is none.

    """
    with path.open("rb") as file:
        line = file.readline(MAX_LINE + 1)
    expected = f"line 1 of {path.name} is not the header of a record of format {FORMAT!r}"
    try:
        said = json.loads(line)
        form = said.pop("format") if isinstance(said, dict) else None
        found = _HEADER.validate_python(said)
    except ValidationError as error:
        raise RecordError(f"{expected}: {first_fault(error)}; export it again") from None
    except (ValueError, KeyError, RecursionError):
        raise RecordError(f"{expected}: it is no JSON object that names its format; export it again") from None
    if form != FORMAT or first_line(found) != line:
        raise RecordError(f"{expected}: it is of another, or not as it was written; export it again")
    return found


def read(path: Path) -> Iterator[Recorded]:
    """Yield the places of an exported record; whether they hang together is for :func:`pcsc.records.verify`.

    Raises:
        RecordError: a line is not a place of a record, or not as it was written.

    """
    with path.open("rb") as file:
        file.readline(MAX_LINE + 1)
        for number, line in enumerate(_lines(file), 2):
            expected = f"line {number} of {path.name} is not a place of a record"
            try:
                place = _PLACE.validate_json(line)
            except ValidationError as error:
                raise RecordError(f"{expected}: {first_fault(error)}; export it again") from None
            if place_line(place) != line:
                raise RecordError(f"{expected} as it was written; export it again")
            yield place


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(MAX_LINE + 1):
        yield line


def entries(places: Iterable[Recorded]) -> Iterator[Entry]:
    """Yield the entries of those places whose term has not ended.

    Raises:
        RecordError: one is not an entry of a record, though it may give its leaf: whoever wrote it wrote both.

    """
    for place in places:
        if place.body is None:
            continue
        expected = f"entry {place.number} is not an entry of a record"
        try:
            entry = _ENTRY.validate_json(place.body)
        except ValidationError as error:
            raise RecordError(f"{expected}: {first_fault(error)}; ask whose record it is") from None
        if entry.canonical() != place.body:
            raise RecordError(f"{expected} as one is written; ask whose record it is")
        yield entry


def signed(header: Header, uri: str, key: VerifyingKey) -> list[Checkpoint]:
    """Return the checkpoints of a header, each signed by the contact point that has this URI and this key.

    Raises:
        RecordError: the record is of another contact point, or a checkpoint is not made with the export.
        CheckpointError, SignatureError: a checkpoint is none, or is not signed with that key.

    """
    if header.uri != uri:
        raise RecordError(f"expected the record of {uri}; got that of {header.uri}: ask for the right one")
    found = [checkpoints.parse(notes.verify(note, uri, key)) for note in header.checkpoints]
    if not found or checkpoints.time_text(found[-1].at) != header.made_at:
        raise RecordError(
            "the last checkpoint of an exported record is signed with the export; here it is not: export it again"
        )
    return found


# What is shown of a record


def inclusion(place: Recorded, leaves: Sequence[bytes], first: int, note: str) -> str:
    """Return the proof that a place is in the record under the checkpoint of a note, as one line of JSON.

    ``leaves`` are those of its tree, whose first entry is number ``first``.

    Raises:
        RecordError: the checkpoint is older than the entry.

    """
    head, index = checkpoints.parse(checkpoints.parse_note(note).text).head, place.number - first
    if head.tree != place.tree or not 0 <= index < head.size:
        raise RecordError(
            f"entry {place.number} does not stand under a checkpoint over {head.size} entries of {head.tree}"
        )
    proof = [_base64(each) for each in merkle.inclusion(leaves[: head.size], index)]
    shown = {"format": INCLUSION, "place": asdict(place), "index": index, "proof": proof, "checkpoint": note}
    return _line(shown).decode()


def history(uri: str, kept: Sequence[str], leaves: Callable[[str], Sequence[bytes]] | None = None) -> str:
    """Return notes of a record with the proofs that each continues the one before, as one line of JSON.

    ``leaves`` gives those of a tree; without it, the record is not ours to prove, and the notes stand alone. Costs two hashes
    for each leaf of a tree, and one for each checkpoint and level of it.

    Raises:
        RecordError: a tree has fewer leaves than a note says.

    """
    sizes: defaultdict[str, set[int]] = defaultdict(set)
    for note in kept:
        checkpoint = checkpoints.parse(checkpoints.parse_note(note).text)
        for head in filter(None, (checkpoint.head, checkpoint.before)):
            sizes[head.tree].add(head.size)
    proofs: list[dict[str, Any]] = []
    if leaves is not None:
        proofs = [step for tree in sorted(sizes) for step in _steps(tree, sorted(sizes[tree]), leaves(tree))]
    return _line({"format": CHAIN, "uri": uri, "checkpoints": list(kept), "proofs": proofs}).decode()


def _steps(tree: str, sizes: list[int], leaves: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """Yield the proof from each size of a tree to the next."""
    if sizes[-1] > len(leaves):
        raise RecordError(
            f"{sizes[-1]} entries of {tree} were signed, and the record has {len(leaves)} there (Art. 11): it was cut off or "
            "set back: compare it with the other contact point's"
        )
    before = merkle.Frontier.empty()
    for one, two in pairwise([0, *sizes]):
        growth = merkle.Growth(before, leaves[one:two])
        if one:
            yield {"tree": tree, "from": one, "to": two, "proof": [_base64(each) for each in growth.consistency()]}
        before = growth.frontier()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
