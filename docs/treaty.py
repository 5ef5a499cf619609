"""Write docs/treaty.md: every clause of the agreement, where the code enforces it, and which tests show it.

    python docs/treaty.py            write docs/treaty.md anew
    python docs/treaty.py --check    say what is wrong, a sentence each, and exit with 1 if anything is

Wrong is a paragraph of the agreement that no row answers for, a clause that the product cites and no test does, and a
docs/treaty.md that does not say what the source says.

Nothing of it is kept by hand but :data:`AGREEMENT`, how the agreement is divided, and :data:`CLAUSES`, a row for each of its
clauses. The rest is read from the source, without running it: the code cites the clause at the line that enforces it
("Art. 8(2)", "Articles 4(3)-(5)", "8(1)"), in a comment, a message or a docstring, and raises the error whose ``article`` the
clause is. What is listed are symbols, not lines, so that moving code changes nothing.

A citation counts as enforcement where it stands in a function, a table or a message of the product and the function is
called. Docstrings of classes, attributes and modules only name a clause. Citations of other law ("Penal Code, Art. 236")
are told apart by what stands before them, and a citation of a clause that the agreement does not have is an error. A test cites
by its name as well: test_8_5_2_... is about Article 8(5)(2). A table of cases cites what its cases name.
"""  # noqa: INP001 - a script among documents, not a package

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]
OUTPUT: Final = ROOT / "docs" / "treaty.md"
PRODUCT: Final = ("pcsc", "annex", "matcher", "contact_point")
ERRORS: Final = "pcsc/errors.py"
COMMANDS: Final = "contact_point/cli/"
UNCOUNTED: Final = frozenset(
    {"contact_point/demonstration.py", "tests/docs/test_treaty.py", "tests/treaty/test_every_paragraph.py"}
)
"""One shows the agreement at work and enforces nothing; the tests are about this document and test no clause."""
OF_ANNEX_II: Final = frozenset({"annex/eligibility.py", "tests/treaty/test_annex_2.py"})
"""Where a number without a word before it, such as 1(1)(b), is of Annex II."""

OF_OTHER_LAW: Final = frozenset({"tests/contact_point/test_directory.py"})
"""Where the articles that texts name are of other law, as sources of the directory: only the names of tests cite."""


class Clause(NamedTuple):
    """One clause: its key ("8(2)", "II 1(2)"), what it says in short, and what is still open or needs no code."""

    key: str
    says: str
    note: str = ""


GOVERNMENTS: Final = "A matter between the Governments: there is nothing to enforce in software."
DEFINITION: Final = "A definition."
AMENDMENT: Final = "An amendment is a new line among the dated values; no rule holds a number."
INCLUDED: Final = "Included in all that is held; no rule tells this class apart."
ASIDE: Final = frozenset({GOVERNMENTS, DEFINITION, AMENDMENT, INCLUDED})
"""Notes on clauses that ask for no line of their own."""

AGREEMENT: Final = {
    "1": ("1(1)", "1(2)", "1(3)"),
    "2": ("2",),
    "3": ("3(1)", "3(2)", "3(3)", "3(4)"),
    "4": ("4(1)", "4(2)", "4(3)", "4(4)", "4(5)", "4(6)", "4(7)"),
    "5": ("5(1)", "5(2)", "5(3)", "5(4)", "5(5)"),
    "6": ("6",),
    "7": ("7",),
    "8": (
        *("8(1)", "8(2)", "8(3)", "8(4)"),
        *("8(5)", "8(5)(1)", "8(5)(1)(a)", "8(5)(1)(b)", "8(5)(1)(c)", "8(5)(2)"),
        *("8(6)", "8(7)", "8(8)", "8(9)"),
    ),
    "9": ("9",),
    "10": ("10(1)", "10(2)"),
    "11": (
        *("11(1)", "11(1)(1)", "11(1)(2)", "11(1)(3)"),
        *("11(2)", "11(2)(1)", "11(2)(2)", "11(2)(3)"),
        "11(3)",
    ),
    "12": ("12",),
    "13": ("13(1)", "13(2)", "13(3)"),
    "14": ("14(1)", "14(2)"),
    "15": ("15(1)", "15(2)", "15(3)", "15(4)", "15(5)"),
    "I": ("I chapeau", "I"),
    "II": (
        *("II 1", "II 1(1)", "II 1(1)(a)", "II 1(1)(b)", "II 1(1)(b)(i)", "II 1(1)(b)(ii)", "II 1(1)(b)(iii)"),
        *("II 1(1)(c)", "II 1(2)"),
        *("II 2", "II 2(1)", "II 2(2)", "II 2(3)", "II 2(4)"),
    ),
}
"""Every paragraph and sub-point of each article and Annex, as they stand in the text; "I" is the list of 34 categories."""

TOGETHER: Final = frozenset({"11(1)"})
"""Paragraphs whose row answers for their sub-points as well: what the record serves is no rule by itself."""

HEADINGS: Final = {
    "1": "Definitions",
    "2": "Purpose",
    "3": "National contact points",
    "4": "Automated querying of fingerprint data",
    "5": "Request for and provision of further information",
    "6": "Provision of information without request",
    "7": "Notification of result of use",
    "8": "Limitation on processing of information",
    "9": "Protection and security of information",
    "10": "Correction, deletion, or non-disclosure of certain information",
    "11": "Record",
    "12": "Expenses",
    "13": "General provisions",
    "14": "Consultations",
    "15": "Entry into force, amendments, and termination",
    "I": "Conduct that is serious crime",
    "II": "Fingerprint data made available",
}

CLAUSES: Final = (
    Clause("1(1)", "automated querying: online, between designated contact points, on an automated basis"),
    Clause("1(2)", "personal data: any information on an identified or identifiable person", DEFINITION),
    Clause("1(3)", "serious crime: more than one year and in Annex I, or at least three years; by whose law"),
    Clause("2", "the purpose: preventing, detecting and investigating serious crime"),
    Clause("3(1)", "each Party designates its contact points"),
    Clause("3(2)", "they are notified through diplomatic channels"),
    Clause("3(3)", "contact points communicate directly with one another"),
    Clause("3(4)", "they act in conformity with the agreement"),
    Clause("4(1)", "each Party permits the other's contact points to query"),
    Clause("4(2)", "each Party makes available the prints of Annex II"),
    Clause("4(3)", "a query concerns an individual, and only where particular circumstances give reason to inquire"),
    Clause("4(4)", "the answer is automatic: a match with a reference number, or no match"),
    Clause("4(5)", "a match is accompanied by the prints, so that the result can be confirmed"),
    Clause("4(6)", "without a request after a match, the queried side may ask why, and is answered in a timely manner"),
    Clause("4(7)", "technical and procedural details are specified in implementing arrangements"),
    Clause("5(1)", "after a match, further information may be requested, with written notification of the purpose"),
    Clause("5(2)", "what is available at the time of receipt and deemed relevant is provided"),
    Clause("5(3)", "whether the conduct is an offence in the queried Party's country does not matter"),
    Clause("5(4)", "that another channel exists is not the only reason for refusal"),
    Clause("5(5)", "a refusal informs of its reasons"),
    Clause("6", "information may be provided without request in individual cases"),
    Clause("7", "upon request, the result of a use is notified"),
    Clause(
        "8(1)", "queried side: the received prints go with the answer; after a match, with the reply to the request"
    ),
    Clause("8(2)", "querying side: the received prints go when it is determined whether to request"),
    Clause("8(3)", "the result of a query serves only that determination"),
    Clause("8(4)", "queried side: the written notification is retained under national law"),
    Clause("8(5)", "what information provided under Article 5 may be used for besides"),
    Clause("8(5)(1)", "without consent, within the conditions of paragraph 8"),
    Clause("8(5)(1)(a)", "investigation of serious crime"),
    Clause("8(5)(1)(b)", "prevention of a serious threat to public security"),
    Clause("8(5)(1)(c)", "immigration-related purposes"),
    Clause("8(5)(2)", "any other purpose needs prior consent, requested in writing"),
    Clause("8(6)", "the result of a use serves only to review the implementation"),
    Clause("8(7)", "no release to third parties without prior written consent, save where the law obliges to disclose"),
    Clause("8(8)", "conditions may be imposed, and bind if the information is accepted"),
    Clause("8(9)", "fair processing, and retention only so long as necessary"),
    Clause("9", "organisational and technical measures protect the information"),
    Clause("10(1)", "each Party notifies the other of information that is incorrect or unreliable"),
    Clause("10(2)", "such information is corrected, deleted or not disclosed"),
    Clause("11(1)", "a record of provision and receipt is maintained"),
    Clause("11(2)", "what the record includes"),
    Clause("11(2)(1)", "the types of information"),
    Clause("11(2)(2)", "date and time"),
    Clause("11(2)(3)", "the authority conducting the investigation at the time of the query"),
    Clause("11(3)", "the record is protected, kept at least two years, and deleted after its term"),
    Clause("12", "each Party bears its own expenses", GOVERNMENTS),
    Clause("13(1)", "other agreements and laws remain available"),
    Clause("13(2)", "nothing authorises an act that relates to a political offence, as the acting Party sees it"),
    Clause("13(3)", "no rights or obligations of private persons arise"),
    Clause("14(1)", "consultations to facilitate the implementation"),
    Clause("14(2)", "consultations on interpretation or application"),
    Clause("15(1)", "entry into force: 5 January 2019"),
    Clause("15(2)", "it applies to acts of the Parties from then on, whenever the conduct was committed"),
    Clause("15(3)", "amendment, also of the Annexes, by written agreement", AMENDMENT),
    Clause("15(4)", "termination on three months' notice"),
    Clause("15(5)", "protection continues after termination"),
    Clause("I chapeau", "attempt, conspiracy and other forms, only when criminalised, above one year"),
    Clause("I", "the 34 categories"),
    Clause("II 1", "what Japan makes available"),
    Clause("II 1(1)", "to a query that relates to an identified individual"),
    Clause("II 1(1)(a)", "persons convicted and sentenced by a final judgment"),
    Clause("II 1(1)(b)", "adults arrested, according to what became of the case"),
    Clause("II 1(1)(b)(i)", "prosecuted, with no final judgment yet"),
    Clause("II 1(1)(b)(ii)", "not prosecuted under Article 248 of the Code of Criminal Procedure"),
    Clause("II 1(1)(b)(iii)", "neither, except petty crimes and non-criminal proceedings relating to minors"),
    Clause("II 1(1)(c)", "adults for whom a request of arrest is circulated"),
    Clause("II 1(2)", "to a query that relates to an unidentified individual"),
    Clause("II 2", "what the United States makes available"),
    Clause("II 2(1)", "persons convicted"),
    Clause("II 2(2)", "adults arrested", INCLUDED),
    Clause("II 2(3)", "adults for whom a warrant of arrest is issued", INCLUDED),
    Clause("II 2(4)", "known and suspected terrorists"),
)

_KEYS: Final = tuple(key for keys in AGREEMENT.values() for key in keys)


# Citations in a text


class CitationError(Exception):
    """The source cites a clause that the agreement does not have."""


_GROUPS: Final = r"(?:\(\w{1,4}\))"
_LINK: Final = r"(?:,? and |,? or | with | to | through |, |-)"
_THROUGH: Final = frozenset({"-", " to ", " through "})
_LIST: Final = rf"\d{{1,2}}{_GROUPS}*(?:{_LINK}(?:\d{{1,2}}{_GROUPS}*|{_GROUPS}+))*"
_ARTICLE: Final = re.compile(rf"\b(?P<word>Arts?\.|Articles?)\s+(?P<list>{_LIST})(?![\w/])")
_ANNEX_I: Final = re.compile(r"(?P<before>chapeau of )?\bAnnex I\b(?!,? and II)(?P<after>, chapeau)?")
_ANNEX_II: Final = re.compile(rf"\bAnnex II\b(?:,? (?:paragraph )?(?P<list>[12]\b{_GROUPS}*(?:{_LINK}{_GROUPS}+)*))?")
_BARE: Final = re.compile(rf"(?<![\w.,-])\d{{1,2}}{_GROUPS}+(?:{_LINK}(?:\d{{1,2}}{_GROUPS}+|{_GROUPS}+))*")
_OTHER_LAW: Final = re.compile(
    r"(?:\bCode|\bAct|\bLaw|\bstatute|\btreaty\b|\bU\.S\.C\.|\d{4,}(?:-\d+)?)[^.;:()\"]*?,?\s*$"
)
_OTHER_TEXT: Final = re.compile(r"\s*of (?:the (?!agreement)|that |Act )")
_TEST_NAME: Final = re.compile(
    r"(?:^test|_and)(?:_(?P<annex>annex)|_art)?_(?P<numbers>\d{1,2}(?:_\d)*)(?P<letter>[a-c])?(?=_)"
)
_STEP: Final = re.compile(rf"({_LINK})?(\d{{1,2}}{_GROUPS}*|{_GROUPS}+)")


def cited(text: str, *, annex_ii: bool = False) -> set[str]:
    """Return the keys of the clauses that a text cites; "3" is Article 3 as a whole.

    Raises:
        CitationError: it cites a clause that the agreement does not have.

    """
    text = " ".join(text.split())
    keys: set[str] = set()

    def named(match: re.Match[str]) -> str:
        foreign = _OTHER_LAW.search(text[: match.start()]) or _OTHER_TEXT.match(text[match.end() :])
        if not foreign:
            plural = match["word"] in {"Arts.", "Articles"}
            keys.update(_known(key) for key in _expanded(match["list"], whole=plural))
        return "#" * len(match[0])

    def annex_one(match: re.Match[str]) -> str:
        if not _OTHER_LAW.search(match.string[: match.start()]):
            keys.add("I chapeau" if match["before"] or match["after"] else "I")
        return "#" * len(match[0])

    def annex_two(match: re.Match[str]) -> str:
        keys.update(_known(f"II {key}") for key in _expanded(match["list"] or "", whole=True))
        if not match["list"]:
            keys.add("II")
        return "#" * len(match[0])

    rest = _ANNEX_II.sub(annex_two, _ANNEX_I.sub(annex_one, _ARTICLE.sub(named, text)))
    for match in _BARE.finditer(rest):
        for key in _expanded(match[0], whole=False):
            of_annex = annex_ii and key[0] in "12"
            if (found := f"II {key}" if of_annex else key) in _KEYS:
                keys.add(_known(found))
    return keys


def _expanded(listed: str, *, whole: bool) -> list[str]:
    """Return the clauses of a list such as "4(3)-(5), 8(1) and (2)"; with ``whole``, also bare articles after the first."""
    keys: list[str] = []
    for link, step in _STEP.findall(listed):
        if keys and step.isdigit() and not whole:
            break
        key = _beside(keys[-1], step) if step.startswith("(") and keys else step
        if link in _THROUGH and keys:
            keys += _between(keys[-1], key)
        keys.append(key)
    return keys


def _beside(key: str, groups: str) -> str:
    """Return the clause that "(2)" means after "8(1)"."""
    count = groups.count("(")
    kept = re.findall(_GROUPS, key)
    return key.partition("(")[0] + "".join(kept[: max(len(kept) - count, 0)]) + groups


def _between(first: str, last: str) -> list[str]:
    """Return what lies between two clauses of one level, in the agreement's order."""
    if first.isdigit() and last.isdigit():
        return [str(number) for number in range(int(first) + 1, int(last))]
    level = [key for key in _KEYS if key.count("(") == first.count("(") and not key.startswith("I")]
    if first not in level or last not in level:
        return []
    return level[level.index(first) + 1 : level.index(last)]


def _known(key: str) -> str:
    """Return the clause whose row answers for a citation, or the article."""
    if key not in _KEYS and key not in HEADINGS:
        raise CitationError(f"cites {_title(key)}, which the agreement does not have")
    return _answering(key)


def _answering(key: str) -> str:
    """Return the clause whose row answers for a paragraph or sub-point: itself, or the whole that it is a part of."""
    parent = key.rpartition("(")[0]
    return parent if parent in TOGETHER else key


def cited_by_name(test: str) -> set[str]:
    """Return the clauses that a test's name states: test_8_1_and_8_2_..., test_8_5_1a_..., test_annex_2_1_2_...

    A letter that is no part of a clause only tells tests apart.
    """
    keys = set()
    for match in _TEST_NAME.finditer(test):
        first, *rest = match["numbers"].split("_")
        key = first + "".join(f"({number})" for number in rest)
        if match["annex"]:
            inner = "".join(f"({number})" for number in rest[1:])
            key = _of_annex_i(test) if first == "1" else f"II {rest[0]}{inner}" if rest else "II"
        lettered = f"{key}({match['letter']})"
        keys.add(lettered if lettered in _KEYS else key)
    return {_answering(key) for key in keys & set(_KEYS)}


def _of_annex_i(test: str) -> str:
    return "I chapeau" if "_the_chapeau_" in test else "I"


# Citations in a module


class Mark(NamedTuple):
    """A clause cited in a symbol of a module; ``names`` where it is only named there, not enforced."""

    key: str
    symbol: str
    names: bool = False


@dataclass(slots=True)
class Module:
    """What one source file says of the agreement."""

    path: str
    tree: ast.Module
    source: str
    marks: set[Mark] = field(default_factory=set)
    codes: set[tuple[str, str]] = field(default_factory=set)


def read(path: Path, articles: dict[str, str]) -> Module:
    """Read a module; ``articles`` gives the article of each error class by its name.

    Raises:
        CitationError: it cites a clause that the agreement does not have; the message names the file and the symbol.

    """
    name = path.relative_to(ROOT).as_posix()
    source = path.read_text(encoding="utf-8")
    module = Module(name, ast.parse(source, filename=name), source)
    in_test = name.startswith("tests/")
    texts = () if name in OF_OTHER_LAW else (*_strings(module.tree), *_comments(module))
    for symbol, text, names in texts:
        plain = text.replace("\\", "") if in_test else text  # a test expects a message as a regular expression
        try:
            module.marks |= {Mark(key, symbol, names) for key in cited(plain, annex_ii=name in OF_ANNEX_II)}
        except CitationError as error:
            raise CitationError(f"{name}: {symbol or 'its docstring'} {error}") from None
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Tuple):
            module.codes |= _codes(node)
        if in_test and isinstance(node, ast.FunctionDef):
            module.marks |= {Mark(key, node.name) for key in cited_by_name(node.name)}
        called = node.exc.func if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) else None
        error_class = called if called is not None else node if in_test else None
        if isinstance(error_class, ast.Name | ast.Attribute) and (article := articles.get(_last_name(error_class))):
            module.marks.add(Mark(article, _symbol_at(module.tree, error_class.lineno)))
    return module


def _last_name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _strings(tree: ast.Module) -> Iterator[tuple[str, str, bool]]:
    """Yield (symbol, text, whether it only names) of every string."""
    documented = dict(_docstrings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            symbol, names = documented.get(id(node), (_symbol_at(tree, node.lineno), False))
            yield symbol, node.value, names


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, tuple[str, bool]]]:
    """Yield the identity of each docstring's node with its symbol, and whether it is not a function's."""
    for owner, prefix in _owners(tree):
        before: ast.stmt | None = None
        for statement in owner.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                function = isinstance(owner, ast.FunctionDef | ast.AsyncFunctionDef)
                attribute = _assigned(before) if before is not None and not function else ""
                name = ".".join(part for part in (prefix, attribute) if part)
                yield id(statement.value), (name, not function)
            before = statement


_Scope = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _owners(scope: _Scope, prefix: str = "") -> Iterator[tuple[_Scope, str]]:
    """Yield every module, class and function with its name; what is inside a function goes by the function's."""
    yield scope, prefix
    for node in scope.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            inside = isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _owners(node, prefix if inside else ".".join(part for part in (prefix, node.name) if part))


def _assigned(statement: ast.stmt | None) -> str:
    """Return the name that a statement assigns to, or defines."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name
        case _:
            return ""


def _symbol_at(tree: ast.Module, line: int) -> str:
    """Return what a line belongs to: the function, or the name assigned there or next after."""
    scope, name = max(
        ((scope, name) for scope, name in _owners(tree) if isinstance(scope, ast.Module) or _spans(scope, line)),
        key=lambda each: each[0].lineno if not isinstance(each[0], ast.Module) else 0,
    )
    if isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return name
    here = next((_assigned(each) for each in scope.body if (each.end_lineno or 0) >= line), "")
    return ".".join(part for part in (name, here) if part)


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _comments(module: Module) -> Iterator[tuple[str, str, bool]]:
    """Yield (symbol, text, False) of every comment; lines that follow each other are one."""
    found = [
        (token.start[0], token.string.lstrip("# "))
        for token in tokenize.generate_tokens(io.StringIO(module.source).readline)
        if token.type == tokenize.COMMENT
    ]
    for _, block in groupby(enumerate(found), key=lambda each: each[1][0] - each[0]):
        lines = [each[1] for each in block]
        yield _symbol_at(module.tree, lines[0][0]), " ".join(text for _, text in lines), False


_CODE: Final = re.compile(r"\d+(?:-\d+)*\.[A-Z_]+")


def _codes(node: ast.Tuple) -> set[tuple[str, str]]:
    """Return (clause, code) of a tuple that pairs an article with a stable code."""
    values = [each.value if isinstance(each, ast.Constant) else None for each in node.elts]
    return {
        (article, code)
        for article, code in pairwise(values)
        if isinstance(article, str) and isinstance(code, str) and article and _CODE.fullmatch(code)
    }


def errors(tree: ast.Module) -> dict[str, str]:
    """Return the article of each error class, by the class's name."""
    return {
        node.name: article
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Tuple)
        for article, _ in _codes(inner)
    }


# The document


@dataclass(slots=True)
class Entry:
    """What is known of one clause: symbols by file."""

    enforced: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    uncalled: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    named: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tests: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    commands: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)


def survey() -> dict[str, Entry]:
    """Return what the source says of each clause and article.

    Raises:
        CitationError: a module cites a clause that the agreement does not have.

    """
    articles = errors(ast.parse((ROOT / ERRORS).read_text(encoding="utf-8")))
    product = [read(path, articles) for package in PRODUCT for path in _counted(package, "*.py")]
    tests = [read(path, articles) for path in _counted("tests", "test_*.py")]
    entries: dict[str, Entry] = defaultdict(Entry)
    called = _called(product)
    for module in product:
        if module.path.startswith(COMMANDS):
            _enter_commands(entries, module)
        elif module.path != ERRORS:
            _enter(entries, module, called)
    for module in product:
        _enter_codes(entries, module, called)
    for module in tests:
        _enter_tests(entries, module)
    return dict(entries)


def _counted(folder: str, pattern: str) -> list[Path]:
    found = sorted((ROOT / folder).rglob(pattern))
    return [path for path in found if path.relative_to(ROOT).as_posix() not in UNCOUNTED]


def _called(product: Iterable[Module]) -> set[str]:
    """Return every name that the product uses outside of where it is defined."""
    names: set[str] = set()
    for module in product:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(_last_name(node))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.decorator_list:
                names.add(node.name)
    return names


def _enter(entries: dict[str, Entry], module: Module, called: set[str]) -> None:
    for mark in module.marks:
        entry, last = entries[mark.key], mark.symbol.rpartition(".")[2]
        if mark.names or not mark.symbol:
            entry.named[module.path].add(mark.symbol)
        elif last in called or last.startswith("__") or last.isupper():
            entry.enforced[module.path].add(mark.symbol)
        else:
            entry.uncalled[module.path].add(mark.symbol)


def _enter_commands(entries: dict[str, Entry], module: Module) -> None:
    commands = {}
    for node in module.tree.body:
        for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
            match decorator:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=group), attr="command"), args=given):
                    own = [str(each.value) for each in given if isinstance(each, ast.Constant)]
                    words = ["pcsc", group.removesuffix("app").rstrip("_"), *(own or [_assigned(node)])]
                    commands[_assigned(node)] = " ".join(word for word in words if word)
                case _:
                    pass
    for mark in module.marks:
        if mark.symbol in commands:
            entries[mark.key].commands.add(commands[mark.symbol])


def _enter_codes(entries: dict[str, Entry], module: Module, called: set[str]) -> None:
    """Note the codes that travel to the other Party, of errors that something raises."""
    if module.path != ERRORS:
        for article, code in module.codes:
            entries[article].codes.add(code)
        return
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name in called:
            for article, code in (
                pair for inner in ast.walk(node) if isinstance(inner, ast.Tuple) for pair in _codes(inner)
            ):
                entries[article].codes.add(code)


def _enter_tests(entries: dict[str, Entry], module: Module) -> None:
    for mark in module.marks:
        if not mark.symbol or mark.symbol.startswith("test_") or mark.symbol.isupper():
            entries[mark.key].tests[module.path].add(mark.symbol)


INTRODUCTION: Final = """\
# The agreement, clause by clause

Made from the source by `python docs/treaty.py`; not edited by hand. The agreement is TIAS 19-105, signed at Tokyo on 7
February 2014, in force since 5 January 2019. Each clause is given in short; the agreement's own words decide.

*Enforced* lists functions, tables and messages that cite the clause where they hold somebody to it, or raise its error;
*named* lists types and modules that speak of it; *code* is what a refusal under it tells the other Party; *test* lists the
tests and tables of cases that cite it, or a module whose tests are all about it.
"""


def document(entries: Mapping[str, Entry]) -> str:
    """Return docs/treaty.md as it should be."""
    entries = defaultdict(Entry, entries)
    open_ = [_title(clause.key) for clause in CLAUSES if clause.note and _is_open(clause, entries)]
    silent = [_title(clause.key) for clause in CLAUSES if not clause.note and _is_open(clause, entries)]
    lines = [
        *INTRODUCTION.splitlines(),
        "",
        f"- Not there yet: {', '.join(open_) or 'nothing'}.",
        f"- Cited at no line that enforces it: {', '.join(silent) or 'nothing'}.",
    ]
    for article, clauses in groupby(CLAUSES, key=lambda clause: clause.key.replace("(", " ").split()[0]):
        lines += ["", f"## {_title(article)}: {HEADINGS[article]}", ""]
        listed = list(clauses)
        if article not in {clause.key for clause in listed}:
            lines += _whole(entries[article])
        for clause in listed:
            lines += ["", f"### {_title(clause.key)}", "", f"{clause.says[0].upper()}{clause.says[1:]}.", ""]
            lines += [*_remark(clause, entries), *_facts(entries[clause.key])]
    return "\n".join(line for line, after in pairwise([*lines, ""]) if line or after) + "\n"


def _is_open(clause: Clause, entries: dict[str, Entry]) -> bool:
    """Say whether nothing enforces a clause or a part of it, although software could."""
    parts = [key for key in _KEYS if key == clause.key or key.startswith(f"{clause.key}(")]
    return clause.note not in ASIDE and not any(entries[key].enforced for key in parts)


def _remark(clause: Clause, entries: dict[str, Entry]) -> list[str]:
    if _is_open(clause, entries):
        return [f"- Not there yet: {clause.note}" if clause.note else "- Cited at no line that enforces it."]
    return [f"- {clause.note}"] if clause.note else []


def _whole(entry: Entry) -> list[str]:
    """Return who cites an article without a paragraph."""
    files = {path: entry.enforced[path] | entry.named[path] for path in sorted(entry.enforced.keys() | entry.named)}
    lines = [f"- Cited as a whole: {each}" for each in _symbols(files)]
    return lines + [f"- Test: {each}" for each in _symbols(entry.tests)]


def _title(key: str) -> str:
    """Return a clause's name as it is cited."""
    if key == "I chapeau":
        return "Annex I, chapeau"
    return f"Annex {key}" if key.startswith("I") else f"Article {key}"


def _facts(entry: Entry) -> list[str]:
    lines = [f"- Enforced: {each}" for each in _symbols(entry.enforced)]
    lines += [f"- Written, called by nothing yet: {each}" for each in _symbols(entry.uncalled)]
    lines += [f"- Named: {each}" for each in _symbols(entry.named)]
    if entry.commands:
        lines.append(f"- Command: {', '.join(f'`{command}`' for command in sorted(entry.commands))}")
    if entry.codes:
        lines.append(f"- Code: {', '.join(f'`{code}`' for code in sorted(entry.codes))}")
    return lines + [f"- Test: {each}" for each in _symbols(entry.tests)]


def _symbols(files: dict[str, set[str]]) -> Iterator[str]:
    """Yield each file with its symbols; a file alone where the whole of it is meant."""
    for path in sorted(files):
        symbols = "" if "" in files[path] else ", ".join(f"`{symbol}`" for symbol in sorted(files[path]))
        yield f"`{path}`{': ' if symbols else ''}{symbols}"


# The check


def faults(entries: Mapping[str, Entry], clauses: Sequence[Clause] = CLAUSES) -> list[str]:
    """Return a sentence for every paragraph without a row, row without a paragraph, and citation without a test."""
    rows = [clause.key for clause in clauses]
    found = [
        f"{_title(key)} is a paragraph of the agreement and no row of CLAUSES in docs/treaty.py answers for it: add the row, "
        "with what the paragraph says in short"
        for key in _KEYS
        if _answering(key) == key and key not in rows
    ]
    found += [
        f"{_title(key)} has a row of CLAUSES in docs/treaty.py and is no paragraph of the agreement: correct the row's key"
        for key in rows
        if key not in _KEYS
    ]
    return found + [
        f"{_title(key)} is cited in {', '.join(where)} and by no test: write a test that cites it, in its name or its words, "
        "or correct the citation"
        for key in dict.fromkeys((*HEADINGS, *_KEYS))
        if (where := _citing(entries.get(key, Entry()))) and not _tested(entries, key)
    ]


def _citing(entry: Entry) -> list[str]:
    """Return where the product cites a clause."""
    files = [*entry.enforced, *entry.uncalled, *entry.named]
    cited_in = {path: entry.enforced[path] | entry.uncalled[path] | entry.named[path] for path in files}
    return [*_symbols(cited_in), *(f"`{command}`" for command in sorted(entry.commands))]


def _tested(entries: Mapping[str, Entry], key: str) -> bool:
    """Say whether a test cites a clause, or a part of it."""
    return any(entry.tests for part, entry in entries.items() if part == key or part.startswith((f"{key}(", f"{key} ")))


def main() -> int:
    """Write the document, or check it and the source; return the exit code."""
    try:
        entries = survey()
    except CitationError as error:
        sys.stderr.write(
            f"{error}: correct the citation, or AGREEMENT in docs/treaty.py where the text has the clause\n"
        )
        return 1
    except SyntaxError as error:
        version = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        sys.stderr.write(
            f"{error.filename}, line {error.lineno}: {version} cannot read it: {error.msg}; correct it first\n"
        )
        return 1
    made = document(entries)
    if "--check" not in sys.argv[1:]:
        OUTPUT.write_text(made, encoding="utf-8")
        return 0
    wrong = faults(entries)
    if not OUTPUT.is_file() or OUTPUT.read_text(encoding="utf-8") != made:
        wrong.append("docs/treaty.md does not say what the source says: write it anew with `python docs/treaty.py`")
    sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
