"""Setting up: an installation of our own, the other Party's contact point, and the service that answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from annex.parameters import Party
from contact_point.cli.terminal import HERE, Json, Root, app, now, show


@app.command()
def init(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder, or one to make.")],
    party: Annotated[Party, typer.Option(help="Whose contact point it is.")],
    name: Annotated[str, typer.Option(help="Its name, as it appears on the card.")] = "",
    host: Annotated[str, typer.Option(help="The address it answers at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port it answers at.")] = 8443,
    as_json: Json = False,
) -> None:
    """Make an installation: keys, certificates, an empty gallery and record, and the card for the other contact point."""
    from contact_point import installation

    plan = installation.Plan(party, name or f"National contact point of {party.country}", host, port)
    made = installation.create(root, plan, now())
    show(
        as_json,
        {"dir": str(root), "party": party.value, "address": made.address, "card": str(made.folder.card)},
        f"{made.name} is set up in {root} and will answer at {made.address}.\n"
        f"Give {made.folder.card} to the other contact point, and enter theirs:\n\n"
        f"    pcsc designate CARD --note 'NOTE AND DATE' --dir {root}",
    )


@app.command()
def designate(
    card: Annotated[Path, typer.Argument(help="The card.json of the other Party's contact point.")],
    note: Annotated[str, typer.Option(help="The diplomatic note that notified it, with its date (Article 3(2)).")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter the other Party's contact point, as notified through diplomatic channels (Article 3(2))."""
    from contact_point import installation, settings

    other = installation.designate(settings.read(root), card.read_text(encoding="utf-8"), note)
    show(
        as_json,
        {"party": other.party.value, "name": other.name, "address": other.address},
        f"{other.name} at {other.address} is designated.\nEnrol prints with `pcsc enrol`, then answer queries:\n\n"
        f"    pcsc serve --dir {root}",
    )


@app.command()
def serve(root: Root = HERE) -> None:
    """Answer the other contact point until interrupted (Article 4(4): automatically, with nobody in the path)."""
    import logging

    from contact_point import main as service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    service.serve(root)
