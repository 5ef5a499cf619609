"""The queried side: a person answers a request for further information. Queries are answered with nobody in the path."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.terminal import (
    HERE,
    QUERIED,
    Json,
    Number,
    Root,
    app,
    busy,
    item_lines,
    now,
    opened,
    plain,
    show,
    show_exchange,
)
from pcsc.messages import Ground
from pcsc.use import Purpose

if TYPE_CHECKING:
    from contact_point.service import Installation


@app.command(rich_help_panel=QUERIED)
def answer(
    number: Number,
    give: Annotated[list[str] | None, typer.Option(help="An item to give. Repeat for more.")] = None,
    refuse: Annotated[
        list[str] | None, typer.Option(metavar="[ITEM=]REASON", help="Refuse an item, or all of it, with the reason.")
    ] = None,
    ground: Annotated[Ground, typer.Option(help="The ground of the refusals.")] = Ground.NOT_RELEVANT,
    condition: Annotated[str, typer.Option(help="A condition on the use of what is given (Article 8(8)).")] = "",
    forbid: Annotated[list[Purpose] | None, typer.Option(help="A purpose that the condition forbids.")] = None,
    by: Annotated[str, typer.Option(help="Who deems what is given relevant, and decides (Article 5(2)).")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Answer a request for further information (Article 5(2)); without options, show it and what may be given."""
    from contact_point import queried
    from pcsc.messages import Condition, Refusal

    if forbid and not condition:
        raise typer.BadParameter("what a condition forbids goes with its words: add --condition", param_hint="--forbid")
    with opened(root) as here:
        if not give and not refuse:
            _show_request(here, number, as_json)
            return
        conditions = [Condition(condition, tuple(forbid or ()))] if condition else []
        refusals = []
        for each in refuse or []:
            item, equals, reason = each.partition("=")
            refusals.append(Refusal(ground, reason, item) if equals else Refusal(ground, each))
        with busy("sending", quiet=as_json):
            exchange = queried.answer_request(
                here, number, give=give or [], refusals=refusals, conditions=conditions, by=by, now=now()
            )
    show_exchange(exchange, as_json)


def _show_request(here: Installation, number: str, as_json: bool) -> None:
    from contact_point import queried

    asked, available = queried.notification_of(here, number)
    notification = asked.notification
    show(
        as_json,
        {"request": asdict(asked), "available": [asdict(item) for item in available]},
        f"{asked.authority.name}, {asked.authority.unit} asks for {', '.join(notification.items)}.\n"
        f"Purpose: {plain(notification.purpose)}\nSigned: {plain(notification.signed_by)}\n"
        f"Available when the request came (Art. 5(2)):\n{item_lines(available) or '    nothing'}\n"
        f"Give or refuse each item:\n\n"
        f"    pcsc answer {number} --give ITEM --refuse ITEM=REASON --by NAME \\[--condition TEXT --forbid PURPOSE]",
    )
