"""Information without request (Article 6): what we provide of one case. What comes to us is `pcsc accept`ed and `pcsc use`d."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contact_point.cli.terminal import BOTH, HERE, Json, Root, app, busy, now, opened, show_exchange
from contact_point.parsing import toml


@app.command(rich_help_panel=BOTH)
def provide(
    document: Annotated[
        Path,
        typer.Argument(metavar="DOCUMENT", help="TOML: the case and its items. `pcsc example unasked` prints one."),
    ],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Provide information on one case that nobody asked for, with the reason to believe in a serious crime (Article 6)."""
    from contact_point import unasked

    case = toml(document, unasked.CaseInformation, "the document is one case", "pcsc example unasked")
    with opened(root) as here, busy("sending", quiet=as_json):
        exchange = unasked.provide(here, case, now())
    show_exchange(exchange, as_json)
