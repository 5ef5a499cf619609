from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from contact_point.examination import ExaminationError, Panel, side_by_side_png, side_by_side_svg
from matcher.synthesis import Finger
from matcher.template import Template

if TYPE_CHECKING:
    from pathlib import Path

SVG = "{http://www.w3.org/2000/svg}"


def panel(impression: int = 0, caption: str = "probe") -> Panel:
    """Return a print whose minutiae are its model's; where they lie is all that matters to a picture."""
    finger = Finger(4, 5, 2)
    return Panel(finger.image(impression), finger.template(impression), caption)


def empty(caption: str = "probe", *, width: int = 100, height: int = 120) -> Panel:
    return Panel(
        np.full((height, width), 255, dtype=np.uint8), Template.of([], [], [], width=width, height=height), caption
    )


def dotted(*places: tuple[int, int], width: int = 100, height: int = 120) -> Panel:
    x, y = zip(*places, strict=True)
    template = Template.of(x, y, np.zeros(len(x)), width=width, height=height)
    return Panel(np.full((height, width), 255, dtype=np.uint8), template, "print")


def parsed(document: str) -> ET.Element:
    return ET.fromstring(document)  # noqa: S314 - our own document


def words(root: ET.Element) -> list[str]:
    return [text.text or "" for text in root.iter(SVG + "text")]


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


# What the picture shows


def test_the_svg_holds_both_prints_as_they_are() -> None:
    left, right = panel(0), panel(1, "candidate")
    root = parsed(side_by_side_svg(left, right, []))
    pictures = [element.attrib["href"] for element in root.iter(SVG + "image")]
    for shown, given in zip(pictures, (left, right), strict=True):
        kind, _, data = shown.partition(",")
        assert kind == "data:image/png;base64"
        assert np.array_equal(np.asarray(opened(base64.b64decode(data))), given.image)


def test_every_minutia_is_a_ring_with_a_tick() -> None:
    left, right = panel(0), panel(1)
    root = parsed(side_by_side_svg(left, right, []))
    coloured = [ring for ring in root.iter(SVG + "circle") if ring.attrib["stroke"] != "#ffffff"]
    assert len(coloured) == len(left.template) + len(right.template)


def test_a_tick_points_up_for_a_quarter_turn() -> None:
    template = Template.of([50], [60], [np.pi / 2], width=100, height=120)
    print_ = Panel(np.full((120, 100), 255, dtype=np.uint8), template, "")
    root = parsed(side_by_side_svg(print_, empty(), []))
    ring = next(root.iter(SVG + "circle"))
    tick = next(line for line in root.iter(SVG + "line") if line.attrib["x1"] == ring.attrib["cx"])
    assert tick.attrib["x2"] == tick.attrib["x1"]
    assert float(tick.attrib["y2"]) < float(tick.attrib["y1"]) < float(ring.attrib["cy"])


def test_pairs_have_the_same_number_and_colour_on_both_sides_and_a_line() -> None:
    left, right = dotted((20, 30), (50, 60), (80, 90)), dotted((80, 95), (22, 33), (40, 10))
    root = parsed(side_by_side_svg(left, right, [(1, 2), (0, 1)]))
    numbers = {number: [t for t in root.iter(SVG + "text") if t.text == number] for number in ("1", "2", "3")}
    assert [len(found) for found in numbers.values()] == [2, 2, 0]
    for found in list(numbers.values())[:2]:
        assert found[0].attrib["fill"] == found[1].attrib["fill"]
        assert float(found[0].attrib["x"]) < float(found[1].attrib["x"])
    connecting = [line for line in root.iter(SVG + "line") if "stroke-opacity" in line.attrib]
    assert len(connecting) == 2


def test_lines_between_mates_can_be_left_out() -> None:
    root = parsed(side_by_side_svg(dotted((20, 30)), dotted((20, 30)), [(0, 0)], connect=False))
    assert not [line for line in root.iter(SVG + "line") if "stroke-opacity" in line.attrib]


def test_the_order_of_pairs_does_not_show() -> None:
    left, right = panel(0), panel(1)
    pairs = [(0, 3), (5, 1), (2, 2)]
    assert side_by_side_svg(left, right, pairs) == side_by_side_svg(left, right, pairs[::-1])
    assert side_by_side_png(left, right, pairs) == side_by_side_png(left, right, pairs[::-1])


@pytest.mark.parametrize(("count", "said"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs")])
def test_the_number_of_pairs_stands_below(count: int, said: str) -> None:
    root = parsed(side_by_side_svg(panel(0), panel(1), [(index, index) for index in range(count)]))
    assert said in words(root)


def test_captions_and_title_are_shown() -> None:
    root = parsed(
        side_by_side_svg(panel(0, "probe"), panel(1, "candidate, reference 7F3K"), [], title="Transaction 12")
    )
    assert {"probe", "candidate, reference 7F3K", "Transaction 12"} <= set(words(root))


def test_nothing_but_captions_numbers_and_the_scale_is_said() -> None:
    """Article 4(5): the data of a match serve to confirm it; the picture ranks and scores nothing."""
    root = parsed(side_by_side_svg(panel(0, "probe"), panel(1, "candidate"), [(0, 0), (1, 1)]))
    rest = [text for text in words(root) if not text.isdigit()]
    assert rest == [
        "probe",
        "5 mm",
        "candidate",
        "5 mm",
        "2 pairs",
        "Numbered down the left print. Confirming the result is the examiner's task: Article 4(5).",
    ]


def test_both_prints_are_shown_at_one_magnification() -> None:
    root = parsed(side_by_side_svg(dotted((1, 1), width=400, height=300), dotted((1, 1), width=200, height=300), []))
    first, second = root.iter(SVG + "image")
    assert float(first.attrib["width"]) == pytest.approx(2 * float(second.attrib["width"]), abs=0.2)
    assert first.attrib["height"] == second.attrib["height"]


def test_a_print_of_another_resolution_is_shown_at_the_templates_size() -> None:
    at_1000 = Panel(
        np.full((240, 200), 255, dtype=np.uint8), Template.of([50], [60], [0.0], width=100, height=120), "1000 ppi"
    )
    first, second = parsed(side_by_side_svg(at_1000, dotted((50, 60)), [])).iter(SVG + "image")
    assert first.attrib["width"] == second.attrib["width"]


def test_numbers_stay_inside_their_print() -> None:
    corners = dotted((0, 0), (99, 0), (0, 119), (99, 119))
    root = parsed(side_by_side_svg(corners, corners, [(index, index) for index in range(4)]))
    frame = next(root.iter(SVG + "image")).attrib
    left, right = float(frame["x"]), float(frame["x"]) + float(frame["width"])
    places = [float(text.attrib["x"]) for text in root.iter(SVG + "text") if text.attrib["text-anchor"] == "middle"][:4]
    assert all(left < place < right for place in places)


def test_forty_pairs_on_real_prints_are_drawn(shared_data: Path) -> None:
    folder = shared_data / "fvc2002" / "DB1_B"
    sides = []
    for name in ("101_1.tif", "101_2.tif"):
        with Image.open(folder / name) as print_:
            pixels = np.asarray(print_.convert("L"))
        rng = np.random.Generator(np.random.PCG64(1))
        height, width = pixels.shape
        places = rng.uniform(20, min(width, height) - 20, (2, 45))
        sides.append(
            Panel(pixels, Template.of(places[0], places[1], rng.uniform(0, 6, 45), width=width, height=height), name)
        )
    picture = opened(side_by_side_png(sides[0], sides[1], [(index, index) for index in range(40)]))
    assert picture.size[0] > 1200


# Safe documents


def test_markup_in_a_caption_is_shown_not_obeyed() -> None:
    hostile = '</text><script>alert("1")</script>&amp;'
    document = side_by_side_svg(panel(0, hostile), panel(1), [], title=hostile)
    root = parsed(document)
    assert words(root).count(hostile) == 2
    assert "<script" not in document


def test_characters_that_xml_cannot_hold_are_replaced() -> None:
    root = parsed(side_by_side_svg(empty("a\x00b\x1b\ud800c\uffff"), empty("two\nlines"), []))
    assert "a\ufffdb\ufffd\ufffdc\ufffd" in words(root)
    assert "two lines" in words(root)
    side_by_side_png(empty("a\x00b\ud800"), empty(), [])


def test_the_svg_needs_nothing_from_outside_and_runs_nothing() -> None:
    root = parsed(side_by_side_svg(panel(0), panel(1), [(0, 0)]))
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in {"svg", "title", "rect", "image", "line", "circle", "text"}
        for name, value in element.attrib.items():
            assert name != "style"
            assert not name.startswith("on")
            if name == "href":
                assert value.startswith("data:image/png;base64,")


def test_captions_in_japanese_are_kept_in_the_svg() -> None:
    assert "照会" in words(parsed(side_by_side_svg(empty("照会"), empty("候補"), [])))


# The PNG


def test_the_png_is_the_picture_of_the_svg() -> None:
    left, right = panel(0), panel(1)
    root = parsed(side_by_side_svg(left, right, [(0, 0)]))
    picture = opened(side_by_side_png(left, right, [(0, 0)]))
    assert picture.format == "PNG"
    assert picture.mode == "RGB"
    assert picture.size == (int(root.attrib["width"]), int(root.attrib["height"]))
    for ring in (ring for ring in root.iter(SVG + "circle") if ring.attrib["stroke"] == "#d55e00"):
        at = (round(float(ring.attrib["cx"]) + float(ring.attrib["r"])), round(float(ring.attrib["cy"])))
        near = [picture.getpixel((at[0] + dx, at[1])) for dx in (-1, 0)]
        assert any(
            isinstance(pixel, tuple) and np.abs(np.subtract(pixel, (0xD5, 0x5E, 0x00))).max() < 40 for pixel in near
        )


def test_the_background_is_light() -> None:
    pixels = np.asarray(opened(side_by_side_png(panel(0), panel(1), [(0, 0)])))
    assert (pixels[0, 0] == 255).all()
    assert np.median(pixels) > 200


def test_the_same_prints_give_the_same_picture() -> None:
    left, right = panel(0), panel(1)
    assert side_by_side_png(left, right, [(0, 1)]) == side_by_side_png(left, right, [(0, 1)])


# What cannot be drawn


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(0, 0), (2, 0)], r"pair 1 names minutia 2 of the left print, which has 2 minutiae, numbered from 0"),
        ([(0, 7)], r"pair 0 names minutia 7 of the right print, which has 3"),
        ([(-1, 0)], r"minutia -1 of the left print"),
        ([(0, 0), (0, 1)], r"minutia 0 of the left print is in two pairs; it can have one mate"),
        ([(0, 1), (1, 1)], r"minutia 1 of the right print is in two pairs"),
        ([(0, 1, 2)], r"two indices of minutiae, left and right; pair 0 is \(0, 1, 2\)"),
        ([(0, 1.5)], r"pair 0 is \(0, 1\.5\)"),
        ([None], r"pair 0 is None"),
    ],
)
def test_a_pair_that_is_none_is_refused(pairs: list[tuple[int, int]], message: str) -> None:
    left, right = dotted((20, 30), (50, 60)), dotted((20, 30), (50, 60), (80, 90))
    with pytest.raises(ExaminationError, match=message):
        side_by_side_svg(left, right, pairs)
    with pytest.raises(ExaminationError, match=message):
        side_by_side_png(left, right, pairs)


def test_indices_may_be_those_of_numpy() -> None:
    pairs = np.array([[0, 0], [1, 1]])
    assert "2 pairs" in words(parsed(side_by_side_svg(panel(0), panel(1), [(a, b) for a, b in pairs])))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((120, 100, 3), dtype=np.uint8),
        np.zeros((120, 100), dtype=np.float64),
        np.zeros((0, 0), dtype=np.uint8),
    ],
)
def test_pixels_that_are_not_grey_levels_are_refused(pixels: np.ndarray) -> None:
    with pytest.raises(ExaminationError, match=r"grey pixels, an array of uint8 of shape \(height, width\); got"):
        Panel(pixels, Template.of([], [], [], width=100, height=120), "")


def test_a_template_of_another_shape_than_its_image_is_refused() -> None:
    """Templates that declare 300 x 400 for every image exist; their minutiae would lie beside the ridges."""
    with pytest.raises(ExaminationError, match=r"388 x 374 pixels and its template says 300 x 400"):
        Panel(np.zeros((374, 388), dtype=np.uint8), Template.of([], [], [], width=300, height=400), "")
