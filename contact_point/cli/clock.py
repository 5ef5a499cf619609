"""Our own clock: whether the time is believed, and a person's word where it is in doubt (Article 11(3))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.terminal import HERE, SETTING_UP, Json, Root, app, now, opened, plain, show

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.service import Installation

clock_app = typer.Typer(help="Whether the time is believed here, why not, and a person's word that it is right.")
app.add_typer(clock_app, name="clock", rich_help_panel=SETTING_UP)


@clock_app.callback(invoke_without_command=True)
def clock(context: typer.Context, root: Root = HERE, as_json: Json = False) -> None:
    """Show whether the time is believed, since when it is in doubt and why; and how old the wrapping keys are (Articles 8, 9).

    While it is in doubt no record is deleted (Article 11(3)). The service looks every minute; this is what it saw last.
    """
    if context.invoked_subcommand is not None:
        return
    from contact_point import health

    at = now()
    with opened(root) as here:
        seen, lines = _seen(here, at)
        wrapped = health.wrapped(here.settings)
    hours = here.settings.keys.rotate_hours
    for name, made in wrapped.items():
        when = "never" if made is None else f"on {made:%Y-%m-%d %H:%M} UTC"
        late = health.is_overdue(made, here.settings, at)
        lines.append(f"The wrapping key of {name} was made {when}" + (f"; {hours} hours are over." if late else "."))
    show(as_json, {"now": at, **seen, "wrapping_keys": wrapped}, plain("\n".join(lines)))


def _seen(here: Installation, at: datetime) -> tuple[dict[str, Any], list[str]]:
    """Return what was seen of the clock last, for a program and for a person."""
    from contact_point.timekeeping import JUMP, Alarm

    with here.store.reading() as tx:
        kept = tx.clock()
    lines = [f"It is {at:%Y-%m-%d %H:%M:%S} UTC by this clock."]
    if kept is None:
        return {"believed": None}, [*lines, "The service has not looked at it yet: `pcsc serve` does so every minute."]
    if kept.alarmed:
        alarm = Alarm.of(kept.reason)
        lines += [
            f"The time is in doubt since {kept.seen:%Y-%m-%d %H:%M:%S}, when it was last believed: {alarm.words}.",
            "No record is deleted until two sources agree (Art. 11(3)). Or compare it with another clock, and if it is right:",
            "\n    pcsc clock confirm --by NAME --source 'WHICH CLOCK'\n",
        ]
        return {"believed": False, "since": kept.seen, "cause": alarm.cause, "why": alarm.words}, lines
    lines.append(f"The time is believed: {kept.seen:%Y-%m-%d %H:%M:%S} was the latest that was seen.")
    if abs(at - kept.seen) > JUMP:
        lines.append("That is not now: is `pcsc serve` running? It looks every minute.")
    if kept.reason:
        lines.append(f"It was in doubt before: {kept.reason}.")
    return {"believed": True, "since": kept.seen, "cause": None, "why": kept.reason}, lines


@clock_app.command("confirm")
def clock_confirm(
    by: Annotated[str, typer.Option(help="Who compared this clock with another one.")],
    source: Annotated[str, typer.Option(help="Which other one, such as 'speaking clock, 117'.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Confirm that this clock is right, by a second source: it ends a doubt of any cause, here and in the service."""
    at = now()
    with opened(root) as here, here.store.transaction() as tx:
        word = here.guard.confirm(tx, by, source, at)
    show(as_json, {"now": at, "word": word}, plain(f"It is noted, and told in the log of the service: {word}."))
