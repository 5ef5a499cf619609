"""Request and answer of Article 5 as PDFs, and reports of the record for whoever is to check it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contact_point.cli.terminal import BOTH, HERE, RECORD, Json, Number, Root, app, busy, now, opened, plain, show
from pcsc.use import Purpose

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contact_point.documents.parts import Document
    from contact_point.service import Installation
    from contact_point.store import Transaction
    from pcsc.exchange import Exchange
    from pcsc.records import Entry
    from pcsc.traces import Trace

print_app = typer.Typer(help="Request and answer of Article 5 as bilingual PDFs.", no_args_is_help=True)
app.add_typer(print_app, name="print", rich_help_panel=BOTH)

Pdf = Annotated[Path, typer.Option("--pdf", help="A new file.")]


@print_app.command("request")
def print_request(number: Number, pdf: Pdf, root: Root = HERE, as_json: Json = False) -> None:
    """Write the last request of an exchange, with its written notification (Article 5(1)), as a PDF.

    The file goes with the record: it is erased when its term ends (Articles 8(4), 11(3)); `pcsc record copies` lists it.
    """
    from contact_point import printing

    with opened(root) as here, busy("setting the document", quiet=as_json):
        _save(here, number, pdf, printing.request(here, number), as_json)


@print_app.command("answer")
def print_answer(
    number: Number,
    pdf: Pdf,
    purpose: Annotated[
        Purpose | None,
        typer.Option("--for", help="With what was provided: what it is to be used for (Article 8(5)); recorded."),
    ] = None,
    by: Annotated[str, typer.Option(help="With --for: who uses it.")] = "",
    political: Annotated[
        bool,
        typer.Option(
            "--political/--not-political", help="With --for: is the act considered a political offence (Article 13(2))?"
        ),
    ] = True,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Write the last answer to a request (Articles 5(2), 5(5), 8(8)) as a PDF: what was given, conditions, refusals.

    Without --for it names the kinds of what was given and not the values. With it, on the querying side, the information is in
    the file, which is erased with the information (Article 8(9)).
    """
    from contact_point import printing, provided

    if (purpose is None) != (not by):
        raise typer.BadParameter(
            "to read what was provided is to use it: give --for and --by together", param_hint="--for"
        )
    at = now()
    with opened(root) as here, busy("setting the document", quiet=as_json):
        if purpose is None:
            _save(here, number, pdf, printing.answer(here, number), as_json)
            return
        printing.write_answer(here, number, pdf, provided.Wanted(purpose, by, political), at)
    show(as_json, {"file": str(pdf)}, f"{plain(str(pdf))} is written; it is erased with the information (Art. 8(9)).")


def _save(here: Installation, number: str, file: Path, document: Document, as_json: bool) -> None:
    """Write a document of an exchange to a new file."""
    from contact_point.documents.setting import pdf

    with here.store.transaction() as tx:
        exchange = tx.exchange(number)
    _write(here, file, pdf(document), [exchange], as_json)


def _write(here: Installation, file: Path, content: bytes, exchanges: Sequence[Exchange], as_json: bool) -> None:
    """Write a new file, entered as a copy of the record of these exchanges (Article 11(3)); of none, it is no copy."""
    from contact_point.cli.record import enter, folder_of, save, spooled

    told: dict[str, object] = {"file": str(file), "sha256": hashlib.sha256(content).hexdigest()}
    kept = ""
    with spooled(folder_of(file)) as spool:
        spool.write(content)
        if exchanges:
            copy = enter(here, file, exchanges, hashlib.sha256(content).hexdigest(), now())
            save(here, file, spool, copy.id)
            told |= {"copy": copy.id, "until": copy.holds_until}
            kept = f", copy {copy.id}, to be kept until {copy.holds_until:%Y-%m-%d}"
        else:
            with file.open("xb") as out:
                out.write(content)
    show(as_json, told, f"{plain(str(file))} is written{kept}.")


# Reports


class Report(StrEnum):
    """What is reported."""

    CONSULTATIONS = "consultations"
    RULE_16 = "rule-16"
    TIMELINE = "timeline"
    DELETIONS = "deletions"
    LEGAL_HOLDS = "legal-holds"
    BREACHES = "breaches"


@app.command("report", rich_help_panel=RECORD)
def report(
    what: Annotated[Report, typer.Argument(help="What is reported.")],
    pdf: Pdf,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="consultations: the first day (UTC).")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="consultations: the last day (UTC), included.")
    ] = None,
    year: Annotated[int | None, typer.Option(min=2019, max=9998, help="rule-16: the year.")] = None,
    exchange: Annotated[str, typer.Option(help="timeline: the exchange's control number.")] = "",
    suppressed: Annotated[
        bool, typer.Option("--suppressed", help="consultations: without small counts, which tell of persons.")
    ] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Write a signed PDF for whoever checks what was done (Articles 9, 11, 14; Japan's Rule 16); verified by `pcsc-verify`.

    What names an exchange is a copy of its record, and erased when the first term in it ends (Article 11(3)).
    """
    from contact_point.documents import setting, signing
    from contact_point.keys import SigningKey

    wanted = {Report.CONSULTATIONS: first and last, Report.RULE_16: year, Report.TIMELINE: exchange}
    if not wanted.get(what, True):
        option = {Report.CONSULTATIONS: "--from and --to", Report.RULE_16: "--year", Report.TIMELINE: "--exchange"}[
            what
        ]
        raise typer.BadParameter(f"the report '{what}' is of something: add {option}", param_hint=option)
    at = now()
    of: list[Exchange] = []
    with opened(root) as here, busy("setting the report", quiet=as_json):
        if what is Report.CONSULTATIONS and first and last:
            document = _consultations(here, first, last, suppressed=suppressed)
        elif what is Report.RULE_16 and year:
            document = _rule_16(here, year)
        elif what is Report.TIMELINE:
            document, of = _timeline(here, exchange)
        else:
            document, of = _of_record(here, what, at)
        key = SigningKey.load(here.settings.folder.signing_key)
        _write(here, pdf, signing.sign(setting.pdf(document), key, here.settings.uri, at), of, as_json)


def _consultations(here: Installation, first: datetime, last: datetime, *, suppressed: bool) -> Document:
    from contact_point.cli.statistics import packed
    from contact_point.documents import reports
    from pcsc.traces.terms import Term

    figures = packed(here, first.date(), last.date(), suppressed=suppressed)
    title = Term("Figures for consultations (Article 14)", "協議のための統計（協定第十四条）")  # noqa: RUF001 - Japanese brackets
    return reports.report(title, here.settings.party, here.settings.uri, last.date(), reports.consultations(figures))


def _rule_16(here: Installation, year: int) -> Document:
    from datetime import date

    from contact_point.documents import reports
    from pcsc import statistics
    from pcsc.traces.terms import Term

    with here.store.reading() as tx:
        made = statistics.rule_16(tx.entries(), year, here.settings.party)
    title = Term("Report of the year", "年次の報告")
    parts = [reports.rule_16(made)]
    return reports.report(title, here.settings.party, here.settings.uri, date(year, 12, 31), parts)


def _timeline(here: Installation, number: str) -> tuple[Document, list[Exchange]]:
    from contact_point.documents import reports
    from pcsc.traces.terms import Term

    with here.store.transaction() as tx:
        exchange = tx.exchange(number)
        course = [(entry, _trace(tx, entry)) for entry in tx.entries(number)]
    title = Term(f"Course of exchange {number}", f"手続{number}の経過")
    dated = course[-1][0].at.date() if course else exchange.opened_at.date()
    parts = reports.timeline(course)
    return reports.report(title, here.settings.party, here.settings.uri, dated, parts), [exchange]


def _trace(tx: Transaction, entry: Entry) -> Trace | None:
    """Return how it was decided, where there is a trace that can be read."""
    from pcsc import traces

    try:
        return traces.read(tx.trace(entry)) if entry.trace else None
    except traces.TraceError:
        return None


def _of_record(here: Installation, what: Report, at: datetime) -> tuple[Document, list[Exchange]]:
    """Return a report of the whole record, and the exchanges that are in it."""
    from contact_point.documents import reports
    from pcsc.traces.terms import Term

    with here.store.reading() as tx:
        exchanges = list(tx.exchanges())
        found = list(tx.entries())
    table, title = {
        Report.DELETIONS: lambda: (reports.deletions(found), Term("What was destroyed", "削除の報告")),
        Report.BREACHES: lambda: (reports.breaches(found), Term("Breaches of protection", "情報の保護に係る報告")),
        Report.LEGAL_HOLDS: lambda: (
            reports.legal_holds(exchanges),
            Term("Records kept under a law", "法令に基づき保存する記録の報告"),
        ),
    }[what]()
    return reports.report(title, here.settings.party, here.settings.uri, at.date(), [table]), exchanges
