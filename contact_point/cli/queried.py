"""The queried side: a person answers a request for further information. Queries are answered with nobody in the path.

Beside the answer: whether and when it can be given, before it; and whether an urgent request was urgent, after it.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
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
from pcsc.assistance import Capacity, Lack, Outcome
from pcsc.cooperation import Wanted
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
    referral: Annotated[
        Wanted | None,
        typer.Option(
            metavar="WANTED",
            help="With --ground must-be-governed: what must be requested otherwise, as `pcsc advise` names it. The reason then "
            "says under which agreement, and of whom (Article 5(4)).",
        ),
    ] = None,
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
    if referral and (ground is not Ground.MUST_BE_GOVERNED or not refuse):
        raise typer.BadParameter(
            "a referral goes with a refusal on the ground must-be-governed (Article 5(4))", param_hint="--referral"
        )
    with opened(root) as here:
        if not give and not refuse:
            _show_request(here, number, as_json)
            return
        conditions = [Condition(condition, tuple(forbid or ()))] if condition else []
        card = f" {_referred(here, referral)}" if referral else ""
        refusals = []
        for each in refuse or []:
            item, equals, reason = each.partition("=")
            refusals.append(Refusal(ground, reason + card, item) if equals else Refusal(ground, each + card))
        with busy("sending", quiet=as_json):
            exchange = queried.answer_request(
                here, number, give=give or [], refusals=refusals, conditions=conditions, by=by, now=now()
            )
    show_exchange(exchange, as_json)


def _referred(here: Installation, wanted: Wanted) -> str:
    """Return which agreement must govern what is wanted, for the reason of a refusal: Article 5(4)."""
    from contact_point import advice

    ours = here.settings.party
    return advice.referral(wanted, ours.other, ours, now().date())


@app.command(rich_help_panel=QUERIED)
def capacity(
    number: Number,
    answer: Annotated[Capacity, typer.Argument(help="Can the request be answered?")],
    expected: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The day on which the answer is expected.")
    ] = None,
    lacking: Annotated[list[Lack] | None, typer.Option(help="What is lacking. Repeat for more.")] = None,
    reason: Annotated[str, typer.Option(help="Why not in full.")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Tell whether an open request can be answered, and when, before the answer itself; no time limit changes by it."""
    from contact_point import correspondence
    from pcsc.assistance import CapacityAnswer

    made = CapacityAnswer(answer, expected.date() if expected else None, tuple(lacking or ()), reason)
    with opened(root) as here, busy("telling the other contact point", quiet=as_json):
        exchange = correspondence.tell_capacity(here, number, made, now())
    show_exchange(exchange, as_json)


@app.command(rich_help_panel=QUERIED)
def urgency(
    number: Number,
    outcome: Annotated[Outcome, typer.Option(help="Was the risk significant and imminent?")],
    reason: Annotated[str, typer.Option(help="Why, in a few words and without names: it stands in the record.")],
    by: Annotated[str, typer.Option(help="Who reviewed it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Note what the review of an urgent request found, after it was answered."""
    from contact_point import correspondence

    with opened(root) as here:
        exchange = correspondence.review_urgency(here, number, outcome, reason=reason, by=by, now=now())
    show_exchange(exchange, as_json, f"The urgency is reviewed: {outcome}.\n")


def _show_request(here: Installation, number: str, as_json: bool) -> None:
    from contact_point import queried

    asked, available = queried.notification_of(here, number)
    notification = asked.notification
    show(
        as_json,
        {"request": asdict(asked), "available": [asdict(item) for item in available]},
        f"{asked.authority.name}, {asked.authority.unit} asks for {', '.join(notification.items)}.\n"
        f"Purpose: {plain(notification.purpose)}\nCase: {plain(notification.case_reference)}\n"
        f"Offences: {plain('; '.join(str(each) for each in notification.basis.offences))} ({notification.basis.activity})\n"
        + (f"Urgent: {plain(asked.risk)}\n" if asked.risk else "")
        + f"Signed: {plain(notification.signed_by)}\n"
        f"Available when the request came (Art. 5(2)):\n{item_lines(available) or '    nothing'}\n"
        f"Give or refuse each item:\n\n"
        f"    pcsc answer {number} --give ITEM --refuse ITEM=REASON --by NAME \\[--condition TEXT --forbid PURPOSE]",
    )
