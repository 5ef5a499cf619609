"""Reports of the record: what they say, in both languages, and that the same record gives the same bytes."""

# ruff: noqa: RUF001 - Japanese has its own brackets

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from annex.parameters import Party
from contact_point.documents import reports, setting
from pcsc import statistics, traces
from pcsc.duties import Content, standing
from pcsc.exchange import State
from pcsc.messages import Authority
from pcsc.records import Direction, Entry
from pcsc.statistics import Rule16
from pcsc.traces.terms import Term
from tests import builders
from tests.builders import QUERY
from tests.contact_point.test_documents import BLANK, text

if TYPE_CHECKING:
    from contact_point.documents.parts import Document, Part

START = datetime(2026, 6, 1, tzinfo=UTC)
URI = "urn:pcsc:ncp:jp"
POLICE = Authority("Hokkaido Prefectural Police", "First Investigation Division", "HKD-1", "Hokkaido")


def entry(number: int, event: str, direction: Direction = Direction.ACT, **changes: Any) -> Entry:
    at = START + timedelta(hours=number)
    fields: dict[str, Any] = {
        "exchange": QUERY,
        "message": QUERY,
        "information": (),
        "at": at,
        "made_at": at,
        "other": Party.US,
        "authority": POLICE,
        "identified": True,
        "article": "8(2)",
        "arrangement": "test-1",
        "rules": "2022-04-01",
    }
    return Entry(number=number, direction=direction, event=event, **{**fields, **changes})


COURSE = (
    entry(0, "query", Direction.PROVIDED, article="4(3)", search="latent"),
    entry(1, "match", Direction.RECEIVED, article="4(5)"),
    entry(2, "examination", article="4(5)", note="exclusion by A. Examiner"),
    entry(3, "deletion", note="candidate destroyed: its key was overwritten in place"),
    entry(4, "breach notice", Direction.RECEIVED, article="9"),
    entry(5, "something new"),
)


def made(*parts: Part) -> Document:
    return reports.report(Term("A report", "報告"), Party.JP, URI, date(2026, 6, 30), parts)


def seen(*parts: Part) -> str:
    return text(setting.pdf(made(*parts)))


def test_a_report_says_whose_it_is_from_what_and_how_it_is_verified() -> None:
    said = seen()
    for each in (URI, "2026年6月30日", "協定第十一条の記録のみによる。", "pcsc-verify report FILE --key CARD"):
        assert each.translate(BLANK) in said
    assert setting.pdf(made()) == setting.pdf(made())


def test_11_2_entries_of_a_search_are_told_in_both_languages() -> None:
    said = seen(reports.entries(Term("Found", "検索の結果"), COURSE))
    for each in (
        "query(provided)",
        "照会（提供）",
        "Art.4(3)",
        "協定第四条３",
        "2026-06-0102:00:00",
        "exclusionbyA.Examiner",
    ):
        assert each in said, each
    assert "「somethingnew」" in said  # quoted as it stands where it has no Japanese name


def test_8_2_deletions_and_9_breaches_are_picked_from_the_record() -> None:
    (gone,) = reports.deletions(COURSE).rows
    assert gone[0] == "3"
    assert gone[5] == "candidate destroyed: its key was overwritten in place"
    (breach,) = reports.breaches(COURSE).rows
    assert breach[0] == "4"
    assert "None.なし" in seen(reports.breaches(()))


def test_11_3_legal_holds_name_the_law() -> None:
    held = replace(builders.exchange(State.MATCH), kept_under="Criminal Procedure Code, Article 197")
    table = reports.legal_holds([held, builders.exchange(State.MATCH)])
    assert [row[2] for row in table.rows] == ["Criminal Procedure Code, Article 197"]


def test_the_timeline_of_an_exchange_tells_its_decisions_in_both_languages() -> None:
    at = builders.exchange(State.NO_REQUEST)
    trace = traces.deletion(standing(at), Content.CANDIDATE, now=START)
    said = seen(*reports.timeline([(each, trace if each.event == "deletion" else None) for each in COURSE]))
    assert "3:deletion,Art.8(2)" in said
    assert "削除の決定、協定第八条２" in said
    assert "回答に添えられた指紋情報" in said


def test_rule_16_has_its_four_items() -> None:
    table = reports.rule_16(Rule16(2026, 7, 8, 9, 10))
    assert [row[2] for row in table.rows] == ["7", "8", "9", "10"]
    said = seen(table)
    assert "平成三十年国家公安委員会規則第十六号第七条第一項" in said
    assert "第四号" in said


def test_14_1_every_figure_of_the_pack_is_in_the_report_and_small_ones_are_not() -> None:
    record = [entry(at, "query", Direction.PROVIDED, exchange=f"JP-{at}", search="latent") for at in range(7)] + [
        entry(at, "deletion", exchange=f"JP-{at}", article="8(2)") for at in range(3)
    ]
    pack = statistics.pack(record, date(2026, 6, 1), date(2026, 6, 30), Party.JP, explanation_days=14)
    whole, few = reports.consultations(asdict(pack)), reports.consultations(statistics.suppressed(pack))
    named = set(reports._FIGURES) | {"ours", "first", "last", "results_of_use_serve"}
    assert set(asdict(pack)) == named
    assert "deletion:ouract削除：当方の行為3" in seen(*whole)
    said = seen(*few)
    assert "deletion:ouract削除：当方の行為nottold(small)" in said
    assert "query:provided照会：提供7" in said
