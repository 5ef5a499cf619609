"""Which channel to take, who answers there, and the document to send: commands that need no installation."""

from __future__ import annotations

import sys
import tomllib
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from pydantic import TypeAdapter

from contact_point.cli.terminal import OTHER_CHANNELS, Json, app, now, plain, show
from contact_point.templates import Language
from pcsc.authorities import NOT_STATED, Function, LegalBasis, Section
from pcsc.cooperation import Requester, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pcsc.authorities import Directory, Entry, Sheet
    from pcsc.channels import Advice, Channel
    from pcsc.cooperation import Note

Book = Annotated[
    Path | None, typer.Option("--directory", help="A directory of authorities, in place of the one of the program.")
]
_EXAMPLE: Final = "basis"
"""What a query needs is no letter: `pcsc example basis` prints it."""


class Convention(StrEnum):
    """The treaties of many States on which a request may be based."""

    BUDAPEST = LegalBasis.BUDAPEST.value
    UNTOC = LegalBasis.UNTOC.value
    UNCAC = LegalBasis.UNCAC.value


@app.command(rich_help_panel=OTHER_CHANNELS)
def advise(
    wanted: Annotated[Wanted, typer.Argument(help="What is wanted.")],
    requester: Annotated[Requester, typer.Option("--by", help="Who asks.")],
    requesting: Annotated[str, typer.Option("--from", help="The State that asks, or gives: JP, US, ... or EU.")],
    requested: Annotated[str, typer.Option("--to", help="The State that is asked, or receives.")],
    serious: Annotated[
        bool | None, typer.Option("--serious/--not-serious", help="Is the conduct serious crime (Article 1(3))?")
    ] = None,
    political: Annotated[bool, typer.Option("--political", help="It is considered a political offence.")] = False,
    as_evidence: Annotated[bool, typer.Option("--as-evidence", help="It is to serve as evidence.")] = False,
    under_agreement: Annotated[
        bool, typer.Option("--under-agreement", help="Information that came under the agreement goes with it.")
    ] = False,
    convention: Annotated[
        list[Convention] | None, typer.Option(help="One that binds both and covers the offence. Repeat for more.")
    ] = None,
    emergency: Annotated[str, typer.Option(metavar="RISK", help="The imminent risk to life or safety, in words.")] = "",
    stated_by: Annotated[str, typer.Option(help="Who states that risk.")] = "",
    directory: Book = None,
    as_json: Json = False,
) -> None:
    """Say through which channels to ask, in which order, of whom and why (Articles 5(4), 8(7) and 13(1))."""
    from contact_point import advice
    from pcsc.assistance import Emergency
    from pcsc.channels import Advice
    from pcsc.cooperation import Question

    time = now()
    advised = advice.advise(
        Question(
            requester=requester,
            requesting=requesting,
            requested=requested,
            wanted=wanted,
            asked_on=time.date(),
            serious=serious,
            political=political,
            as_evidence=as_evidence,
            under_agreement=under_agreement,
            conventions=frozenset(LegalBasis(each) for each in convention or ()),
            emergency=Emergency(emergency, stated_by, time) if emergency or stated_by else None,
        ),
        directory,
    )
    told = TypeAdapter(Advice).dump_python(advised, mode="json") if as_json else {}
    show(as_json, told, "\n".join(_advice_lines(advised)))


def _advice_lines(advice: Advice) -> Iterator[str]:
    for note in advice.stops:
        yield f"[bold red]Stop:[/] {_noted(note)}"
    for note in advice.warnings:
        yield f"[bold yellow]Mind:[/] {_noted(note)}"
    for number, channel in enumerate(advice.channels, start=1):
        yield ""
        yield f"{number}. [bold]{channel.basis.words}[/]"
        yield from (f"   {line}" for line in _channel_lines(channel))


def _channel_lines(channel: Channel) -> Iterator[str]:
    from contact_point.advice import who

    yield f"to: {plain(who(channel.receiver))}"
    yield from (f"sent by: {plain(who(sender))}" for sender in channel.senders)
    if channel.document:
        command = "example" if channel.document == _EXAMPLE else "template"
        yield f"document: pcsc {command} {channel.document}"
    yield from (_noted(note) for note in channel.why)
    if channel.governed:
        yield f"[bold]governed:[/] {_noted(channel.governed)}"
    yield from (_noted(note) for note in channel.notes)
    if channel.grounds:
        yield "may be refused:"
        yield from (f"  - {_noted(note)}" for note in channel.grounds)


def _noted(note: Note) -> str:
    return f"{plain(note.text)} [dim]({plain(note.source)})[/]"


@app.command(rich_help_panel=OTHER_CHANNELS)
def directory(
    function: Annotated[Function | None, typer.Option(help="Only authorities with this function.")] = None,
    state: Annotated[str, typer.Option(help="Only authorities of this State, such as JP.")] = "",
    subject: Annotated[str, typer.Option(help="The country sheet on this subject, such as stored-content.")] = "",
    file: Book = None,
    as_json: Json = False,
) -> None:
    """List the competent authorities with their source and its date; what no source states is "not stated"."""
    from contact_point.directory import read_directory

    book = read_directory(file)
    if subject:
        _show_sheet(book, subject, as_json)
        return
    entries = [
        entry
        for entry in book.entries
        if (function is None or entry.function is function) and (not state or entry.state == state)
    ]
    shown = [{**asdict(entry), "source": asdict(book.sources[entry.source])} for entry in entries]
    found = {
        "entries": shown,
        "partners": [partner.code for partner in book.partners],
        "links": [link.name for link in book.links],
    }
    partners = ", ".join(partner.name for partner in book.partners)
    lines = [line for entry in entries for line in (*_entry_lines(book, entry), "")]
    said = "\n".join(lines) if lines else "No source states one.\n"
    show(as_json, found, f"{said}\nPartners on mutual legal assistance: {partners}.")


def _entry_lines(book: Directory, entry: Entry) -> Iterator[str]:
    yield f"[bold]{entry.state} {entry.function}[/]: {plain(entry.authority)}"
    for name in ("unit", "address", "telephone", "fax", "email", "web"):
        yield f"   {name}: {plain(getattr(entry, name))}"
    yield f"   legal basis: {', '.join(basis.words for basis in entry.bases)}"
    yield f"   direction: {' and '.join(entry.directions) or NOT_STATED}"
    yield f"   source: {plain(_cited(book, entry.source, entry.place))}"
    verified = f", on {entry.verified_on} by {entry.verified_by}" if entry.verified_on else ""
    yield f"   status: {entry.status}{plain(verified)}"
    yield from (f"   note: {plain(note)}" for note in entry.notes)


def _cited(book: Directory, key: str, place: str) -> str:
    source = book.sources[key]
    return f"{source.title}: {place}; as of {source.as_of or NOT_STATED} ({source.standing})"


def _show_sheet(book: Directory, subject: str, as_json: bool) -> None:
    sheet = next((sheet for sheet in book.sheets if sheet.subject == subject), None)
    if sheet is None:
        known = ", ".join(each.subject for each in book.sheets)
        raise typer.BadParameter(f"there is no sheet on {subject!r}; there are {known}")
    told = {"state": sheet.state, "subject": subject, "sections": {each: sheet.said(each) for each in Section}}
    show(as_json, told, "\n".join(_sheet_lines(book, sheet)))


def _sheet_lines(book: Directory, sheet: Sheet) -> Iterator[str]:
    yield f"[bold]{sheet.state}: {plain(sheet.title)}[/]"
    for section in Section:
        yield f"   {section}: {plain(sheet.said(section))}"
        if section in sheet.sections:
            statement = sheet.sections[section]
            yield f"      [dim]({plain(_cited(book, statement.source, statement.place))})[/]"


@app.command(rich_help_panel=OTHER_CHANNELS)
def template(
    name: Annotated[str, typer.Argument(help="Which document; without a name, all are listed.")] = "",
    values: Annotated[Path | None, typer.Option(help="TOML with its fields; without it, the empty form.")] = None,
    language: Annotated[Language, typer.Option("--lang", help="English, Japanese, or both.")] = Language.BOTH,
    as_json: Json = False,
) -> None:
    """Write a document of the agreement or of mutual legal assistance, in English and Japanese; nothing may be missing."""
    from contact_point import templates

    if not name:
        listed = [templates.load(each) for each in templates.names()]
        told = [{"name": each.name, "version": each.version, **asdict(each.title)} for each in listed]
        show(as_json, told, "\n".join(f"{each.name}: {each.title.en} / {plain(each.title.ja)}" for each in listed))
        return
    chosen = templates.load(name)
    text = templates.form(chosen, language) if values is None else templates.render(chosen, _filled(values), language)
    if as_json:
        show(as_json, {"name": name, "version": chosen.version, "filled": values is not None, "text": text}, "")
    else:
        # As it is: what is printed is a document, or a form to save and fill in.
        sys.stdout.write(text)


def _filled(path: Path) -> dict[str, Any]:
    """Return the values of a form that was filled in."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}; `pcsc template NAME` prints the form to fill in") from None
