"""What the commands share: the application, its options and exit codes, and what a person or a program sees.

Nothing here costs time until a command runs: the installation, the matcher and the network are imported by what uses them.
"""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contact_point.service import Installation
    from pcsc.exchange import Exchange, Matter
    from pcsc.messages import Item

app = typer.Typer(
    help="A national contact point under the US-Japan agreement on preventing and combating serious crime.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)

# The headings of `pcsc --help`; every command stands under one.
SETTING_UP: Final = "Setting up"
GALLERY: Final = "Our gallery"
QUERYING: Final = "The querying side"
QUERIED: Final = "The queried side"
BOTH: Final = "Both sides"
RECORD: Final = "The record"
OTHER_CHANNELS: Final = "Other channels"

record_app = typer.Typer(help="The record of Article 11: verify it, export it, compare it.", no_args_is_help=True)
app.add_typer(record_app, name="record", rich_help_panel=RECORD)

Root = Annotated[Path, typer.Option("--dir", envvar="PCSC_DIR", help="The installation's folder.", show_default=".")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
Number = Annotated[
    str, typer.Argument(metavar="EXCHANGE", help="The exchange's control number, as `pcsc inbox` lists it.")
]
HERE: Final = Path()

REFUSED, UNREACHED, FAILED = 3, 4, 1


def plain(text: str) -> str:
    """Return text that rich prints as it is."""
    return text.replace("[", "\\[")


def show(as_json: bool, value: dict[str, Any] | list[Any], text: str) -> None:
    """Print the outcome, for a program or for a person."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_json) + "\n")
    else:
        Console(highlight=False).print(text, soft_wrap=True)


def _json(value: object) -> str | dict[str, Any]:
    """Return what JSON has no form for: times as ISO 8601, bytes of prints not at all."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value.isoformat() if isinstance(value, date) else f"({type(value).__name__})"


def opened(root: Path) -> AbstractContextManager[Installation]:
    """Open the installation in a folder."""
    from contact_point import main

    return main.opened(root)


def clock() -> Callable[[], datetime]:
    """Return the one clock."""
    from contact_point import main

    return main.clock


def now() -> datetime:
    """Return the time."""
    return clock()()


@contextmanager
def busy(what: str, *, quiet: bool = False) -> Iterator[None]:
    """Show that something longer than a second goes on."""
    console = Console(stderr=True, quiet=quiet)
    with console.status(what):
        yield


def positioned(argument: str) -> tuple[Path, int]:
    """Return the file and the finger position of a ``[POSITION=]FILE`` argument; 0 where none is given.

    Raises:
        typer.BadParameter: the position is not one of 1 (right thumb) to 10 (left little finger).

    """
    position, equals, path = argument.partition("=")
    if not equals:
        return Path(argument), 0
    if not position.isdigit() or not 1 <= int(position) <= 10:
        raise typer.BadParameter(f"a finger position is 1 (right thumb) to 10 (left little finger); got {position!r}")
    return Path(path), int(position)


def item_lines(items: Sequence[Item]) -> str:
    """Return items as lines for a person."""
    return "\n".join(
        f"    {item.kind}: {plain(item.value)}" + (f" ({plain(item.note)})" if item.note else "") for item in items
    )


def fields(exchange: Exchange) -> dict[str, Any]:
    """Return what a program is told of an exchange."""
    return {
        "exchange": exchange.control_number,
        "article": exchange.article,
        "side": exchange.side,
        "state": exchange.state,
        "reference": exchange.reference,
        "conclusion": exchange.conclusion,
        "capacity": exchange.capacity,
        "expected_on": exchange.expected_on,
        "offered": exchange.offered,
        "conditions": [asdict(condition) for condition in exchange.conditions],
        "open_purposes": exchange.open_purposes,
        "matters": [asdict(matter) for matter in exchange.matters],
        "opened_at": exchange.opened_at,
    }


_NEXT: Final = {
    "querying": {
        "sent": "Send it again:\n\n    pcsc resume",
        "match": "Look at the prints and conclude:\n\n"
        "    pcsc examine {number} --picture prints.svg\n"
        "    pcsc examine {number} --conclude identification --by NAME",
        "examined": "Determine whether to request further information:\n\n    pcsc determine {number} --request|--no-request",
        "will request": "Request it:\n\n    pcsc request {number} --notification notification.toml",
        "offered": "Accept the conditions, or decline:\n\n    pcsc accept {number} --signed-by NAME \\[--decline]",
        "provided": "Use it within its purpose:\n\n    pcsc use {number} --for notified --by NAME --not-political",
    },
    "queried": {
        "requested": "Look at what is asked for and available, and answer:\n\n    pcsc answer {number}",
    },
}
_NEXT_UNASKED: Final = (
    "Use it against serious crime:\n\n"
    "    pcsc use {number} --for serious-crime --offences offences.toml --by NAME --not-political"
)
_NEXT_OF_MATTER: Final = {
    "explanation": "pcsc explain {number}",
    "result of use": "pcsc result {number} --tell",
    "consent": "pcsc consent {number}",
    "correction": "pcsc measure {number} {matter} correction|deletion|non-disclosure --by NAME",
}


def show_exchange(exchange: Exchange, as_json: bool, before: str = "") -> None:
    """Print where an exchange stands and what comes next here; ``before`` is said first."""
    lines = [f"{plain(before)}{exchange.control_number}: [bold]{exchange.state}[/]"]
    if exchange.reference:
        lines[0] += f", reference {exchange.reference}"
    if exchange.capacity and exchange.state == "requested":
        day = f", expected on {exchange.expected_on}" if exchange.expected_on else ""
        lines.append(f"{exchange.queried} says whether it can answer: {exchange.capacity}{day}")
    lines += [f"Condition: {plain(condition.text)}" for condition in exchange.conditions]
    lines += [matter_line(exchange, matter) for matter in exchange.matters if matter.settled_at is None]
    lines += [
        f"{plain(each.recipient.name)} is to be told of the correction (Art. 10(2)):\n\n    pcsc told "
        f"{exchange.control_number} {plain(shlex.quote(each.recipient.name))}"
        for each in exchange.releases
        if not each.told
    ]
    if (following := _following(exchange)) is not None:
        lines.append(following.format(number=exchange.control_number))
    show(as_json, fields(exchange), "\n".join(lines))


def matter_line(exchange: Exchange, matter: Matter, *, following: bool = True) -> str:
    """Return what is asked or notified beside an exchange as a line; with ``following``, and the command that settles it.

    The command is there where it is ours to give.
    """
    about = f" under Art. {matter.to} to '{matter.purpose}'" if matter.to else ""
    about += f" for {matter.recipient.name}, {matter.recipient.kind}" if matter.recipient else ""
    about += f" of {', '.join(matter.concerns)}" if matter.concerns else ""
    what = f"{matter.kind} {matter.number}{plain(about)}, raised by {matter.raised_by} on {matter.raised_at:%Y-%m-%d}"
    if matter.settled_at is not None:
        return f"{what}: {plain(matter.outcome)} on {matter.settled_at:%Y-%m-%d}"
    line = f"{what}: open, due on {matter.due_at:%Y-%m-%d}"
    if not ours_to_settle(exchange, matter):
        return f"{line} from {exchange.other}"
    command = _NEXT_OF_MATTER[matter.kind].format(number=exchange.control_number, matter=matter.number)
    return f"{line}:\n\n    {command}" if following else line


def ours_to_settle(exchange: Exchange, matter: Matter) -> bool:
    """Whether an open matter waits for us: a question of the other side, or a measure.

    A measure is owed by whoever received what is wrong, whoever noticed it (Art. 10(2)).
    """
    return matter.settled_at is None and (matter.raised_by is exchange.other or matter.kind == "correction")


def _following(exchange: Exchange) -> str | None:
    """Return what comes next in the life of an exchange, here."""
    if exchange.state == "open":
        return "Read it, act upon it, and close it:\n\n    pcsc correspondence {number}\n    pcsc close {number}"
    if exchange.article == 6 and exchange.side == "querying" and exchange.state == "provided":
        return _NEXT_UNASKED
    return _NEXT[exchange.side].get(exchange.state)
