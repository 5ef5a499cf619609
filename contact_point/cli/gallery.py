"""Our own gallery: the persons whose prints the other contact point can query."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.terminal import GALLERY, HERE, Json, Root, app, busy, opened, positioned, show

if TYPE_CHECKING:
    from contact_point.service import Installation
    from contact_point.store import Impression


@app.command(rich_help_panel=GALLERY)
def enrol(
    name: Annotated[str, typer.Argument(help="What the person is called here; it never leaves.")],
    prints: Annotated[
        list[str],
        typer.Option(
            "--print",
            metavar="[POSITION=]FILE",
            help="A print: an image, or an ISO/IEC 19794-2 template. Repeat for more.",
        ),
    ],
    particulars: Annotated[
        Path, typer.Option(help="JSON with the person's standing (Annex II) and items (Article 5(2)).")
    ],
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of the images, where their files do not say it.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Take a person's prints into our own gallery. A running service searches them from its next query on.

    The particulars are, for example:

        {"standing": {"born_on": "1980-05-01", "cases": [{"disposition": "convicted_final", "arrested_on": "2015-02-03"}]},
         "items": {"name": "...", "date of birth": "1980-05-01"}}
    """
    from contact_point import service
    from contact_point.holdings import read_particulars, write_particulars
    from contact_point.store import Subject

    known = write_particulars(read_particulars(particulars.read_bytes()))
    with opened(root) as here, busy("extracting minutiae", quiet=as_json):
        impressions = tuple(_impression(here, *positioned(each), dpi) for each in prints)
        service.enrol(here, [Subject(name, known, impressions)])
    bare = sum(impression.image is None for impression in impressions)
    said = f"{name} is enrolled; prints: {len(impressions)}."
    if bare:
        said += (
            f"\n{bare} of them without an image, so not searched: a match could not be shown (4(5)). Enrol the image."
        )
    show(as_json, {"enrolled": name, "prints": len(impressions), "without_image": bare}, said)


def _impression(here: Installation, path: Path, position: int, dpi: float | None) -> Impression:
    """Return the print in a file as it is enrolled: its template, and its image where the file is one."""
    from dataclasses import replace

    from contact_point.store import Impression
    from matcher.formats import read_iso19794_2, write_iso19794_2

    data = path.read_bytes()
    if data.startswith(b"FMR\0"):
        views = read_iso19794_2(data)
        if len(views) != 1:
            raise ValueError(f"{path} holds {len(views)} views; a print is one: split the record")
        template = replace(views[0], position=position) if position else views[0]
        return Impression(write_iso19794_2([template]))
    found = here.reader.read(data, position=position, dpi=dpi)
    return Impression(write_iso19794_2([found.template]), found.png)


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
    said = f"{name} is updated."
    if matched:
        # Art. 10(1): who becomes aware that what was told is incorrect notifies it; Rule 16 of 2018, Art. 5: an acquittal.
        said += f"\nThe prints matched in {len(matched)} exchanges. If what was told is wrong: pcsc correct --subject {name}"
    show(as_json, {"updated": name, "matched_in": matched}, said)


@app.command(rich_help_panel=GALLERY)
def remove(
    name: Annotated[str, typer.Argument(help="The person to remove.")], root: Root = HERE, as_json: Json = False
) -> None:
    """Remove a person from our own gallery: the key of the prints is destroyed at once."""
    from contact_point import service

    with opened(root) as here:
        service.remove(here, name)
    show(as_json, {"removed": name}, f"{name} is removed, and the prints are destroyed.")
