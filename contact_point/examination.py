"""The examiner's picture: two prints side by side, with the minutiae that the search paired.

Article 4(5) sends fingerprint data with a match "to allow the querying contact point to confirm the result". That is an
examiner's work, done on the prints themselves; the picture helps to find the places to look at. It shows every minutia
of both templates, the paired ones in colour with the same number on both sides, both prints at the same magnification
with a bar of five millimetres. It shows no score, rank or order of candidates: pairs are numbered down the left print,
whatever order they came in. The conclusion is the examiner's.

The picture is laid out once, as a list of shapes, and written as SVG or as PNG. Colours are those of Okabe and Ito
(2008), which stay apart for colour-blind eyes; the numbers say the same without colour.
"""

from __future__ import annotations

import base64
import io
import math
import operator
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

from matcher.template import DPI, Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Point = tuple[float, float]


class ExaminationError(ValueError):
    """The prints or pairs given cannot be drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One print of the picture: its pixels, its minutiae, and the words above it.

    ``image`` has the shape (height, width), 0 for black. It may have another resolution than the template's 500 dpi,
    and is then shown stretched to the template's size.

    Raises:
        ExaminationError: the image is not grey pixels of 8 bits, or has another shape than the template says.

    """

    image: NDArray[np.uint8]
    template: Template
    caption: str

    def __post_init__(self) -> None:
        if self.image.ndim != 2 or self.image.dtype != np.uint8 or self.image.size == 0:
            raise ExaminationError(
                "a print is shown from grey pixels, an array of uint8 of shape (height, width); "
                f"got {self.image.dtype} of shape {self.image.shape}"
            )
        rows, columns = self.image.shape
        across, down = columns / self.template.width, rows / self.template.height
        if abs(across - down) > 0.02 * max(across, down):
            raise ExaminationError(
                f"the image has {columns} x {rows} pixels and its template says {self.template.width} x "
                f"{self.template.height}: minutiae would lie beside their ridges. Extract the template from this image"
            )


@dataclass(frozen=True, slots=True)
class Examination:
    """What the examiner looks at: both prints and the minutiae that pair up. It lives in memory only."""

    probe: Panel
    candidate: Panel
    pairs: tuple[tuple[int, int], ...]

    def svg(self) -> str:
        """Return the two prints side by side as SVG."""
        return side_by_side_svg(self.probe, self.candidate, self.pairs)

    def png(self) -> bytes:
        """Return the two prints side by side as PNG."""
        return side_by_side_png(self.probe, self.candidate, self.pairs)


def side_by_side_svg(
    left: Panel, right: Panel, pairs: Sequence[tuple[int, int]], *, title: str = "", connect: bool = True
) -> str:
    """Return the picture as an SVG document that needs nothing from outside it, without scripts or style sheets.

    ``pairs`` holds indices into the minutiae of the left and the right template. ``connect`` draws a line from each
    minutia to its mate. Characters that XML cannot hold are shown as U+FFFD.

    Raises:
        ExaminationError: a pair is not of two minutiae there are, or a minutia is in two pairs.

    """
    width, height, shapes = _lay_out(left, right, _numbered(left, right, pairs), title, connect=connect)
    name = _plain(title or f"{left.caption} | {right.caption}")
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="img" font-family="sans-serif">\n<title>{escape(name)}</title>\n'
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>\n'
    )
    return head + "\n".join(shape.svg() for shape in shapes) + "\n</svg>\n"


def side_by_side_png(
    left: Panel, right: Panel, pairs: Sequence[tuple[int, int]], *, title: str = "", connect: bool = True
) -> bytes:
    """Return the picture as a PNG file, at most 1328 pixels wide. Words outside the Latin script need the SVG.

    Raises:
        ExaminationError: as for :func:`side_by_side_svg`.

    """
    width, height, shapes = _lay_out(left, right, _numbered(left, right, pairs), title, connect=connect)
    canvas = _Canvas(width, height)
    for shape in shapes:
        shape.draw(canvas)
    return canvas.png()


def _numbered(left: Panel, right: Panel, pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the pairs in reading order of the left print, checked."""
    checked = []
    for number, pair in enumerate(pairs):
        try:
            first, second = (operator.index(index) for index in pair)
        except (TypeError, ValueError):
            raise ExaminationError(
                f"a pair is two indices of minutiae, left and right; pair {number} is {pair!r}"
            ) from None
        for side, index, panel in (("left", first, left), ("right", second, right)):
            if not 0 <= index < len(panel.template):
                raise ExaminationError(
                    f"pair {number} names minutia {index} of the {side} print, which has {len(panel.template)} "
                    "minutiae, numbered from 0"
                )
        checked.append((first, second))
    for side, indices in (("left", [a for a, _ in checked]), ("right", [b for _, b in checked])):
        twice = next((index for index in indices if indices.count(index) > 1), None)
        if twice is not None:
            raise ExaminationError(f"minutia {twice} of the {side} print is in two pairs; it can have one mate")
    return sorted(checked, key=lambda pair: (left.template.y[pair[0]], left.template.x[pair[0]]))


# The sheet: measures in pixels of the picture.

_PAPER, _INK, _QUIET, _FRAME = "#ffffff", "#1f2328", "#5f6670", "#b5bbc4"
_COLOURS: Final = ("#d55e00", "#0072b2", "#009e73", "#b0528a", "#a66f00", "#2b8cc4")
_MARGIN, _GAP = 24.0, 40.0
_PANEL_WIDTH, _PANEL_HEIGHT = 620.0, 760.0
_RING, _TICK = 4.6, 9.5
_BAR_MM: Final = 5


def _lay_out(
    left: Panel, right: Panel, pairs: list[tuple[int, int]], title: str, *, connect: bool
) -> tuple[int, int, list[_Shape]]:
    """Return the width and height of the picture and its shapes, in the order they are painted."""
    widest = max(left.template.width, right.template.width)
    tallest = max(left.template.height, right.template.height)
    scale = min(_PANEL_WIDTH / widest, _PANEL_HEIGHT / tallest)  # one magnification for both
    top = _MARGIN + (34.0 if title else 0.0) + 26.0
    right_x = _MARGIN + widest * scale + _GAP
    width, bottom = right_x + widest * scale + _MARGIN, top + tallest * scale
    sheets = (_Sheet(left, _MARGIN, top, scale), _Sheet(right, right_x, top, scale))
    shapes: list[_Shape] = []
    if title:
        shapes.append(_Text(_MARGIN, _MARGIN + 16, title, 20, _INK))
    for sheet in sheets:
        shapes += sheet.backing()
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(pairs))]
    if connect:
        for (first, second), colour in zip(pairs, colours, strict=True):
            shapes.append(_Line(*sheets[0].at(first), *sheets[1].at(second), colour, 1.3, opacity=0.45))
    for sheet, indices in zip(sheets, ([a for a, _ in pairs], [b for _, b in pairs]), strict=True):
        shapes += sheet.minutiae(dict(zip(indices, colours, strict=True)))
        shapes += sheet.numbers(indices, colours)
    count = f"{len(pairs)} pair" + ("" if len(pairs) == 1 else "s")
    shapes.append(_Text(_MARGIN, bottom + 56, count, 18, _INK))
    note = "Numbered down the left print. Confirming the result is the examiner's task: Article 4(5)."
    shapes.append(_Text(_MARGIN + 110, bottom + 56, note, 15, _QUIET))
    return math.ceil(width), math.ceil(bottom + 56 + _MARGIN), shapes


@dataclass(frozen=True, slots=True)
class _Sheet:
    """Where one panel lies on the picture."""

    panel: Panel
    x: float
    y: float
    scale: float

    def at(self, index: int) -> Point:
        """Return where a minutia lies on the picture."""
        template = self.panel.template
        return (
            self.x + (float(template.x[index]) + 0.5) * self.scale,
            self.y + (float(template.y[index]) + 0.5) * self.scale,
        )

    def backing(self) -> list[_Shape]:
        """Return the caption, the print, its frame and the bar of five millimetres."""
        template = self.panel.template
        width, height = template.width * self.scale, template.height * self.scale
        bar, bar_y = _BAR_MM / 25.4 * DPI * self.scale, self.y + height + 14
        return [
            _Text(self.x, self.y - 10, self.panel.caption, 16, _INK),
            _Picture(self.x, self.y, width, height, self.panel.image),
            *_frame(self.x, self.y, width, height),
            _Line(self.x, bar_y, self.x + bar, bar_y, _INK, 2.0),
            _Text(self.x + bar + 8, bar_y + 5, f"{_BAR_MM} mm", 14, _QUIET),
        ]

    def minutiae(self, paired: dict[int, str]) -> list[_Shape]:
        """Return every minutia as a ring with a tick in its direction, the paired ones last and in their colour."""
        shapes: list[_Shape] = []
        for index in sorted(range(len(self.panel.template)), key=lambda index: index in paired):
            colour, weight = (paired[index], 2.2) if index in paired else (_QUIET, 1.6)
            x, y = self.at(index)
            angle = float(self.panel.template.direction[index])
            cos, sin = math.cos(angle), -math.sin(angle)
            start, end = _RING, _RING + _TICK
            shapes.append(
                _Line(x + start * cos, y + start * sin, x + end * cos, y + end * sin, colour, weight, halo=1.6)
            )
            shapes.append(_Ring(x, y, _RING, colour, weight, halo=1.6))
        return shapes

    def numbers(self, indices: list[int], colours: list[str]) -> list[_Shape]:
        """Return the number of each pair beside its minutia, where it covers least of the rest."""
        taken = [self.at(index) for index in range(len(self.panel.template))]
        shapes: list[_Shape] = []
        for number, (index, colour) in enumerate(zip(indices, colours, strict=True), 1):
            x, y = self._free_place(index, taken)
            taken.append((x, y))
            shapes.append(_Text(x, y + 5, str(number), 14, colour, anchor="middle", halo=3.0))
        return shapes

    def _free_place(self, index: int, taken: list[Point]) -> Point:
        """Return the place around a minutia that is farthest from its tick, the other marks and the edge."""
        x, y = self.at(index)
        tick = float(self.panel.template.direction[index])
        right = self.x + self.panel.template.width * self.scale
        bottom = self.y + self.panel.template.height * self.scale

        def room(turn: float) -> float:
            at_x, at_y = x + 17 * math.cos(turn), y - 17 * math.sin(turn)
            edge = min(at_x - self.x, right - at_x, at_y - self.y, bottom - at_y)
            nearest = min((math.hypot(at_x - a, at_y - b) for a, b in taken if (a, b) != (x, y)), default=99.0)
            return min(nearest, 40.0) - 8 * math.cos(turn - tick) - (99.0 if edge < 8 else 0.0)

        best = max((tick + math.pi + step * math.pi / 6 for step in range(12)), key=room)
        return x + 17 * math.cos(best), y - 17 * math.sin(best)


def _frame(x: float, y: float, width: float, height: float) -> list[_Shape]:
    """Return the four sides of a box."""
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    return [_Line(*corners[side - 1], *corners[side], _FRAME, 1.0) for side in range(4)]


# The shapes, each of which knows how to be written and how to be painted.


@dataclass(frozen=True, slots=True)
class _Line:
    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float
    halo: float = 0.0
    opacity: float = 1.0

    def svg(self) -> str:
        ends = f'x1="{self.x1:.1f}" y1="{self.y1:.1f}" x2="{self.x2:.1f}" y2="{self.y2:.1f}"'
        under = f'<line {ends} stroke="{_PAPER}" stroke-width="{self.width + 2 * self.halo:.1f}"/>' if self.halo else ""
        faint = f' stroke-opacity="{self.opacity}"' if self.opacity < 1 else ""
        return f'{under}<line {ends} stroke="{self.colour}" stroke-width="{self.width}"{faint}/>'

    def draw(self, canvas: _Canvas) -> None:
        ends = (self.x1, self.y1, self.x2, self.y2)
        if self.halo:
            canvas.line(ends, _PAPER, self.width + 2 * self.halo)
        canvas.line(ends, self.colour, self.width, self.opacity)


@dataclass(frozen=True, slots=True)
class _Ring:
    x: float
    y: float
    radius: float
    colour: str
    width: float
    halo: float = 0.0

    def svg(self) -> str:
        place = f'cx="{self.x:.1f}" cy="{self.y:.1f}" r="{self.radius}" fill="none"'
        under = f'<circle {place} stroke="{_PAPER}" stroke-width="{self.width + 2 * self.halo:.1f}"/>'
        return f'{under}<circle {place} stroke="{self.colour}" stroke-width="{self.width}"/>'

    def draw(self, canvas: _Canvas) -> None:
        canvas.ring(self.x, self.y, self.radius, _PAPER, self.width + 2 * self.halo)
        canvas.ring(self.x, self.y, self.radius, self.colour, self.width)


@dataclass(frozen=True, slots=True)
class _Text:
    x: float
    y: float
    words: str
    size: int
    colour: str
    anchor: str = "start"
    halo: float = 0.0

    def svg(self) -> str:
        halo = f' stroke="{_PAPER}" stroke-width="{self.halo}" paint-order="stroke"' if self.halo else ""
        bold = ' font-weight="bold"' if self.halo else ""
        return (
            f'<text x="{self.x:.1f}" y="{self.y:.1f}" font-size="{self.size}" fill="{self.colour}" '
            f'text-anchor="{self.anchor}"{bold}{halo}>{escape(_plain(self.words))}</text>'
        )

    def draw(self, canvas: _Canvas) -> None:
        canvas.text(self)


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    x: float
    y: float
    width: float
    height: float
    pixels: NDArray[np.uint8]

    def svg(self) -> str:
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "PNG")
        data = quoteattr("data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii"))
        return (
            f'<image x="{self.x:.1f}" y="{self.y:.1f}" width="{self.width:.1f}" height="{self.height:.1f}" '
            f'preserveAspectRatio="none" opacity="{_STRENGTH}" href={data}/>'
        )

    def draw(self, canvas: _Canvas) -> None:
        canvas.picture(self)


_Shape = _Line | _Ring | _Text | _Picture
_STRENGTH: Final = 0.72  # prints are shown paler, so that marks stand out on them


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the typeface that Pillow carries."""
    return ImageFont.load_default(size=size)


class _Canvas:
    """A picture in pixels; marks are painted on a layer of twice the size, for smooth edges."""

    def __init__(self, width: int, height: int) -> None:
        self._paper = Image.new("RGB", (width, height), _PAPER)
        self._layer = Image.new("RGBA", (2 * width, 2 * height), (255, 255, 255, 0))
        self._pen = ImageDraw.Draw(self._layer)

    def line(self, ends: tuple[float, float, float, float], colour: str, width: float, opacity: float = 1.0) -> None:
        """Paint a line."""
        ink = (*ImageColor.getrgb(colour)[:3], round(255 * opacity))
        self._pen.line([2 * end for end in ends], fill=ink, width=max(1, round(2 * width)))

    def ring(self, x: float, y: float, radius: float, colour: str, width: float) -> None:
        """Paint a circle whose stroke has its middle at the radius."""
        outer = 2 * (radius + width / 2)
        box = (2 * x - outer, 2 * y - outer, 2 * x + outer, 2 * y + outer)
        self._pen.ellipse(box, outline=colour, width=max(1, round(2 * width)))

    def text(self, text: _Text) -> None:
        """Paint a line of words."""
        self._pen.text(
            (2 * text.x, 2 * text.y),
            _plain(text.words),
            fill=text.colour,
            font=_font(2 * text.size),
            anchor="ms" if text.anchor == "middle" else "ls",
            stroke_width=round(text.halo),
            stroke_fill=_PAPER,
        )

    def picture(self, picture: _Picture) -> None:
        """Paint a print, under the marks."""
        size = (round(picture.width), round(picture.height))
        grey = Image.fromarray(picture.pixels).resize(size, Image.Resampling.LANCZOS)
        pale = grey.point([round(255 - _STRENGTH * (255 - level)) for level in range(256)])
        self._paper.paste(pale, (round(picture.x), round(picture.y)))

    def png(self) -> bytes:
        """Return the picture as a PNG file."""
        marks = self._layer.resize(self._paper.size, Image.Resampling.BOX)
        self._paper.paste(marks, mask=marks)
        buffer = io.BytesIO()
        self._paper.save(buffer, "PNG")
        return buffer.getvalue()


_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _plain(words: str) -> str:
    """Return the words on one line, without the characters that XML 1.0, production 2, cannot hold."""
    return _NOT_XML.sub("\ufffd", words).replace("\r", " ").replace("\n", " ").replace("\t", " ")
