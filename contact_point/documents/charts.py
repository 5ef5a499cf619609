"""Figures as SVG, drawn on the server: bars, a line for what is allowed, and the same figures as a table.

A chart is a picture with a text alternative (``title`` and ``desc``), and beside it stands its :attr:`Chart.table`. It holds no
script, no style and no reference, so it passes the strictest content security policy. Text and axes have the colour of the text
around them, so it is read in light and dark; data have colours of Okabe and Ito that keep 3:1 on white and on black (WCAG 2.2,
1.4.11), and nothing is told by colour alone. Sizes are those of the picture, which scales.
"""

# ruff: noqa: RUF001 - Japanese has its own brackets

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING, Final

from contact_point.documents.parts import Said, Table
from pcsc.figures import DUE_WITHIN, EXAMINED_WITHIN
from pcsc.records import Direction
from pcsc.suppression import SMALL
from pcsc.traces import terms
from pcsc.traces.terms import Language, Term

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pcsc.figures import Band, Month, Used

BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
"""Of the palette of Okabe and Ito (2008)."""

_WIDTH, _HEIGHT = 720, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 704, 56, 308
_LABELS: Final = 110
"""Characters for which the labels of the bars have room, spaces included; with more, only some bars have one."""
_MOST_VALUES: Final = 16
"""As many bars have their values above them; with more these would touch, and the table tells them."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: what it stands for, its height (None: not told), and whether it is one to act on."""

    label: Said
    value: int | None
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture of figures. ``name`` names its file; ``line`` is what is allowed, drawn across each bar."""

    name: str
    title: Term
    about: Term
    """What is to be seen, in a sentence."""
    across: Term
    """The axis of the bars."""
    up: Term
    """The axis of their heights, with its unit."""
    bars: tuple[Bar, ...]
    table: Table
    unit: str = ""
    """What stands behind a value above its bar."""
    line: tuple[int, ...] = ()
    top: int | None = None
    """Where the upward axis ends; None where the figures say it."""


_NOT_TOLD: Final = Term("not told (small)", "非公表（少数）")
_ABOUT_SMALL: Final = Term(
    f"Counts below {SMALL}, and those that would tell them, may be left out.",
    f"{SMALL}未満の件数及びこれを推知させる件数は、示さないことがある。",
)


# The charts


def false_candidates(months: Sequence[Month]) -> Chart:
    """Return the share of false candidates among examined ones, by month (Articles 4(5) and 14)."""
    columns = (
        Term("Month", "月"),
        Term("Examined", "対照した件数"),
        Term("False candidates", "一致しないと判断した件数"),
        Term("Rate, per cent", "割合（％）"),
    )
    rows = tuple((each.month, _said(each.concluded), _said(each.excluded), _rate(each)) for each in months)
    title = Term("False candidates by month", "月別の誤った候補の割合")
    return Chart(
        "false-candidates",
        title,
        Term(
            "The share of matches given to us that our examiners excluded, by the month of the conclusion.",
            "相手国から一致した旨の回答を受けた事案のうち、当方の鑑定において一致しないと判断したものの割合を月別に示す。",
        ),
        Term("Month of the conclusion (UTC)", "判断の月（協定世界時）"),
        Term("Excluded, per cent of examined", "一致しないと判断した割合（％）"),
        tuple(Bar(each.month, None if each.per_mille is None else (each.per_mille + 5) // 10) for each in months),
        Table(title, columns, rows),
        unit="%",
        top=100,
    )


def _rate(month: Month) -> Said:
    if month.per_mille is None:
        return Term("none", "なし") if month.concluded == 0 else _NOT_TOLD
    return f"{month.per_mille // 10}.{month.per_mille % 10}"


def examination_times(bands: Sequence[Band]) -> Chart:
    """Return how long examinations took, from the match received to its conclusion (Article 4(5))."""
    return _of_bands(
        "examination-time",
        Term("Time from a match to its conclusion", "一致した旨の回答から判断までの時間"),
        Term(
            "How many matches were concluded within which time after they came.",
            "一致した旨の回答を受けてから鑑定の判断に至るまでの時間別の件数を示す。",
        ),
        (Term("Time taken", "所要時間"), Term("Matches concluded", "判断した件数")),
        bands,
        [_within(at, EXAMINED_WITHIN) for at in range(len(EXAMINED_WITHIN))],
    )


def nearness(bands: Sequence[Band]) -> Chart:
    """Return how near the open exchanges are to their deadlines."""
    overdue = Term("overdue", "期限超過")
    labels = [overdue, *(_within(at, DUE_WITHIN) for at in range(1, len(DUE_WITHIN)))]
    return _of_bands(
        "deadlines",
        Term("Open exchanges by their nearest deadline", "期限までの期間別の未了の手続"),
        Term(
            "How many open exchanges have their nearest deadline within which time; those overdue come first.",
            "未了の手続の件数を、最も近い期限までの期間別に示す。期限を超過したものを最初に置く。",
        ),
        (Term("Time left", "期限までの期間"), Term("Exchanges", "手続の件数")),
        bands,
        labels,
    )


def _of_bands(
    name: str, title: Term, about: Term, axes: tuple[Term, Term], bands: Sequence[Band], labels: Sequence[Term]
) -> Chart:
    told = list(zip(labels, bands, strict=True))
    rows = tuple((label, _said(band.count)) for label, band in told)
    bars = tuple(Bar(label, band.count, alarming=band.below == timedelta()) for label, band in told)
    return Chart(name, title, about, *axes, bars, Table(title, axes, rows))


def _within(at: int, bounds: Sequence[timedelta | None]) -> Term:
    """Return a band in words: from the bound before it, which it includes, to its own."""
    below, least = bounds[at], bounds[at - 1] if at else None
    if below is None:
        last = _length(least or timedelta())
        return Term(f"{last.en} or more", f"{last.ja}以上")
    to = _length(below)
    if not least:
        return Term(f"under {to.en}", f"{to.ja}未満")
    since = _length(least)
    return Term(f"{since.en} – {to.en}", f"{since.ja}～{to.ja}")


def _length(time: timedelta) -> Term:
    hours = time // timedelta(hours=1)
    return Term(f"{hours} h", f"{hours}時間") if hours < 24 else Term(f"{hours // 24} d", f"{hours // 24}日")


def quotas(days: Sequence[Used]) -> tuple[Chart, ...]:
    """Return a chart for each direction and kind of search: queries of each day, and how many were allowed (Article 4(7))."""
    kinds = dict.fromkeys((each.direction, each.search) for each in days)
    return tuple(_quota([each for each in days if (each.direction, each.search) == kind]) for kind in kinds)


def _quota(days: Sequence[Used]) -> Chart:
    direction, search = days[0].direction, days[0].search
    who = (
        Term("Our queries", "当方の照会") if direction is Direction.PROVIDED else Term("Queries to us", "当方への照会")
    )
    kind = terms.SEARCHES[search]
    title = Term(f"{who.en} ({kind.en}) and the quota", f"{who.ja}（{kind.ja}）と一日の件数の上限")
    columns = (Term("Day (UTC)", "日（協定世界時）"), Term("Queries", "照会の件数"), Term("Allowed", "上限"))
    return Chart(
        f"quota-{'asked' if direction is Direction.PROVIDED else 'answered'}-{search}",
        title,
        Term(
            "Queries of each day as bars; the line is what the arrangement allows on the day (Art. 4(7)).",
            "棒は各日の照会の件数、線は実施取決めにより一日に認められる件数（協定第四条７）を示す。",
        ),
        columns[0],
        Term("Queries", "照会の件数"),
        tuple(Bar(f"{each.day}", each.used, alarming=(each.used or 0) >= each.allowed) for each in days),
        Table(title, columns, tuple((f"{each.day}", _said(each.used), f"{each.allowed}") for each in days)),
        line=tuple(each.allowed for each in days),
    )


def _said(count: int | None) -> Said:
    return _NOT_TOLD if count is None else f"{count}"


# Drawing


def svg(chart: Chart, language: Language) -> str:
    """Return the chart as an SVG in one language, ready to stand in a page or a file."""
    return "\n".join(_drawn(chart, language)) + "\n"


def _drawn(chart: Chart, language: Language) -> Iterator[str]:
    heights = [bar.value or 0 for bar in chart.bars]
    step = _step(chart.top or max([*heights, *chart.line, 1]))
    top = chart.top or -(-max([*heights, *chart.line, 1]) // step) * step
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" lang="{language}" '
        f'aria-labelledby="{chart.name}-title" aria-describedby="{chart.name}-desc" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif" font-size="14" fill="currentColor">'
    )
    about = f"{_in(chart.about, language)} {_in(_ABOUT_SMALL, language)}"
    yield f'<title id="{chart.name}-title">{_escaped(chart.title, language)}</title>'
    yield f'<desc id="{chart.name}-desc">{escape(about)}</desc>'
    yield f'<text class="chart-title" x="{_LEFT}" y="22" font-size="17">{_escaped(chart.title, language)}</text>'
    yield f'<text class="chart-axis" x="4" y="44">{_escaped(chart.up, language)}</text>'
    yield from _ticks(top, step)
    yield from _bars(chart, top, language)
    middle = (_LEFT + _RIGHT) // 2
    yield f'<text class="chart-axis" x="{middle}" y="364" text-anchor="middle">{_escaped(chart.across, language)}</text>'
    yield "</svg>"


def _ticks(top: int, step: int) -> Iterator[str]:
    for value in range(0, top + 1, step):
        y = _up(value, top)
        yield f'<line x1="{_LEFT}" y1="{y}" x2="{_RIGHT}" y2="{y}" stroke="currentColor" stroke-opacity="0.25"/>'
        yield f'<text x="{_LEFT - 8}" y="{y}" dy="5" text-anchor="end">{value}</text>'


def _bars(chart: Chart, top: int, language: Language) -> Iterator[str]:
    """Draw the bars, their labels and values, and the line over them."""
    count = max(len(chart.bars), 1)
    slot = (_RIGHT - _LEFT) / count
    longest = max((len(_in(bar.label, language)) for bar in chart.bars), default=0) + 2
    every = -(-count * longest // _LABELS)
    for at, bar in enumerate(chart.bars):
        left, middle = _LEFT + slot * at, _LEFT + slot * (at + 0.5)
        if bar.value:
            y = _up(bar.value, top)
            kind = "chart-alarm" if bar.alarming else "chart-bar"
            colour = VERMILION if bar.alarming else BLUE
            size = f'x="{left + slot * 0.15:.1f}" y="{y}" width="{slot * 0.7:.1f}" height="{_BOTTOM - y:.1f}"'
            yield f'<rect class="{kind}" {size} fill="{colour}"/>'
        if bar.value is None or count <= _MOST_VALUES:
            told = "–" if bar.value is None else f"{bar.value}{chart.unit}"
            yield f'<text x="{middle:.1f}" y="{_up(bar.value or 0, top) - 5:.1f}" text-anchor="middle">{told}</text>'
        if at % every == 0:
            label = escape(_in(bar.label, language))
            yield f'<text x="{middle:.1f}" y="330" text-anchor="middle" font-size="12">{label}</text>'
    if chart.line:
        points = [
            f"{_LEFT + slot * (at + side):.1f},{_up(value, top)}"
            for at, value in enumerate(chart.line)
            for side in (0, 1)
        ]
        yield f'<polyline class="chart-line" points="{" ".join(points)}" fill="none" stroke="currentColor" stroke-width="2"/>'


def _up(value: int, top: int) -> float:
    """Return how far down a value stands."""
    return round(_BOTTOM - (_BOTTOM - _TOP) * value / top, 1)


def _step(top: int) -> int:
    """Return the distance of the marks of an axis: 1, 2 or 5 times a power of ten, at most six of them."""
    power = 1
    while True:
        for step in (power, 2 * power, 5 * power):
            if top <= 6 * step:
                return step
        power *= 10


def _in(value: Said, language: Language) -> str:
    if isinstance(value, Term):
        return value.ja if language is Language.JA else value.en
    return value


def _escaped(value: Said, language: Language) -> str:
    return escape(_in(value, language))


# A page of charts


_HEADING: Final = Term("Figures of the record", "記録に基づく統計")


def page(charts: Sequence[Chart], language: Language) -> str:
    """Return a page with the charts and, under each, the same figures as a table; nothing in it is loaded from elsewhere."""
    drawn = "\n".join(f"<section>\n{svg(chart, language)}{_table(chart.table, language)}</section>" for chart in charts)
    heading = _escaped(_HEADING, language)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{heading}</title>\n</head>\n'
        f"<body>\n<h1>{heading}</h1>\n{drawn}\n</body>\n</html>\n"
    )


def _table(table: Table, language: Language) -> str:
    head = "".join(f'<th scope="col">{_escaped(each, language)}</th>' for each in table.columns)
    rows = []
    for first, *others in table.rows:
        cells = "".join(f"<td>{_escaped(each, language)}</td>" for each in others)
        rows.append(f'<tr><th scope="row">{_escaped(first, language)}</th>{cells}</tr>\n')
    caption = _escaped(table.heading, language)
    body = "".join(rows)
    return f"<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n"
