"""`pcsc`: the command line of one contact point.

Every command works on one installation (`--dir`, or the environment variable PCSC_DIR, or the current folder), prints for a
person, or for a program with `--json`, and ends with 0 when done, 2 when called wrongly, 3 when the agreement or the other
contact point does not allow it, 4 when the other contact point was not reached, and 1 for anything else that stands in the way.
"""

from __future__ import annotations

import json
import sys
import tomllib
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.table import Table

from annex.parameters import Party
from contact_point.parsing import first_fault
from pcsc.errors import RecordError, TreatyError
from pcsc.messages import Conclusion, Ground
from pcsc.use import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contact_point.service import Installation
    from contact_point.store import Impression
    from pcsc.duties import Duty
    from pcsc.exchange import Exchange
    from pcsc.messages import Item

app = typer.Typer(
    help="A national contact point under the US-Japan agreement on preventing and combating serious crime.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
record_app = typer.Typer(help="The record of Article 11: verify it, export it, compare it.", no_args_is_help=True)
app.add_typer(record_app, name="record")

Root = Annotated[Path, typer.Option("--dir", envvar="PCSC_DIR", help="The installation's folder.", show_default=".")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
Number = Annotated[
    str, typer.Argument(metavar="EXCHANGE", help="The exchange's control number, as `pcsc inbox` lists it.")
]
HERE: Final = Path()

REFUSED, UNREACHED, FAILED = 3, 4, 1


def main() -> None:
    """Run the command line; turn what is expected to go wrong into one sentence and an exit code."""
    try:
        app(prog_name="pcsc")
    except Exception as error:
        code = _exit_code(error)
        if code is None:
            raise
        _fail(error, code)


def _exit_code(error: Exception) -> int | None:
    """Return the exit code for what is expected to go wrong, or None for what is not."""
    from contact_point.certificates import CertificateError
    from contact_point.client import ClientError, RefusedError
    from contact_point.keys import KeysError
    from contact_point.settings import SettingsError
    from contact_point.store import StoreError
    from contact_point.tls import TlsError
    from contact_point.wire import WireError
    from matcher.extraction import WeightsError
    from matcher.jail import JailError

    if isinstance(error, TreatyError) or (isinstance(error, RefusedError) and error.final):
        return REFUSED
    if isinstance(
        error, ClientError | TlsError
    ):  # also what was refused for now: the same message may be accepted later
        return UNREACHED
    setup = SettingsError | StoreError | KeysError | CertificateError | WireError | WeightsError | JailError
    # ValueError and OSError: what was given cannot be read, be it an image, a template, a document or a file.
    return FAILED if isinstance(error, setup | ValueError | OSError) else None


def _fail(error: Exception, code: int) -> None:
    if isinstance(error, OSError) and error.filename:
        error = OSError(f"{error.filename}: {error.strerror}")
    if "--json" in sys.argv:
        article = getattr(error, "article", "")
        sys.stdout.write(json.dumps({"error": str(error), "article": article, "exit": code}, ensure_ascii=False) + "\n")
    else:
        Console(stderr=True, highlight=False).print(f"[bold red]pcsc:[/] {_plain(str(error))}", soft_wrap=True)
    raise SystemExit(code)


def _plain(text: str) -> str:
    """Return text that rich prints as it is."""
    return text.replace("[", "\\[")


def _show(as_json: bool, value: dict[str, Any] | list[Any], text: str) -> None:
    """Print the outcome, for a program or for a person."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_json) + "\n")
    else:
        Console(highlight=False).print(text, soft_wrap=True)


def _json(value: object) -> str:
    """Return what JSON has no form for: times as ISO 8601, bytes of prints not at all."""
    return value.isoformat() if isinstance(value, date) else f"({type(value).__name__})"


def _opened(root: Path) -> AbstractContextManager[Installation]:
    """Open the installation in a folder."""
    from contact_point.main import opened

    return opened(root)


def _clock() -> Callable[[], datetime]:
    """Return the one clock."""
    from contact_point.main import clock

    return clock


def _now() -> datetime:
    """Return the time."""
    return _clock()()


@contextmanager
def _busy(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show that something longer than a second goes on."""
    console = Console(stderr=True, quiet=quiet)
    with console.status(what):
        yield


def _toml(path: Path, kind: Any, what: str, example: str) -> Any:
    """Return what a TOML document says, as ``kind``."""
    try:
        return TypeAdapter(kind).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}; {what}: `{example}` prints one") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}; {what}: `{example}` prints one") from None


# Setting up


@app.command()
def init(
    root: Annotated[Path, typer.Argument(metavar="DIR", help="An empty folder, or one to make.")],
    party: Annotated[Party, typer.Option(help="Whose contact point it is.")],
    name: Annotated[str, typer.Option(help="Its name, as it appears on the card.")] = "",
    host: Annotated[str, typer.Option(help="The address it answers at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port it answers at.")] = 8443,
    as_json: Json = False,
) -> None:
    """Make an installation: keys, certificates, an empty gallery and record, and the card for the other contact point."""
    from contact_point import installation

    plan = installation.Plan(party, name or f"National contact point of {party.country}", host, port)
    made = installation.create(root, plan, _now())
    _show(
        as_json,
        {"dir": str(root), "party": party.value, "address": made.address, "card": str(made.folder.card)},
        f"{made.name} is set up in {root} and will answer at {made.address}.\n"
        f"Give {made.folder.card} to the other contact point, and enter theirs:\n\n"
        f"    pcsc designate CARD --note 'NOTE AND DATE' --dir {root}",
    )


@app.command()
def designate(
    card: Annotated[Path, typer.Argument(help="The card.json of the other Party's contact point.")],
    note: Annotated[str, typer.Option(help="The diplomatic note that notified it, with its date (Article 3(2)).")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter the other Party's contact point, as notified through diplomatic channels (Article 3(2))."""
    from contact_point import installation, settings

    other = installation.designate(settings.read(root), card.read_text(encoding="utf-8"), note)
    _show(
        as_json,
        {"party": other.party.value, "name": other.name, "address": other.address},
        f"{other.name} at {other.address} is designated.\nEnrol prints with `pcsc enrol`, then answer queries:\n\n"
        f"    pcsc serve --dir {root}",
    )


@app.command()
def serve(root: Root = HERE) -> None:
    """Answer the other contact point until interrupted (Article 4(4): automatically, with nobody in the path)."""
    import logging

    from contact_point import main as service

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    service.serve(root)


@app.command()
def enrol(
    name: Annotated[str, typer.Argument(help="What the person is called here; it never leaves.")],
    prints: Annotated[
        list[str],
        typer.Option(
            "--print",
            metavar="[POSITION=]FILE",
            help="A print: an image, or an ISO/IEC 19794-2 template. Repeat for more.",
        ),
    ],
    particulars: Annotated[
        Path, typer.Option(help="JSON with the person's standing (Annex II) and items (Article 5(2)).")
    ],
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of the images, where their files do not say it.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Take a person's prints into our own gallery. A running service searches them from its next query on.

    The particulars are, for example:

        {"standing": {"born_on": "1980-05-01", "cases": [{"disposition": "convicted_final", "arrested_on": "2015-02-03"}]},
         "items": {"name": "...", "date of birth": "1980-05-01"}}
    """
    from contact_point import service
    from contact_point.holdings import read_particulars, write_particulars
    from contact_point.store import Subject

    known = write_particulars(read_particulars(particulars.read_bytes()))
    with _opened(root) as here, _busy("extracting minutiae", quiet=as_json):
        impressions = tuple(_impression(here, *_positioned(each), dpi) for each in prints)
        service.enrol(here, [Subject(name, known, impressions)])
    bare = sum(impression.image is None for impression in impressions)
    said = f"{name} is enrolled; prints: {len(impressions)}."
    if bare:
        said += f"\n{bare} of them without an image: a match on it cannot be answered (Article 4(5)): enrol the image."
    _show(as_json, {"enrolled": name, "prints": len(impressions), "without_image": bare}, said)


def _positioned(argument: str) -> tuple[Path, int]:
    """Return the file and the finger position of a ``[POSITION=]FILE`` argument."""
    position, equals, path = argument.partition("=")
    if not equals:
        return Path(argument), 0
    if not position.isdigit() or not 1 <= int(position) <= 10:
        raise typer.BadParameter(f"a finger position is 1 (right thumb) to 10 (left little finger); got {position!r}")
    return Path(path), int(position)


def _impression(here: Installation, path: Path, position: int, dpi: float | None) -> Impression:
    """Return the print in a file as it is enrolled: its template, and its image where the file is one."""
    from dataclasses import replace

    from contact_point.store import Impression
    from matcher.formats import read_iso19794_2, write_iso19794_2

    data = path.read_bytes()
    if data.startswith(b"FMR\0"):
        views = read_iso19794_2(data)
        if len(views) != 1:
            raise ValueError(f"{path} holds {len(views)} views; a print is one: split the record")
        template = replace(views[0], position=position) if position else views[0]
        return Impression(write_iso19794_2([template]))
    found = here.reader.read(data, position=position, dpi=dpi)
    return Impression(write_iso19794_2([found.template]), found.png)


@app.command()
def update(
    name: Annotated[str, typer.Argument(help="The person, as enrolled.")],
    particulars: Annotated[Path, typer.Option(help="JSON with the person's standing and items, as for `pcsc enrol`.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Enter what changed about a person, such as a disposition: it decides from the next query on (Annex II)."""
    from contact_point import service
    from contact_point.holdings import read_particulars, write_particulars

    known = write_particulars(read_particulars(particulars.read_bytes()))
    with _opened(root) as here:
        service.update(here, name, known)
    _show(as_json, {"updated": name}, f"{name} is updated.")


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="The person to remove.")], root: Root = HERE, as_json: Json = False
) -> None:
    """Remove a person from our own gallery: the key of the prints is destroyed at once."""
    from contact_point import service

    with _opened(root) as here:
        service.remove(here, name)
    _show(as_json, {"removed": name}, f"{name} is removed, and the prints are destroyed.")


# The querying side


class Document(StrEnum):
    """The documents that `pcsc example` prints."""

    BASIS = "basis"
    NOTIFICATION = "notification"
    OFFENCES = "offences"


@app.command()
def example(document: Annotated[Document, typer.Argument(help="Which document.")]) -> None:
    """Print an example of a document that another command reads."""
    sys.stdout.write(files("contact_point").joinpath(f"models/{document}.toml").read_text(encoding="utf-8"))


@app.command()
def query(
    prints: Annotated[
        list[str],
        typer.Option(
            "--print", metavar="[POSITION=]FILE", help="An image of a print of the individual. Repeat for more."
        ),
    ],
    basis: Annotated[
        Path, typer.Option(help="TOML: why the query may be made (Article 4(3)). `pcsc example basis` prints one.")
    ],
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of the images, where their files do not say it.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Ask the other contact point whether a print is there (Article 4): match with a reference number, or no match."""
    from contact_point import querying

    why = _toml(basis, querying.Justification, "the document says why the query may be made", "pcsc example basis")
    with _opened(root) as here, _busy("extracting minutiae and asking", quiet=as_json):
        files = [_positioned(each) for each in prints]
        probe = [here.reader.read(path.read_bytes(), position=at, dpi=dpi) for path, at in files]
        exchange = querying.open_query(here, probe, why, _now())
    _show_exchange(exchange, as_json)


@app.command()
def resume(root: Root = HERE, as_json: Json = False) -> None:
    """Send every message again that was committed and not delivered; each is answered once."""
    from contact_point import delivery
    from contact_point.client import UnreachableError

    with _opened(root) as here, _busy("sending", quiet=as_json):
        outcomes = delivery.resume(here, _clock())
    errors = [each for each in outcomes if isinstance(each, Exception)]
    sent = [each for each in outcomes if not isinstance(each, Exception)]
    lines = [f"{len(sent)} of {len(outcomes)} messages delivered."]
    lines += [f"{each.control_number}: {each.state}" for each in sent] + [str(error) for error in errors]
    outcome = {"delivered": [_fields(each) for each in sent], "errors": [str(error) for error in errors]}
    _show(as_json, outcome, _plain("\n".join(lines)))
    if errors:
        raise typer.Exit(UNREACHED if isinstance(errors[0], UnreachableError) else REFUSED)


@app.command()
def examine(
    number: Number,
    picture: Annotated[
        Path | None, typer.Option(help="Write both prints side by side to this new .svg or .png; it goes with them.")
    ] = None,
    conclude: Annotated[Conclusion | None, typer.Option(help="The examiner's conclusion.")] = None,
    by: Annotated[str, typer.Option(help="The examiner.")] = "",
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Look at the prints of a match, and note the examiner's conclusion (Article 4(5))."""
    from contact_point import querying

    said = ""
    with _opened(root) as here, _busy("pairing minutiae", quiet=as_json):
        if picture is not None:
            querying.write_picture(here, number, picture, _now())
            said = f"Both prints are in {picture}, until the determination (Article 8(2)).\n"
        if conclude is not None:
            exchange = querying.examine(here, number, conclude, by, _now())
        else:
            with here.store.transaction() as tx:
                exchange = tx.exchange(number)
    _show_exchange(exchange, as_json, said)


@app.command()
def determine(
    number: Number,
    will_request: Annotated[
        bool, typer.Option("--request/--no-request", help="Will further information be requested?")
    ],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Determine whether to request further information; the received prints are destroyed at once (Article 8(2))."""
    from contact_point import querying

    with _opened(root) as here, _busy("telling the other contact point", quiet=as_json):
        exchange = querying.determine(here, number, will_request=will_request, now=_now())
    _show_exchange(exchange, as_json)


@app.command()
def request(
    number: Number,
    notification: Annotated[
        Path, typer.Option(help="TOML: the written notification. `pcsc example notification` prints one.")
    ],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Request further information on the individual whose prints matched, with its written notification (Article 5(1))."""
    from contact_point import querying
    from pcsc.messages import WrittenNotification

    written = _toml(
        notification, WrittenNotification, "the document is the written notification", "pcsc example notification"
    )
    with _opened(root) as here, _busy("sending", quiet=as_json):
        exchange = querying.request(here, number, written, _now())
    _show_exchange(exchange, as_json)


@app.command()
def accept(
    number: Number,
    signed_by: Annotated[str, typer.Option(help="Who accepts, or declines, for this Party.")],
    decline: Annotated[bool, typer.Option("--decline", help="Decline the information instead.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Accept the conditions of an offer and be bound by them; then its information can be read (Article 8(8))."""
    from contact_point import querying

    with _opened(root) as here, _busy("sending", quiet=as_json):
        exchange = querying.accept(here, number, accepted=not decline, signed_by=signed_by, now=_now())
    _show_exchange(exchange, as_json)


@app.command()
def use(
    number: Number,
    purpose: Annotated[Purpose, typer.Option("--for", help="What the information is to be used for (Article 8(5)).")],
    by: Annotated[str, typer.Option(help="Who uses it.")],
    political: Annotated[
        bool,
        typer.Option("--political/--not-political", help="Is the act considered a political offence (Article 13(2))?"),
    ],
    offences: Annotated[
        Path | None, typer.Option(help="TOML with [[offences]]: the serious crime investigated (Article 8(5)(1)(a)).")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Read provided information for a purpose, if the agreement and its conditions allow that use. Every asking is recorded."""
    from annex.offences import Offence
    from contact_point import querying

    conduct: Sequence[Offence] = ()
    if offences is not None:
        document = _toml(
            offences, dict[str, tuple[Offence, ...]], "the document lists [[offences]]", "pcsc example offences"
        )
        conduct = document.get("offences", ())
    with _opened(root) as here:
        permission, items = querying.use(
            here, number, purpose, political=political, offences=conduct, by=by, now=_now()
        )
    _show(
        as_json,
        {"article": permission.article, "reason": permission.reason, "items": [asdict(item) for item in items]},
        f"Allowed under Art. {permission.article}: {permission.reason.rstrip('.')}.\n{_item_lines(items)}",
    )


def _item_lines(items: Sequence[Item]) -> str:
    return "\n".join(f"    {item.kind}: {_plain(item.value)}" for item in items)


@app.command()
def close(number: Number, root: Root = HERE, as_json: Json = False) -> None:
    """End an exchange whose information is no longer necessary; it is destroyed (Article 8(9))."""
    from contact_point import querying

    with _opened(root) as here, _busy("destroying", quiet=as_json):
        exchange = querying.close(here, number, _now())
    _show_exchange(exchange, as_json)


# The queried side


@app.command()
def answer(
    number: Number,
    give: Annotated[list[str] | None, typer.Option(help="An item to give. Repeat for more.")] = None,
    refuse: Annotated[
        list[str] | None, typer.Option(metavar="[ITEM=]REASON", help="Refuse an item, or all of it, with the reason.")
    ] = None,
    ground: Annotated[Ground, typer.Option(help="The ground of the refusals.")] = Ground.NOT_RELEVANT,
    condition: Annotated[str, typer.Option(help="A condition on the use of what is given (Article 8(8)).")] = "",
    forbid: Annotated[list[Purpose] | None, typer.Option(help="A purpose that the condition forbids.")] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Answer a request for further information (Article 5(2)); without options, show it and what may be given."""
    from contact_point import queried
    from pcsc.messages import Condition, Refusal

    if forbid and not condition:
        raise typer.BadParameter("what a condition forbids goes with its words: add --condition", param_hint="--forbid")
    with _opened(root) as here:
        if not give and not refuse:
            _show_request(here, number, as_json)
            return
        conditions = [Condition(condition, tuple(forbid or ()))] if condition else []
        refusals = []
        for each in refuse or []:
            item, equals, reason = each.partition("=")
            refusals.append(Refusal(ground, reason, item) if equals else Refusal(ground, each))
        with _busy("sending", quiet=as_json):
            exchange = queried.answer_request(
                here, number, give=give or [], refusals=refusals, conditions=conditions, now=_now()
            )
    _show_exchange(exchange, as_json)


def _show_request(here: Installation, number: str, as_json: bool) -> None:
    from contact_point import queried

    asked, available = queried.notification_of(here, number)
    notification = asked.notification
    _show(
        as_json,
        {"request": asdict(asked), "available": [asdict(item) for item in available]},
        f"{asked.authority.name}, {asked.authority.unit} asks for {', '.join(notification.items)}.\n"
        f"Purpose: {_plain(notification.purpose)}\nSigned: {_plain(notification.signed_by)}\n"
        f"Available when the request came (Art. 5(2)):\n{_item_lines(available) or '    nothing'}\n"
        f"Give or refuse each item:\n\n"
        f"    pcsc answer {number} --give ITEM --refuse ITEM=REASON \\[--condition TEXT --forbid PURPOSE]",
    )


# Both sides


@app.command()
def inbox(
    everything: Annotated[bool, typer.Option("--all", help="Every exchange, not only those that wait for us.")] = False,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """List what waits for a person here, with its article and the day it is due."""
    from pcsc.duties import Content, due

    with _opened(root) as here:
        with here.store.transaction() as tx:
            exchanges = tx.exchanges()
            unsent = {held.exchange for held in tx.held() if held.kind is Content.MESSAGE}
        owed = [(each, _undelivered(each, unsent) or due(each, here.settings.arrangement)) for each in exchanges]
    shown = [(exchange, duty) for exchange, duty in owed if everything or duty is not None]
    if as_json:
        rows = [_fields(exchange) | {"duty": None if duty is None else asdict(duty)} for exchange, duty in shown]
        _show(True, rows, "")
        return
    table = Table(box=None)
    for heading in ("exchange", "side", "state", "what is due", "Art.", "by"):
        table.add_column(heading, no_wrap=heading in {"exchange", "by"})
    for exchange, duty in shown:
        what = ("", "", "") if duty is None else (duty.what, duty.article, f"{duty.by:%Y-%m-%d}")
        table.add_row(exchange.control_number, exchange.side, exchange.state, *what)
    Console().print(table if shown else "Nothing waits here.")


def _undelivered(exchange: Exchange, unsent: set[str]) -> Duty | None:
    """Return that a message of ours did not arrive, which comes before anything else."""
    from pcsc.duties import Duty

    if exchange.control_number not in unsent:
        return None
    return Duty(exchange.control_number, "send our message again: `pcsc resume`", "3(3)", exchange.last_event_at)


def _fields(exchange: Exchange) -> dict[str, Any]:
    """Return what a program is told of an exchange."""
    conditions = [asdict(condition) for condition in exchange.conditions]
    return {
        "exchange": exchange.control_number,
        "side": exchange.side,
        "state": exchange.state,
        "reference": exchange.reference,
        "conclusion": exchange.conclusion,
        "offered": exchange.offered,
        "conditions": conditions,
        "opened_at": exchange.opened_at,
    }


_NEXT: Final = {
    "sent": "Send it again:\n\n    pcsc resume",
    "match": "Look at the prints and conclude:\n\n"
    "    pcsc examine {number} --picture prints.svg\n"
    "    pcsc examine {number} --conclude identification --by NAME",
    "examined": "Determine whether to request further information:\n\n    pcsc determine {number} --request|--no-request",
    "will request": "Request it:\n\n    pcsc request {number} --notification notification.toml",
    "offered": "Accept the conditions, or decline:\n\n    pcsc accept {number} --signed-by NAME [--decline]",
    "provided": "Use it within its purpose:\n\n    pcsc use {number} --for notified --by NAME --not-political",
}


def _show_exchange(exchange: Exchange, as_json: bool, before: str = "") -> None:
    lines = [f"{_plain(before)}{exchange.control_number}: [bold]{exchange.state}[/]"]
    if exchange.reference:
        lines[0] += f", reference {exchange.reference}"
    lines += [f"Condition: {_plain(condition.text)}" for condition in exchange.conditions]
    following = _NEXT.get(exchange.state) if exchange.side == "querying" else None
    if following:
        lines.append(following.format(number=exchange.control_number))
    _show(as_json, _fields(exchange), "\n".join(lines))


# The record


@record_app.command("verify")
def record_verify(
    file: Annotated[
        Path | None, typer.Argument(help="An exported record; without it, this installation's own.")
    ] = None,
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Verify a record from its first entry: nothing within it was changed, dropped, added or moved (Article 11).

    Whether its end was cut off, or all of it written anew, shows only against the other Party's record: `pcsc record
    reconcile`.
    """
    from contact_point import archive
    from pcsc import records

    if file is not None:
        found = records.verify(archive.read(file))
    else:
        with _opened(root) as here, _busy("reading the record", quiet=as_json), here.store.transaction() as tx:
            found = records.verify(tx.record())
    if found.expired or (file is not None and not found.entries):
        raise RecordError(
            f"{found.entries} entries are there and {found.expired} places are empty; no term has ended yet (Art. 11(3)), so "
            "entries were removed: compare with the other Party's record"
        )
    _show(as_json, asdict(found), f"The record verifies: {found.entries} entries, the last link is {found.head}.")


@record_app.command("export")
def record_export(
    file: Annotated[Path, typer.Argument(help="A new file, JSON Lines: one place of the record a line.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Export the record, so that it can be verified and compared elsewhere. It holds no content of any message."""
    from contact_point import archive

    with _opened(root) as here, _busy("reading the record", quiet=as_json), here.store.transaction() as tx:
        count = archive.write(file, tx.record())
    _show(as_json, {"file": str(file), "entries": count}, f"{count} entries are in {file}.")


@record_app.command("reconcile")
def record_reconcile(
    theirs: Annotated[Path, typer.Argument(help="The record that the other contact point exported.")],
    root: Root = HERE,
    as_json: Json = False,
) -> None:
    """Compare our record with the other contact point's: every message one provided, the other received."""
    from contact_point import archive
    from pcsc import records

    places = list(archive.read(theirs))
    records.verify(places)
    with _opened(root) as here, _busy("reading the record", quiet=as_json), here.store.transaction() as tx:
        differences = records.reconcile(tx.entries(), archive.entries(places))
    lines = [f"{each.event} {each.message}: {each.what}" for each in differences]
    _show(
        as_json,
        [asdict(each) for each in differences],
        "\n".join(lines) or "The two records agree on every message.",
    )
    if differences:
        raise typer.Exit(FAILED)


# The demonstration


@app.command()
def demo(
    prints: Annotated[
        Path | None,
        typer.Option(help="A folder of real prints named finger_impression.tif, instead of synthetic ones."),
    ] = None,
    dpi: Annotated[
        float | None, typer.Option(help="Resolution of those prints, where their files do not say it.")
    ] = None,
    persons: Annotated[
        int, typer.Option(min=1, max=100_000, help="Persons in the background, ten fingers each.")
    ] = 1000,
    keep: Annotated[
        Path | None, typer.Option(help="Keep both installations and the pictures in this new folder.")
    ] = None,
) -> None:
    """Set up a Japanese and a US contact point on this machine and run queries between them, from beginning to end."""
    from contact_point import demonstration

    raise typer.Exit(demonstration.run(prints=prints, dpi=dpi, persons=persons, keep=keep))
