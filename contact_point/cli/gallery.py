"""Our own gallery: the persons whose prints the other contact point can query."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from contact_point.cli.terminal import (
    FAILED,
    GALLERY,
    HERE,
    Json,
    Root,
    app,
    busy,
    now,
    opened,
    plain,
    positioned,
    show,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from contact_point.enrolment import EnrolmentError, Person, Ready
    from contact_point.service import Installation

_AT_ONCE = 50
"""Persons stored in one transaction of a long list: each costs a wait for the disk."""

LeaveOut = Annotated[
    bool, typer.Option("--leave-out", help="Enrol the person without the prints that cannot be enrolled.")
]


@app.command(rich_help_panel=GALLERY)
def enrol(
    name: Annotated[str, typer.Argument(help="What the person is called here; it never leaves.")],
    prints: Annotated[
        list[str],
        typer.Option(
            "--print",
            metavar="[POSITION=]FILE",
            help="Prints: an ANSI/NIST-ITL file, an ISO/IEC or INCITS record, or an image. Repeat for more.",
        ),
    ],
    particulars: Annotated[
        Path, typer.Option(help="JSON with the person's standing (Annex II) and items (Article 5(2)).")
    ],
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of the images, where their files do not say it.")
    ] = None,
    leave_out: LeaveOut = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Take a person's prints into our own gallery. A running service searches them from its next query on.

    The particulars are, for example:

        {"standing": {"born_on": "1980-05-01", "cases": [{"disposition": "convicted_final", "arrested_on": "2015-02-03"}]},
         "items": {"name": "...", "date of birth": "1980-05-01"}}
    """
    from contact_point import enrolment, service
    from contact_point.holdings import read_particulars

    given = tuple(enrolment.FileOf(path, position, dpi) for path, position in map(positioned, prints))
    person = enrolment.Person(name, read_particulars(particulars.read_bytes()), given)
    with opened(root) as here, busy("extracting minutiae", quiet=as_json):
        ready = enrolment.ready(person, here.reader, at=now(), leave_out=leave_out)
        service.enrol(here, [ready.subject])
    count = len(ready.subject.impressions)
    lines = [f"{plain(name)} is enrolled; prints: {count}."]
    if ready.without_image:
        lines.append(
            f"{ready.without_image} of them without an image, so not searched: a match could not be shown (4(5)). Enrol the "
            "image."
        )
    lines += [f"Left out: {plain(each)}" for each in ready.left_out]
    lines += [f"Forgiven: {plain(each)}" for each in ready.forgiven]
    lines += [f"Note: {plain(each)}" for each in ready.notes]
    told = {"enrolled": name, "prints": count, "without_image": ready.without_image}
    told |= {"left_out": ready.left_out, "forgiven": ready.forgiven, "notes": ready.notes}
    show(as_json, told, "\n".join(lines))


@app.command("enrol-list", rich_help_panel=GALLERY)
def enrol_list(
    persons: Annotated[
        Path,
        typer.Argument(
            metavar="LIST", help="The persons, a JSON object a line; or a folder of NAME.json and NAME.an2."
        ),
    ],
    leave_out: LeaveOut = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say who is new, how good the prints are, and who would enter the view."),
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Take many persons into our own gallery, on all cores. Who is enrolled already is passed over, so it can be repeated.

    A line is, for example, with files named from the list's own folder:

        {"name": "person-1", "particulars": {"standing": {"born_on": "1980-05-01", "cases": []}, "items": {}},
         "prints": [{"path": "card.eft"}, {"path": "right-index.png", "position": 2, "dpi": 500}]}
    """
    from contact_point import enrolment
    from matcher.jail import JailError

    listed = list(enrolment.read_list(persons))
    if dry_run:
        _try(listed, root, leave_out=leave_out, as_json=as_json)
        return
    errors: list[str] = []
    done: list[_Done] = []
    with opened(root) as here:
        with here.store.transaction() as tx:
            known = tx.names()
        missing = [person for person in listed if person.name not in known]
        with Progress(console=Console(stderr=True), disable=as_json, transient=True) as progress:
            task = progress.add_task("extracting minutiae and enrolling", total=len(missing))
            try:
                for each in _stored(here, missing, leave_out=leave_out):
                    progress.advance(task)
                    if isinstance(each, enrolment.EnrolmentError):
                        errors.append(str(each))
                    else:
                        done.append(_Done.of(each))
            except JailError as error:
                raise JailError(
                    f"{error}. {len(done)} of {len(missing)} persons were enrolled before that: when files can be read again, "
                    "repeat the command for the others"
                ) from error
    told = _told(done, len(listed) - len(missing), errors)
    show(as_json, told, "\n".join(_lines(told)))
    if errors:
        raise typer.Exit(FAILED)


def _try(listed: Sequence[Person], root: Path, *, leave_out: bool, as_json: bool) -> None:
    """Say what an enrolment would come to; nothing is stored."""
    from contact_point import trial
    from contact_point.cli.feed import diff_fields, diff_lines
    from contact_point.prints import PrintReader

    cores = os.cpu_count() or 1
    with opened(root) as here, busy("extracting minutiae", quiet=as_json):
        found = trial.enrol(here, listed, PrintReader(places=cores), now=now(), leave_out=leave_out, cores=cores)
    lines = [f"New: {len(found.new)}. Enrolled before: {len(found.known)}. Cannot be enrolled: {len(found.errors)}."]
    for each in found.new:
        quality = f"quality {min(each.quality)} to {max(each.quality)} of 100" if each.quality else "no picture"
        lines.append(f"New: {each.name}; prints: {each.prints}, {quality}; without an image: {each.without_image}")
        lines += [f"    Left out: {reason}" for reason in each.left_out]
        lines += [f"    Forgiven: {reason}" for reason in each.forgiven]
        lines += [f"    Note: {note}" for note in each.notes]
    lines += [f"Enrolled before: {name}" for name in found.known]
    lines += [f"Cannot be enrolled: {error}" for error in found.errors]
    lines += diff_lines(found.diff)
    told = {
        "new": found.new,
        "enrolled_before": found.known,
        "not_enrolled": found.errors,
        "diff": diff_fields(found.diff),
    }
    show(as_json, told, "\n".join(map(plain, lines)))
    if found.errors:
        raise typer.Exit(FAILED)


@dataclass(frozen=True, slots=True)
class _Done:
    """What remains to be told of a person who is stored; the pictures are let go."""

    prints: int
    without_image: int
    left_out: int

    @classmethod
    def of(cls, ready: Ready) -> _Done:
        return cls(len(ready.subject.impressions), ready.without_image, len(ready.left_out))


def _told(done: Sequence[_Done], before: int, errors: Sequence[str]) -> dict[str, Any]:
    """Return what a program is told of a list."""
    return {
        "enrolled": len(done),
        "enrolled_before": before,
        "left_out": sum(each.left_out for each in done),
        "without_image": sum(each.without_image for each in done),
        "not_searched": sum(each.without_image == each.prints for each in done),
        "not_enrolled": errors,
    }


def _lines(told: dict[str, Any]) -> list[str]:
    """Return the same for a person."""
    errors = told["not_enrolled"]
    enrolled = f"Enrolled: {told['enrolled']}. Enrolled before: {told['enrolled_before']}."
    lines = [f"{enrolled} Prints left out: {told['left_out']}. Not enrolled: {len(errors)}."]
    if told["without_image"]:
        lines.append(
            f"Prints without an image, so not searched: {told['without_image']}; persons with no other print: "
            f"{told['not_searched']}. A match could not be shown (4(5)): enrol the images."
        )
    return [*lines, *(f"Not enrolled: {plain(error)}" for error in errors)]


def _stored(here: Installation, persons: Sequence[Person], *, leave_out: bool) -> Iterator[Ready | EnrolmentError]:
    """Yield persons when they are stored, some at a time, and those that cannot be, with the reason.

    Raises:
        JailError: no file can be read at present; who was ready is stored, and was yielded.

    """
    from contact_point import enrolment
    from contact_point.prints import PrintReader
    from matcher.jail import JailError

    cores = os.cpu_count() or 1
    reader = PrintReader(places=cores)
    waiting: list[Ready] = []
    try:
        for each in enrolment.all_ready(persons, reader, at=now(), leave_out=leave_out, cores=cores):
            if isinstance(each, enrolment.EnrolmentError):
                yield each
                continue
            waiting.append(each)
            if len(waiting) == _AT_ONCE:
                yield from _stored_together(here, waiting)
                waiting = []
    except JailError:
        yield from _stored_together(here, waiting)
        raise
    yield from _stored_together(here, waiting)


def _stored_together(here: Installation, waiting: Sequence[Ready]) -> Iterator[Ready | EnrolmentError]:
    """Store persons in one transaction; where one of them cannot be stored, each in one of its own."""
    from contact_point import enrolment, service
    from contact_point.store import SubjectError

    if not waiting:
        return
    try:
        service.enrol(here, [ready.subject for ready in waiting])
    except SubjectError as error:
        if len(waiting) == 1:
            yield enrolment.EnrolmentError(str(error))
            return
        for each in waiting:  # somebody was enrolled meanwhile: the others are no worse for it
            yield from _stored_together(here, [each])
    else:
        yield from waiting


@app.command(rich_help_panel=GALLERY)
def update(
    name: Annotated[str, typer.Argument(help="The person, as enrolled.")],
    particulars: Annotated[Path, typer.Option(help="JSON with the person's standing and items, as for `pcsc enrol`.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter what changed about a person, such as a disposition: it decides from the next query on (Annex II)."""
    from contact_point import service
    from contact_point.holdings import read_particulars, write_particulars

    known = write_particulars(read_particulars(particulars.read_bytes()))
    with opened(root) as here:
        service.update(here, name, known)
        with here.store.transaction() as tx:
            matched = [exchange.control_number for exchange in tx.matched(name)]
    said = f"{plain(name)} is updated."
    if matched:
        # Art. 10(1): who becomes aware that what was told is incorrect notifies it; Rule 16 of 2018, Art. 5: an acquittal.
        said += f"\nThe prints matched in {len(matched)} exchanges. If what was told is wrong: pcsc correct --subject "
        said += plain(name)
    show(as_json, {"updated": name, "matched_in": matched}, said)


@app.command(rich_help_panel=GALLERY)
def remove(
    name: Annotated[str, typer.Argument(help="The person to remove.")], root: Root = HERE, as_json: Json = False
) -> None:
    """Remove a person from our own gallery: the key of the prints is destroyed at once."""
    from contact_point import service

    with opened(root) as here:
        service.remove(here, name)
    show(as_json, {"removed": name}, f"{plain(name)} is removed, and the prints are destroyed.")
