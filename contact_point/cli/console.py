"""The console, in a browser."""

from __future__ import annotations

from typing import Annotated

import typer

from contact_point.cli.terminal import HERE, SETTING_UP, Root, app


@app.command(rich_help_panel=SETTING_UP)
def console(
    root: Root = HERE,
    host: Annotated[
        str, typer.Option(help="Address to listen on; a proxy with TLS stands before any but this one.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
) -> None:
    """Serve the console to the people of this contact point until told to stop."""
    from contact_point.console import serving

    serving.serve(root, host, port)
