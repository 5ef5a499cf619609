"""Both sides: what waits for a person here, and the messages of ours that did not arrive."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from contact_point.cli.terminal import (
    BOTH,
    HERE,
    REFUSED,
    UNREACHED,
    Json,
    Root,
    app,
    busy,
    clock,
    fields,
    now,
    opened,
    plain,
    show,
)


@app.command(rich_help_panel=BOTH)
def inbox(
    everything: Annotated[bool, typer.Option("--all", help="Every exchange, not only those that wait for us.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List what waits for a person here, with its article and the day it is due."""
    from annex.parameters import rules_in_force
    from pcsc.duties import Content, due, undelivered

    at = now()
    with opened(root) as here:
        arrangement, rules = here.settings.arrangement(at), rules_in_force(at.date())
        with here.store.transaction() as tx:
            exchanges = tx.exchanges()
            unsent = {held.exchange for held in tx.held() if held.kind is Content.MESSAGE}
    owed = [
        (each, ([undelivered(each)] if each.control_number in unsent else []) + [*due(each, arrangement, rules)])
        for each in exchanges
    ]
    if as_json:
        rows = [fields(each) | {"duties": [asdict(duty) for duty in duties]} for each, duties in owed]
        show(True, [row for row in rows if everything or row["duties"]], "")
        return
    table = Table(box=None)
    for heading in ("exchange", "side", "state", "what is due", "Art.", "by"):
        table.add_column(heading, no_wrap=heading in {"exchange", "by"})
    for exchange, duties in owed:
        who = (exchange.control_number, exchange.side, exchange.state)
        for duty in duties:
            day = f"{duty.by:%Y-%m-%d}" if duty.by >= at else f"[bold red]{duty.by:%Y-%m-%d}[/]"  # overdue
            table.add_row(*who, duty.what, duty.article, day)
        if everything and not duties:
            table.add_row(*who, "", "", "")
    Console().print(table if table.row_count else "Nothing waits here.")


@app.command(rich_help_panel=BOTH)
def resume(root: Root = HERE, as_json: Json = False) -> None:
    """Send every message again that was committed and not delivered; each is answered once."""
    from contact_point import delivery
    from contact_point.transport import UnreachableError

    with opened(root) as here, busy("sending", quiet=as_json):
        outcomes = delivery.resume(here, clock())
    errors = [each for each in outcomes if isinstance(each, Exception)]
    sent = [each for each in outcomes if not isinstance(each, Exception)]
    lines = [f"{len(sent)} of {len(outcomes)} messages delivered."]
    lines += [f"{each.control_number}: {each.state}" for each in sent] + [str(error) for error in errors]
    outcome = {"delivered": [fields(each) for each in sent], "errors": [str(error) for error in errors]}
    show(as_json, outcome, plain("\n".join(lines)))
    if errors:
        raise typer.Exit(UNREACHED if isinstance(errors[0], UnreachableError) else REFUSED)
