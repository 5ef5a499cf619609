"""The record of Article 11: verify it, export it, compare it with the other Party's."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from contact_point.cli.terminal import FAILED, HERE, Json, Root, busy, opened, record_app, show
from pcsc.errors import RecordError


@record_app.command("verify")
def record_verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported record; without it, this installation's own.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Verify a record from its first entry: nothing within it was changed, dropped, added or moved (Article 11).

    Whether its end was cut off, or all of it written anew, shows only against the other Party's record: `pcsc record
    reconcile`.
    """
    from contact_point import archive
    from pcsc import records

    if file is not None:
        found = records.verify(archive.read(file))
    else:
        with opened(root) as here, busy("reading the record", quiet=as_json), here.store.transaction() as tx:
            found = records.verify(tx.record())
    if found.expired or (file is not None and not found.entries):
        raise RecordError(
            f"{found.entries} entries are there and {found.expired} places are empty; no term has ended yet (Art. 11(3)), so "
            "entries were removed: compare with the other Party's record"
        )
    show(as_json, asdict(found), f"The record verifies: {found.entries} entries, the last link is {found.head}.")


@record_app.command("export")
def record_export(
    file: Annotated[Path, typer.Argument(help="A new file, JSON Lines: one place of the record a line.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Export the record, so that it can be verified and compared elsewhere. It holds no content of any message."""
    from contact_point import archive

    with opened(root) as here, busy("reading the record", quiet=as_json), here.store.transaction() as tx:
        count = archive.write(file, tx.record())
    show(as_json, {"file": str(file), "entries": count}, f"{count} entries are in {file}.")


@record_app.command("reconcile")
def record_reconcile(
    theirs: Annotated[Path, typer.Argument(help="The record that the other contact point exported.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Compare our record with the other contact point's: every message one provided, the other received."""
    from contact_point import archive
    from pcsc import records

    places = list(archive.read(theirs))
    records.verify(places)
    with opened(root) as here, busy("reading the record", quiet=as_json), here.store.transaction() as tx:
        differences = records.reconcile(tx.entries(), archive.entries(places))
    lines = [f"{each.event} {each.message}: {each.what}" for each in differences]
    show(
        as_json,
        [asdict(each) for each in differences],
        "\n".join(lines) or "The two records agree on every message.",
    )
    if differences:
        raise typer.Exit(FAILED)
