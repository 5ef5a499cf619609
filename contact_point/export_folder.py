"""An export of entries as it lies in its folder: the plan, the journal while it is written, the manifest when it is whole.

A folder holds parts and one other file. While it is written that is the *journal*: its first line is the plan, what was asked
and what the record was then; each line after it names parts that are durable. When all are, the *manifest* takes its place: the
members of the plan, the parts with their digests, what all that shows, and the signature. Either is exactly one text.

The parts are of two kinds. ``places-...jsonl`` is the evidence: a line for each place of the record in the range, as in an
exported record (:mod:`contact_point.archive`), with entry and salt where the entry is shown, and with its leaf alone where it
is not. ``entries-...`` are the same entries as rows for other programs (:mod:`contact_point.columns`).

An export is a copy of the record, entered by the digest of its plan: so it is known again, whole or not, when its time ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import TypeAdapter, ValidationError

from annex.parameters import Party
from contact_point.columns import COLUMNS, Column, Form
from contact_point.parsing import first_fault
from pcsc.errors import RecordError
from pcsc.searches import Asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pcsc.records import Entry

FORMAT: Final = "pcsc export 1"
SIGNED: Final = "pcsc export manifest v1"
"""The first line of the text that is signed; the second has the SHA-256 of the manifest without its signature."""
MANIFEST: Final = "manifest.json"
JOURNAL: Final = "journal.jsonl"

_OURS: Final = re.compile(
    r"(?:places-[0-9]{5,}\.jsonl|entries-[0-9]{5,}\.(?:csv|jsonl|parquet)|\.?manifest\.json(?:\.new)?|\.?journal\.jsonl(?:\.new)?)"
)

Completeness = Literal["whole", "selected", "abridged"]
"""All of a period is shown; what was asked for is, and the leaves of the rest; or only some columns, and leaves."""

Kind = Literal["places", "entries"]


@dataclass(frozen=True, slots=True)
class Described:
    """A column, as the manifest describes it."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Head:
    """A signed head of a tree, and the roots of the subtrees between the range and it, in base64."""

    checkpoint: str
    """The note; it speaks of the tree itself, or of its end where it is of the tree that follows."""
    right: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Which leaves of a tree are in the export, and what shows that they are the tree's: (:func:`pcsc.merkle.subtrees`)."""

    tree: str
    first: int
    """The number of the tree's first entry."""
    begin: int
    """Index of the first leaf."""
    end: int
    """Index after the last leaf."""
    left: tuple[str, ...]
    """The roots of the subtrees before the range, in base64."""
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there are: places in the range, entries shown in them, rows, and places whose term has ended."""

    places: int
    shown: int
    rows: int
    ended: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All of an export that is known before its first part is written."""

    party: Party
    uri: str
    key: str
    """The key that signs, in PEM, for convenience: a reader takes it from the contact point's card."""
    other_key: str | None
    made_at: str
    by: str
    """Who asked for it."""
    asked: Asked
    completeness: Completeness
    form: Form
    columns: tuple[Described, ...]
    left_out: tuple[str, ...]
    expires_at: str
    """When it is to be destroyed: with the first term in it (Article 11(3))."""
    first: int
    """The number of the first place."""
    end: int
    """The number after the last one."""
    counts: Counts
    ranges: tuple[Range, ...]
    checkpoint: str
    """A note over the whole record, made with the export: where it ended then."""

    @property
    def members(self) -> dict[str, Any]:
        """The plan as members of a JSON object."""
        members: dict[str, Any] = _PLAN.dump_python(self, mode="json")
        return {"format": FORMAT, **members}

    @property
    def digest(self) -> str:
        """What the copy is entered with."""
        return _digest(self.members)

    @property
    def chosen(self) -> tuple[Column, ...]:
        """The columns of a row."""
        names = {each.name for each in self.columns}
        return tuple(each for each in COLUMNS if each.name in names)

    def shows(self, entry: Entry) -> bool:
        """Whether the entry of a place in the range is shown whole."""
        if self.completeness == "selected":
            return self.asked.takes(entry)
        return self.completeness == "whole"


@dataclass(frozen=True, slots=True)
class Part:
    """A file of an export, as it is written."""

    name: str
    kind: Kind
    first: int
    """The number of the first place, or of the entry of the first row."""
    count: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the journal: all places before ``through`` are written, in these parts."""

    through: int
    shown: int
    parts: tuple[Part, ...]


_PLAN: Final = TypeAdapter(Plan)
_STEP: Final = TypeAdapter(Step)

_AFTER: Final = ("parts", "proves", "does_not_prove", "to_verify", "signature")
"""The members of a manifest after those of the plan."""


def manifest(plan: Plan, parts: Iterable[Part]) -> dict[str, Any]:
    """Return the manifest of an export, as yet without its signature."""
    said = {"parts": [asdict(each) for each in parts]}
    return (
        plan.members
        | said
        | {"proves": PROVES[plan.completeness], "does_not_prove": DOES_NOT[plan.completeness]}
        | {"to_verify": TO_VERIFY}
    )


def text(manifest: dict[str, Any]) -> str:
    """Return the one text of a manifest."""
    return json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"


def signed_text(manifest: dict[str, Any]) -> str:
    """Return what is signed of a manifest, which has no signature yet."""
    return f"{SIGNED}\nsha256 {hashlib.sha256(text(manifest).encode()).hexdigest()}\n"


def line(value: Plan | Step) -> bytes:
    """Return a line of the journal."""
    members = value.members if isinstance(value, Plan) else asdict(value)
    return _dumped(members) + b"\n"


def _dumped(members: dict[str, Any]) -> bytes:
    return json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()


def _digest(members: dict[str, Any]) -> str:
    return hashlib.sha256(_dumped(members)).hexdigest()


# Reading


def read_journal(content: bytes) -> tuple[Plan, list[Step], int]:
    """Return what a journal says, and how many bytes of it are whole lines; a line that was cut off was never written.

    Raises:
        RecordError: it is none.

    """
    whole = content[: content.rfind(b"\n") + 1]
    first, *rest = whole.splitlines() or [b""]
    try:
        said = json.loads(first)
        if not isinstance(said, dict) or said.pop("format", None) != FORMAT:
            raise RecordError(
                f"the first line of a journal is a plan of format {FORMAT!r}; this one is not: export again"
            )
        plan = _PLAN.validate_python(said)
        return plan, [_STEP.validate_json(each) for each in rest], len(whole)
    except ValidationError as error:
        raise RecordError(
            f"a journal has a plan and what was written of it: {first_fault(error)}; export again"
        ) from None
    except ValueError:
        raise RecordError("a journal is JSON Lines; this one is not: export again") from None


def parts_of(folder: Path) -> tuple[str, list[str]] | None:
    """Return the digest of the plan of an export, and which parts it has; None where the folder holds none that can be read."""
    try:
        if (folder / MANIFEST).exists():
            said = json.loads((folder / MANIFEST).read_bytes())
            names = [str(each["name"]) for each in said["parts"]]
            return _digest({name: value for name, value in said.items() if name not in _AFTER}), names
        plan, steps, _ = read_journal((folder / JOURNAL).read_bytes())
    except (OSError, ValueError, TypeError, KeyError, RecursionError, RecordError):
        return None
    return plan.digest, [part.name for step in steps for part in step.parts]


def is_copy(folder: Path, sha256: str) -> bool:
    """Whether a folder holds the export that was entered with this digest, with any of its parts."""
    found = parts_of(folder)
    return found is not None and found[0] == sha256


def files(folder: Path) -> list[Path]:
    """Return the files of an export in a folder, by their names: the parts first, what names them last."""
    found = [path for path in sorted(folder.iterdir()) if _OURS.fullmatch(path.name)]
    return sorted(found, key=lambda path: path.name in {MANIFEST, JOURNAL})


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from writing, or erasing, the export in a folder.

    Raises:
        BlockingIOError: somebody else is at it.

    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(file)


# What a manifest says of itself

_NOT_SAID: Final = (
    "That what is recorded is true, or that all that was done was recorded: what crossed is in the other record too."
)

PROVES: Final[dict[Completeness, tuple[str, ...]]] = {
    "whole": (
        "Every leaf of the range stands under the signed heads, in its place: nothing was changed, added, moved or left out.",
        "Every entry of the range whose term has not ended is shown, so every row can be held to its entry and its leaf.",
        "The range holds the whole period where the entry before it is earlier and the one after it later, or it ends there.",
    ),
    "selected": (
        "Every entry that is shown stands in the record as it is shown, under the signed heads, and was asked for.",
        "How many places there are in the range, and which of them are not shown, each bound by its leaf.",
        "What stands in these was fixed when this was exported: `pcsc record prove NUMBER` can open each later.",
    ),
    "abridged": (
        "How many places there are in the range, each with its leaf under the signed heads.",
        "The contact point signed these rows: nothing in them was changed since.",
    ),
}
"""What the cryptography shows to whoever has the contact point's key."""

DOES_NOT: Final[dict[Completeness, tuple[str, ...]]] = {
    "whole": (
        _NOT_SAID,
        "What an entry said whose term has ended (Art. 11(3)): its leaf is left.",
        "That a clock was not set: an entry stands where it was made, with the time that the clock had.",
    ),
    "selected": (
        "That the places that are not shown hold nothing that was asked for: that is the contact point's signed word.",
        "Have it open some of them, chosen by you, or export the whole period. Some are empty as their term has ended.",
        _NOT_SAID,
    ),
    "abridged": (
        "That a row says what its entry says, or that the places without a row hold nothing that was asked for.",
        "That is the contact point's signed word. With columns left out no row gives its leaf.",
        "No salt is here either, with which what is left out could be guessed and tried.",
        "Whoever may see an entry whole asks for `pcsc record prove NUMBER`, and compares.",
        _NOT_SAID,
    ),
}
"""What it does not show."""

TO_VERIFY: Final = (
    "Take the contact point's card from itself, and pcsc-verify (one file, verify.py) from whom you trust.",
    "It needs Python 3.11 and the package cryptography, and nothing of the contact point.",
    "pcsc-verify export FOLDER --key CARD --other-key CARD_OF_THE_OTHER",
    "Parquet is held to its digest alone: the entries themselves are in places-...jsonl, to compare with.",
)
