"""Our own gallery: the persons whose prints the other contact point can query."""

from __future__ import annotations

import os
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
    bool, typer.Option("--leave-out", help="Enrol the person without the prints that cannot be compared.")
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
    told = {"enrolled": name, "prints": count, "without_image": ready.without_image}
    show(as_json, told | {"left_out": ready.left_out, "forgiven": ready.forgiven}, "\n".join(lines))


@app.command("enrol-list", rich_help_panel=GALLERY)
def enrol_list(
    persons: Annotated[Path, typer.Argument(metavar="LIST", help="The persons, a JSON object a line.")],
    leave_out: LeaveOut = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Take many persons into our own gallery, on all cores. Who is enrolled already is passed over, so it can be repeated.

    A line is, for example, with files named from the list's own folder:

        {"name": "person-1", "particulars": {"standing": {"born_on": "1980-05-01", "cases": []}, "items": {}},
         "prints": [{"path": "card.eft"}, {"path": "right-index.png", "position": 2, "dpi": 500}]}
    """
    from contact_point import enrolment

    listed = list(enrolment.read_list(persons))
    with opened(root) as here:
        known = _enrolled(here)
        missing = [person for person in listed if person.name not in known]
        errors, without, done = [], 0, 0
        with Progress(console=Console(stderr=True), disable=as_json, transient=True) as progress:
            task = progress.add_task("extracting minutiae and enrolling", total=len(missing))
            for each in _stored(here, missing, leave_out=leave_out):
                progress.advance(task)
                if isinstance(each, enrolment.EnrolmentError):
                    errors.append(str(each))
                else:
                    done += 1
                    without += len(each.left_out)
    passed_over = len(listed) - len(missing)
    lines = [
        f"Enrolled: {done}. Enrolled before: {passed_over}. Prints left out: {without}. Not enrolled: {len(errors)}."
    ]
    lines += [f"Not enrolled: {plain(error)}" for error in errors]
    told: dict[str, Any] = {
        "enrolled": done,
        "enrolled_before": passed_over,
        "left_out": without,
        "not_enrolled": errors,
    }
    show(as_json, told, "\n".join(lines))
    if errors:
        raise typer.Exit(FAILED)


def _enrolled(here: Installation) -> set[str]:
    with here.store.transaction() as tx:
        return {name for name, enrolled in tx.changed_since(0) if enrolled is not None}


def _stored(here: Installation, persons: Sequence[Person], *, leave_out: bool) -> Iterator[Ready | EnrolmentError]:
    """Yield persons when they are stored, some at a time, and those that cannot be, with the reason."""
    from contact_point import enrolment, service
    from contact_point.prints import PrintReader

    cores = os.cpu_count() or 1
    reader = PrintReader(places=cores)
    waiting: list[Ready] = []
    for each in enrolment.all_ready(persons, reader, at=now(), leave_out=leave_out, cores=cores):
        if isinstance(each, enrolment.EnrolmentError):
            yield each
            continue
        waiting.append(each)
        if len(waiting) == _AT_ONCE:
            service.enrol(here, [ready.subject for ready in waiting])
            yield from waiting
            waiting = []
    if waiting:
        service.enrol(here, [ready.subject for ready in waiting])
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
