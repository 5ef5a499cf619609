"""Request and answer of Article 5 as PDFs: all that crosses, in both languages, and nothing else."""

from __future__ import annotations

import io
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from pypdf import PdfReader

from annex.offences import Category, Form, Offence, Penalty
from annex.parameters import Party
from contact_point.documents import DocumentError, article_5, setting
from contact_point.documents.article_5 import Answer
from contact_point.documents.parts import Document, Fact, Facts, Paragraphs, Table
from pcsc.messages import Condition, Ground, Item
from pcsc.traces.terms import Term
from tests import builders
from tests.builders import NOW, QUERY, SALT

if TYPE_CHECKING:
    from collections.abc import Iterator

ROBBERY = Offence(
    "強盗の共謀",
    Party.JP,
    "刑法第二百三十六条",
    Penalty(months=240),
    Category(26),
    Form.CONSPIRACY,
    "組織的犯罪処罰法第六条の二",
)
FULL_REQUEST = builders.request(
    risk="人の生命に対する差し迫った危険がある。",
    notification=builders.notification(
        purpose="大阪市内の強盗事件の被疑者の特定。\nTo identify who left the print.",
        items=("name", "date of birth"),
        basis=builders.basis(ROBBERY, builders.ARSON),
    ),
)
FULL_REPLY = builders.reply(
    items=(Item("name", "山田　太郎", "changed after the request came"), Item("date of birth", "1980-05-01")),
    refusals=(
        builders.refusal(Ground.NOT_AVAILABLE, "None is held.", "aliases"),
        builders.refusal(Ground.NOT_RELEVANT, "要請の目的に必要でない。", "height"),
    ),
)
BLANK = str.maketrans("", "", " \n　")


def text(pdf: bytes) -> str:
    """Return all the text of a PDF, without what breaks its lines."""
    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages).translate(BLANK)


def said(value: object) -> Iterator[str]:
    """Yield every text that a message carries, its coded values apart."""
    if is_dataclass(value):
        for each in fields(value):
            if each.name != "salt":
                yield from said(getattr(value, each.name))
    elif isinstance(value, tuple):
        for each in value:
            yield from said(each)
    elif type(value) is str:
        yield value


def test_5_1_all_that_a_request_says_is_in_its_document() -> None:
    seen = text(setting.pdf(article_5.request(FULL_REQUEST, QUERY, Party.JP)))
    for each in said(FULL_REQUEST):
        assert each.translate(BLANK) in seen, each
    for each in (
        QUERY,
        "2026-11-22",
        "investigation",
        "捜査",
        "氏名",
        "生年月日",
        "共謀",
        "20年の自由をはく奪する刑",
        "附属書Ⅰ２６",
    ):
        assert each in seen, each
    assert "notconsideredapoliticaloffence" in seen
    assert "認めていない。" in seen


def test_5_2_and_5_5_all_that_an_answer_says_is_in_its_document() -> None:
    seen = text(setting.pdf(article_5.answer(Answer.of(FULL_REPLY), QUERY, Party.US)))
    for each in said(FULL_REPLY):
        assert each.translate(BLANK) in seen, each
    assert "要請があった時に現に記録されていない" in seen  # the ground, in Japanese
    assert "itisnotrelevanttothenotifiedpurpose" in seen  # and in English


def test_8_8_an_offer_shows_its_conditions_and_nothing_of_what_is_offered() -> None:
    offer = builders.offer(forbids=("immigration", "a purpose of theirs"))
    seen = text(setting.pdf(article_5.answer(Answer.of(offer), QUERY, Party.US)))
    assert "Notforimmigration-relatedpurposes." in seen
    assert "出入国管理に関する目的、apurposeoftheirs" in seen
    assert "RichardRoe" not in seen


def test_kinds_alone_are_shown_where_the_values_are_not_to_be_seen() -> None:
    told = replace(Answer.of(FULL_REPLY), items=(), kinds=("name",))
    seen = text(setting.pdf(article_5.answer(told, QUERY, Party.US)))
    assert "itscontentisnotshown" in seen
    assert "氏名" in seen
    assert "山田" not in seen


@pytest.mark.parametrize(
    "document",
    [article_5.request(FULL_REQUEST, QUERY, Party.JP), article_5.answer(Answer.of(FULL_REPLY), QUERY, Party.US)],
    ids=["request", "answer"],
)
class TestEveryDocument:
    def test_holds_no_salt(self, document: Document) -> None:
        """With the salt a commitment of the record could be tested against guesses: Article 11."""
        assert SALT not in text(setting.pdf(document))

    def test_is_the_same_bytes_for_the_same_data_and_tells_no_time_of_making(self, document: Document) -> None:
        made = setting.pdf(document)
        assert setting.pdf(document) == made
        assert setting.pdf(replace(document, number="another")) != made
        about = PdfReader(io.BytesIO(made)).metadata
        assert about is not None
        # The day of the message, at which PDF/A asks for a date: not that of the printing.
        assert about.get("/CreationDate", "D:20261122").startswith("D:20261122")

    def test_has_its_fonts_in_it_and_is_tagged_in_both_languages(self, document: Document) -> None:
        reader = PdfReader(io.BytesIO(setting.pdf(document)))
        for font in fonts(reader):
            assert {"/FontFile2", "/FontFile3"} & set(font), font
        catalogue: Any = reader.trailer["/Root"]
        assert catalogue["/MarkInfo"]["/Marked"]
        assert catalogue["/Lang"] == "en"
        spoken = {str(each.get("/Lang")) for each in elements(catalogue["/StructTreeRoot"])}
        assert "ja" in spoken
        assert "pdfuaid:part" in catalogue["/Metadata"].get_data().decode()

    def test_is_a4_with_the_numbers_on_every_page(self, document: Document) -> None:
        pages = PdfReader(io.BytesIO(setting.pdf(document))).pages
        for at, page in enumerate(pages, 1):
            assert [round(each) for each in page.mediabox[2:]] == [595, 842]
            seen = page.extract_text()
            assert document.number in seen
            assert f"{at} / {len(pages)}" in seen


def fonts(reader: PdfReader) -> list[Any]:
    """Return the descriptors of all fonts of a PDF."""
    found = [font.get_object() for page in reader.pages for font in page["/Resources"]["/Font"].values()]
    return [font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in found]


def elements(element: Any) -> Iterator[Any]:
    """Yield the elements of a tree of tags."""
    kids = element.get("/K", [])
    for kid in kids if isinstance(kids, list) else [kids]:
        held = kid.get_object()
        if isinstance(held, dict) and "/S" in held:
            yield held
            yield from elements(held)


def document(*values: str, number: str = "JP-1") -> Document:
    """Return a document that says these values."""
    facts = Facts(Term("Facts", "事実"), (Fact(Term("Said", "記載"), values),))
    return Document(Term("A document", "文書"), number, date(2026, 11, 22), (facts,))


def test_what_was_written_is_never_read_as_markup() -> None:
    written = '#panic("x") $x$ *bold* _it_ `raw` <label> @ref //comment #import "@preview/a:0.1.0" \\u{41} = Heading'
    assert written.translate(BLANK) in text(setting.pdf(document(written)))


def test_letters_of_many_languages_are_shown() -> None:
    for each in ("Łukasz Źdźbło", "Ōsaka Tōkyō", "Ωμέγα Жуков", "髙橋 﨑 𠮷野", "한국", "José Ñandú"):
        pdf = setting.pdf(document(each))
        assert each.translate(BLANK) in text(pdf), each


def test_a_character_without_a_shape_is_refused_by_its_name_and_not_by_its_neighbours() -> None:
    with pytest.raises(
        DocumentError, match=r"got U\+1F600 GRINNING FACE: a printed document shows all that was written"
    ):
        setting.pdf(document("someone 😀"))


def test_what_works_unseen_is_shown_by_its_number() -> None:
    turned = "paid 100\u202e00\u200b to\x07\tsomeone\r\nsecond line"
    assert setting.visible(turned) == "paid 100[U+202E]00[U+200B] to[U+0007] someone\nsecond line"
    assert "100[U+202E]00[U+200B]to[U+0007]someone" in text(setting.pdf(document(turned, number="JP\u202e1")))


def test_a_missing_setter_or_font_is_an_error_that_says_what_to_install() -> None:
    with pytest.raises(DocumentError, match="not installed: a_font_that_is_not_there") as found:
        setting.installed("typst", "a_font_that_is_not_there")
    assert "empty boxes: install what requirements/console.lock lists" in str(found.value)


def test_a_table_says_when_it_is_empty_and_its_rows_fit_its_columns() -> None:
    columns = (Term("One", "一"), Term("Two", "二"))
    empty = replace(
        document(), parts=(Table(Term("A table", "表"), columns, ()), Paragraphs(Term("And", "及び"), ("text",)))
    )
    seen = text(setting.pdf(empty))
    assert "None.なし" in seen
    with pytest.raises(ValueError, match="each row of 'A table' has 2 cells, as there are columns; row 1 has 1"):
        Table(Term("A table", "表"), columns, (("alone",),))


def test_a_table_of_many_pages_has_every_row() -> None:
    rows = tuple((f"row {at}", f"{at * at}") for at in range(300))
    table = Table(Term("Many", "多数"), (Term("Row", "行"), Term("Square", "平方")), rows)
    seen = text(setting.pdf(replace(document(), parts=(table,))))
    assert all(f"row{at}{at * at}" in seen for at in range(300))


def test_the_time_of_a_message_is_told_in_utc() -> None:
    made = article_5.request(builders.request(made_at=datetime(2026, 11, 22, 23, 59, 1, tzinfo=UTC)), QUERY, Party.JP)
    assert "2026-11-2223:59:01" in text(setting.pdf(made))
    assert made.dated == NOW.date()


def test_a_condition_that_forbids_nothing_by_name_says_so() -> None:
    told = replace(Answer.of(builders.offer()), conditions=(Condition("Ask before each use."),))
    assert "nonenamed特定なし" in text(setting.pdf(article_5.answer(told, QUERY, Party.US)))
