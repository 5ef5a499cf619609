"""Both sides: what is held now, in figures without names, for whoever oversees the protection of privacy."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from contact_point.cli.terminal import HERE, RECORD, Json, Root, app, busy, now, opened, show


@app.command(rich_help_panel=RECORD)
def held(root: Root = HERE, as_json: Json = False) -> None:
    """Count what is held now by kind, with what ends the holding and what is overdue (Articles 8(1), 8(2), 8(9), 9, 11(3))."""
    from annex.parameters import rules_in_force
    from pcsc.overview import overview

    at = now()
    with opened(root) as here, busy("counting", quiet=as_json):
        arrangement, rules = here.settings.arrangement(at), rules_in_force(at.date())
        with here.store.transaction() as tx:
            exchanges = {each.control_number: each for each in tx.exchanges()}
            pieces = [(exchanges[each.exchange], each.kind) for each in tx.held()]
    rows = overview(pieces, arrangement, rules, at)
    if as_json:
        show(True, [asdict(row) for row in rows], "")
        return
    table = Table(box=None)
    for heading in ("side", "held", "pieces", "exchanges", "oldest of", "until", "Art.", "overdue"):
        table.add_column(heading, no_wrap=heading != "until")
    for row in rows:
        overdue = f"[bold red]{row.overdue}[/]" if row.overdue else "0"
        count = (str(row.pieces), str(row.exchanges), f"{row.oldest:%Y-%m-%d}")
        table.add_row(row.side, row.kind, *count, row.ends, row.clause, overdue)
    Console().print(table if rows else "Nothing is held.")
