"""The record of Article 11, for whoever looks after it: search it, tell what happened in an exchange, export entries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from contact_point.cli.terminal import HERE, Json, Root, busy, now, opened, plain, record_app, show
from contact_point.columns import Form
from pcsc.records import Direction
from pcsc.searches import Asked
from pcsc.traces.terms import Language

if TYPE_CHECKING:
    from contact_point.inspection import Deletion, Moment, Timeline
    from pcsc.records import Entry

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
Since = Annotated[
    datetime | None,
    typer.Option("--since", formats=_TIMES, help="From this day or moment on (UTC).", show_default=False),
]
Before = Annotated[
    datetime | None,
    typer.Option("--until", formats=_TIMES, help="Before this day or moment (UTC).", show_default=False),
]
Events = Annotated[
    list[str] | None, typer.Option("--event", help="This type of message or act, such as deletion; may be repeated.")
]
Directions = Annotated[list[Direction] | None, typer.Option("--direction", help="Provided, received, or our own acts.")]
Articles = Annotated[
    list[str] | None, typer.Option("--article", help="Under this article, or clause: 8, or 8(1); may be repeated.")
]
Authorities = Annotated[
    list[str] | None, typer.Option("--authority", help="Of this authority: its identifier, name or unit, in full.")
]
ExchangeOf = Annotated[str, typer.Option("--exchange", help="Of the exchange with this control number.")]


def asked(
    since: datetime | None,
    until: datetime | None,
    event: list[str] | None,
    direction: list[Direction] | None,
    article: list[str] | None,
    authority: list[str] | None,
    exchange: str,
) -> Asked:
    """Return what is asked of the record."""
    begins, ends = (None if at is None else at.replace(tzinfo=UTC) for at in (since, until))
    return Asked(
        since=begins,
        until=ends,
        events=tuple(event or ()),
        directions=tuple(direction or ()),
        articles=tuple(article or ()),
        authorities=tuple(authority or ()),
        exchange=exchange,
    )


@dataclass(frozen=True, slots=True)
class Chosen:
    """What was said of an export on the command line."""

    asked: Asked
    form: Form | None
    by: str
    without: tuple[str, ...]

    def refuse_for_whole_record(self) -> None:
        """Refuse what a whole record, in one file, cannot do.

        Raises:
            typer.BadParameter: a part of it was asked for.

        """
        if (self.asked, self.by, self.without) != (Asked(), "", ()):
            raise typer.BadParameter(
                "a whole record is one file of every place; to choose entries or columns, say --as csv, jsonl or parquet",
                param_hint="--as",
            )


def export_rows(folder: Path, chosen: Chosen, root: Path, *, resume: bool, as_json: bool) -> None:
    """Write an export in its folder, or go on with it."""
    from contact_point import exports

    at = now()
    with opened(root) as here, Console(stderr=True, quiet=as_json).status("reading the record") as status:

        def told(what: str, done: int, of: int) -> None:
            status.update(f"{what}: {done} of {of}")

        if not resume:
            form = chosen.form or "csv"
            made = exports.plan(here, chosen.asked, form=form, left_out=chosen.without, by=chosen.by, now=at, told=told)
            exports.begin(here, folder, made, at)
        made = exports.write(here, folder, told=told)
    counts = made.counts
    lines = [
        f"{counts.rows} rows of {counts.places} places are in {plain(str(folder))}, to be kept until {made.expires_at[:10]}.",
        "Check it, where it goes to, with the card of this contact point:",
        "",
        f"    pcsc-verify export {plain(str(folder))} --key {plain(str(root / 'card.json'))}",
    ]
    told_of = {"folder": str(folder), "completeness": made.completeness, "counts": asdict(counts)}
    show(as_json, told_of | {"until": made.expires_at}, "\n".join(lines))


@record_app.command("search")
def record_search(
    since: Since = None,
    until: Before = None,
    event: Events = None,
    direction: Directions = None,
    article: Articles = None,
    authority: Authorities = None,
    exchange: ExchangeOf = "",
    begin: Annotated[int, typer.Option(min=0, help="From this entry on.")] = 0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Search the record, from its first entry on (Article 11). All entries of a period are opened for it, one by one."""
    from contact_point import inspection

    wanted = asked(since, until, event, direction, article, authority, exchange)
    with opened(root) as here, busy("reading the record", quiet=as_json):
        found = list(islice(inspection.search(here, wanted, begin=begin), limit + 1))
    lines = [_line(entry) for entry in found[:limit]] or ["Nothing in the record is as asked for."]
    if len(found) > limit:
        lines.append(f"There is more: --begin {found[limit].number}, or --limit.")
    show(as_json, [_fields(entry) for entry in found[:limit]], "\n".join(lines))


def _line(entry: Entry) -> str:
    """Return an entry as a line."""
    note = f": {entry.note}" if entry.note else ""
    types = f" ({', '.join(entry.information)})" if entry.information else ""
    what = f"{entry.number}  {entry.at:%Y-%m-%d %H:%M:%S}Z  {entry.exchange}  {entry.direction} {entry.event}"
    return plain(f"{what}, Art. {entry.article}{types}{note}")


def _fields(entry: Entry) -> dict[str, Any]:
    """Return what a program is told of an entry: the columns of an export."""
    from contact_point.columns import COLUMNS

    return {column.name: column.of(entry) for column in COLUMNS}


@record_app.command("timeline")
def record_timeline(
    ref: Annotated[
        str, typer.Argument(metavar="REF", help="The exchange's control number, or the reference number of its match.")
    ],
    lang: Annotated[
        Language, typer.Option(help="The language of what was decided: English or Japanese.")
    ] = Language.EN,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Tell what happened in an exchange: when, by whom, under which clause, what was decided and why, what was destroyed."""
    from contact_point import inspection

    at = now()
    with opened(root) as here, busy("reading the record", quiet=as_json):
        found = inspection.timeline(here, ref, at)
    show(as_json, _told(found, lang), "\n".join(_lines(found, lang)))


def _told(found: Timeline, lang: Language) -> dict[str, Any]:
    """Return what a program is told of a timeline."""
    return {
        "exchange": found.exchange.control_number,
        "state": found.exchange.state,
        "kept_under": found.exchange.kept_under,
        "ends_at": found.ends_at,
        "held": found.held,
        "moments": [_fields(each.entry) | _decided(each, lang) for each in found.moments],
        "receipts": [_receipt(each.text()) for each in found.receipts],
    }


def _decided(moment: Moment, lang: Language) -> dict[str, Any]:
    proof = moment.proof
    return {
        "decision": moment.trace and moment.trace.decision,
        "words": _words(moment, lang),
        "proof": proof
        and {"index": proof.index, "checkpoint": str(proof.checkpoint.at), "of": proof.checkpoint.head.size},
    }


def _receipt(text: str) -> list[str]:
    return text.splitlines()


def _words(moment: Moment, lang: Language) -> tuple[str, ...]:
    """Return why it was decided so, in words."""
    from pcsc.traces.wording import words

    return (moment.fault,) if moment.fault else () if moment.trace is None else words(moment.trace, lang)


def _lines(found: Timeline, lang: Language) -> list[str]:
    """Return a timeline for a person."""
    exchange = found.exchange
    lines = [f"{exchange.control_number}: [bold]{exchange.state}[/]"]
    for each in found.moments:
        lines.append(f"[bold]{_line(each.entry)}[/]")
        lines += [f"    {plain(line)}" for line in _words(each, lang)]
        lines.append(f"    {_shown(each)}")
    lines += [
        f"{each.party} signed that it destroyed: {each.destroyed}, Art. {each.article}, {each.at:%Y-%m-%d %H:%M:%S}Z"
        for each in found.receipts
    ]
    held = ", ".join(found.held) or "nothing"
    until = f"its term ends on {found.ends_at:%Y-%m-%d}" if found.ends_at else "its term has not begun to end"
    kept = f"; kept under {plain(exchange.kept_under)}" if exchange.kept_under else ""
    return [*lines, f"Held of it now: {held}. Art. 11(3): {until}{kept}."]


def _shown(moment: Moment) -> str:
    """Return what shows that an entry stands in the record."""
    if moment.proof is None:
        return "not under a checkpoint of both yet"
    checkpoint = moment.proof.checkpoint
    return f"leaf {moment.proof.index}, under the checkpoint that both signed, of {checkpoint.at:%Y-%m-%d %H:%M:%S}Z"


@record_app.command("deletions")
def record_deletions(
    since: Since = None,
    until: Before = None,
    article: Articles = None,
    exchange: ExchangeOf = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List what was destroyed: by us, as the record says, and by the other contact point, as it signed (8(1), 8(2))."""
    from contact_point import inspection

    wanted = asked(since, until, None, None, article, None, exchange)
    with opened(root) as here, busy("reading the record", quiet=as_json):
        found = list(inspection.deletions(here, wanted))
    show(as_json, [_deletion(each) for each in found], "\n".join(map(_deleted, found)) or "Nothing was destroyed.")


def _deletion(found: Deletion) -> dict[str, Any]:
    told = {"exchange": found.exchange, "what": found.what, "article": found.article, "at": found.at}
    receipt = None if found.receipt is None else _receipt(found.receipt.text())
    return told | {"entry": None if found.entry is None else found.entry.number, "receipt": receipt}


def _deleted(found: Deletion) -> str:
    shown = f"entry {found.entry.number}" if found.entry is not None else "by the other contact point, which signed it"
    return f"{found.at:%Y-%m-%d %H:%M:%S}Z  {plain(found.exchange)}  {plain(found.what)}, Art. {found.article}: {shown}"


@record_app.command("holds")
def record_holds(root: Root = HERE, as_json: Json = False) -> None:
    """List the records that a law orders, or ordered, to keep beyond their term (Article 11(3))."""
    from contact_point import inspection

    at = now()
    with opened(root) as here, busy("reading the record", quiet=as_json):
        found = inspection.holds(here, at)
    lines = []
    for each in found:
        kept = f"kept under {plain(each.kept_under)}" if each.kept_under else "no longer kept"
        lines += [f"{each.exchange}: {kept}", *(f"    {_line(entry)}" for entry in each.entries)]
    told = [
        {"exchange": each.exchange, "kept_under": each.kept_under, "ends_at": each.ends_at}
        | {"entries": [_fields(entry) for entry in each.entries]}
        for each in found
    ]
    show(as_json, told, "\n".join(lines) or "No record is, or was, kept beyond its term.")


@record_app.command("breaches")
def record_breaches(since: Since = None, until: Before = None, root: Root = HERE, as_json: Json = False) -> None:
    """List the notices of breaches of protection, given and received (Article 9)."""
    from contact_point import inspection

    wanted = asked(since, until, None, None, None, None, "")
    with opened(root) as here, busy("reading the record", quiet=as_json):
        found = list(inspection.breaches(here, wanted))
    lines = [_line(each.entry) + (f"; {plain(each.late)}" if each.late else "") for each in found]
    told = [_fields(each.entry) | {"given": each.given, "late": each.late} for each in found]
    show(as_json, told, "\n".join(lines) or "No breach was notified.")
