"""Documents that one authority writes to another, from templates in English and Japanese.

A template is a file of ``models/templates``: its fields are the checklist of what the document must say, each with the clause
that asks for it, and its text says it in both languages, both being equally authentic under the agreement. A document with
a blank that must be filled is not made: the refusal lists everything that is missing. Choices appear in each language; free
text appears as it was given, untranslated.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib.resources import files
from string import Template as Text
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError

from contact_point.parsing import first_fault
from pcsc.assistance import Missing, Point, is_blank, missing

if TYPE_CHECKING:
    from collections.abc import Mapping


class TemplateError(ValueError):
    """There is no such template, or a document lacks what it must say; ``missing`` lists it."""

    def __init__(self, message: str, lacking: tuple[Missing, ...] = ()) -> None:
        """Take the message, and what is missing."""
        super().__init__(message)
        self.missing = lacking


class Language(StrEnum):
    """The language of a document."""

    EN = "en"
    JA = "ja"
    BOTH = "both"

    @property
    def each(self) -> tuple[Language, ...]:
        """The languages to write, one after the other."""
        return (Language.EN, Language.JA) if self is Language.BOTH else (self,)


@dataclass(frozen=True, slots=True)
class Wording:
    """The same in both languages."""

    en: str
    ja: str

    def in_(self, language: Language) -> str:
        """Return the words in one language."""
        return self.ja if language is Language.JA else self.en


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers that a field allows."""

    value: str
    en: str
    ja: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what it is called in both languages and the clause that asks for it."""

    key: str
    en: str
    ja: str
    clause: str
    required: bool = True
    choices: tuple[Choice, ...] = ()
    when: tuple[str, tuple[str, ...]] | None = None

    @property
    def point(self) -> Point:
        """The field as a point of a checklist."""
        values = tuple(choice.value for choice in self.choices)
        return Point(self.key, self.en, self.clause, self.required, values, self.when)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What every document has."""

    version: str
    fields: tuple[Field, ...]
    text: Wording


@dataclass(frozen=True, slots=True)
class _Document:
    """What a file of a template says."""

    version: str
    clause: str
    en: str
    ja: str
    fields: tuple[Field, ...]
    text: Wording


@dataclass(frozen=True, slots=True)
class Template:
    """A document to fill in. ``version`` is that of the template and of the frame, such as ``1/1``."""

    name: str
    version: str
    title: Wording
    clause: str
    fields: tuple[Field, ...]
    text: Wording

    @property
    def checklist(self) -> tuple[Point, ...]:
        """What the document must say."""
        return tuple(field.point for field in self.fields)


_FOLDER: Final = "models/templates"
_FRAME: Final = "frame"
# As for installation.toml: an unknown key is a fault, also inside a field.
_FRAME_ADAPTER: Final = TypeAdapter(cast("Any", _Frame | None), config=ConfigDict(extra="forbid"))
_DOCUMENT_ADAPTER: Final = TypeAdapter(cast("Any", _Document | None), config=ConfigDict(extra="forbid"))


def names() -> tuple[str, ...]:
    """Return the names of the templates."""
    found = (path.name.removesuffix(".toml") for path in files("contact_point").joinpath(_FOLDER).iterdir())
    return tuple(sorted(name for name in found if name != _FRAME))


def load(name: str) -> Template:
    """Return a template.

    Raises:
        TemplateError: there is none of that name, or its file is malformed; the message names the file and the key.

    """
    if name not in names():
        raise TemplateError(f"there is no template {name!r}; there are {', '.join(names())}")
    frame: _Frame = _parse(_FRAME, _FRAME_ADAPTER)
    document: _Document = _parse(name, _DOCUMENT_ADAPTER)
    return Template(
        name,
        f"{document.version}/{frame.version}",
        Wording(document.en, document.ja),
        document.clause,
        (*frame.fields, *document.fields),
        Wording(
            _framed(frame.text.en, document.en, document.text.en), _framed(frame.text.ja, document.ja, document.text.ja)
        ),
    )


def _framed(frame: str, title: str, body: str) -> str:
    """Return the text of a whole document, its fields still to be filled."""
    return Text(frame.strip()).safe_substitute(title=title, body=body.strip())


def _parse(name: str, adapter: TypeAdapter[Any]) -> Any:
    path = f"{_FOLDER}/{name}.toml"
    try:
        return adapter.validate_python(tomllib.loads(files("contact_point").joinpath(path).read_text(encoding="utf-8")))
    except ValidationError as error:
        raise TemplateError(f"{path}: {first_fault(error)}; correct the template") from None
    except tomllib.TOMLDecodeError as error:
        raise TemplateError(f"{path} is not TOML: {error}") from None


def render(template: Template, values: Mapping[str, object], language: Language) -> str:
    """Return the document as text; ``BOTH`` writes it in English, then in Japanese.

    Raises:
        TemplateError: a field that must be filled is blank, not one of its choices, or unknown; all of them are listed.

    """
    lacking = missing(template.checklist, values)
    if lacking:
        listed = "\n".join(f"- {each.message}" for each in lacking)
        raise TemplateError(
            f"{template.name}: {len(lacking)} missing or wrong, so there is no document:\n{listed}", lacking
        )
    written = [
        Text(template.text.in_(each)).substitute({field.key: _said(field, values, each) for field in template.fields})
        for each in language.each
    ]
    return re.sub(r"[ ]+\n", "\n", "\n\n---\n\n".join(written)) + "\n"


_NONE: Final = Wording("(none)", "（なし）")  # noqa: RUF001 - Japanese brackets
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def _said(field: Field, values: Mapping[str, object], language: Language) -> str:
    """Return the value of a field in one language."""
    value = values.get(field.key)
    if is_blank(value):
        return _NONE.in_(language)
    for choice in field.choices:
        if choice.value == str(value):
            return choice.ja if language is Language.JA else choice.en
    if isinstance(value, list | tuple):
        parts = [str(each).strip() for each in value if not is_blank(each)]
        return parts[0] if len(parts) == 1 else "".join(f"\n   - {part}" for part in parts)
    said = str(value).strip()
    if language is Language.JA and _DAY.fullmatch(said):
        day = date.fromisoformat(said)
        return f"{day.year}年{day.month}月{day.day}日"
    return said


def form(template: Template, language: Language) -> str:
    """Return the empty form: a TOML document with every field, its label and the clause that asks for it."""
    titles = " / ".join(template.title.in_(each) for each in language.each)
    lines = [f"# {titles} ({template.clause}). Template {template.name}, version {template.version}."]
    for field in template.fields:
        labels = " / ".join(Wording(field.en, field.ja).in_(each) for each in language.each)
        lines += ["", f"# {labels} ({field.clause}){_asked(field)}"]
        for choice in field.choices:
            meaning = " / ".join(Wording(choice.en, choice.ja).in_(each) for each in language.each)
            lines.append(f"#   {choice.value!r}: {meaning}")
        lines.append(f'{field.key} = ""')
    return "\n".join(lines) + "\n"


def _asked(field: Field) -> str:
    """Return when a field is asked."""
    if field.when:
        return f"; where {field.when[0]} is {' or '.join(repr(value) for value in field.when[1])}"
    return "" if field.required else "; optional"
