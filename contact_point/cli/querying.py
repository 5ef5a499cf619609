"""The querying side: ask, look at a match, determine, request further information, accept it, use it, close."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from contact_point.cli.terminal import (
    HERE,
    QUERYING,
    SETTING_UP,
    Json,
    Number,
    Root,
    app,
    busy,
    now,
    opened,
    positioned,
    show_exchange,
)
from pcsc.messages import Conclusion, Search


class Document(StrEnum):
    """The documents that `pcsc example` prints."""

    BASIS = "basis"
    NOTIFICATION = "notification"
    OFFENCES = "offences"
    UNASKED = "unasked"
    ROSTER = "roster"


@app.command(rich_help_panel=SETTING_UP)
def example(document: Annotated[Document, typer.Argument(help="Which document.")]) -> None:
    """Print an example of a document that another command reads."""
    sys.stdout.write(files("contact_point").joinpath(f"models/{document}.toml").read_text(encoding="utf-8"))


@app.command(rich_help_panel=QUERYING)
def query(
    prints: Annotated[
        list[str],
        typer.Option(
            "--print",
            metavar="[POSITION=]FILE",
            help="Prints of the individual: an ANSI/NIST-ITL file, an ISO/IEC record, or an image. Repeat for more.",
        ),
    ],
    basis: Annotated[
        Path, typer.Option(help="TOML: why the query may be made (Article 4(3)). `pcsc example basis` prints one.")
    ],
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of the images, where their files do not say it.")
    ] = None,
    latent: Annotated[
        bool, typer.Option("--latent", help="The print was left at a scene, whatever the basis says (Article 4(7)).")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Ask the other contact point whether a print is there (Article 4): match with a reference number, or no match."""
    from contact_point import files, querying
    from contact_point.prints import probe_of

    why = querying.read_justification(basis)
    why = replace(why, search=Search.LATENT) if latent else why
    with opened(root) as here, busy("extracting minutiae and asking", quiet=as_json):
        found = [
            here.reader.read_file(files.load(path), at=now(), position=position, dpi=dpi)
            for path, position in map(positioned, prints)
        ]
        exchange = querying.open_query(here, probe_of(found, latent=why.search is Search.LATENT), why, now())
    left_out = "".join(f"Left out: {reason}\n" for file in found for reason in file.left_out)
    show_exchange(exchange, as_json, left_out)


@app.command(rich_help_panel=QUERYING)
def examine(
    number: Number,
    picture: Annotated[
        Path | None, typer.Option(help="Write both prints side by side to this new .svg or .png; it goes with them.")
    ] = None,
    conclude: Annotated[Conclusion | None, typer.Option(help="The examiner's conclusion.")] = None,
    by: Annotated[str, typer.Option(help="The examiner.")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Look at the prints of a match, and note the examiner's conclusion (Article 4(5))."""
    from contact_point import querying

    said = ""
    with opened(root) as here, busy("pairing minutiae", quiet=as_json):
        if picture is not None:
            querying.write_picture(here, number, picture, now())
            said = f"Both prints are in {picture}, until the determination (Article 8(2)).\n"
        if conclude is not None:
            exchange = querying.examine(here, number, conclude, by, now())
        else:
            with here.store.transaction() as tx:
                exchange = tx.exchange(number)
    show_exchange(exchange, as_json, said)


@app.command(rich_help_panel=QUERYING)
def determine(
    number: Number,
    will_request: Annotated[
        bool, typer.Option("--request/--no-request", help="Will further information be requested?")
    ],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Determine whether to request further information; the received prints are destroyed at once (Article 8(2))."""
    from contact_point import querying

    with opened(root) as here, busy("telling the other contact point", quiet=as_json):
        exchange = querying.determine(here, number, will_request=will_request, now=now())
    show_exchange(exchange, as_json)


@app.command(rich_help_panel=QUERYING)
def request(
    number: Number,
    notification: Annotated[
        Path, typer.Option(help="TOML: the written notification. `pcsc example notification` prints one.")
    ],
    risk: Annotated[
        str, typer.Option(help="The significant and imminent risk that cannot wait, in words: an urgent request.")
    ] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Request further information on the individual whose prints matched, with its written notification (Article 5(1))."""
    from contact_point import querying

    written = querying.read_notification(notification)
    with opened(root) as here, busy("sending", quiet=as_json):
        exchange = querying.request(here, number, written, now(), risk=risk)
    show_exchange(exchange, as_json)


@app.command(rich_help_panel=QUERYING)
def accept(
    number: Number,
    signed_by: Annotated[str, typer.Option(help="Who accepts, or declines, for this Party.")],
    decline: Annotated[bool, typer.Option("--decline", help="Decline the information instead.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Accept the conditions of an offer and be bound by them; then its information can be read (Article 8(8))."""
    from contact_point import querying

    with opened(root) as here, busy("sending", quiet=as_json):
        exchange = querying.accept(here, number, accepted=not decline, signed_by=signed_by, now=now())
    show_exchange(exchange, as_json)
