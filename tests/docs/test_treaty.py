"""docs/treaty.py: the agreement is divided there as in its text, and its check fails where a clause is left alone."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from docs import treaty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKOUT: Final = Path(__file__).resolve().parents[2]
TEXT: Final = CHECKOUT.parent / "shared" / "treaty" / "agreement-us-japan-2014.txt"


# The check, on small trees


ERRORS: Final = '''\
class TreatyError(Exception):
    """An act that the agreement does not allow."""


class ReleaseError(TreatyError):
    """Information is not released."""

    article, code = "8(7)", "8-7.THIRD_PARTY"
'''
RELEASE: Final = """\
def release() -> None:
    raise ReleaseError("no consent")


release()
"""
UNTESTED: Final = (
    "Article 8(7) is cited in `pcsc/release.py`: `release` and by no test: write a test that cites it, in its name or its "
    "words, or correct the citation\n"
)
UNANSWERED: Final = (
    "Article 10(2) is a paragraph of the agreement and no row of CLAUSES in docs/treaty.py answers for it: add the row, with "
    "what the paragraph says in short\n"
)


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Return a function that checks a tree of the given files, its document written anew or not: exit code and what is said."""
    script = tmp_path / "docs" / "treaty.py"

    def run(*options: str) -> tuple[int, str]:
        ended = subprocess.run([sys.executable, script, *options], check=False, capture_output=True, text=True)
        return ended.returncode, ended.stderr

    def check(files: dict[str, str], *, stale: bool = False, change: tuple[str, str] = ("", "")) -> tuple[int, str]:
        source = (CHECKOUT / "docs" / "treaty.py").read_text(encoding="utf-8")
        assert change[0] in source
        for path, text in {"docs/treaty.py": source.replace(*change), "pcsc/errors.py": ERRORS, **files}.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        if not stale:
            run()
        return run("--check")

    return check


def test_a_tree_whose_citations_are_tested_passes(check: Callable[..., tuple[int, str]]) -> None:
    test = "def test_8_7_nothing_is_released_without_consent() -> None: ...\n"
    assert check({"pcsc/release.py": RELEASE, "tests/test_release.py": test}) == (0, "")


def test_a_clause_that_the_product_cites_and_no_test_does_is_named(check: Callable[..., tuple[int, str]]) -> None:
    other = "def test_8_8_an_accepted_condition_binds() -> None: ...\n"
    assert check({"pcsc/release.py": RELEASE, "tests/test_release.py": other}) == (1, UNTESTED)


@pytest.mark.parametrize(
    ("citation", "where"),
    [
        ("def gate() -> None:\n    pass  # Art. 8(7)\n\n\ngate()\n", "`pcsc/gate.py`: `gate`"),
        ("def gate() -> None:\n    pass  # Art. 8(7)\n", "`pcsc/gate.py`: `gate`"),  # called by nothing
        ('class Gate:\n    """Who may have it: Article 8(7)."""\n', "`pcsc/gate.py`: `Gate`"),
        ('CLAUSE = "8(7)"\n', "`pcsc/gate.py`: `CLAUSE`"),
        ('"""The gate of Article 8(7)."""\n', "`pcsc/gate.py`"),
    ],
)
def test_every_way_of_citing_needs_a_test(check: Callable[..., tuple[int, str]], citation: str, where: str) -> None:
    assert check({"pcsc/gate.py": citation}) == (1, UNTESTED.replace("`pcsc/release.py`: `release`", where))


@pytest.mark.parametrize(
    "test",
    [
        'def test_release() -> None:\n    """Article 8(7)."""\n',
        "def test_release() -> None:\n    raise ReleaseError\n",
        'CASES = {"8(7) a vendor": 1}\n\n\ndef test_release() -> None:\n    assert CASES\n',
        '"""Article 8(7): release."""\n',
    ],
)
def test_a_test_cites_in_its_name_its_words_or_its_table(check: Callable[..., tuple[int, str]], test: str) -> None:
    assert check({"pcsc/release.py": RELEASE, "tests/test_release.py": test}) == (0, "")


def test_what_only_helps_a_test_is_no_test(check: Callable[..., tuple[int, str]]) -> None:
    helps = 'def released() -> str:\n    """Return what Article 8(7) is about."""\n    return ""\n'
    assert check({"pcsc/release.py": RELEASE, "tests/test_release.py": helps}) == (1, UNTESTED)


def test_a_test_of_a_part_is_a_test_of_the_whole_and_not_the_other_way_round(
    check: Callable[..., tuple[int, str]],
) -> None:
    whole = "def gate() -> None:\n    pass  # Art. 8(5)\n"
    part = "def gate() -> None:\n    pass  # Art. 8(5)(1)(a)\n"
    assert check({"pcsc/gate.py": whole, "tests/test_gate.py": "def test_8_5_1a_robbery() -> None: ...\n"}) == (0, "")
    code, said = check({"pcsc/gate.py": part, "tests/test_gate.py": "def test_8_5_purposes() -> None: ...\n"})
    assert (code, said.partition(" is cited")[0]) == (1, "Article 8(5)(1)(a)")


def test_a_row_that_was_dropped_is_missed_with_nothing_cited(check: Callable[..., tuple[int, str]]) -> None:
    row = '    Clause("10(2)", "such information is corrected, deleted or not disclosed"),\n'
    assert check({}, change=(row, "")) == (1, UNANSWERED)


def test_a_document_that_does_not_say_what_the_source_says_is_stale(check: Callable[..., tuple[int, str]]) -> None:
    assert check({}, stale=True) == (
        1,
        "docs/treaty.md does not say what the source says: write it anew with `python docs/treaty.py`\n",
    )


def test_everything_that_is_wrong_is_said_in_a_sentence_of_its_own(check: Callable[..., tuple[int, str]]) -> None:
    row = '    Clause("10(2)", "such information is corrected, deleted or not disclosed"),\n'
    code, said = check({"pcsc/release.py": RELEASE}, stale=True, change=(row, ""))
    assert (code, [line.split(" is ")[0] for line in said.splitlines()[:2]]) == (1, ["Article 10(2)", "Article 8(7)"])
    assert len(said.splitlines()) == 3


def test_a_citation_of_what_the_agreement_does_not_have_is_an_error(check: Callable[..., tuple[int, str]]) -> None:
    code, said = check({"pcsc/gate.py": "def gate() -> None:\n    pass  # Art. 8(10)\n"})
    assert code == 1
    assert said == (
        "pcsc/gate.py: gate cites Article 8(10), which the agreement does not have: correct the citation, or AGREEMENT in "
        "docs/treaty.py where the text has the clause\n"
    )


def test_where_texts_name_other_law_only_the_names_of_tests_cite(check: Callable[..., tuple[int, str]]) -> None:
    data = 'PLACE = "Article 30(iv)"\nOTHER = "Article 8(7)"\n'
    (path,) = treaty.OF_OTHER_LAW
    assert check({"pcsc/release.py": RELEASE, path: data}) == (1, UNTESTED)
    assert check({"pcsc/release.py": RELEASE, path: data + "def test_8_7_it() -> None: ...\n"}) == (0, "")


def test_a_file_that_is_no_python_is_named(check: Callable[..., tuple[int, str]]) -> None:
    code, said = check({"pcsc/gate.py": "def gate() -> None:\n    return (\n"})
    assert code == 1
    assert re.fullmatch(r"pcsc/gate\.py, line 2: Python 3\.\d+ cannot read it: .+; correct it first\n", said)


# The rows


@pytest.mark.parametrize("dropped", treaty.CLAUSES, ids=lambda clause: clause.key)
def test_no_row_can_go_unnoticed(dropped: treaty.Clause) -> None:
    kept = [clause for clause in treaty.CLAUSES if clause is not dropped]
    (sentence,) = treaty.faults({}, kept)
    title = treaty._title(dropped.key)
    assert sentence.startswith(
        f"{title} is a paragraph of the agreement and no row of CLAUSES in docs/treaty.py answers"
    )


def test_every_paragraph_has_its_row_and_every_row_its_paragraph() -> None:
    assert treaty.faults({}) == []
    assert treaty.faults({}, [*treaty.CLAUSES, treaty.Clause("8(10)", "a paragraph that is not there")]) == [
        "Article 8(10) has a row of CLAUSES in docs/treaty.py and is no paragraph of the agreement: correct the row's key"
    ]


def test_what_an_article_says_as_a_whole_is_tested_by_any_of_its_paragraphs() -> None:
    cited = treaty.Entry(enforced=defaultdict(set, {"pcsc/use.py": {"may_use"}}))
    tested = treaty.Entry(tests=defaultdict(set, {"tests/test_use.py": {"test_8_3_the_result"}}))
    assert treaty.faults({"8": cited, "8(3)": tested, "II": cited, "II 1": tested}) == []
    assert [each.partition(" is cited")[0] for each in treaty.faults({"8": cited, "II": cited})] == [
        "Article 8",
        "Annex II",
    ]


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("test_8_5_2_any_other_purpose", {"8(5)(2)"}),
        ("test_8_5_1a_robbery", {"8(5)(1)(a)"}),
        ("test_8_1_and_8_2_both", {"8(1)", "8(2)"}),
        ("test_11_1_2_the_record_serves", {"11(1)"}),
        ("test_annex_1_the_chapeau_names_forms", {"I chapeau"}),
        ("test_annex_1_has_34_categories", {"I"}),
        ("test_annex_2_1_2_everyone", {"II 1(2)"}),
        ("test_8_10_there_is_none", set()),
    ],
)
def test_a_tests_name_cites(name: str, keys: set[str]) -> None:
    assert treaty.cited_by_name(name) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Articles 4 to 7", {"4", "5", "6", "7"}),
        ("Articles 4 through 7", {"4", "5", "6", "7"}),
        ("Art. 4(3)-(5)", {"4(3)", "4(4)", "4(5)"}),
        ("Art. 8(5)(1)(a) to (c)", {"8(5)(1)(a)", "8(5)(1)(b)", "8(5)(1)(c)"}),
        ("Art. 8(1), (2) and 9", {"8(1)", "8(2)"}),
        ("Articles 8(1), (2) and 9", {"8(1)", "8(2)", "9"}),
        ("Art. 11(1)(2): what the record serves", {"11(1)"}),
        ("the record of 11(2)(3)", {"11(2)(3)"}),
        ("Act No. 57 of 2014, Arts. 2(iv) and 4(1)", set()),
        ("Article 2(iv)(a) to (c) of that Act", set()),
        ("chapeau of Annex I, and Annex II 1(2)", {"I chapeau", "II 1(2)"}),
    ],
)
def test_a_text_cites(text: str, keys: set[str]) -> None:
    assert treaty.cited(text) == keys


def test_a_text_that_cites_what_the_agreement_does_not_have_is_refused() -> None:
    with pytest.raises(treaty.CitationError, match=r"^cites Article 2\(iv\)\(a\), which the agreement does not have$"):
        treaty.cited("the matters of Article 2(iv)(a)")


# The text


@pytest.fixture(scope="module")
def agreement() -> dict[str, list[str]]:
    """Return the lines of every article and Annex of the text, below its number."""
    if not TEXT.is_file():
        pytest.skip("needs the text of the agreement: shared/treaty/agreement-us-japan-2014.txt beside the checkout")
    parts: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in map(str.strip, TEXT.read_text(encoding="utf-8").splitlines()):
        if heading := re.fullmatch(r"Article (\d+)|ANNEX (I+)", line):
            lines = parts.setdefault(heading[1] or heading[2], [])
        elif line == "IN WITNESS WHEREOF, the undersigned, being duly":
            lines = []  # what follows Article 15 belongs to no article
        else:
            lines.append(line)
    return parts


# What the scan made of "(": a brace, before "a" and "i" in Annex II.
MARK: Final = re.compile(r"(?P<paragraph>\d{1,2})\. (?P<first>\(1\) )?|[({](?P<point>\d|[a-h]|i+)\)(?: |$)")


def divided(article: str, lines: list[str]) -> Iterator[str]:
    """Yield the paragraphs and sub-points of an article, by the marks that begin a line of it."""
    annex = f"{article} " if article.startswith("I") else ""
    path: list[str] = []
    for mark in filter(None, map(MARK.match, lines)):
        if number := mark["paragraph"]:
            path = [number if annex else f"{article}({number})"]
        elif point := mark["point"]:
            depth = 1 + (not point.isdigit()) + (point[0] == "i")
            path = [*(path or [article])[:depth], f"({point})"]
        yield annex + "".join(path)
        if mark["first"]:  # "5. (1) Each Party may"
            path.append("(1)")
            yield annex + "".join(path)


@pytest.mark.parametrize("article", [key for key in treaty.AGREEMENT if key != "I"])
def test_the_agreement_is_divided_as_in_its_text(agreement: dict[str, list[str]], article: str) -> None:
    assert (tuple(divided(article, agreement[article])) or (article,)) == treaty.AGREEMENT[article]


def test_annex_1_is_a_chapeau_and_a_list(agreement: dict[str, list[str]]) -> None:
    chapeau = " ".join(takewhile(lambda line: not line.startswith("1. "), agreement["I"]))
    assert "as well as attempt, conspiracy" in chapeau
    assert "34. sabotage" in agreement["I"]
    assert treaty.AGREEMENT["I"] == ("I chapeau", "I")


def test_the_articles_and_their_headings_are_those_of_the_text(agreement: dict[str, list[str]]) -> None:
    assert list(agreement) == list(treaty.AGREEMENT) == list(treaty.HEADINGS)
    for article, heading in treaty.HEADINGS.items():
        if article.isdigit():
            opening = " ".join(filter(None, agreement[article][:5]))
            assert opening.casefold().startswith(heading.casefold())
