"""ANSI/NIST-ITL files, outside any exchange: what one holds, in what it differs from its rules, and making one.

These commands need no installation. What is of a person is shown only when asked for, on a terminal.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import tomllib
from collections import Counter
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from contact_point.cli.terminal import BOTH, FAILED, Json, app, plain, show

if TYPE_CHECKING:
    from contact_point.nist.profiles import Profile
    from contact_point.nist.rules import Rule
    from contact_point.nist.transaction import Field, Record, Transaction

nist_app = typer.Typer(
    help="ANSI/NIST-ITL files: show one, check it against its rules, make one.", no_args_is_help=True
)
app.add_typer(nist_app, name="nist", rich_help_panel=BOTH)

_SHOWN: Final = 100  # characters of a value on a line
_DATA: Final = 999
_BINARY: Final = frozenset({3, 4, 5, 6})
_UNUSED: Final = 255  # fills up the positions of Types 3 to 6
_OLDER: Final = "version-older"
"""A description may ask for an older edition; reading notes it, and that is all there is to it."""


class Rules(StrEnum):
    """The rules a file can be compared with."""

    ITL = "itl"
    INT_I = "int-i"
    EBTS = "ebts"


File = Annotated[Path, typer.Argument(metavar="FILE", help="The file, in the traditional encoding or XML.")]
Against = Annotated[
    Rules | None,
    typer.Option(
        "--profile", help="The standard, INTERPOL's or the FBI's rules.", show_default="those its domain names"
    ),
]


@nist_app.command("show")
def show_file(
    file: File,
    values: Annotated[
        bool, typer.Option("--values", help="Show what is of a person too. For the terminal only.")
    ] = False,
    profile: Against = None,
    as_json: Json = False,
) -> None:
    """Show the records of a file and their fields by name; images by compression and size."""
    if values and (as_json or not sys.stdout.isatty()):
        raise typer.BadParameter(
            "--values shows what is of a person, on a terminal only: not with --json, nor to a file"
        )
    transaction = _transaction(file)
    rules = _profile(profile, transaction)
    fields = [[_field(rules, transaction, each, one, values) for one in each.fields] for each in transaction.records]
    told = {
        "profile": rules.key,
        "encoding": transaction.encoding,
        "charset": transaction.charset,
        "deviations": [asdict(each) for each in transaction.deviations],
        "records": [
            {"record": place, "type": record.type, "name": _record_name(rules, record), "fields": within}
            for place, (record, within) in enumerate(zip(transaction.records, fields, strict=True), start=1)
        ],
    }
    lines = [f"{plain(str(file))}: {transaction.encoding} encoding, {transaction.charset}, by {rules.name}"]
    if transaction.deviations:
        lines.append(
            f"{len(transaction.deviations)} deviations were forgiven in reading; `pcsc nist check` names them."
        )
    for place, (record, within) in enumerate(zip(transaction.records, fields, strict=True), start=1):
        lines.append(f"[bold]Record {place}: Type-{record.type}[/] {plain(_record_name(rules, record))}")
        lines += [f"    {plain(_line(record.type, each))}" for each in within]
    show(as_json, told, "\n".join(lines))


def _record_name(rules: Profile, record: Record) -> str:
    table = rules.records.get(record.type)
    return table.name if table else f"not in {rules.name}"


def _field(rules: Profile, transaction: Transaction, record: Record, each: Field, values: bool) -> dict[str, Any]:
    """Return what is told of one field: its value, or that it is hidden, or what image it holds."""
    from contact_point.nist import profiles

    mnemonic, name = profiles.name_of(rules, record.type, each.number)
    told: dict[str, Any] = {"number": each.number, "mnemonic": mnemonic, "name": name, "bytes": len(each.value)}
    rule = rules.rule(record.type, each.number)
    if each.number == _DATA or (rule and rule.items and rule.items[0].kind == "B"):
        return told | {"image": _picture(rules, record)}
    if rules.is_private(record.type, each.number) and not values:
        return told | {"hidden": True}
    return told | {"value": _readable(rules, transaction, each.value, rule)}


def _picture(rules: Profile, record: Record) -> dict[str, Any]:
    """Return compression and size of a record's image, by its own header where it has one."""
    from contact_point.nist import profiles

    picture = profiles.picture_of(rules, record)
    told = picture and (picture.header or picture)
    if told is None:
        return {"compression": "", "width": 0, "height": 0}
    return {"compression": told.compression, "width": told.width, "height": told.height}


def _readable(rules: Profile, transaction: Transaction, value: bytes, rule: Rule | None) -> str:
    """Return a value for reading: items between commas, subfields between semicolons, a code with its meaning."""
    from contact_point.nist import traditional
    from contact_point.nist.transaction import RS, US

    table = rules.codes.get(rule.items[0].codes) if rule and len(rule.items) == 1 else None

    def one(item: bytes) -> str:
        text = traditional.text(transaction, item)
        meaning = table.meaning(text.strip()) if table else None
        return f"{text} ({meaning})" if meaning and meaning != text else text

    used = [subfield for subfield in value.split(RS) if table is None or subfield != b"%d" % _UNUSED] or [value]
    return "; ".join(", ".join(one(item) for item in subfield.split(US)) for subfield in used)


def _line(record_type: int, told: dict[str, Any]) -> str:
    label = f"{record_type}.{told['number']:03} {told['mnemonic'] or '?'}  {told['name'] or 'not in this profile'}"
    if "image" in told:
        image = told["image"]
        size = f"{image['width']} x {image['height']}, {told['bytes']} bytes"
        return f"{label}: {image['compression'] or 'unknown compression'}, {size}"
    if "hidden" in told:
        return f"{label}: hidden, {told['bytes']} bytes"
    value = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in told["value"])
    return f"{label}: {value[:_SHOWN]}{f' ... ({len(value)} characters)' if len(value) > _SHOWN else ''}"


@nist_app.command("check")
def check_file(file: File, profile: Against = None, as_json: Json = False) -> None:
    """Say in what a file differs from its rules. Ends with 0 where in nothing, with 1 where in something."""
    from contact_point.nist import profiles

    transaction = _transaction(file)
    rules = _profile(profile, transaction)
    findings = profiles.check(transaction, rules)
    lines = [
        *(f"forgiven: {_place(each.record, each.field)}{each.text}" for each in transaction.deviations),
        *(f"{each.severity}: {each.text}" for each in findings),
    ]
    counts = Counter(each.severity for each in findings)
    lines.append(
        f"{file}, by {rules.name}: {len(transaction.deviations)} deviations forgiven in reading, "
        + ", ".join(f"{counts[each]} {each}s" for each in profiles.Severity)
    )
    told = {
        "profile": rules.key,
        "deviations": [asdict(each) for each in transaction.deviations],
        "findings": [asdict(each) for each in findings],
    }
    show(as_json, told, plain("\n".join(lines)))
    if findings or transaction.deviations:
        raise typer.Exit(FAILED)


def _place(record: int, number: int) -> str:
    return f"record {record}{f', field {number}' if number else ''}: " if record else ""


@nist_app.command()
def make(
    description: Annotated[Path, typer.Argument(metavar="DESCRIPTION", help="TOML or JSON: the records and fields.")],
    output: Annotated[Path, typer.Option("--output", help="The file to write; it must not exist.")],
    profile: Against = None,
    as_json: Json = False,
) -> None:
    """Make a file from a description, in the traditional encoding; only where it keeps to its rules in everything.

    A description has `[[records]]`, each with a `type`, fields by mnemonic or number, and for an image the path of its file
    as `image`. A field is a text, a number or a date; a list is its subfields, a list in it their items. What an image says
    of itself (compression, width, height), IDC, CNT and the version are filled in.
    """
    from contact_point.nist import profiles, traditional
    from contact_point.nist.transaction import FieldError

    document = _document(description)
    data = traditional.write(_made(document, description.parent, profile))
    transaction = traditional.read(data)
    rules = _profile(profile, transaction)
    faults = [each.text for each in profiles.check(transaction, rules)]
    faults += [each.text for each in transaction.deviations if each.code != _OLDER]
    if faults:
        listed = "".join(f"\n    {each}" for each in faults)
        raise FieldError(f"{description}: expected a transaction that keeps to {rules.name}; correct:{listed}")
    with output.open("xb") as file:
        file.write(data)
    told = {"file": str(output), "bytes": len(data), "records": len(transaction.records), "profile": rules.key}
    show(
        as_json, told, f"{plain(str(output))}: {len(transaction.records)} records, {len(data)} bytes, by {rules.name}."
    )


def _document(path: Path) -> dict[str, Any]:
    """Return a description.

    Raises:
        ValueError: it is neither TOML nor JSON, or has no records.

    """
    text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: expected TOML, or JSON in a file named .json, got something else: {error}") from None
    records = document.get("records") if isinstance(document, dict) else None
    sound = isinstance(records, list) and all(
        isinstance(each, dict) and isinstance(each.get("type"), int) for each in records
    )
    if not records or not sound:
        raise ValueError(
            f"{path}: expected [[records]], each with its type as a number, got none; describe the records"
        )
    return {**document, "records": records}


def _made(document: dict[str, Any], folder: Path, profile: Rules | None) -> Transaction:
    """Return the transaction that a description tells."""
    from contact_point.nist import profiles
    from contact_point.nist.transaction import Transaction

    charset = str(document.get("charset", "ascii"))
    names = profiles.load(profile or str(document.get("profile", "itl")))
    records = [_record(names, each, place, folder, charset) for place, each in enumerate(document["records"], start=1)]
    if records[0].type == 1 and records[0].get(2) is None:
        records[0] = _with(records[0], {2: b"0502"})
    return Transaction(tuple(records), charset)


def _with(record: Record, values: dict[int, bytes]) -> Record:
    """Return a record with these fields put in, or in the place of its own."""
    from contact_point.nist.transaction import Field, Record

    fields = {each.number: each.value for each in record.fields} | values
    return Record(record.type, tuple(Field(number, value) for number, value in sorted(fields.items())))


def _record(names: Profile, described: dict[str, Any], place: int, folder: Path, charset: str) -> Record:
    """Return one record as it is described, with what its image says of itself.

    Raises:
        FieldError: a field has no such name in the profile, or a value no form.

    """
    from contact_point.nist.transaction import FieldError, Record

    kind: int = described["type"]
    values: dict[int, bytes] = {}
    if kind != 1:
        values[2] = b"%02d" % (0 if kind == 2 else place - 2)
    if "image" in described:
        values |= _image(names, kind, folder / str(described["image"]))
    for key, value in described.items():
        if key in {"type", "image"}:
            continue
        number = int(key) if key.isdigit() else names.number_of(kind, key)
        if number is None:
            raise FieldError(
                f"record {place} (Type-{kind}): expected fields by number or by a mnemonic of {names.name}, got {key[:20]!r}; "
                "name the field by its number"
            )
        values[number] = _value(value, charset, f"record {place} (Type-{kind}), {key[:20]}")
    if kind in _BINARY and 4 in values:
        positions = values[4].split(b"\x1e")
        values[4] = b"\x1e".join(positions + [b"%d" % _UNUSED] * (6 - len(positions)))
    return _with(Record(kind, ()), values)


def _image(names: Profile, kind: int, path: Path) -> dict[int, bytes]:
    """Return the fields that an image file fills: the data, and what its header says.

    Raises:
        FieldError: the record type has no image.

    """
    from contact_point.nist import headers
    from contact_point.nist.transaction import FieldError

    number = names.number_of(kind, "DATA")
    if number is None:
        raise FieldError(
            f"a Type-{kind} record: expected no image, it has no field for one, got {path.name}; leave it out"
        )
    data = path.read_bytes()
    values = {number: data}
    if header := headers.read(data):
        values |= {6: b"%d" % header.width, 7: b"%d" % header.height}
        values |= _named(names, kind, header.compression)
    if kind in _BINARY:
        values[5] = b"0"
    elif names.number_of(kind, "BPX"):
        values[12] = b"8"
    return values


def _named(names: Profile, kind: int, compression: str) -> dict[int, bytes]:
    """Return the field that names a compression: by its code in Types 3 and 4, as it is elsewhere."""
    if kind not in _BINARY:
        return {11: compression.encode("ascii")}
    codes = names.codes["binary-compression"].meanings
    code = next((code for code, meaning in codes.items() if meaning == compression), "")
    return {8: code.encode("ascii")}


def _value(value: Any, charset: str, where: str) -> bytes:
    """Return a described value as a field holds it.

    Raises:
        FieldError: it is no text, number, date or list of them, or holds a separator or what the character set has not.

    """
    if isinstance(value, list):
        return b"\x1e".join(
            b"\x1f".join(_text(item, charset, where) for item in each)
            if isinstance(each, list)
            else _text(each, charset, where)
            for each in value
        )
    return _text(value, charset, where)


def _text(value: Any, charset: str, where: str) -> bytes:
    from contact_point.nist.transaction import FieldError

    if isinstance(value, dt.datetime):
        value = f"{value.astimezone(dt.UTC):%Y%m%d%H%M%SZ}"
    elif isinstance(value, dt.date):
        value = f"{value:%Y%m%d}"
    if (
        isinstance(value, bool)
        or not isinstance(value, str | int)
        or any(char in str(value) for char in "\x1c\x1d\x1e\x1f")
    ):
        raise FieldError(
            f"{where}: expected a text, a number or a date, or a list of them, got something else; write one"
        )
    try:
        return str(value).encode(charset)
    except (LookupError, UnicodeEncodeError):
        raise FieldError(
            f"{where}: expected text in the character set {charset[:20]!r}, got other characters; "
            'say charset = "utf-8" in the description'
        ) from None


def _profile(chosen: Rules | None, transaction: Transaction) -> Profile:
    from contact_point.nist import profiles

    return profiles.load(chosen) if chosen else profiles.profile_for(transaction)


def _transaction(path: Path) -> Transaction:
    """Return the transaction that a file holds, in either encoding.

    Raises:
        NistError, TooLargeError: it holds none, or one too large; the message says what was expected.

    """
    from contact_point import files
    from contact_point.nist import reading

    return reading.read(files.load(path))
