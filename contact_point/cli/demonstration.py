"""The demonstration: both contact points on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from contact_point.cli.terminal import SETTING_UP, app


@app.command(rich_help_panel=SETTING_UP)
def demo(
    prints: Annotated[
        Path | None,
        typer.Option(help="A folder of real prints named finger_impression.tif, instead of synthetic ones."),
    ] = None,
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of those prints, where their files do not say it.")
    ] = None,
    persons: Annotated[
        int, typer.Option(min=1, max=100_000, help="Persons in the background, ten fingers each.")
    ] = 1000,
    keep: Annotated[
        Path | None, typer.Option(help="Keep both installations and the pictures in this new folder.")
    ] = None,
) -> None:
    """Set up a Japanese and a US contact point on this machine and run queries between them, from beginning to end."""
    from contact_point import demonstration

    raise typer.Exit(demonstration.run(prints=prints, dpi=dpi, persons=persons, keep=keep))
