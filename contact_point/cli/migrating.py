"""Bringing the database of an installation to the tables that this version of the program works with."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.terminal import HERE, SETTING_UP, Json, Root, app, busy, show

if TYPE_CHECKING:
    from contact_point.store.migrations import Plan


@app.command(rich_help_panel=SETTING_UP)
def migrate(
    to: Annotated[
        str | None, typer.Option(help="A revision, also an earlier one, for an older program.", show_default="the last")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Bring the database to the tables of this version, in one transaction; stop `pcsc serve` before.

    No copy is made: a copy of the record would have to end with its terms (Article 11(3)), and what fails is undone whole.
    """
    from contact_point import settings
    from contact_point.store import migrations

    found = settings.read(root)
    database = found.server or found.folder.database
    if dry_run:
        way = migrations.plan(database, to)
    else:
        with busy("changing the tables", quiet=as_json):
            way = migrations.migrate(database, to)
    show(as_json, asdict(way) | {"done": not dry_run}, _told(way, dry_run=dry_run))


def _told(way: Plan, *, dry_run: bool) -> str:
    """Return what is to be done, or was done, for a person."""
    if way.found is None:
        return "The database has no tables yet: the first command that opens the installation makes them."
    if not way.steps:
        return f"The database is at revision {way.found}: there is nothing to do."
    verb = "would go" if dry_run else "went"
    lines = [f"    {'back from' if each.back else 'to'} {each.revision}: {each.what}" for each in way.steps]
    return "\n".join([f"The database {verb} from revision {way.found} to {way.to}:", *lines])
