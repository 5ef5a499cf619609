"""Minutiae from pixels: where they are, which way they point, and that the network is the published one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from matcher import _leader, extraction
from matcher.extraction import Extractor, PrintTooLargeError, WeightsError
from matcher.formats import read_iso19794_2, unstretch
from matcher.images import Image, at_500, read
from matcher.synthesis import Finger
from matcher.template import ImpressionType, MinutiaKind, Origin, Template, TemplateError, expected_minutiae

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def extractor() -> Extractor:
    return Extractor()


def parallel_ridges(width: int = 256, height: int = 256) -> NDArray[np.float64]:
    """The phase of horizontal ridges 9 pixels apart."""
    return np.broadcast_to(np.arange(height)[:, None] * 2 * np.pi / 9, (height, width))


def with_dislocation(x: float, y: float, *, sign: int = 1) -> Image:
    """Horizontal ridges where one more begins at (x, y) and runs to the right (sign 1) or left (-1).

    The phase of a spiral added to that of parallel lines makes one minutia (Sherlock and Monro 1993; Larkin and Fletcher 2007).
    """
    rows, cols = np.mgrid[0:256, 0:256]
    phase = parallel_ridges() + sign * np.arctan2(rows - y, cols - x)
    return Image(np.rint(127.5 + 115 * np.cos(phase)).astype(np.uint8), 500.0)


def turned(image: Image, quarters: int) -> Image:
    return Image(np.ascontiguousarray(np.rot90(image.pixels, quarters)), image.dpi)


def difference(a: NDArray[np.floating], b: NDArray[np.floating] | float) -> NDArray[np.floating]:
    return np.angle(np.exp(1j * (a - np.asarray(b))))


def nearest(template: Template, x: float, y: float) -> int:
    assert len(template)
    return int(np.argmin(np.hypot(template.x - x, template.y - y)))


@pytest.mark.parametrize(("x", "y"), [(128, 128), (100, 150)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_made_minutia_is_found_where_it_was_put(extractor: Extractor, x: float, y: float, sign: int) -> None:
    template = extractor.extract(with_dislocation(x, y, sign=sign))
    best = nearest(template, x, y)
    assert np.hypot(template.x[best] - x, template.y[best] - y) < 8


@pytest.mark.parametrize(("sign", "along"), [(1, 0.0), (-1, np.pi)])
def test_a_minutia_points_along_its_extra_ridge(extractor: Extractor, sign: int, along: float) -> None:
    template = extractor.extract(with_dislocation(128, 128, sign=sign))
    best = nearest(template, 128, 128)
    assert template.kind[best] in {MinutiaKind.ENDING, MinutiaKind.BIFURCATION}
    assert abs(difference(template.direction[[best]], along)[0]) < np.pi / 16


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_directions_turn_counter_clockwise_with_the_image(extractor: Extractor, quarters: int) -> None:
    image = with_dislocation(128, 128)
    template = extractor.extract(Image(np.ascontiguousarray(np.rot90(image.pixels, quarters)), 500.0))
    best = nearest(template, 128, 128)
    assert abs(difference(template.direction[[best]], quarters * np.pi / 2)[0]) < np.pi / 16


def test_the_network_computes_what_the_published_one_does() -> None:
    # Figures of the authors' own Keras model (pyfing 0.7.3, Keras 3.15 on JAX) for the same input, in float32.
    grey = with_dislocation(128, 128).pixels[64:192, 64:224]
    session = onnxruntime.InferenceSession(_leader.network(), providers=["CPUExecutionProvider"])
    quality, direction, ending = session.run(None, {"grey": grey[np.newaxis, np.newaxis].astype(np.float32)})
    assert np.argwhere(quality[0, 0] > 0.3).tolist() == [[64, 62]]
    assert quality.max() == pytest.approx(0.96772414, abs=1e-5)
    assert quality.sum() == pytest.approx(1.25174265, abs=1e-4)
    assert ending.mean() == pytest.approx(0.25207684, abs=1e-5)
    rows, cols = np.array([(64, 64), (10, 20), (100, 150), (0, 0), (127, 159), (70, 31)]).T
    angles = np.arctan2(direction[0, 1, rows, cols], direction[0, 0, rows, cols])
    theirs = [0.01519327, -2.93764639, -0.24583620, 0.30135906, -2.78600860, 3.12290955]
    assert np.abs(difference(angles, np.array(theirs))).max() < 1e-4
    endings = [0.32337606, 0.25946805, 0.19016257, 0.49928874, 0.55532664, 0.26262283]
    assert ending[0, 0, rows, cols].tolist() == pytest.approx(endings, abs=1e-3)


def test_coordinates_come_at_500_dpi(extractor: Extractor) -> None:
    image = with_dislocation(128, 128)
    doubled = Image(np.kron(image.pixels, np.ones((2, 2), np.uint8)), 1000.0)
    template = extractor.extract(doubled)
    assert (template.width, template.height) == (256, 256)
    best = nearest(template, 128, 128)
    assert np.hypot(template.x[best] - 128, template.y[best] - 128) < 4


@pytest.mark.parametrize("size", [(32, 32), (33, 95), (97, 64), (201, 160)])
def test_any_size_is_extracted_at_its_own_size(extractor: Extractor, size: tuple[int, int]) -> None:
    width, height = size
    grey = 127.5 + 115 * np.cos(parallel_ridges(width, height))
    template = extractor.extract(Image(grey.astype(np.uint8), 500.0), position=7)
    assert (template.width, template.height, template.position) == (width, height, 7)


def test_no_ridges_no_minutiae(extractor: Extractor) -> None:
    assert len(extractor.extract(Image(np.full((200, 200), 255, np.uint8), 500.0))) == 0


def test_an_image_of_more_than_a_finger_is_refused(extractor: Extractor) -> None:
    with pytest.raises(
        PrintTooLargeError, match="at most 1000000 pixels at 500 dpi; this one is 1200 x 1000 at 500 dpi"
    ):
        extractor.extract(Image(np.zeros((1000, 1200), np.uint8), 500.0))
    assert len(extractor.extract(Image(np.full((400, 400), 9, np.uint8), 1000.0))) == 0


def test_what_is_extracted_says_so_and_knows_nothing_of_how_the_print_came_about(
    extractor: Extractor, poor: Image
) -> None:
    for image in (poor, Image(np.full((64, 64), 255, dtype=np.uint8), 500.0)):  # looked at twice, and once
        found = extractor.extract(image)
        assert (found.origin, found.impression) == (Origin.EXTRACTED, ImpressionType.UNKNOWN)


def test_a_position_that_no_finger_has_is_refused(extractor: Extractor) -> None:
    with pytest.raises(TemplateError, match="finger position"):
        extractor.extract(Image(np.zeros((64, 64), np.uint8), 500.0), position=11)


def test_the_same_pixels_give_the_same_template_in_every_thread(extractor: Extractor) -> None:
    image = with_dislocation(90, 140)
    expected = extractor.extract(image)
    found: list[Template] = []
    threads = [threading.Thread(target=lambda: found.append(extractor.extract(image))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for template in found:
        for name in ("x", "y", "direction", "kind", "quality"):
            np.testing.assert_array_equal(getattr(template, name), getattr(expected, name))


def test_missing_weights_say_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_leader, "find_spec", lambda _name: None)
    with pytest.raises(
        WeightsError, match=r"the package pyfing, which is not installed: install requirements/runtime.lock"
    ):
        Extractor()


def test_other_weights_than_those_expected_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_leader, "_weights_path", lambda: tmp_path / "weights.h5")
    with pytest.raises(WeightsError, match="found no such file"):
        Extractor()
    (tmp_path / "weights.h5").write_bytes(b"other")
    with pytest.raises(WeightsError, match=r"with SHA-256 [0-9a-f]{64}; found [0-9a-f]{64}"):
        Extractor()


def test_of_more_minutiae_than_a_template_holds_the_best_remain(
    extractor: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = with_dislocation(128, 128)
    monkeypatch.setattr(extraction, "THRESHOLD", 1e-9)
    monkeypatch.setattr(extraction, "SECOND_LOOK", 0.0)
    many = extractor.extract(image)
    monkeypatch.setattr(extraction, "MAX_MINUTIAE", 3)
    few = extractor.extract(image)
    assert len(many) > len(few) == 3
    assert few.quality.tolist() == sorted(many.quality.tolist(), reverse=True)[:3]


# --- real prints -----------------------------------------------------------------------------------------------------


def test_minutiae_agree_with_another_vendors_in_place_and_direction(extractor: Extractor, shared_data: Path) -> None:
    turns: list[float] = []
    for path in sorted((shared_data / "fvc2002" / "DB1_B").glob("10[1-5]_1.tif")):
        image = read(path.read_bytes())
        ours = extractor.extract(image)
        (squashed,) = read_iso19794_2(path.with_suffix(".iso").read_bytes())
        theirs = unstretch(squashed, image.pixels.shape[1], image.pixels.shape[0])
        apart = np.hypot(
            np.subtract.outer(theirs.x.astype(float), ours.x), np.subtract.outer(theirs.y.astype(float), ours.y)
        )
        near = apart.min(axis=1) < 6
        assert near.mean() > 0.5
        turns += difference(ours.direction[apart.argmin(axis=1)[near]], theirs.direction[near]).tolist()
    assert len(turns) > 60
    assert abs(np.degrees(np.median(turns))) < 3
    assert np.mean(np.abs(turns) > np.pi / 2) < 0.05


def test_two_impressions_at_569_dpi_come_to_500(extractor: Extractor, shared_data: Path) -> None:
    image = read((shared_data / "fvc2002" / "DB2_B" / "101_1.tif").read_bytes(), dpi=569)
    template = extractor.extract(image)
    height, width = at_500(image).pixels.shape
    assert (template.width, template.height) == (width, height) == (260, 492)
    assert len(template) > 20
    assert template.quality.min() >= 60


def test_the_network_runs_without_telling_anybody_and_leaves_no_file(tmp_path: Path) -> None:
    """onnxruntime would otherwise keep a device id and a queue of events in the home and temporary folders."""
    program = "from matcher.extraction import Extractor; Extractor()"
    environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, cwd=Path(__file__).parents[2])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


# --- a second look


@pytest.fixture(scope="module")
def poor() -> Image:
    """Half of a synthetic print: few minutiae, so that it is looked at twice."""
    pixels = Finger(11, 3, 4).image(0)
    return Image(np.ascontiguousarray(pixels[: pixels.shape[0] // 3]), 500.0)


def twin_together(first: Template, second: Template) -> list[tuple[int, int, int]]:
    """Take two looks together, one minutia after the other; return x, y and quality."""
    every = sorted(
        [
            (-int(q), look, at, int(x), int(y), float(d))
            for look, template in enumerate((first, second))
            for at, (x, y, d, q) in enumerate(
                zip(template.x, template.y, template.direction, template.quality, strict=True)
            )
        ]
    )
    seen: list[list[float]] = []
    for quality, _, _, x, y, direction in every:
        for other in seen:
            turn = (direction - other[2] + np.pi) % (2 * np.pi) - np.pi
            if np.hypot(x - other[0], y - other[1]) < 8 and abs(turn) < 0.6:
                other[3] -= quality
                break
        else:
            seen.append([x, y, direction, -quality])
    return sorted((int(x), int(y), min(100, round(q / 2))) for x, y, _, q in seen)


@pytest.mark.parametrize("seed", range(20))
def test_two_looks_are_taken_together_as_one_would_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    looks = []
    for count in rng.integers(0, 60, 2):
        arrays = (rng.integers(0, 120, count), rng.integers(0, 90, count), rng.uniform(0, 7, count))
        looks.append(Template.of(*arrays, quality=rng.integers(60, 101, count), width=120, height=90, position=4))
    taken = extraction.together(*looks)
    found = sorted(zip(taken.x.tolist(), taken.y.tolist(), taken.quality.tolist(), strict=True))
    assert found == twin_together(*looks)
    assert (taken.width, taken.height, taken.position) == (120, 90, 4)
    said = [replace(look, origin=Origin.EXTRACTED, impression=ImpressionType.ROLLED) for look in looks]
    both = extraction.together(*said)
    assert (both.origin, both.impression) == (Origin.EXTRACTED, ImpressionType.ROLLED)
    assert np.all(np.diff(taken.quality.astype(int)) <= 0), "best first"


def test_of_more_than_255_minutiae_in_two_looks_the_best_remain() -> None:
    x, y = np.meshgrid(np.arange(0, 600, 30), np.arange(0, 300, 30))
    full = Template.of(x.ravel(), y.ravel(), np.zeros(200), quality=np.full(200, 90), width=640, height=320)
    shifted = replace(full, x=full.x + 15)
    assert len(extraction.together(full, shifted)) == 255


def test_turning_twice_gives_the_minutiae_as_they_were() -> None:
    template = Template.of([0, 5, 99], [0, 7, 49], [0.1, 3.0, 6.0], quality=[80, 70, 60], width=100, height=50)
    template = replace(template, origin=Origin.MARKED, impression=ImpressionType.LATENT)
    again = extraction.turned(extraction.turned(template))
    assert (again.origin, again.impression) == (Origin.MARKED, ImpressionType.LATENT)
    assert again.x.tolist() == template.x.tolist()
    assert again.y.tolist() == template.y.tolist()
    assert difference(again.direction, template.direction) == pytest.approx(np.zeros(3), abs=1e-6)


def test_a_poor_print_is_looked_at_twice_and_a_good_one_once(extractor: Extractor, poor: Image) -> None:
    once = extractor._minutiae(poor.pixels, 0)
    assert 0 < expected_minutiae(once) < extraction.SECOND_LOOK
    taken = extractor.extract(poor)
    turned = extraction.turned(extractor._minutiae(np.ascontiguousarray(poor.pixels[::-1, ::-1]), 0))
    assert taken.x.tolist() == extraction.together(once, turned).x.tolist()
    whole = Image(Finger(11, 3, 4).image(0), 500.0)
    once = extractor._minutiae(whole.pixels, 0)
    assert expected_minutiae(once) >= extraction.SECOND_LOOK
    assert extractor.extract(whole).x.tolist() == once.x.tolist()
    assert len(extractor.extract(whole, twice=True)) >= len(once)


def test_many_prints_come_back_in_their_order_and_a_bad_one_does_not_end_them(
    extractor: Extractor, poor: Image
) -> None:
    blank = Image(np.full((64, 64), 255, dtype=np.uint8), 500.0)
    huge = Image(np.full((1500, 1500), 255, dtype=np.uint8), 500.0)
    prints = [(poor, 1, False), (huge, 2, False), (blank, 3, False), (poor, 4, True)] * 2
    found = list(extractor.extract_many(prints, refused=lambda error: type(error).__name__))
    assert [each if isinstance(each, str) else each.position for each in found] == [1, "PrintTooLargeError", 3, 4] * 2


def test_a_blank_is_not_looked_at_twice(extractor: Extractor) -> None:
    looks = []

    class Watched(Extractor):
        def _minutiae(self, pixels: NDArray[np.uint8], position: int) -> Template:
            looks.append(pixels.shape)
            return super()._minutiae(pixels, position)

    assert len(Watched().extract(Image(np.full((64, 96), 255, dtype=np.uint8), 500.0), twice=True)) == 0
    assert looks == [(64, 96)]
