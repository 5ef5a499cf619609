"""Both sides: what waits for a person here, and the messages of ours that did not arrive."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from contact_point.cli.terminal import (
    HERE,
    REFUSED,
    UNREACHED,
    Json,
    Root,
    app,
    busy,
    clock,
    fields,
    opened,
    plain,
    show,
)

if TYPE_CHECKING:
    from pcsc.duties import Duty
    from pcsc.exchange import Exchange


@app.command()
def inbox(
    everything: Annotated[bool, typer.Option("--all", help="Every exchange, not only those that wait for us.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List what waits for a person here, with its article and the day it is due."""
    from pcsc.duties import Content, due

    with opened(root) as here:
        with here.store.transaction() as tx:
            exchanges = tx.exchanges()
            unsent = {held.exchange for held in tx.held() if held.kind is Content.MESSAGE}
        owed = [(each, _undelivered(each, unsent) or due(each, here.settings.arrangement)) for each in exchanges]
    shown = [(exchange, duty) for exchange, duty in owed if everything or duty is not None]
    if as_json:
        rows = [fields(exchange) | {"duty": None if duty is None else asdict(duty)} for exchange, duty in shown]
        show(True, rows, "")
        return
    table = Table(box=None)
    for heading in ("exchange", "side", "state", "what is due", "Art.", "by"):
        table.add_column(heading, no_wrap=heading in {"exchange", "by"})
    for exchange, duty in shown:
        what = ("", "", "") if duty is None else (duty.what, duty.article, f"{duty.by:%Y-%m-%d}")
        table.add_row(exchange.control_number, exchange.side, exchange.state, *what)
    Console().print(table if shown else "Nothing waits here.")


def _undelivered(exchange: Exchange, unsent: set[str]) -> Duty | None:
    """Return that a message of ours did not arrive, which comes before anything else."""
    from pcsc.duties import Duty

    if exchange.control_number not in unsent:
        return None
    return Duty(exchange.control_number, "send our message again: `pcsc resume`", "3(3)", exchange.last_event_at)


@app.command()
def resume(root: Root = HERE, as_json: Json = False) -> None:
    """Send every message again that was committed and not delivered; each is answered once."""
    from contact_point import delivery
    from contact_point.client import UnreachableError

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
