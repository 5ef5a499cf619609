"""Both sides: who is on duty here, and whether the other contact point is there."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta

from contact_point.cli.terminal import BOTH, HERE, Json, Root, app, busy, now, opened, plain, show


@app.command(rich_help_panel=BOTH)
def roster(root: Root = HERE, as_json: Json = False) -> None:
    """Show who is on duty now, from the folder's roster.toml, and when in the week nobody is."""
    from contact_point import settings
    from contact_point.roster import read_roster

    at = now()
    read = read_roster(settings.read(root).folder.roster)
    on_duty, gaps = read.on_duty(at), read.gaps()
    lines = [f"On duty now, {at:%A %H:%M} UTC:"]
    lines += [f"    {plain(shift.who)}: {plain(shift.contact)}" for shift in on_duty] or ["    [bold red]nobody[/]"]
    lines.append("Nobody is on duty, every week, in UTC:" if gaps else "The week is covered, day and night.")
    lines += [f"    {gap.begins} to {gap.ends}" for gap in gaps]
    told = {
        "at": at,
        "on_duty": [{"who": shift.who, "contact": shift.contact} for shift in on_duty],
        "gaps": [asdict(gap) for gap in gaps],
    }
    show(as_json, told, "\n".join(lines))


@app.command(rich_help_panel=BOTH)
def reach(root: Root = HERE, as_json: Json = False) -> None:
    """Ask the other contact point for a sign of life, signed both ways; nothing is recorded. It ends with 4 if none came."""
    from contact_point import reachability

    with opened(root) as here, busy("asking", quiet=as_json):
        reached = reachability.reach(here, now())
        other = here.settings.party.other
    milliseconds = timedelta(milliseconds=1)
    told = {
        "reached": other,
        "round_trip_ms": round(reached.round_trip / milliseconds, 1),
        "clock_ahead_ms": round(reached.ahead / milliseconds),
    }
    show(
        as_json,
        told,
        f"The contact point of {other} is there: {told['round_trip_ms']} ms there and back; its clock is "
        f"{abs(reached.ahead) / timedelta(seconds=1):.1f} s {'behind' if reached.ahead < timedelta() else 'ahead of'} ours.",
    )
