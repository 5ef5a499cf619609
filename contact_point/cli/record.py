"""The record of Article 11: verify it, export it, compare it with the other Party's."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from contact_point.cli.terminal import FAILED, HERE, Json, Number, Root, busy, now, opened, plain, record_app, show
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

    Entries whose term has ended leave an empty place (Article 11(3)); one that is emptied earlier is told. Whether the end of
    the record was cut off, or all of it written anew, shows only against the other Party's: `pcsc record reconcile`.
    """
    from contact_point import archive
    from pcsc import records, retention

    since = retention.least_kept(now())
    if file is not None:
        places = list(archive.read(file))
        # An export for the other Party has none of its own acts: their places are empty from the beginning.
        acts = any(entry.direction is records.Direction.ACT for entry in archive.entries(places))
        found = records.verify(places, kept_since=since if acts else None)
        if not found.entries:
            raise RecordError(
                f"{file} holds no entry and {found.expired} empty places, so it shows nothing: export it again"
            )
    else:
        with opened(root) as here, busy("reading the record", quiet=as_json), here.store.transaction() as tx:
            found = records.verify(tx.record(), kept_since=since)
    ended = f", {found.expired} empty places (terms that ended, Art. 11(3), or acts left out)" if found.expired else ""
    show(as_json, asdict(found), f"The record verifies: {found.entries} entries{ended}, the last link is {found.head}.")


@record_app.command("keep")
def record_keep(
    number: Number,
    by: Annotated[str, typer.Option(help="Who orders it.")],
    law: Annotated[str, typer.Option(help="The provision of our law that orders to keep it.")] = "",
    end: Annotated[
        bool, typer.Option("--end", help="No law orders it any longer: the record ends with its term.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Keep the record of an exchange beyond its term, because a law orders it (Article 11(3)); or no longer."""
    from contact_point import disposal

    if bool(law) is end:
        raise typer.BadParameter("name the law that orders it, or --end where none does any longer", param_hint="--law")

    with opened(root) as here:
        exchange = disposal.keep_beyond_term(here, number, law, by=by, now=now())
    told = f"is kept under {plain(exchange.kept_under)}" if exchange.kept_under else "ends with its term"
    show(as_json, {"exchange": number, "kept_under": exchange.kept_under}, f"The record of {number} {told}.")


@record_app.command("export")
def record_export(
    file: Annotated[Path, typer.Argument(help="A new file, JSON Lines: one place of the record a line.")],
    for_other_party: Annotated[
        bool, typer.Option("--for-other-party", help="Without our own acts: what the other contact point compares.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Export the record, so that it can be verified and compared elsewhere. It holds no content of any message."""
    from contact_point import archive

    with opened(root) as here, busy("reading the record", quiet=as_json), here.store.transaction() as tx:
        count = archive.write(file, tx.record(), for_other_party=for_other_party)
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
