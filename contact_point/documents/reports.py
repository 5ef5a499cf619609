"""Reports of the record, for whoever checks what was done: figures, a course of events, what was destroyed, kept or broken.

A report is a :class:`~contact_point.documents.parts.Document` like any other: :func:`report` gives it its opening, and the
other functions its parts, each from plain values. The same record gives the same report, to the last bit; who signs it, and
when, is added after (:mod:`contact_point.documents.signing`). Of an entry nothing is shown but what the record says: types of
information, never content (Article 11(2)(1)).
"""

# ruff: noqa: RUF001 - Japanese has its own brackets

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from contact_point.documents.parts import Document, Fact, Facts, Paragraphs, Part, Said, Table, day
from pcsc.statistics import Pack
from pcsc.suppression import SMALL
from pcsc.traces import terms
from pcsc.traces.terms import Language, Term
from pcsc.traces.wording import cited, heading, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from annex.parameters import Party
    from pcsc.exchange import Exchange
    from pcsc.records import Entry
    from pcsc.statistics import Rule16
    from pcsc.traces import Trace

_TIME: Final = "%Y-%m-%d %H:%M:%S"
_NONE: Final = Term("none, or not told (small)", "なし又は非公表（少数）")
_NOT_TOLD: Final = Term("not told (small)", "非公表（少数）")


def report(title: Term, ours: Party, uri: str, dated: date, parts: Sequence[Part]) -> Document:
    """Return a report of our contact point: what it is about, whose record it is drawn from, then its parts."""
    country = terms.PARTIES[ours]
    opening = Facts(
        Term("This report", "本報告"),
        (
            Fact(
                Term("Contact point", "連絡部局"),
                (Term(f"The national contact point of {country.en}", f"{country.ja}の連絡部局"), uri),
            ),
            Fact(Term("As of (UTC)", "基準日（協定世界時）"), (day(dated),)),
            Fact(
                Term("Drawn from", "根拠"),
                (Term("the record of Article 11, and nothing else", "協定第十一条の記録のみによる。"),),
            ),
            Fact(
                Term("To be verified", "検証の方法"),
                (
                    Term(
                        "pcsc-verify report FILE --key CARD, with the card of this contact point",
                        "この連絡部局のカードを用い、pcsc-verify report FILE --key CARD により検証する。",
                    ),
                ),
            ),
        ),
    )
    return Document(title, f"{title.en} · {uri}", dated, (opening, *parts))


# Entries of the record


def entries(head: Term, found: Iterable[Entry]) -> Table:
    """Return entries of the record as a table: of a search, of deletions, of notices of a breach."""
    columns = (
        Term("No.", "番号"),
        Term("Time (UTC)", "日時（協定世界時）"),
        Term("Exchange", "手続"),
        Term("Event", "事象"),
        Term("Clause", "条項"),
        Term("Note", "備考"),
    )
    return Table(head, columns, tuple(_row(entry) for entry in found))


def _row(entry: Entry) -> tuple[Said, ...]:
    what, way = terms.event(entry.event), terms.DIRECTIONS[entry.direction]
    return (
        f"{entry.number}",
        f"{entry.at:{_TIME}}",
        entry.exchange,
        Term(f"{what.en} ({way.en})", f"{what.ja}（{way.ja}）"),
        _clause(entry.article),
        entry.note,
    )


def _clause(article: str) -> Said:
    return Term(cited(article, Language.EN), cited(article, Language.JA)) if article else ""


DELETIONS: Final = Term("Deletions", "削除")
BREACHES: Final = Term("Notices of a breach of protection (Art. 9)", "情報の保護に係る通報（協定第九条）")


def deletions(found: Iterable[Entry]) -> Table:
    """Return what was destroyed under which clause: Articles 8(1), 8(2), 8(9) and 10(2)."""
    return entries(DELETIONS, (entry for entry in found if entry.event == "deletion"))


def breaches(found: Iterable[Entry]) -> Table:
    """Return the notices of a breach, provided and received: Article 9."""
    return entries(BREACHES, (entry for entry in found if entry.event == "breach notice"))


def legal_holds(exchanges: Iterable[Exchange]) -> Table:
    """Return the exchanges whose record is kept beyond its term, and under which law: Article 11(3)."""
    return Table(
        Term("Records kept beyond their term (Art. 11(3))", "期間を超えて保存する記録（協定第十一条３）"),
        (Term("Exchange", "手続"), Term("Opened (UTC)", "開始（協定世界時）"), Term("Kept under", "根拠となる法令")),
        tuple(
            (each.control_number, f"{each.opened_at:{_TIME}}", each.kept_under) for each in exchanges if each.kept_under
        ),
    )


def timeline(course: Iterable[tuple[Entry, Trace | None]]) -> tuple[Part, ...]:
    """Return the course of one exchange: all entries, then each decision with what it rested on, in both languages."""
    course = list(course)
    parts: list[Part] = [entries(Term("Course of the exchange", "手続の経過"), (entry for entry, _ in course))]
    for entry, trace in course:
        if trace is not None:
            title = Term(
                f"{entry.number}: {heading(trace, Language.EN)}", f"{entry.number}：{heading(trace, Language.JA)}"
            )
            told = zip(words(trace, Language.EN), words(trace, Language.JA), strict=True)
            parts.append(Paragraphs(title, tuple(Term(en, ja) for en, ja in told)))
    return tuple(parts)


# Figures


_ITEMS: Final = (
    Term("Answers that fingerprint data are recorded", "指紋情報が記録されている旨の回答の件数"),
    Term("Requests for an explanation", "説明の要請の件数"),
    Term("Requests for further information received", "追加の情報の提供の要請を受けた件数"),
    Term("Requests for the result of use", "利用の結果の通報の要請の件数"),
)


def rule_16(figures: Rule16) -> Table:
    """Return the four figures of the yearly report: Rule 16 of 2018, Article 7(1)."""
    lines = (
        ("(i)", "一", _ITEMS[0], figures.match_answers_given),
        ("(ii)", "二", _ITEMS[1], figures.explanation_requests_made),
        ("(iii)", "三", _ITEMS[2], figures.further_information_requests_received),
        ("(iv)", "四", _ITEMS[3], figures.result_of_use_requests_made),
    )
    return Table(
        Term(
            f"Yearly report {figures.year} (Rule No. 16 of 2018, Art. 7(1))",
            f"{figures.year}年の報告（平成三十年国家公安委員会規則第十六号第七条第一項）",
        ),
        (Term("Item", "号"), Term("What is counted", "事項"), Term("Number", "件数")),
        tuple((Term(item, f"第{number}号"), what, f"{count}") for item, number, what, count in lines),
    )


_FIGURES: Final[Mapping[str, Term]] = {
    "events": Term("Messages and acts", "通信及び行為"),
    "searches": Term("Queries by kind of search", "照会の種別ごとの件数"),
    "individuals": Term("Queries by what they say of the individual", "特定の者の識別の有無ごとの照会の件数"),
    "conclusions": Term("Conclusions of our examiners", "当方の鑑定の結果"),
    "false_candidates_per_mille": Term("False candidates in a thousand", "誤った候補の割合（千分率）"),
    "days_to_examination": Term(
        "Days from a match to its examination (median)", "一致した旨の回答から対照までの日数（中央値）"
    ),
    "days_to_determination": Term(
        "Days from a match to the determination (median)", "一致した旨の回答から決定までの日数（中央値）"
    ),
    "explanations_asked_by_us": Term("Explanations that we asked for", "当方が要請した説明"),
    "explanations_asked_of_us": Term("Explanations asked of us", "当方に要請された説明"),
    "deletions": Term("Deletions by clause", "条項ごとの削除の件数"),
    "lapses": Term("Holds that only time ended, by clause", "期間の満了により終了した保持の条項ごとの件数"),
    "measures": Term("Measures on incorrect information", "正確でない情報についての措置"),
    "not_accepted": Term("Messages not accepted, by clause", "受理されなかった通信の条項ごとの件数"),
    "uses": Term("Uses asked for, by clause", "利用の求めの条項ごとの件数"),
    "results_of_use": Term(
        "Results of use: for the review of the implementation alone (Art. 8(6))",
        "利用の結果（協定第八条６の規定により、実施についての検討のためにのみ利用することができる。）",
    ),
}
"""What each figure of the pack is called."""
_WORDS: Final[Mapping[str, Term]] = {
    **terms.DIRECTIONS,
    **terms.SEARCHES,
    "identified": terms.IDENTIFIED[True],
    "unidentified": terms.IDENTIFIED[False],
    "not stated": Term("not stated", "不明"),
    "identification": Term("identification", "一致"),
    "exclusion": Term("exclusion", "不一致"),
    "inconclusive": Term("inconclusive", "判断不能"),
    "asked": Term("asked", "要請"),
    "answered": Term("answered", "回答"),
    "overdue": Term("overdue", "期限超過"),
    "correction": Term("correction", "訂正"),
    "deletion": Term("deletion", "削除"),
    "non-disclosure": Term("non-disclosure", "不開示"),
}


def consultations(figures: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the figures for consultations (Article 14(1)): those of a pack, or of :func:`pcsc.statistics.suppressed`.

    ``figures`` are the fields of :class:`~pcsc.statistics.Pack` by their names.
    """
    period = Facts(
        Term("Period (UTC)", "対象期間（協定世界時）"),
        (
            Fact(Term("First day", "初日"), (day(figures["first"]),)),
            Fact(Term("Last day", "末日"), (day(figures["last"]),)),
        ),
    )
    small = Paragraphs(
        Term("What is not told", "示さない件数"),
        (
            Term(
                f"Counts from 1 to {SMALL - 1}, and whatever would tell them, are left out where this report says so.",
                f"一から{SMALL - 1}までの件数及びこれを推知させる件数は、その旨を記して示さない。",
            ),
        ),
    )
    told = [_figure(_FIGURES[each.name], figures[each.name]) for each in fields(Pack) if each.name in _FIGURES]
    return (period, *told, small)


def _figure(head: Term, value: object) -> Table:
    """Return a figure as a table, one row a count."""
    columns = (Term("Of which", "内訳"), Term("Number", "件数"))
    if not isinstance(value, dict):
        return Table(head, (columns[1],), ((_count(value, nothing=_NONE),),))
    rows: list[tuple[Said, ...]] = []
    for name, count in value.items():
        if isinstance(count, dict):
            rows += [(_both(_word(name), _word(inner)), _count(number)) for inner, number in count.items()]
        else:
            rows.append((_word(name), _count(count)))
    return Table(head, columns, tuple(rows))


def _both(outer: Term, inner: Term) -> Term:
    return Term(f"{outer.en}: {inner.en}", f"{outer.ja}：{inner.ja}")


def _word(name: str) -> Term:
    if name in _WORDS:
        return _WORDS[name]
    if name[:1].isdigit() or name.startswith("Annex"):
        return Term(cited(name, Language.EN), cited(name, Language.JA))
    return terms.event(name)


def _count(value: object, nothing: Term = _NOT_TOLD) -> Said:
    return nothing if value is None else f"{value}"
