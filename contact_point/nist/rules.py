"""The tables of fields: what a field of a record is called, and what it may hold, as data in ``tables/``.

``itl`` is ANSI/NIST-ITL 1-2011, Update 2015; ``ebts`` and ``int_i`` extend it by what the FBI (domain NORAM) and INTERPOL
(INT-I) put into Type-2 and ask of Type-1. Each file says what its lines mean, where its facts come from, and which of them
no source confirmed. :func:`load` gives a :class:`Profile`: record types, their fields, tables of codes, and types of
transaction with what each must have.

The files belong to the package and are trusted. Standard library only.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from contact_point.nist.transaction import FieldError

NAMES: Final = ("itl", "int_i", "ebts")
"""The tables there are."""

NEWEST: Final = "0502"
"""1.002 VER of the edition that the tables describe; an absent version is read as this one."""

FIRST_OWN: Final = 3
"""The first field of Type-2 that a domain gives its meaning; before it stand LEN and IDC."""

_ITEM: Final = re.compile(
    r"(?P<kind>[A-Z]+) (?P<least>[0-9]+)(?:-(?P<most>[0-9]+|\*))?(?: (?P<codes>[a-z][a-z-]*))?(?P<optional> \?)?"
)
_RANGE: Final = re.compile(r"([0-9]+)-([0-9]+)")


class Need(StrEnum):
    """Whether a field must be there."""

    MANDATORY = "M"
    OPTIONAL = "O"
    WITH_IMAGE = "D"  # mandatory where the record has an image, absent where it has none


@dataclass(frozen=True, slots=True)
class Item:
    """One information item: its kind of characters, how many (``most`` is None for any number), and its table of codes."""

    kind: str
    least: int
    most: int | None
    codes: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """One field: what it is called and may hold; no ``items``: nothing is said of its content.

    ``open`` says that more items may follow, ``times`` how often the subfield may come, ``private`` that the value may be of
    a person. ``older`` holds the rule of earlier editions: that of all versions before the one named, newest first.
    """

    mnemonic: str
    name: str
    need: Need = Need.OPTIONAL
    items: tuple[Item, ...] = ()
    open: bool = False
    times: tuple[int, int | None] = (1, 1)
    private: bool = False
    older: tuple[tuple[str, Rule], ...] = ()

    def of_version(self, version: str) -> Rule:
        """Return the rule as the edition of this version (1.002) has it."""
        return next((rule for before, rule in reversed(self.older) if version < before), self)


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of one record type, by number and by range; in an ``open`` one a field not listed is no finding."""

    name: str
    fields: Mapping[int, Rule]
    ranges: tuple[tuple[int, int, Rule], ...] = ()
    open: bool = False

    def rule(self, number: int) -> Rule | None:
        """Return the rule of a field."""
        if number in self.fields:
            return self.fields[number]
        return next((rule for first, last, rule in self.ranges if first <= number <= last), None)


@dataclass(frozen=True, slots=True)
class Codes:
    """One table of codes: each code with its meaning, and where the table stands."""

    meanings: Mapping[str, str]
    source: str = ""

    def meaning(self, code: str) -> str | None:
        """Return what a code means, with or without leading zeros, or None."""
        return self.meanings.get(code, self.meanings.get(str(int(code))) if _is_number(code) else None)


@dataclass(frozen=True, slots=True)
class Purpose:
    """One type of transaction (1.004): its name, and the fields of Type-2 it must have."""

    name: str
    fields: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """One table: its name in :data:`NAMES`, what it describes, the domains (1.013) that name it, and its rules."""

    key: str
    name: str
    domains: tuple[str, ...]
    codes: Mapping[str, Codes]
    records: Mapping[int, Table]
    transactions: Mapping[str, Purpose] = field(default_factory=dict)

    def rule(self, record_type: int, number: int, version: str = NEWEST) -> Rule | None:
        """Return the rule of a field in the edition of a version, or None where the table does not list it."""
        table = self.records.get(record_type)
        rule = table.rule(number) if table else None
        return rule.of_version(version) if rule else None

    def number_of(self, record_type: int, mnemonic: str) -> int | None:
        """Return the number of the field of this mnemonic."""
        table = self.records.get(record_type)
        fields = table.fields if table else {}
        return next((number for number, rule in fields.items() if rule.mnemonic == mnemonic), None)

    def is_private(self, record_type: int, number: int) -> bool:
        """Tell whether a value may be of a person: all of Type-2, what the table says so of, and what it does not list."""
        if record_type == 2:
            return number >= FIRST_OWN
        rule = self.rule(record_type, number)
        return rule is None or rule.private


@lru_cache(maxsize=len(NAMES) + 1)
def load(name: str) -> Profile:
    """Return a table by its name: ``itl``, ``ebts``, ``int_i`` (also ``int-i``). It is read once.

    Raises:
        FieldError: there is no table of this name.

    """
    key = name.replace("-", "_")
    if key not in NAMES:
        raise FieldError(f"the profile: expected one of {', '.join(NAMES)}, got {name[:20]!r}; name one of them")
    document = tomllib.loads(files("contact_point.nist").joinpath(f"tables/{key}.toml").read_text(encoding="utf-8"))
    base = load(document["extends"]) if "extends" in document else None
    codes = dict(base.codes) if base else {}
    for each, content in document.get("codes", {}).items():
        codes[each] = _codes(content, codes)
    records = dict(base.records) if base else {}
    shared = document.get("shared", {})
    for number, content in document["records"].items():
        records[int(number)] = _table(content, shared, records.get(int(number)))
    groups: dict[str, list[int]] = document.get("groups", {})
    transactions = {each: _purpose(content, groups) for each, content in document.get("transactions", {}).items()}
    return Profile(
        key,
        document["name"],
        tuple(document.get("domains", ())),
        MappingProxyType(codes),
        MappingProxyType(records),
        MappingProxyType(transactions),
    )


def _codes(content: dict[str, Any], known: Mapping[str, Codes]) -> Codes:
    meanings: dict[str, str] = {}
    for each in content.get("with", ()):
        meanings |= known[each].meanings
    meanings |= {code: meaning for code, meaning in content.items() if code not in {"with", "source"}}
    return Codes(MappingProxyType(meanings), content.get("source", ""))


def _table(content: dict[str, Any], shared: Mapping[str, Any], base: Table | None) -> Table:
    """Return a record type's table: what it extends, what it shares, and its own fields, each over the one before."""
    fields = dict(base.fields) if base else {}
    # What a domain says of its own fields takes the place of the standard's "user-defined".
    ranges = () if base and content.get("fields") and not base.fields.keys() - {1, 2} else base.ranges if base else ()
    own: dict[str, Any] = {}
    for each in content.get("with", ()):
        own |= shared[each]["fields"]
    own |= content.get("fields", {})
    for number, parts in own.items():
        if span := _RANGE.fullmatch(number):
            ranges += ((int(span[1]), int(span[2]), _rule(parts)),)
        else:
            fields[int(number)] = _rule(parts)
    name = content.get("name", base.name if base else "")
    return Table(name, MappingProxyType(dict(sorted(fields.items()))), ranges, content.get("open", False))


def _rule(parts: list[Any]) -> Rule:
    """Return a rule of its line in a table: mnemonic, name, need, items, options."""
    options = parts[-1] if isinstance(parts[-1], dict) else {}
    mnemonic, name, need, *items = [*(part for part in parts if isinstance(part, str)), "O"][:3] + [
        part for part in parts[3:] if isinstance(part, str)
    ]
    rule = Rule(
        mnemonic,
        name,
        Need(need),
        tuple(_item(each) for each in items if each != "..."),
        open="..." in items,
        times=_span(options.get("times", "1")),
        private=options.get("private", False),
    )
    older = tuple(
        (key.removeprefix("before-"), _changed(rule, options[key]))
        for key in sorted(options, reverse=True)
        if key.startswith("before-")
    )
    return replace(rule, older=older)


def _changed(rule: Rule, changes: dict[str, str]) -> Rule:
    return replace(
        rule,
        mnemonic=changes.get("mnemonic", rule.mnemonic),
        need=Need(changes.get("need", rule.need)),
        times=_span(changes["times"]) if "times" in changes else rule.times,
    )


def _item(text: str) -> Item:
    found = _ITEM.fullmatch(text)
    if found is None:
        raise FieldError(f"a table of fields: expected KIND MIN-MAX CODES ?, got {text!r}; correct the table")
    least, most = _span(found["least"] + (f"-{found['most']}" if found["most"] else ""))
    return Item(found["kind"], least, most, found["codes"] or "", found["optional"] is not None)


def _span(text: str) -> tuple[int, int | None]:
    """Return the numbers of "1", "1-9" or "1-*"."""
    first, dash, last = text.partition("-")
    return int(first), None if last == "*" else int(last if dash else first)


def _purpose(content: dict[str, Any], groups: Mapping[str, list[int]]) -> Purpose:
    numbers = {number for group in content.get("needs", ()) for number in groups[group]} | set(
        content.get("fields", ())
    )
    return Purpose(content["name"], tuple(sorted(numbers)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
