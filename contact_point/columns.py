"""Entries of the record as rows: the same columns in CSV, JSON Lines and Parquet (docs/exports.md lists them).

JSON Lines: an object a line, the columns in their order. Parquet: one row group, compressed with Zstandard. CSV: RFC 4180 in
UTF-8, every cell in quotes, the names of the columns in the first line; a list is a JSON array, and what is not known is an
empty cell. What a row says is fixed by the entry, so the same entry always gives the same bytes; of Parquet, with the same
release of pyarrow, which is needed for it alone.

A spreadsheet takes a cell that begins with a sign of a formula for one, and runs it. So an apostrophe is put in front of such a
sign, wherever a program could begin to read a cell: :func:`tame`, which :func:`wild` takes back.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal

from pcsc.records import Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Form = Literal["csv", "jsonl", "parquet"]
FORMS: Final[tuple[Form, ...]] = ("csv", "jsonl", "parquet")

Type = Literal["number", "text", "time", "texts", "yes or no"]


class MissingLibraryError(ValueError):
    """What writes this form is not installed."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, what its cells are, and what they mean."""

    name: str
    type: Type
    meaning: str
    of: Callable[[Entry], Any]
    """The value: a number, a text, a list of texts, or whether; times as the entry writes them."""


COLUMNS: Final = (
    Column("number", "number", "place in the record, from 0; never left out", lambda e: e.number),
    Column("at", "time", "when it was provided, received or done here: 11(2)(2)", lambda e: e.at.isoformat()),
    Column("made_at", "time", "when its sender says that it was made", lambda e: e.made_at.isoformat()),
    Column("exchange", "text", "control number of the query or notice that began it", lambda e: e.exchange),
    Column("message", "text", "control number of the message; of the exchange for an act", lambda e: e.message),
    Column("direction", "text", "provided, received, or act (of our own)", lambda e: e.direction.value),
    Column("event", "text", "type of message or act", lambda e: e.event),
    Column("article", "text", "the clause under which it was sent or done", lambda e: e.article),
    Column("information", "texts", "types of information, never the information: 11(2)(1)", lambda e: [*e.information]),
    Column("other", "text", "the other Party, JP or US", lambda e: e.other.value),
    Column(
        "authority", "text", "identifier of the investigating authority: 11(2)(3)", lambda e: e.authority.identifier
    ),
    Column("authority_name", "text", "its name at the time of the query", lambda e: e.authority.name),
    Column("authority_unit", "text", "its unit", lambda e: e.authority.unit),
    Column("authority_jurisdiction", "text", "its jurisdiction", lambda e: e.authority.jurisdiction),
    Column("identified", "yes or no", "what the query said of the individual (Annex II)", lambda e: e.identified),
    Column("search", "text", "what the query searched with", lambda e: e.search),
    Column("arrangement", "text", "version of the implementing arrangement then in force", lambda e: e.arrangement),
    Column("rules", "text", "version of the rules then in force", lambda e: e.rules),
    Column(
        "commitment", "text", "HMAC-SHA-256 of the message's bytes, as both Parties hold it", lambda e: e.commitment
    ),
    Column("note", "text", "what an act says of itself; it may name persons", lambda e: e.note),
    Column("trace", "text", "commitment to how it was decided (`pcsc why`)", lambda e: e.trace),
)
"""Every column: all that an entry holds."""

NUMBER: Final = COLUMNS[0].name
NAMES: Final = tuple(each.name for each in COLUMNS)


def chosen(left_out: Iterable[str]) -> tuple[Column, ...]:
    """Return the columns but those that are left out.

    Raises:
        ValueError: there is no such column, or it is the number, by which a row is found in the record.

    """
    unknown = [name for name in left_out if name not in NAMES[1:]]
    if unknown:
        raise ValueError(
            f"expected columns that can be left out ({', '.join(NAMES[1:])}); got {', '.join(unknown)}: by its number a row is "
            "found in the record, so that one stays"
        )
    return tuple(each for each in COLUMNS if each.name not in {*left_out})


# Cells of a spreadsheet

_ALIVE: Final = re.compile(r"(?:^|(?<=[,;|\t\r\n]))(?=\s*['=+\-@＝＋－＠])")  # noqa: RUF001 - full-width signs count too
_TAMED: Final = re.compile(r"(?:^|(?<=[,;|\t\r\n]))'")


def tame(text: str) -> str:
    """Return a text of which no spreadsheet makes a formula, whatever it takes for the end of a cell.

    An apostrophe stands before each ``=``, ``+``, ``-``, ``@`` (also of full width) and each apostrophe that begins the text,
    or what follows one of ``, ; |``, a tab or a line break; with white space between, before that.
    """
    return _ALIVE.sub("'", text)


def wild(text: str) -> str:
    """Return the text that :func:`tame` was given."""
    return _TAMED.sub("", text)


# Rows


def csv_line(values: Sequence[Any]) -> bytes:
    """Return a line of CSV."""
    line = io.StringIO(newline="")
    csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([tame(_cell(each)) for each in values])
    return line.getvalue().encode()


def jsonl_line(columns: Sequence[Column], values: Sequence[Any]) -> bytes:
    """Return a line of JSON Lines."""
    row = {column.name: value for column, value in zip(columns, values, strict=True)}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _cell(value: Any) -> str:
    """Return a value as the text of a cell."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Rows:
    """The bytes of one part: rows go in, bytes come out, all of them at the end at the latest."""

    def __init__(self, form: Form, columns: Sequence[Column], write: Callable[[bytes], object]) -> None:
        self._form, self._columns, self._write = form, columns, write
        self._values: list[list[Any]] = [[] for _ in columns]  # of Parquet, whose rows are written together
        self.count = 0
        if form == "csv":
            write(csv_line([each.name for each in columns]))

    def add(self, entry: Entry) -> None:
        """Take the next row."""
        values = [column.of(entry) for column in self._columns]
        self.count += 1
        if self._form == "csv":
            self._write(csv_line(values))
        elif self._form == "jsonl":
            self._write(jsonl_line(self._columns, values))
        else:
            for column, value in zip(self._values, values, strict=True):
                column.append(value)

    def end(self) -> None:
        """Write what is left.

        Raises:
            MissingLibraryError: pyarrow is not installed.

        """
        if self._form == "parquet":
            self._write(_parquet(self._columns, self._values))


def check_form(form: Form) -> None:
    """Refuse a form that cannot be written here, before anything is.

    Raises:
        MissingLibraryError: pyarrow is not installed.

    """
    if form == "parquet":
        _pyarrow()


def _pyarrow() -> tuple[Any, Any]:
    """Return the library, which takes memory that no other form needs."""
    try:
        parquet = import_module("pyarrow.parquet")
    except ImportError:
        raise MissingLibraryError(
            "Parquet is written with pyarrow, which is not installed: install requirements/console.lock, or export CSV or "
            "JSON Lines, which say the same"
        ) from None
    return import_module("pyarrow"), parquet


def _parquet(columns: Sequence[Column], values: Sequence[list[Any]]) -> bytes:
    """Return a Parquet file of these columns."""
    arrow, parquet = _pyarrow()
    types = {
        "number": arrow.int64(),
        "text": arrow.string(),
        "time": arrow.timestamp("us", "UTC"),
        "texts": arrow.list_(arrow.string()),
        "yes or no": arrow.bool_(),
    }
    fields = [arrow.field(column.name, types[column.type]) for column in columns]
    arrays = [_array(arrow, field.type, each) for field, each in zip(fields, values, strict=True)]
    sink = arrow.BufferOutputStream()
    table = arrow.Table.from_arrays(arrays, schema=arrow.schema(fields))
    parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _array(arrow: Any, kind: Any, values: list[Any]) -> Any:
    """Return a column; times come as the texts that entries have."""
    if arrow.types.is_timestamp(kind):
        values = [datetime.fromisoformat(each) for each in values]
    return arrow.array(values, kind)
