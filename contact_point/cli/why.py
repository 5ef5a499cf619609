"""Both sides: why it was decided so, from the traces in the record, and making each decision again (Article 11(1))."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from contact_point.cli.terminal import FAILED, HERE, RECORD, Json, Root, app, busy, opened, plain, show
from pcsc.traces.terms import Language

if TYPE_CHECKING:
    from pathlib import Path

    from contact_point.store import Applied
    from pcsc.arrangement import Arrangements
    from pcsc.records import Entry
    from pcsc.traces import Trace, ViewNow

Reference = Annotated[
    str, typer.Argument(metavar="REF", help="The exchange's control number, or the reference number of its match.")
]


@app.command(rich_help_panel=RECORD)
def why(
    ref: Reference,
    lang: Annotated[Language, typer.Option(help="The language: English or Japanese.")] = Language.EN,
    for_other_party: Annotated[
        bool, typer.Option("--for-other-party", help="Only what the other Party may see; it says what is withheld.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Say why everything in an exchange was decided as it was: the clause, the rules, what it rested on, what came out."""
    from pcsc import traces
    from pcsc.traces.wording import words

    number, entries = _decided(root, ref, quiet=as_json)
    feeds = () if for_other_party else _feeds(root)
    told: list[tuple[Entry, Trace | None, tuple[str, ...]]] = []
    for entry in entries:
        try:
            trace = traces.read(entry.trace)
        except traces.TraceError as error:
            told.append((entry, None, (str(error),)))
            continue
        shown = traces.redacted(trace) if for_other_party else trace
        told.append((entry, shown, (*words(shown, lang), *_feed_before(entry, shown, feeds, lang))))
    show(
        as_json,
        [_fields(*each) for each in told],
        "\n\n".join(_lines(*each, lang) for each in told)
        or f"No decision in exchange {number} has a trace in the record: its term has ended, or nothing was decided yet.",
    )


_FEED: Final = {
    Language.EN: (
        "Of the feeds of dispositions, number {0.number} was the last that the gallery had taken in: applied at "
        "{0.at:%Y-%m-%d %H:%M:%S}Z by {0.by}, SHA-256 {0.sha256} (`pcsc feed explain` says of whom)."
    ),
    Language.JA: (
        "処分に関する情報のうち照合の時までに最後に反映したものは、第{0.number}号（{0.at:%Y-%m-%d %H:%M:%S}Z、反映者{0.by}、"  # noqa: RUF001 - Japanese punctuation
        "SHA-256 {0.sha256}）である。"  # noqa: RUF001 - Japanese punctuation
    ),
}


def _feeds(root: Path) -> tuple[Applied, ...]:
    """Return the feeds of dispositions that were applied to our gallery."""
    with opened(root) as here, here.store.reading() as tx:
        return tuple(tx.feeds())


def _feed_before(entry: Entry, trace: Trace, feeds: tuple[Applied, ...], lang: Language) -> tuple[str, ...]:
    """Say which feed the view of a query had taken in last: Annex II is applied to what was known then."""
    from contact_point.feed import feed_before
    from pcsc.traces import Decision

    if trace.decision is not Decision.VIEW or not isinstance(revision := trace.outcome.get("revision"), int):
        return ()
    found = feed_before(feeds, revision, entry.at)
    return () if found is None else (_FEED[lang].format(found),)


def _decided(root: Path, ref: str, *, quiet: bool) -> tuple[str, list[Entry]]:
    """Return the number of an exchange and the entries of its record that have a trace, in order."""
    from contact_point.store import UnknownExchangeError

    with opened(root) as here, busy("reading the record", quiet=quiet), here.store.transaction() as tx:
        try:
            exchange = tx.exchange(ref)
        except UnknownExchangeError:
            exchange = tx.exchange_of(ref)
        number = exchange.control_number
        return number, [replace(entry, trace=tx.trace(entry)) for entry in tx.entries(number) if entry.trace]


def _fields(entry: Entry, trace: Trace | None, told: tuple[str, ...]) -> dict[str, Any]:
    """Return what a program is told of a decision."""
    at = {"entry": entry.number, "at": entry.at, "event": entry.event, "words": told}
    if trace is None:
        return at | {"decision": None, "clause": None, "trace": None}
    return at | {
        "decision": trace.decision,
        "clause": trace.clause,
        "trace": {
            "rules": trace.rules,
            "arrangement": trace.arrangement,
            "at": trace.at,
            "inputs": trace.inputs,
            "outcome": trace.outcome,
            "withheld": trace.withheld,
        },
    }


def _lines(entry: Entry, trace: Trace | None, told: tuple[str, ...], lang: Language) -> str:
    """Return a decision as lines for a person."""
    from pcsc.traces.wording import heading

    decided = "" if trace is None else f": {heading(trace, lang)}"
    head = f"[bold]{entry.at:%Y-%m-%d %H:%M:%S}Z {plain(entry.event)}[/]{plain(decided)}"
    return "\n".join([head, *(f"    {plain(line)}" for line in told)])


class _Replayed(NamedTuple):
    """What making a decision again came to: "same", "different" or "not made again", and why."""

    entry: Entry
    outcome: str
    reason: str = ""


@app.command(rich_help_panel=RECORD)
def replay(ref: Reference, root: Root = HERE, as_json: Json = False) -> None:
    """Make every decision of an exchange again, under the rules and the arrangement then in force, and compare bit for bit.

    Ends with 0 only if all came out the same. What a query could see is made out again only while the gallery is as it was.
    """
    from contact_point import main
    from pcsc.traces import Decision

    _, entries = _decided(root, ref, quiet=as_json)
    searched = any(f'"decision":"{Decision.VIEW}"' in entry.trace for entry in entries)
    with main.opened(root, gallery=searched) as here, busy("deciding again", quiet=as_json):
        view_now = None if here.holdings is None else here.holdings.view
        found = [_again(entry, here.settings.arrangements, view_now) for entry in entries]
    same = sum(each.outcome == "same" for each in found)
    lines = [
        f"{each.entry.at:%Y-%m-%d %H:%M:%S}Z {plain(each.entry.event)}: [bold]{each.outcome}[/]"
        + (f": {plain(each.reason)}" if each.reason else "")
        for each in found
    ]
    lines.append(f"{same} of {len(found)} decisions came out the same, bit for bit.")
    decisions = [
        {"entry": each.entry.number, "event": each.entry.event, "outcome": each.outcome, "reason": each.reason}
        for each in found
    ]
    show(as_json, {"same": same, "decisions": decisions}, "\n".join(lines))
    if same < len(found):
        raise typer.Exit(FAILED)


def _again(entry: Entry, arrangements: Arrangements, view_now: ViewNow | None) -> _Replayed:
    """Make one decision again."""
    from pcsc import traces
    from pcsc.errors import NoArrangementError

    try:
        made = traces.replay(traces.read(entry.trace), arrangements, view_now=view_now)
    except (traces.TraceError, NoArrangementError) as error:
        return _Replayed(entry, "not made again", str(error))
    if made.canonical() == entry.trace:
        return _Replayed(entry, "same")
    return _Replayed(entry, "different", f"now it comes out as {made.canonical()}")
