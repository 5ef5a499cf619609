"""The figures of the record: for consultations (Article 14), for Japan's yearly report, and how old what is owed has grown."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.terminal import HERE, RECORD, Json, Root, app, busy, now, opened, plain, show

if TYPE_CHECKING:
    from contact_point.service import Installation


@app.command(rich_help_panel=RECORD)
def statistics(
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day (UTC) of the period.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day (UTC), included.")
    ] = None,
    rule_16: Annotated[
        int | None,
        typer.Option(
            metavar="YEAR",
            min=2019,
            max=9998,
            help="The yearly report of Japan's Rule 16 of 2018 instead: four figures.",
        ),
    ] = None,
    ageing: Annotated[bool, typer.Option("--ageing", help="What is owed today instead, and how late it is.")] = False,
    charts: Annotated[
        Path | None,
        typer.Option(
            help="With a period: a new folder for charts (SVG) and a page with their tables, in both languages."
        ),
    ] = None,
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="With a period: without small counts, which tell of persons.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Count the record for consultations with the other Party (Article 14): figures of a period, and nobody's data."""
    period = first is not None or last is not None
    if period + (rule_16 is not None) + ageing != 1 or (period and (first is None or last is None)):
        raise typer.BadParameter("name a period with --from and --to, or a year with --rule-16, or --ageing alone")
    if (charts or suppressed) and not period:
        raise typer.BadParameter("charts, and figures without small counts, are of a period: add --from and --to")
    with opened(root) as here, busy("reading the record", quiet=as_json):
        if ageing:
            _show_ageing(here, as_json)
        elif rule_16 is not None:
            _show_rule_16(here, rule_16, as_json)
        elif first is not None and last is not None and charts is not None:
            _draw(here, first.date(), last.date(), charts, suppressed=suppressed, as_json=as_json)
        elif first is not None and last is not None:
            nothing = "none, or not told (small)" if suppressed else "none"
            _show_pack(packed(here, first.date(), last.date(), suppressed=suppressed), nothing, as_json)


def packed(here: Installation, first: date, last: date, *, suppressed: bool) -> dict[str, Any]:
    """Return the figures of a period by their names; ``suppressed``: without small counts."""
    from pcsc import statistics as figures

    # The arrangement of the last day, not of today's: the same period gives the same figures whenever they are counted.
    days = here.settings.arrangements.at(last).explanation_reply_days
    with here.store.reading() as tx:
        made = figures.pack(tx.entries(), first, last, here.settings.party, explanation_days=days)
    return figures.suppressed(made) if suppressed else asdict(made)


def _show_pack(made: dict[str, Any], nothing: str, as_json: bool) -> None:
    from pcsc.statistics import canonical

    if as_json:  # the one text of these figures: the same record gives the same bytes
        sys.stdout.write(canonical(made) + "\n")
        return
    lines = [f"{made['ours']}, {made['first']} to {made['last']} (UTC), counted from the record of Article 11:"]
    figures = {name: value for name, value in made.items() if name not in {"ours", "first", "last"}}
    show(False, {}, "\n".join([*lines, *_lines(figures, nothing=nothing)]))


def _draw(here: Installation, first: date, last: date, folder: Path, *, suppressed: bool, as_json: bool) -> None:
    """Write the charts of a period, and of today's deadlines, into a new folder."""
    from annex.parameters import rules_in_force
    from contact_point.documents import charts
    from pcsc import figures
    from pcsc.duties import due
    from pcsc.traces.terms import Language

    moment = now()
    arrangement, rules = here.settings.arrangement(moment), rules_in_force(moment.date())
    with here.store.reading() as tx:
        entries = list(tx.entries())
        duties = [duty for each in tx.exchanges() for duty in due(each, arrangement, rules)]
    months = figures.false_candidates(entries, first, last)
    times, near = figures.examination_times(entries, first, last), figures.nearness(duties, moment)
    arranged = max(first, here.settings.arrangements.versions[0].in_force_from)
    days = figures.quotas(entries, here.settings.arrangements, arranged, last)
    if suppressed:
        months, days = figures.suppressed_months(months), figures.suppressed_days(days)
        times, near = figures.suppressed(times), figures.suppressed(near)
    drawn = [
        charts.false_candidates(months),
        charts.examination_times(times),
        charts.nearness(near),
        *charts.quotas(days),
    ]
    folder.mkdir()
    for language in Language:
        (folder / f"figures.{language}.html").write_text(charts.page(drawn, language), encoding="utf-8")
        for chart in drawn:
            (folder / f"{chart.name}.{language}.svg").write_text(charts.svg(chart, language), encoding="utf-8")
    written = sorted(path.name for path in folder.iterdir())
    show(as_json, {"folder": str(folder), "files": written}, f"{plain(str(folder))}: {', '.join(written)}")


def _lines(figures: dict[str, Any], indent: str = "    ", nothing: str = "none") -> list[str]:
    """Return figures as lines, one a name; figures of figures stand below their name. ``nothing`` is what None says."""
    lines = []
    for name, value in figures.items():
        said = name.replace("_", " ")
        if isinstance(value, dict) and any(isinstance(each, dict) for each in value.values()):
            lines += [f"{indent}{said}:", *_lines(value, f"{indent}    ", nothing)]
        elif isinstance(value, dict):
            listed = ", ".join(f"{key} {nothing if number is None else number}" for key, number in value.items())
            lines.append(f"{indent}{said}: {listed or 'none'}")
        else:
            lines.append(f"{indent}{said}: {nothing if value is None else value}")
    return lines


def _show_rule_16(here: Installation, year: int, as_json: bool) -> None:
    from pcsc import statistics as figures

    with here.store.reading() as tx:
        made = asdict(figures.rule_16(tx.entries(), year, here.settings.party))
    show(as_json, made, "\n".join(_lines(made, "")))


def _show_ageing(here: Installation, as_json: bool) -> None:
    from annex.parameters import rules_in_force
    from pcsc.duties import due
    from pcsc.statistics import ageing

    moment = now()
    arrangement, rules = here.settings.arrangement(moment), rules_in_force(moment.date())
    with here.store.transaction() as tx:
        kinds = ageing((duty for each in tx.exchanges() for duty in due(each, arrangement, rules)), moment)
    lines = [
        f"Art. {each.article}, {each.what}: {each.waiting} waiting, {each.overdue} overdue, by {each.oldest_days} days at most"
        for each in kinds
    ]
    show(as_json, [asdict(each) for each in kinds], "\n".join(lines) or "Nothing waits here.")
