"""The drill: whether anything is left of a print that is to be gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.terminal import SETTING_UP, app, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

    from contact_point.drill import Report, Searched


@app.command(rich_help_panel=SETTING_UP)
def drill(
    markers: Annotated[int, typer.Option("--markers", "-n", min=1, max=10_000, help="Marked prints to plant.")] = 200,
    loop: Annotated[bool, typer.Option(help="As root, work on a loop device and search it as a block device.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report for a program.")] = False,
) -> None:
    """Plant marked prints in two contact points of their own, then search everything for what is left of them: Article 8.

    Ends with 1 where anything is found, or where a control is not.
    """
    import json

    from rich.console import Console

    from contact_point import drill

    console = Console(stderr=True, highlight=False)
    try:
        with console.status("setting up") as status:
            report = drill.run(markers, status.update, loop=loop)
    except drill.DrillError as error:
        console.print(f"[bold red]The drill could not be carried out:[/] {plain(str(error))}", soft_wrap=True)
        raise typer.Exit(1) from None
    if as_json:
        typer.echo(json.dumps(report.told(), ensure_ascii=False))
    else:
        _show(report)
    raise typer.Exit(1 if report.violations else 0)


def _show(report: Report) -> None:
    """Print what happened, what was found where, and what that means."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{report.markers} marked prints, and what came of them")
    for what, times in sorted(report.happened.items()):
        console.print(f"  {times:5}  {what}")
    console.print(_table("What is left of them", report.searched))
    console.print(_table("The control: the same marks in clear, all of which have to be found", report.control))
    for place, why in report.not_searched.items():
        console.print(f"not searched: {place}: {why}", soft_wrap=True)
    for violation in report.violations:
        console.print(f"[bold red]violation:[/] {violation}", soft_wrap=True)


def _table(title: str, rows: Iterable[Searched]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in ("place", "MB", "found", "looked for", "which"):
        table.add_column(column, justify="right" if column in {"MB", "found", "looked for"} else "left")
    for each in rows:
        which = ", ".join(f"{count} of {each.planted[what]} {what}" for what, count in each.found.items())
        size = f"{each.size / 1e6:.1f}"
        table.add_row(each.place, size, str(each.total), str(each.looked_for), which or "nothing")
    return table
