"""What the commands share: the application, its options and exit codes, and what a person or a program sees.

Nothing here costs time until a command runs: the installation, the matcher and the network are imported by what uses them.
"""

from __future__ import annotations

import json
import sys
import tomllib
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError
from rich.console import Console

from contact_point.parsing import first_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from contact_point.service import Installation
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


def plain(text: str) -> str:
    """Return text that rich prints as it is."""
    return text.replace("[", "\\[")


def show(as_json: bool, value: dict[str, Any] | list[Any], text: str) -> None:
    """Print the outcome, for a program or for a person."""
    if as_json:
        sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_json) + "\n")
    else:
        Console(highlight=False).print(text, soft_wrap=True)


def _json(value: object) -> str:
    """Return what JSON has no form for: times as ISO 8601, bytes of prints not at all."""
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


def toml(path: Path, kind: Any, what: str, example: str) -> Any:
    """Return what a TOML document says, as ``kind``.

    Raises:
        ValueError: it is not TOML, or does not say it; the message names the file and `pcsc example`, which prints one.

    """
    try:
        return TypeAdapter(kind).validate_python(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}; {what}: `{example}` prints one") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}; {what}: `{example}` prints one") from None


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
    return "\n".join(f"    {item.kind}: {plain(item.value)}" for item in items)


def fields(exchange: Exchange) -> dict[str, Any]:
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


def show_exchange(exchange: Exchange, as_json: bool, before: str = "") -> None:
    """Print where an exchange stands, and to the querying side what comes next; ``before`` is said first."""
    lines = [f"{plain(before)}{exchange.control_number}: [bold]{exchange.state}[/]"]
    if exchange.reference:
        lines[0] += f", reference {exchange.reference}"
    lines += [f"Condition: {plain(condition.text)}" for condition in exchange.conditions]
    following = _NEXT.get(exchange.state) if exchange.side == "querying" else None
    if following:
        lines.append(following.format(number=exchange.control_number))
    show(as_json, fields(exchange), "\n".join(lines))
