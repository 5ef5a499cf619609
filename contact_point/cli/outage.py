"""Out of service: what either contact point announced, to announce and to end it (Article 4(1))."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.correspondence import moment_of
from contact_point.cli.terminal import BOTH, HERE, Json, Root, app, busy, now, opened, show
from pcsc.messages import OutageReason

if TYPE_CHECKING:
    from pcsc.messages import OutageNotice

outage_app = typer.Typer(
    help="When either contact point is out of service: announce it, list it, end it.", no_args_is_help=True
)
app.add_typer(outage_app, name="outage", rich_help_panel=BOTH)

_Time = typer.Option(parser=moment_of, metavar="TIME", help="With its offset from UTC.")


@outage_app.command()
def announce(
    until: Annotated[datetime, _Time],
    begins: Annotated[
        datetime | None, typer.Option("--from", parser=moment_of, metavar="TIME", help="Now, if not named.")
    ] = None,
    reason: Annotated[OutageReason, typer.Option(help="Of which class it is.")] = OutageReason.MAINTENANCE,
    unplanned: Annotated[bool, typer.Option("--unplanned", help="It was not planned.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Tell the other contact point that this one is out of service for a time (Article 4(1)); what waits, waits until then."""
    from contact_point import outages

    at = now()
    with opened(root) as here, busy("announcing", quiet=as_json):
        exchange = outages.announce(here, begins=begins or at, ends=until, reason=reason, planned=not unplanned, now=at)
    said = f"The other contact point knows that we are out of service until {until:%Y-%m-%d %H:%M} UTC."
    number = exchange.control_number
    show(as_json, {"outage": number, "until": until}, f"{said}\nWhere it is over before: pcsc outage end {number}")


@outage_app.command("list")
def list_outages(root: Root = HERE, as_json: Json = False) -> None:
    """List what either contact point announced and is not over."""
    from contact_point import outages

    with opened(root) as here:
        found = outages.announced(here, now())
    told = [
        {
            "outage": each.control_number,
            "party": each.raised_by,
            "from": each.begins,
            "until": each.ends,
            "planned": each.planned,
            "reason": each.reason,
        }
        for each in found
    ]
    show(as_json, told, "\n".join(map(_line, found)) or "No contact point has announced that it is out of service.")


def _line(each: OutageNotice) -> str:
    planned = "planned" if each.planned else "not planned"
    times = f"{each.begins:%Y-%m-%d %H:%M} to {each.ends:%Y-%m-%d %H:%M} UTC"
    return f"{each.control_number}: {each.raised_by}, {times}, {planned}: {each.reason}"


@outage_app.command("end")
def end_outage(
    number: Annotated[str, typer.Argument(metavar="OUTAGE", help="Its number, as `pcsc outage list` lists it.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Tell the other contact point that an outage of ours is over, or does not come."""
    from contact_point import outages

    with opened(root) as here, busy("telling", quiet=as_json):
        outages.end(here, number, now())
    show(as_json, {"outage": number}, "The other contact point knows that we are in service.")
