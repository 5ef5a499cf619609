"""Minutiae for smart cards: both sizes, what a round trip keeps, orders, which minutiae stay, what is refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.formats import FormatError
from matcher.formats.cards import CardOrder, Form, read_card, write_card
from matcher.formats.minutiae import Format
from matcher.template import Template

TURN = 2 * np.pi
PIXELS_PER_MM = 500 / 25.4
STEPS: dict[Form, int] = {"normal": 256, "compact": 64}
MILLIMETRES_OF_A_PIXEL = Fraction("25.4") / 500
MILLIMETRES: dict[Form, Fraction] = {"normal": Fraction("0.01"), "compact": Fraction("0.1")}


@st.composite
def templates(draw: st.DrawFn) -> Template:
    """Prints small enough for either size: 25.5 mm."""
    count = draw(st.one_of(st.sampled_from([0, 1, 255]), st.integers(0, 255)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return Template.of(
        rng.integers(0, 502, count),
        rng.integers(0, 502, count),
        rng.uniform(0, TURN, count),
        kind=rng.integers(0, 3, count),
        quality=rng.integers(0, 3, count) * 40,
        width=502,
        height=502,
        position=draw(st.integers(0, 10)),
    )


def test_the_normal_size_is_read_field_by_field() -> None:
    record = read_card(bytes.fromhex("41f4 00c8 40 83e8 0bb8 80"), "normal", position=7)
    (view,) = record.views
    assert (record.format, record.deviations) == (Format.CARD_NORMAL, ())
    assert (view.x.tolist(), view.y.tolist()) == ([500, 1000], [200, 3000])  # 5 and 10 mm, 2 and 30 mm
    assert view.kind.tolist() == [1, 2]
    assert view.direction.tolist() == pytest.approx([TURN / 4, TURN / 2])
    assert (view.size, view.per_cm) == ((1006, 3006), (1000, 1000))
    assert view.template.x.tolist() == [round(5 * PIXELS_PER_MM), round(10 * PIXELS_PER_MM)]
    assert view.template.y.tolist() == [round(2 * PIXELS_PER_MM), round(30 * PIXELS_PER_MM)]
    assert view.template.position == 7


def test_the_compact_size_is_read_field_by_field() -> None:
    record = read_card(bytes.fromhex("32 14 50  ff fe a0"), "compact", size=(256, 256))
    (view,) = record.views
    assert (record.format, record.deviations) == (Format.CARD_COMPACT, ())
    assert (view.x.tolist(), view.y.tolist()) == ([50, 255], [20, 254])
    assert view.kind.tolist() == [1, 2]
    assert view.direction.tolist() == pytest.approx([TURN / 4, TURN / 2])
    assert (view.template.width, view.template.height) == (504, 504)
    assert view.template.x.tolist() == [round(5 * PIXELS_PER_MM), round(25.5 * PIXELS_PER_MM)]
    assert view.template.quality.tolist() == [0, 0]
    assert view.score is None


def naive(template: Template, form: Form) -> bytes:
    """One minutia after the other, by the definition."""
    written = b""
    for x, y, direction, kind in zip(template.x, template.y, template.direction, template.kind, strict=True):
        across, down = (round(int(value) * MILLIMETRES_OF_A_PIXEL / MILLIMETRES[form]) for value in (x, y))
        angle = round(float(direction) * (STEPS[form] / TURN)) % STEPS[form]
        if form == "normal":
            written += f"{kind:02b}{across:014b}{down:016b}{angle:08b}".encode()
        else:
            written += f"{across:08b}{down:08b}{kind:02b}{angle:06b}".encode()
    return bytes(int(written[at : at + 8], 2) for at in range(0, len(written), 8))


@pytest.mark.parametrize("form", STEPS)
@given(template=templates())
def test_writing_one_minutia_after_the_other_gives_the_same_bytes(form: Form, template: Template) -> None:
    assert write_card(template, form) == naive(template, form)


@pytest.mark.parametrize("form", STEPS)
@given(template=templates())
def test_a_round_trip_keeps_all_but_the_fineness_of_the_size(form: Form, template: Template) -> None:
    data = write_card(template, form)
    after = read_card(data, form).views[0].template
    assert len(after) == len(template)
    finest = 0 if form == "normal" else 1.5
    for name in ("x", "y"):
        moved = getattr(after, name).astype(int) - getattr(template, name)
        assert np.all(np.abs(moved) <= finest)
    np.testing.assert_array_equal(after.kind, template.kind)
    turned = np.angle(np.exp(1j * (after.direction.astype(float) - template.direction)))
    assert np.all(np.abs(turned) <= TURN / STEPS[form] / 2 + 1e-6)
    assert write_card(after, form) == data


@pytest.mark.parametrize("order", CardOrder)
@given(template=templates(), descending=st.booleans())
def test_minutiae_come_in_the_order_asked_for(order: CardOrder, template: Template, descending: bool) -> None:
    data = write_card(template, "compact", order=order, descending=descending)
    assert read_card(data, "compact", order=order).deviations == ()
    rows = [tuple(data[at : at + 3]) for at in range(0, len(data), 3)]
    plain = write_card(template, "compact")
    assert sorted(rows) == sorted(tuple(plain[at : at + 3]) for at in range(0, len(plain), 3))
    columns = {CardOrder.X_THEN_Y: (0, 1), CardOrder.Y_THEN_X: (1, 0)}
    if order in columns:
        first, second = columns[order]
        assert rows == sorted(rows, key=lambda row: (row[first], row[second]), reverse=descending)


def test_polar_order_begins_nearest_the_centre_of_mass() -> None:
    template = Template.of([0, 100, 200, 100, 100], [100, 0, 100, 200, 101], [0] * 5, width=300, height=300)
    first = write_card(template, "normal", order=CardOrder.POLAR)[:4]
    assert int.from_bytes(first[2:4]) == round(101 * MILLIMETRES_OF_A_PIXEL * 100)
    last = write_card(template, "normal", order=CardOrder.POLAR, descending=True)[-3:-1]
    assert last == first[2:4]


def test_minutiae_out_of_order_are_a_deviation() -> None:
    data = bytes.fromhex("05 01 00  07 01 00  06 01 00")
    (deviation,) = read_card(data, "compact", order=CardOrder.X_THEN_Y).deviations
    assert (deviation.code, deviation.text) == (
        "card-order",
        "the minutiae should be in order by x, then y; they are not",
    )


def test_reserved_bits_of_the_normal_size_are_a_deviation() -> None:
    (deviation,) = read_card(bytes.fromhex("0001 c001 00"), "normal").deviations
    assert deviation.code == "reserved"


def test_the_worst_minutiae_go_first() -> None:
    graded = Template.of([10, 20, 30], [10, 10, 10], [0, 0, 0], width=99, height=99, quality=[9, 5, 7])
    assert _kept(write_card(graded, "normal", limit=2)) == [10, 30]
    assert _kept(write_card(graded, "normal", limit=0)) == []


def test_among_minutiae_of_one_quality_the_farthest_go_first_then_endings_then_large_directions() -> None:
    plain = Template.of([10, 20, 90], [10, 10, 10], [0, 0, 0], width=99, height=99)
    assert _kept(write_card(plain, "normal", limit=2)) == [10, 20]
    ending_first = Template.of([10, 30], [10, 10], [0, 0], width=99, height=99, kind=[1, 2])
    assert _kept(write_card(ending_first, "normal", limit=1)) == [30]
    direction_last = Template.of([10, 30], [10, 10], [2.0, 1.0], width=99, height=99, kind=[1, 1])
    assert _kept(write_card(direction_last, "normal", limit=1)) == [30]


def _kept(data: bytes) -> list[int]:
    return [int(x) for x in read_card(data, "normal").views[0].template.x]


@pytest.mark.parametrize(
    ("data", "form", "options", "message"),
    [
        (bytes(4), "normal", {}, "0 to 255 minutiae of 5 bytes; got 4 bytes: give the minutiae alone"),
        (bytes(4), "compact", {}, "0 to 255 minutiae of 3 bytes; got 4 bytes"),
        (bytes(768), "compact", {}, "0 to 255 minutiae of 3 bytes; got 768 bytes"),
        (bytes.fromhex("c000 0000 00"), "normal", {}, "every kind must be 0 to 2; minutia 0 has 3"),
        (bytes.fromhex("0a 0a 00"), "compact", {"size": (10, 20)}, "a minutia lies outside the image of 10 x 20"),
        (b"", "compact", {"size": (0, 20)}, "an image side is 1 to 16383"),
        (b"", "compact", {"position": 11}, "a finger position is 0"),
    ],
)
def test_what_is_no_card_data_is_refused(data: bytes, form: Form, options: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_card(data, form, **options)


@pytest.mark.parametrize(
    ("form", "side", "message"),
    [
        ("compact", 520, "0 to 255 units of 0.1 mm; a minutia lies at 264: crop the print"),
        ("normal", 4000, "0 to 16383 units of 0.01 mm; a minutia lies at 20315"),
    ],
)
def test_a_print_too_large_for_the_card_is_refused(form: Form, side: int, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        write_card(Template.of([side - 1], [1], [0], width=side, height=side), form)


@given(st.sampled_from(["normal", "compact"]), st.binary(max_size=100), st.sampled_from(CardOrder))
def test_arbitrary_bytes_are_read_or_refused_and_nothing_else(form: Form, data: bytes, order: CardOrder) -> None:
    try:
        record = read_card(data, form, order=order)
    except FormatError:
        return
    assert len(record.views) == 1
