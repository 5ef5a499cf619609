"""Charts: strict SVG with a text alternative and a table beside it, in both languages."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from contact_point.documents import charts
from contact_point.documents.charts import Chart
from pcsc.figures import DUE_WITHIN, EXAMINED_WITHIN, Band, Month, Used
from pcsc.messages import Search
from pcsc.records import Direction
from pcsc.traces.terms import Language, Term

if TYPE_CHECKING:
    from collections.abc import Iterator

SVG = "{http://www.w3.org/2000/svg}"
MONTHS = (Month("2026-01", 100, 92), Month("2026-02", None, None), Month("2026-03", 0, 0))
DAYS = tuple(
    Used(date(2026, 11, day), way, Search.LATENT, used, 20)
    for way in (Direction.PROVIDED, Direction.RECEIVED)
    for day, used in ((1, 0), (2, 20), (3, 7))
)
ALL = (
    charts.false_candidates(MONTHS),
    charts.examination_times([Band(bound, at) for at, bound in enumerate(EXAMINED_WITHIN)]),
    charts.nearness([Band(bound, at + 1) for at, bound in enumerate(DUE_WITHIN)]),
    *charts.quotas(DAYS),
)
EACH = pytest.mark.parametrize("chart", ALL, ids=[each.name for each in ALL])
BOTH = pytest.mark.parametrize("language", list(Language))


def drawn(chart: Chart, language: Language) -> ET.Element:
    return ET.fromstring(charts.svg(chart, language))  # noqa: S314 - our own


def texts(root: ET.Element) -> Iterator[str]:
    yield from (each.text or "" for each in root.iter(f"{SVG}text"))


@EACH
@BOTH
def test_nothing_in_a_chart_runs_refers_or_is_styled(chart: Chart, language: Language) -> None:
    """It passes `default-src 'none'`: no script, no style, no reference."""
    for element in drawn(chart, language).iter():
        assert element.tag.removeprefix(SVG) in {"svg", "title", "desc", "text", "line", "rect", "polyline"}
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in {"style", "href", "{http://www.w3.org/1999/xlink}href"}
            assert "url(" not in value


@EACH
@BOTH
def test_a_chart_has_title_axes_and_a_text_alternative(chart: Chart, language: Language) -> None:
    root = drawn(chart, language)
    title, about = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert about is not None
    assert (root.get("role"), root.get("lang")) == ("img", language)
    assert (root.get("aria-labelledby"), root.get("aria-describedby")) == (title.get("id"), about.get("id"))
    told = [getattr(each, language) for each in (chart.title, chart.across, chart.up)]
    assert set(told) <= set(texts(root))
    assert title.text == told[0]
    assert (about.text or "").startswith(getattr(chart.about, language))
    other = "ja" if language is Language.EN else "en"
    assert getattr(chart.title, other) not in ET.tostring(root, encoding="unicode")


@EACH
def test_each_bar_is_a_row_of_the_table_beside_it(chart: Chart) -> None:
    assert [row[0] for row in chart.table.rows] == [bar.label for bar in chart.bars]
    assert len(list(drawn(chart, Language.EN).iter(f"{SVG}rect"))) == sum(bool(bar.value) for bar in chart.bars)


@EACH
def test_the_same_figures_are_the_same_text(chart: Chart) -> None:
    assert charts.svg(chart, Language.JA) == charts.svg(chart, Language.JA)


def test_the_rate_is_excluded_of_concluded_and_what_is_not_told_is_no_zero() -> None:
    chart = ALL[0]
    assert [bar.value for bar in chart.bars] == [92, None, None]
    assert chart.table.rows[0] == ("2026-01", "100", "92", "92.0")
    assert [each.en for row in chart.table.rows[1:] for each in row if isinstance(each, Term)] == [
        "not told (small)", "not told (small)", "not told (small)", "none",
    ]  # fmt: skip
    assert list(texts(drawn(chart, Language.EN))).count("–") == 2  # noqa: RUF001 - the dash that is drawn
    assert "92%" in set(texts(drawn(chart, Language.EN)))


def test_what_is_overdue_and_a_quota_that_is_used_up_are_told_by_more_than_colour() -> None:
    root = drawn(ALL[2], Language.JA)
    alarms = [each.get("class") for each in root.iter(f"{SVG}rect")]
    assert alarms == ["chart-alarm", *["chart-bar"] * 6]
    assert "期限超過" in set(texts(root))
    quota = drawn(ALL[3], Language.EN)
    assert [each.get("class") for each in quota.iter(f"{SVG}rect")] == ["chart-alarm", "chart-bar"]
    (line,) = quota.iter(f"{SVG}polyline")
    assert line.get("points") is not None


def test_quotas_are_drawn_by_direction_and_search() -> None:
    assert [each.name for each in charts.quotas(DAYS)] == ["quota-asked-latent", "quota-answered-latent"]


def test_heights_are_in_proportion_and_within_the_axes() -> None:
    for chart in ALL:
        bars = [bar.value for bar in chart.bars if bar.value]
        heights = [float(each.get("height") or 0) for each in drawn(chart, Language.EN).iter(f"{SVG}rect")]
        assert all(
            abs(height / heights[0] - bar / bars[0]) < 0.02 * bar for height, bar in zip(heights, bars, strict=True)
        )
        assert all(height <= 308 - 56 for height in heights)


def test_labels_of_many_bars_leave_room_for_each_other() -> None:
    many = charts.quotas(
        [Used(date(2026, 10, day), Direction.PROVIDED, Search.LATENT, day, 40) for day in range(1, 32)]
    )
    labels = [each for each in texts(drawn(many[0], Language.EN)) if re.fullmatch(r"2026-10-\d\d", each)]
    assert 5 <= len(labels) <= 9


def test_data_keep_their_contrast_on_white_and_on_black() -> None:
    """3:1 (WCAG 2.2, 1.4.11), here against white and against the black of a dark page."""
    for colour in (charts.BLUE, charts.VERMILION):
        light = luminance(colour)
        assert 1.05 / (light + 0.05) >= 3
        assert (light + 0.05) / (luminance("#121212") + 0.05) >= 3


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@BOTH
def test_a_page_holds_every_chart_with_its_table_and_loads_nothing(language: Language) -> None:
    page = charts.page(ALL, language)
    assert page.count("<svg ") == page.count("<table>") == len(ALL)
    assert not re.search(r"<script|<style|<link|style=|\bsrc=|href=", page)
    assert '<meta name="color-scheme" content="light dark">' in page
    for chart in ALL:
        for row in chart.table.rows:
            for cell in row:
                said = getattr(cell, language) if isinstance(cell, Term) else cell
                assert said.replace("<", "&lt;") in page


def test_what_comes_from_elsewhere_is_escaped() -> None:
    (chart, *_) = charts.quotas(DAYS)
    evil = Term("<script>alert(1)</script>&", "<b>")
    made = charts.svg(Chart("x", evil, evil, evil, evil, chart.bars, chart.table), Language.EN)
    assert "<script>" not in made
    ET.fromstring(made)  # noqa: S314 - our own
