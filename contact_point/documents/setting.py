"""A document set as a PDF: A4, tagged (PDF/UA-1), for archives (PDF/A-2a), its font in it, the same bytes for the same data.

The setter is Typst, compiled into its package, and the font Noto Sans CJK JP, which a package carries too
(docs/decisions/0036). The setter gets the document as JSON and shows it as text: no markup, no path and no address in it is
followed. A character that no font has is refused by name, for a box in its place would hide what was written.
"""

from __future__ import annotations

import json
import re
import unicodedata
from importlib.resources import as_file, files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from contact_point.documents.errors import DocumentError
from contact_point.documents.parts import Document, Facts, Paragraphs, Part, Said
from pcsc.traces.terms import Term

if TYPE_CHECKING:
    from collections.abc import Iterator

_FONT: Final = "noto_cjk_sans_jp_regular"
_NOT_SHOWN: Final = re.compile(r'the text `"(.*)"` could not be displayed')
_JAPANESE: Final = re.compile("[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


def pdf(document: Document) -> bytes:
    """Return the document as a PDF; 60 to 100 ms of CPU for two pages. Safe to call from many threads.

    Raises:
        DocumentError: setter or font is not installed, or a character is in no font.

    """
    installed("typst", _FONT)
    import typst  # noqa: PLC0415 - 80 MB that only printing needs, and only installations that print

    with as_file(files("contact_point.documents") / "document.typ") as template, as_file(files(_FONT)) as folder:
        try:
            made: bytes = typst.compile(
                template,
                font_paths=[folder],
                ignore_system_fonts=True,  # the same bytes on every machine
                sys_inputs={"document": json.dumps(_document(document), ensure_ascii=False)},
                format="pdf",
                pdf_standards=["ua-1", "a-2a"],
            )
        except typst.TypstError as error:
            raise DocumentError(_why(str(error))) from None
    return made


def installed(*packages: str) -> None:
    """Return where these packages are there.

    Raises:
        DocumentError: one is not.

    """
    if missing := [name for name in packages if find_spec(name) is None]:
        raise DocumentError(
            f"a PDF needs a setter and a Japanese font; not installed: {', '.join(missing)}. Without the font Japanese would "
            "be empty boxes: install what requirements/console.lock lists"
        )


def _why(error: str) -> str:
    """Return why a document was not set."""
    if found := _NOT_SHOWN.search(error):
        names = ", ".join(f"U+{ord(each):04X} {unicodedata.name(each, '')}".strip() for each in found[1])
        return (
            f"expected text in characters of the fonts (Latin, Greek, Cyrillic, Japanese and other CJK); got {names}: a "
            "printed document shows all that was written, so none is made: write it in letters of one of these scripts"
        )
    return f"the document could not be set: {error}"


def _document(document: Document) -> dict[str, Any]:
    dated = document.dated
    return {
        "title": document.title._asdict(),
        "number": visible(document.number),
        "dated": {"year": dated.year, "month": dated.month, "day": dated.day},
        "parts": [_part(each) for each in document.parts],
    }


def _part(part: Part) -> dict[str, Any]:
    heading = part.heading._asdict()
    if isinstance(part, Facts):
        told = [{"label": fact.label._asdict(), "values": [_said(each) for each in fact.values]} for fact in part.facts]
        return {"kind": "facts", "heading": heading, "facts": told}
    if isinstance(part, Paragraphs):
        return {"kind": "paragraphs", "heading": heading, "paragraphs": [_said(each) for each in part.paragraphs]}
    return {
        "kind": "table",
        "heading": heading,
        "columns": [each._asdict() for each in part.columns],
        "rows": [[_said(cell) for cell in row] for row in part.rows],
    }


def _said(value: Said) -> dict[str, str]:
    if isinstance(value, Term):
        return {"kind": "term", "en": visible(value.en), "ja": visible(value.ja)}
    return {"kind": "text", "lang": "ja" if _JAPANESE.search(value) else "en", "text": visible(value)}


def visible(text: str) -> str:
    """Return text in which nothing works unseen: what turns, joins or hides other characters stands as its number."""
    return "".join(_visible(text.replace("\r\n", "\n")))


def _visible(text: str) -> Iterator[str]:
    for each in text:
        if each == "\t":
            yield " "
        elif each != "\n" and unicodedata.category(each) in {"Cc", "Cf", "Co", "Cs"}:
            yield f"[U+{ord(each):04X}]"
        else:
            yield each
