"""The doctor: what is wrong with an installation or the machine it stands on, and what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.terminal import FAILED, HERE, SETTING_UP, Json, Root, app, now, opened, plain, show

if TYPE_CHECKING:
    from contact_point.health import Finding


@app.command(rich_help_panel=SETTING_UP)
def doctor(
    reach: Annotated[
        bool, typer.Option("--reach", help="Ask the other contact point for a sign of life, too.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Look at everything that can be looked at: files, keys, token, database, clock, certificates, the machine (Articles 8, 9).

    Ends with 1 where something stands in the way. Run it as the account of the service. A running service says what it finds of
    itself at its loopback port, where `[operation] port` names one.
    """
    from contact_point import doctor, hardening, health, settings
    from contact_point.health import Finding, Level

    found = doctor.around(settings.read(root))
    try:
        with opened(root) as here:
            found += doctor.inside(here, now(), reach=reach)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being opened is what was asked for
        found.append(Finding("installation", Level.FAILING, hardening.said(error)))
    worst = health.worst(found)
    show(as_json, {"status": worst, "found": [asdict(each) for each in found]}, "\n".join(map(_line, found)))
    if worst is Level.FAILING:
        raise typer.Exit(FAILED)


def _line(each: Finding) -> str:
    mark = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "failing": "[bold red]failing[/]"}[each.level]
    return f"{mark}  {each.what}: {plain(each.said)}"
