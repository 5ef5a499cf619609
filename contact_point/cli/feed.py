"""Our own gallery: a feed of dispositions, looked at, tried and applied; and why somebody is, or was, in view."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from contact_point.cli.terminal import FAILED, GALLERY, HERE, Json, Root, app, busy, now, opened, plain, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from contact_point.availability import Change, Diff
    from contact_point.feed import Explanation, Plan
    from contact_point.feed_files import FeedFile, Line
    from contact_point.service import Installation

feed_app = typer.Typer(
    help="Dispositions, as the national system feeds them: check, try and apply them (Annex II).", no_args_is_help=True
)
app.add_typer(feed_app, name="feed", rich_help_panel=GALLERY)

File = Annotated[Path, typer.Argument(metavar="FILE", help="The events: CSV, JSON Lines or a JSON array, in UTF-8.")]
Days = Annotated[int, typer.Option("--days", min=0, max=3660, help="How far to look for what time alone changes.")]


@feed_app.command()
def check(file: File, root: Root = HERE, as_json: Json = False) -> None:
    """Say what is wrong with a feed, every line at once; nothing is changed.

    A line says one event of one person, with the columns number, source, subject, date, event, and where the event asks for it
    case, arrested_on, born_on, withdraws:

        number,source,subject,date,event,case,arrested_on,born_on,withdraws
        417,NPA,person-1,2026-11-20,acquitted,Tokyo 2026 (wa) 123,2026-02-03,,

    Events of a case: arrested, pending, non_prosecution_art_248, prosecuted, convicted_not_final, convicted_final,
    non_prosecution_other, petty, juvenile_non_criminal, acquitted, case_struck. Of the person: born, wanted, no_longer_wanted,
    terrorist, no_longer_terrorist, died, erased. And withdrawn, of another event. Each Party's Annex II asks for some of them.
    """
    with opened(root) as here, busy("looking at the feed", quiet=as_json):
        made = _plan(here, _read(here, file), days=0)
    lines = [*_counted(made), *_notes(made), *_faults(made.refused)]
    told = {"counts": made.counts, "notes": made.notes, "refused": _refusals(made.refused)}
    show(as_json, told, "\n".join(map(plain, lines)))
    if made.refused:
        raise typer.Exit(FAILED)


@feed_app.command()
def diff(file: File, days: Days = 30, root: Root = HERE, as_json: Json = False) -> None:
    """Say who would enter and leave the view of Annex II if a feed were applied, and under which words; nothing is changed.

    It ends with the code of the plan, for `pcsc feed apply --plan`.
    """
    with opened(root) as here, busy("trying the feed", quiet=as_json):
        made = _plan(here, _read(here, file), days=days)
    lines = [
        *_counted(made),
        *_notes(made),
        *diff_lines(made.diff),
        *(f"Erased: {name}" for name in made.removed),
        *(f"By time alone: {_change(each)} on {each.on}" for each in made.ahead),
        *_matched(made),
        *_faults(made.refused),
        f"The plan's code: {made.code}",
    ]
    show(as_json, plan_fields(made), "\n".join(map(plain, lines)))
    if made.refused:
        raise typer.Exit(FAILED)


@feed_app.command()
def apply(
    file: File,
    by: Annotated[str, typer.Option("--by", help="Who answers for it.")],
    plan: Annotated[
        str, typer.Option("--plan", metavar="CODE", help="The code that `pcsc feed diff` ended with.")
    ] = "",
    unseen: Annotated[
        bool, typer.Option("--unseen", help="Apply it to the gallery as it is now, whoever enters or leaves the view.")
    ] = False,
    skip_invalid: Annotated[
        Path | None,
        typer.Option("--skip-invalid", metavar="REJECTS", help="Leave out what is refused, and write it to this file."),
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Apply a feed, whole or not at all: it decides from the next query on, and who is erased is gone at once (Annex II).

    The code is that of the plan which somebody looked at: where the gallery, the file or the day is another one,
    nothing is done.
    """
    from contact_point import feed, feed_files

    if bool(plan) is unseen:
        raise typer.BadParameter("say --plan with the code of `pcsc feed diff`, or --unseen")
    with opened(root) as here, busy("applying the feed", quiet=as_json):
        read = _read(here, file)
        if skip_invalid is not None:
            _write_private(skip_invalid, "")  # before anything is applied: rejects that cannot be kept would be lost
        skip = skip_invalid is not None
        made, entered = feed.apply(here, read, now(), by=by, code=plan or None, skip_invalid=skip)
        if skip_invalid is not None:
            skip_invalid.write_text(feed_files.write_rejects(made.refused), encoding="utf-8", newline="")
    lines = [*_counted(made), *_notes(made), *diff_lines(made.diff), *(f"Erased: {name}" for name in made.removed)]
    lines += [*_matched(made), *_faults(made.refused)]
    lines.append("Nothing is new, so nothing was applied." if entered is None else f"Applied as feed {entered.number}.")
    told = plan_fields(made) | {"feed": None if entered is None else entered.number}
    show(as_json, told, "\n".join(map(plain, lines)))


@feed_app.command()
def applied(root: Root = HERE, as_json: Json = False) -> None:
    """List the feeds that were applied: when, by whom, which file, and how many entered and left the view."""
    with opened(root) as here, here.store.reading() as tx:
        feeds = list(tx.feeds())
    told = [asdict(each) | {"counts": json.loads(each.counts)} for each in feeds]
    lines = []
    for each in told:
        numbers = ", ".join(f"{name} {number}" for name, number in each["counts"].items() if number)
        lines.append(
            f"{each['number']}: {each['at']:%Y-%m-%d %H:%M:%S}Z by {each['by']}; {numbers}; gallery at revision "
            f"{each['revision']}; SHA-256 {each['sha256']}"
        )
    show(as_json, told, "\n".join(map(plain, lines)) or "No feed was applied.")


@feed_app.command()
def explain(
    name: Annotated[str, typer.Argument(help="The person, as enrolled.")],
    at: Annotated[datetime | None, typer.Option("--at", help="At which time, in UTC; now where none is said.")] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Say whether a person is, or was at a time, in view of a query, under which words of Annex II, and by which events."""
    from contact_point import feed

    when = now() if at is None else at.replace(tzinfo=at.tzinfo or UTC)
    with opened(root) as here:
        found = feed.explain(here, name, when)
    show(as_json, _explanation_fields(found), "\n".join(map(plain, _explanation_lines(found))))


# What the commands share


def _read(here: Installation, file: Path) -> FeedFile:
    from contact_point import feed_files

    with file.open("rb") as opened_file:
        data = opened_file.read(feed_files.MAX_BYTES + 1)
    return feed_files.read_feed(data, here.settings.party, now().date())


def _plan(here: Installation, read: FeedFile, *, days: int) -> Plan:
    from contact_point import feed

    return feed.plan(here, read, now(), days=days)


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, and that was not there: rejects name persons."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
        file.write(text)


def _counted(made: Plan) -> list[str]:
    counts = made.counts
    return [
        f"Events: {counts['events']}, persons: {counts['persons']}. Known before: {made.known}. Refused: {len(made.refused)}.",
        *([f"Events of persons who were removed, passed over: {made.moot}."] if made.moot else []),
    ]


def _notes(made: Plan) -> list[str]:
    return [f"Note: {each}" for each in made.notes]


def _faults(lines: Sequence[Line]) -> list[str]:
    return [f"Refused: line {line.number}: {line.fault}" for line in lines]


def _refusals(lines: Iterable[Line]) -> list[dict[str, Any]]:
    return [{"line": line.number, "reason": line.fault} for line in lines]


def _matched(made: Plan) -> list[str]:
    # Art. 10(1): who becomes aware that what was told is incorrect notifies it; Rule 16 of 2018, Art. 5: an acquittal.
    return [
        f"The prints of {subject} matched in exchanges: {len(numbers)}. If that was wrong: pcsc correct --subject {subject}"
        for subject, numbers in made.matched.items()
    ]


_QUERY = {True: "an identified individual", False: "an unidentified individual"}


def diff_lines(found: Diff) -> list[str]:
    """Return what changes in the views as lines for a person."""
    lines = [f"Persons: {found.persons_before}, then {found.persons_after}."]
    lines += [
        f"In view of a query about {_QUERY[each.identified]}, on {found.on}: {each.before}, then {each.after}; enter "
        f"{each.enters}, leave {each.leaves}, change category {each.changes}."
        for each in found.counts
    ]
    return [*lines, *(_change(each) for each in found.changes)]


def _change(each: Change) -> str:
    return (
        f"{each.subject} {each.what} (query about {_QUERY[each.identified]}): from {each.before.clause}, {each.before.reason} "
        f"To {each.after.clause}, {each.after.reason}"
    )


def _change_fields(each: Change) -> dict[str, Any]:
    return {"what": each.what, **asdict(each)}


def diff_fields(found: Diff) -> dict[str, Any]:
    """Return what changes in the views, as a program is told it."""
    from contact_point.availability import SEARCHES

    changes = [_change_fields(each) for each in found.changes]
    return asdict(found) | {"searches": SEARCHES, "changes": changes}


def plan_fields(made: Plan) -> dict[str, Any]:
    """Return a plan as a program is told it."""
    return {
        "code": made.code,
        "sha256": made.sha256,
        "counts": made.counts,
        "notes": made.notes,
        "refused": _refusals(made.refused),
        "removed": made.removed,
        "diff": diff_fields(made.diff),
        "ahead": [_change_fields(each) for each in made.ahead],
        "matched_in": made.matched,
    }


def _explanation_fields(found: Explanation) -> dict[str, Any]:
    return {
        "at": found.at,
        "views": [{"identified": identified, **asdict(each)} for identified, each in found.places.items()],
        "entered": [asdict(each) for each in found.entered],
        "feeds": [asdict(each) | {"counts": json.loads(each.counts)} for each in found.feeds.values()],
    }


def _explanation_lines(found: Explanation) -> list[str]:
    lines = [
        f"At {found.at:%Y-%m-%d %H:%M:%S}Z {'in' if each.in_view else 'not in'} view of a query about {_QUERY[identified]}: "
        f"{each.clause}: {each.reason}"
        for identified, each in found.places.items()
    ]
    for each in found.entered:
        when = "Before a history was kept" if each.at is None else f"{each.at:%Y-%m-%d %H:%M:%S}Z"
        if each.standing is not None:
            cases = ", ".join(case.disposition for case in each.standing.cases) or "no case"
            lines.append(f"{when}: stated: {cases}")
        if (of := found.feeds.get(each.feed or 0)) is not None:
            lines.append(f"{when}: feed {of.number}, by {of.by}, SHA-256 {of.sha256}:")
        lines += [f"    {event.on} {event.kind}, {event.source} {event.number}" for event in each.events]
    return lines
