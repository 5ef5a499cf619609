"""Persons on their way into our own gallery: files of prints and what is known of the person, made ready to be stored.

One person is a few files; a national system hands over many persons, in a list of JSON lines. Either way a person is taken
in whole or not at all: a print that cannot be enrolled stops it, unless it is said to be left out. A print that was left at
a scene is of nobody yet, so it is not enrolled.

Of a print with a picture our own minutiae are kept; those that came beside it are not, and that is noted. Only the minutiae
of a file in which no picture can be read are kept, and not searched, because a match on them could not be shown
(Article 4(5)).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from contact_point import dispositions, files
from contact_point.holdings import Particulars, ParticularsError, read_particulars
from contact_point.nist import agreed
from contact_point.parsing import first_fault
from contact_point.store import Impression, Subject
from matcher.formats import write_iso19794_2
from matcher.in_order import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from contact_point.prints import PrintFile, PrintReader
    from matcher.images import Image


class EnrolmentError(ValueError):
    """A person cannot be enrolled as given; nothing of the person was stored."""


@dataclass(frozen=True, slots=True)
class FileOf:
    """A file of a person's prints; its position and resolution where the file does not state them."""

    path: Path
    position: Annotated[int, Ge(0), Le(10)] = 0
    dpi: Annotated[float, Gt(0)] | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """A person to be enrolled, under a name that means something here and never leaves."""

    name: Annotated[str, StringConstraints(pattern=r"\S")]
    particulars: Particulars
    prints: Annotated[tuple[FileOf, ...], MinLen(1)]


@dataclass(frozen=True, slots=True)
class Ready:
    """A person ready to be stored: the prints with and without a picture.

    ``left_out`` says which prints were not taken, and why; ``forgiven`` what was read in spite of the format; ``notes`` what
    else of the files is not kept. ``quality`` is that of each print with a picture, from 0 to 100
    (docs/decisions/0021).
    """

    subject: Subject
    left_out: tuple[str, ...]
    forgiven: tuple[str, ...]
    notes: tuple[str, ...] = ()
    quality: tuple[int, ...] = ()

    @property
    def without_image(self) -> int:
        """How many of the prints have no picture, and are not searched (Article 4(5))."""
        return sum(impression.image is None for impression in self.subject.impressions)


_PARTICULARS: Final = ".json"  # the suffix of the particulars in a folder of transactions
_OF_NOBODY: Final = "a print left at a scene is of nobody yet: it is searched for, not enrolled"

# `| None` because pydantic takes a configuration for a union only.
_PERSON: Final[TypeAdapter[Any]] = TypeAdapter(Person | None, config=ConfigDict(extra="forbid"))


def read_list(path: Path) -> Iterator[Person]:
    """Yield the persons of a list, a JSON object a line, or of a folder; files are named from the list's own folder.

    In a folder a person is a name with particulars and prints beside one another: ``NAME.json`` and ``NAME.an2``, and any
    other file of that name.

    Raises:
        EnrolmentError: a line, or a name, is no person; the message says which, and what is missing.

    """
    if path.is_dir():
        yield from _of_folder(path)
        return
    named: dict[str, int] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            person = _person(line, f"{path}, line {number}")
            if (before := named.setdefault(person.name, number)) != number:
                raise EnrolmentError(
                    f"{path}, line {number}: expected each name once, got that of line {before} again: give all prints of a "
                    "person in one line, or another person another name"
                )
            here = tuple(FileOf(path.parent / each.path, each.position, each.dpi) for each in person.prints)
            yield Person(person.name, person.particulars, here)


def _of_folder(folder: Path) -> Iterator[Person]:
    files_of: dict[str, list[Path]] = {}
    for path in sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")):
        files_of.setdefault(path.stem, []).append(path)
    for number, (name, paths) in enumerate(files_of.items(), 1):
        particulars = [each for each in paths if each.suffix == _PARTICULARS]
        prints = tuple(FileOf(each) for each in paths if each.suffix != _PARTICULARS)
        if len(particulars) != 1 or not prints or not name.strip():
            raise EnrolmentError(
                f"{folder}, name {number} of {len(files_of)}: expected particulars, {_PARTICULARS}, and prints of one name; "
                f"there are {len(particulars)} and {len(prints)}: give both, or take the file out of the folder"
            )
        try:
            yield Person(name, read_particulars(particulars[0].read_bytes()), prints)
        except ParticularsError as error:
            raise EnrolmentError(f"{particulars[0]}: {error}: correct the file") from None


def _person(line: bytes, where: str) -> Person:
    try:
        person: Person | None = _PERSON.validate_json(line)
        fault = "it is null"
    except ValidationError as error:
        person, fault = None, first_fault(error)
    if person is None:
        raise EnrolmentError(
            f"{where}: expected a JSON object with name, particulars and prints; {fault}: correct the line; "
            "`pcsc enrol-list --help` shows one"
        )
    return person


def ready(person: Person, reader: PrintReader, *, at: datetime, leave_out: bool) -> Ready:
    """Return a person with the prints of all the files; with ``leave_out`` what cannot be enrolled is left out.

    Raises:
        EnrolmentError: a file cannot be read or shows only what was left at a scene, or a print in it cannot be compared or was
            left at a scene, or no print is left.
        jail.JailError: nothing can be read at present; it is not the person's fault.

    """
    impressions: list[Impression] = []
    left_out: list[str] = []
    forgiven: list[str] = []
    notes: list[str] = []
    quality: list[int] = []
    for each in person.prints:
        try:
            found = reader.read_file(files.load(each.path), at=at, position=each.position, dpi=each.dpi)
        except (*files.FILE_ERRORS, ValueError, OSError) as error:
            raise EnrolmentError(f"{person.name}: {each.path}: {error}") from error
        if _is_left_at_a_scene(found.contents):
            raise EnrolmentError(f"{person.name}: {each.path}: {_OF_NOBODY}; leave the file out")
        kept, latent = _divided(found)
        impressions += kept
        quality += [print_.quality.value for print_ in found.prints if not print_.latent]
        left_out += [f"{each.path}: {reason}" for reason in (*found.left_out, *latent)]
        forgiven += [f"{each.path}: {deviation}" for deviation in found.contents.forgiven]
        notes += [f"{each.path}: {note}" for note in _notes(found)]
    if left_out and not leave_out:
        raise EnrolmentError(
            f"{person.name}: {len(left_out)} of the prints cannot be enrolled: {'; '.join(left_out)}. Take them again, or say "
            "--leave-out to enrol the person without them"
        )
    if not impressions:
        raise EnrolmentError(f"{person.name}: no print is left that can be enrolled: enrol at least one")
    known = dispositions.write_kept(dispositions.enrolled(person.particulars, at))
    subject = Subject(person.name, known, tuple(impressions))
    return Ready(subject, tuple(left_out), tuple(forgiven), tuple(notes), tuple(quality))


def all_ready(
    persons: Iterable[Person], reader: PrintReader, *, at: datetime, leave_out: bool, cores: int
) -> Iterator[Ready | EnrolmentError]:
    """Yield each person ready to be stored, or why not, in their order; as many at a time as there are cores.

    Raises:
        jail.JailError: nothing can be read at present, so neither this person nor those after.

    """

    def one(person: Person) -> Ready | EnrolmentError:
        try:
            return ready(person, reader, at=at, leave_out=leave_out)
        except EnrolmentError as error:
            return error

    # Few pictures are held at a time, however long the list.
    return in_order(one, persons, at_once=cores)


def _is_left_at_a_scene(contents: files.Contents) -> bool:
    """Tell whether a file shows nothing else than what was left at a scene."""
    shown = contents.shown
    return bool(shown) and all(each.impression in agreed.LATENT for each in shown)


def _divided(found: PrintFile) -> tuple[list[Impression], list[str]]:
    """Return what of a file is stored, and what of it is not because it was left at a scene."""
    kept, latent = [], []
    for each in found.prints:
        if each.latent:
            latent.append(f"{_origin(found.contents, each.image)}: {_OF_NOBODY}")
        else:
            kept.append(Impression(write_iso19794_2([each.template]), each.png))
    if found.contents.images:
        return kept, latent
    alone = [each for each in found.contents.impressions if each.template is not None]
    for stated, template in zip(alone, found.templates, strict=True):
        if stated.impression in agreed.LATENT:
            latent.append(f"{stated.origin}: {_OF_NOBODY}")
        else:
            kept.append(Impression(write_iso19794_2([template])))
    return kept, latent


def _origin(contents: files.Contents, image: Image) -> str:
    """Return where in its file a picture is."""
    return next(each.origin for each in contents.impressions if each.image is image)


def _notes(found: PrintFile) -> Sequence[str]:
    """Return what of a file is not kept although nothing is wrong with it."""
    if not (found.contents.images and found.templates):
        return ()
    return (f"minutiae beside pictures are not kept (sets: {len(found.templates)}): our own are",)
