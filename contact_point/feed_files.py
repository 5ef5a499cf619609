"""Files of events about enrolled persons: CSV (RFC 4180), JSON Lines or a JSON array, in UTF-8.

    number,source,subject,date,event,case,arrested_on,born_on,withdraws
    2026-000417,NPA,person-1,2026-11-20,acquitted,Tokyo 2026 (wa) 123,2026-02-03,,

The first five columns are always there, the others where an event has something to say in them (:data:`COLUMNS`). In JSON
each event is an object with the same names; what it has nothing to say about is left out, "" or null.

A file that is no such file is refused as a whole (:class:`FeedError`). A line that says no event has its reason instead
(:attr:`Line.fault`), and so has every other one: a person corrects them all at once. What spreadsheets do to a file is refused
where it may have changed a value, and otherwise read, with a word about it (:attr:`FeedFile.notes`). No message tells a value.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from contact_point.dispositions import KINDS, OF_A_CASE, Event, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from annex.parameters import Party

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_EVENTS: Final = 200_000
"""Of one file: the national file of a year's dispositions is taken in parts."""
MAX_CHARACTERS: Final = 200
"""Of one value."""

REQUIRED: Final = ("number", "source", "subject", "date", "event")
COLUMNS: Final = (*REQUIRED, "case", "arrested_on", "born_on", "withdraws")
PASSED_OVER: Final = ("line", "reason")
"""Columns of a file of rejects, which may be given again once its lines are corrected."""


class FeedError(ValueError):
    """A file that is no feed, or a feed that cannot be applied; nothing of it was."""


@dataclass(frozen=True, slots=True)
class Line:
    """An event of a file with the line that it begins on, or why there is none; ``given`` is what stood there, by column."""

    number: int
    given: Mapping[str, str]
    event: Event | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class FeedFile:
    """What a file says, its SHA-256 in hexadecimal, and what was read in spite of how it was written."""

    lines: tuple[Line, ...]
    sha256: str
    notes: tuple[str, ...] = ()


def read_feed(data: bytes, party: Party, today: date) -> FeedFile:
    """Return what a file says about persons enrolled with a Party; ``today`` is the day in UTC.

    Raises:
        FeedError: it is no feed: too large, not UTF-8, binary, no CSV or JSON, or without the columns; the message says which.

    """
    if len(data) > MAX_BYTES:
        raise FeedError(f"a feed has at most {MAX_BYTES} bytes; this file has {len(data)}: give it in parts")
    notes: list[str] = []
    text = _text(data, notes)
    rows = _json(text) if text.lstrip()[:1] in {"{", "["} else _csv(text, notes)
    lines: list[Line] = []
    for number, given, fault in rows:
        if len(lines) == MAX_EVENTS:
            raise FeedError(f"a feed has at most {MAX_EVENTS} events; line {number} has one more: give it in parts")
        lines.append(_line(number, given, fault, party, today))
    return FeedFile(tuple(lines), hashlib.sha256(data).hexdigest(), tuple(notes))


def _text(data: bytes, notes: list[str]) -> str:
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        raise FeedError("a feed is in UTF-8; this file is in UTF-16: save it as 'CSV UTF-8'")
    if data.startswith(b"\xef\xbb\xbf"):
        notes.append("the file begins with a byte order mark, as spreadsheets write it; it was passed over")
        data = data[3:]
    if (at := data.find(b"\0")) >= 0:
        raise FeedError(
            f"a feed is a text; line {_line_of(data, at)} of this file has a NUL: it is damaged, or something else"
        )
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise FeedError(
            f"a feed is in UTF-8; line {_line_of(data, error.start)} of this file is not (Shift_JIS and Windows code pages are "
            "none): save it as 'CSV UTF-8'"
        ) from None


def _line_of(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


# A row is the line it begins on, its values by column, and what is wrong with it as a row
_Row = tuple[int, Mapping[str, str], str]


def _csv(text: str, notes: list[str]) -> Iterator[_Row]:
    first = text.splitlines()[0] if text.strip() else ""
    if first.casefold().startswith("sep="):
        raise FeedError("line 1 is 'sep=', which only a spreadsheet reads (RFC 4180): delete the line")
    delimiter = next((each for each in ",;\t" if each in first), ",")
    if delimiter != ",":
        named = "semicolons" if delimiter == ";" else "tabs"
        notes.append(f"values are separated by {named}, not by commas (RFC 4180), as spreadsheets of some languages do")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    empty = 0
    begins = 1
    try:
        for row in reader:
            line, begins = begins, reader.line_num + 1
            if header is None:
                header = _header(row)
            elif not any(row):
                empty += 1
            elif len(row) != len(header):
                yield line, dict(zip(header, row, strict=False)), f"expected {len(header)} values; got {len(row)}"
            else:
                yield line, dict(zip(header, row, strict=True)), ""
    except csv.Error as error:
        raise FeedError(
            f"line {begins}: this is not CSV (RFC 4180): {error}: correct the quotes and line ends"
        ) from None
    if header is None:
        raise FeedError("a feed has a header, and a line for each event; this file is empty")
    if empty:
        notes.append(f"lines without any value, passed over: {empty}")


def _header(row: list[str]) -> list[str]:
    missing = [each for each in REQUIRED if each not in row]
    unknown = sum(each not in {*COLUMNS, *PASSED_OVER} for each in row)
    if missing or unknown or len(set(row)) != len(row):
        raise FeedError(
            f"line 1: expected a header of {', '.join(COLUMNS)}, each once and the first {len(REQUIRED)} always; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {unknown}; "
            f"repeated: {len(row) - len(set(row))}: name the columns so, and leave out all others"
        )
    return row


def _json(text: str) -> Iterator[_Row]:
    """Yield the objects of a JSON array, or of lines."""
    if text.lstrip().startswith("["):
        yield from _array(text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, *_object(json.loads(line, object_pairs_hook=_once))
            except (ValueError, RecursionError) as error:
                yield number, {}, _not_json(error)


def _array(text: str) -> Iterator[_Row]:
    """Yield the objects of an array, each with its line.

    Raises:
        FeedError: it does not go on as an array; what comes after cannot be told apart.

    """
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    at, line, counted = text.index("[") + 1, 1, 0
    first = True
    while True:
        at = _space(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]" and first:
            break
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise FeedError(f"line {line}: {_not_json(error)}: correct the file") from None
        yield line, *_object(value)
        first, at = False, _space(text, at)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            line += text.count("\n", counted, at)
            raise FeedError(f"line {line}: expected a comma or the end of the array: correct the file")
        at += 1
    if text[at + 1 :].strip():
        raise FeedError("expected nothing after the array; there is more: correct the file")


_SPACE: Final = re.compile(r"[ \t\r\n]*")


def _space(text: str, at: int) -> int:
    """Return where the next thing begins."""
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


class _TwiceError(ValueError):
    """A name stands twice in an object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


def _not_json(error: Exception) -> str:
    return "a name stands twice in an object" if isinstance(error, _TwiceError) else "this is not JSON"


def _object(value: object) -> tuple[Mapping[str, str], str]:
    if not isinstance(value, dict):
        return {}, "expected an object for each event"
    if any(each not in COLUMNS and each not in PASSED_OVER for each in value):
        return {}, f"expected names among {', '.join(COLUMNS)}; another one is there"
    given = {name: "" if each is None else each for name, each in value.items()}
    wrong = [name for name, each in given.items() if not isinstance(each, str)]
    texts = {name: each for name, each in given.items() if isinstance(each, str)}
    return texts, f"{wrong[0]}: expected a text" if wrong else ""


# Lines


def _line(number: int, given: Mapping[str, str], fault: str, party: Party, today: date) -> Line:
    values = {name: each for name, each in given.items() if name not in PASSED_OVER}
    if fault:
        return Line(number, values, fault=fault)
    try:
        return Line(number, values, _event(values, party, today))
    except FeedError as error:
        return Line(number, values, fault=str(error))


def refused(line: Line, fault: str) -> Line:
    """Return a line that says an event which cannot be, and why."""
    return replace(line, event=None, fault=fault)


_ROUNDED: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d+", re.IGNORECASE)


def _event(values: Mapping[str, str], party: Party, today: date) -> Event:
    given = {name: _value(name, values.get(name, "")) for name in COLUMNS}
    if missing := [name for name in REQUIRED if not given[name]]:
        raise FeedError(f"{', '.join(missing)}: expected a value; there is none")
    kind = _kind(given["event"], party)
    on = _day("date", given["date"])
    # In Tokyo a day begins nine hours before it does in UTC.
    if on > today + timedelta(days=1):
        raise FeedError("date: expected a day that has come; this one has not: an event is fed when it has happened")
    arrested_on, born_on = (_day(name, given[name]) if given[name] else None for name in ("arrested_on", "born_on"))
    _check_case(kind, given["case"], on, arrested_on)
    if born_on is not None and (kind is not Kind.BORN or born_on > on):
        raise FeedError(f"born_on: expected a day before the event, of an event {Kind.BORN} alone; got another")
    if (kind is Kind.WITHDRAWN) is not bool(given["withdraws"]):
        raise FeedError(f"withdraws: expected the number of another event, of an event {Kind.WITHDRAWN} alone")
    if kind is Kind.ARRESTED:
        arrested_on = on
    texts = {name: given[name] for name in ("source", "number", "subject", "case", "withdraws")}
    return Event(**texts, on=on, kind=kind, arrested_on=arrested_on, born_on=born_on)


def _value(name: str, text: str) -> str:
    """Return a value as it stands.

    Raises:
        FeedError: it is too long, has spaces around it, control or formatting characters, or is what a spreadsheet made.

    """
    if len(text) > MAX_CHARACTERS:
        raise FeedError(f"{name}: expected at most {MAX_CHARACTERS} characters; got {len(text)}")
    if text != text.strip():
        raise FeedError(f"{name}: expected no spaces before or after the value: take them out, so that it is one value")
    if any(unicodedata.category(each) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for each in text):
        raise FeedError(f"{name}: expected characters that can be seen; there is one that cannot: write the value anew")
    if unicodedata.normalize("NFC", text) != text:
        raise FeedError(f"{name}: expected composed characters (NFC), so that one value is written in one way")
    if text.startswith("=") or _ROUNDED.fullmatch(text):
        raise FeedError(f"{name}: this is a formula or a rounded number of a spreadsheet: give the column as text")
    return text


def _kind(text: str, party: Party) -> Kind:
    told = [kind for kind in Kind if kind in KINDS[party]]
    try:
        kind = Kind(text)
    except ValueError:
        raise FeedError(
            f"event: expected one of {', '.join(told)}; got another: translate the national system's code"
        ) from None
    if kind not in KINDS[party]:
        paragraph = "1" if party == "JP" else "2"
        raise FeedError(
            f"event: {kind} is in no category of Annex II {paragraph}, by which the prints of {party} are made available: "
            "leave the line out, or say what it comes to there"
        )
    return kind


_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(name: str, text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise FeedError(
        f"{name}: expected a day as YYYY-MM-DD; got another text, as spreadsheets write days: give the column as text"
    )


def _check_case(kind: Kind, case: str, on: date, arrested_on: date | None) -> None:
    if kind in OF_A_CASE and not case:
        raise FeedError(
            f"case: expected the number of the case, which {kind} is about (Annex II 1(1)(b)); there is none"
        )
    if kind not in OF_A_CASE and (case or arrested_on):
        raise FeedError(f"case, arrested_on: expected none, as {kind} is about the person; got one")
    if arrested_on is not None and (arrested_on > on or (kind is Kind.ARRESTED and arrested_on != on)):
        raise FeedError(
            "arrested_on: expected the day of the arrest, on or before the event, and of an arrest its own day"
        )


def write_rejects(lines: Iterable[Line]) -> str:
    """Return lines that were refused as CSV, each after its line and the reason: corrected, it is a feed again."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*PASSED_OVER, *COLUMNS])
    for line in lines:
        writer.writerow([line.number, line.fault, *(line.given.get(name, "") for name in COLUMNS)])
    return text.getvalue()
