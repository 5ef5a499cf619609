from __future__ import annotations

from collections import Counter
from types import GeneratorType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from matcher import synthesis
from matcher.extraction import Extractor, WeightsError
from matcher.images import Image
from matcher.synthesis import HEIGHT, WIDTH, Finger, Pattern, SynthesisError, population
from matcher.template import Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from matcher.template import Template

SEED = 2014


def fingers(count: int) -> list[Finger]:
    return [Finger(SEED, person, 1 + person % 10) for person in range(count)]


def first_with(pattern: Pattern) -> Finger:
    return next(finger for finger in fingers(400) if finger.pattern == pattern)


def same(a: Template, b: Template) -> bool:
    columns = ("x", "y", "direction", "kind", "quality")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in columns)


def on_pad(finger: Finger, impression: int, template: Template) -> NDArray[np.float64]:
    placement, _ = finger._impression(impression, template.width, template.height)
    u, v = placement.on_pad(
        template.x.astype(np.float64), template.y.astype(np.float64), template.width, template.height
    )
    return np.stack([u, v], axis=1)


def shared(a: NDArray[np.float64], b: NDArray[np.float64], *, within: float = 6.0) -> float:
    """Return which part of the smaller set of places is the nearest of the other, and the other way round."""
    apart = np.linalg.norm(a[:, None] - b, axis=2)
    nearest = apart.argmin(axis=1)
    mutual = (apart.argmin(axis=0)[nearest] == np.arange(len(a))) & (apart.min(axis=1) < within)
    return float(mutual.sum() / min(len(a), len(b)))


# Fingers


def test_a_finger_is_the_same_whenever_it_is_made() -> None:
    assert same(Finger(1, 2, 3).template(4), Finger(1, 2, 3).template(4))
    assert np.array_equal(Finger(1, 2, 3).image(4), Finger(1, 2, 3).image(4))


@pytest.mark.parametrize("other", [(9, 2, 3), (1, 9, 3), (1, 2, 9)])
def test_another_seed_person_or_position_is_another_finger(other: tuple[int, int, int]) -> None:
    assert not same(Finger(1, 2, 3).template(), Finger(*other).template())


def test_the_order_of_asking_changes_nothing() -> None:
    asked, fresh = Finger(1, 2, 3), Finger(1, 2, 3)
    asked.image(1)
    asked.template(7)
    assert same(asked.template(0), fresh.template(0))
    assert np.array_equal(asked.image(0), fresh.image(0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0, 1), r"numbers from 0 up; got seed -1, person 0"),
        ((1, -5, 1), r"numbers from 0 up; got seed 1, person -5"),
        ((1, 0, 0), r"position is 1-10 \(ANSI/NIST-ITL 1-2011, table 8\); got 0"),
        ((1, 0, 11), r"got 11"),
    ],
)
def test_what_is_no_finger_is_refused(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(SynthesisError, match=message):
        Finger(*arguments)


def test_what_is_no_impression_is_refused() -> None:
    with pytest.raises(SynthesisError, match="numbered from 0 up; got -1"):
        Finger(1).template(-1)
    with pytest.raises(SynthesisError, match="64 to 2048 pixels wide and high; got 10 x 416"):
        Finger(1).image(0, width=10)
    with pytest.raises(SynthesisError, match="0 or more persons; got -3"):
        next(population(1, -3))


# The model


def test_patterns_come_with_their_natural_frequencies() -> None:
    right = Counter(Finger(SEED, person, 2).pattern for person in range(1500))
    left = Counter(Finger(SEED, person, 7).pattern for person in range(1500))
    for hand, outward, inward in (
        (right, Pattern.RIGHT_LOOP, Pattern.LEFT_LOOP),
        (left, Pattern.LEFT_LOOP, Pattern.RIGHT_LOOP),
    ):
        assert hand[outward] / 1500 == pytest.approx(0.608, abs=0.05)
        assert hand[inward] / 1500 == pytest.approx(0.047, abs=0.025)
        assert hand[Pattern.WHORL] / 1500 == pytest.approx(0.279, abs=0.05)
        assert hand[Pattern.ARCH] / 1500 == pytest.approx(0.037, abs=0.02)
        assert hand[Pattern.TENTED_ARCH] / 1500 == pytest.approx(0.029, abs=0.02)


@pytest.mark.parametrize("pattern", list(Pattern))
@pytest.mark.parametrize("product", ["image", "template"])
def test_ridges_turn_by_half_a_turn_around_each_singularity(product: str, pattern: Pattern) -> None:
    finger = first_with(pattern)
    flow = finger._flow if product == "image" else finger._minutiae.flow
    assert len(flow.poles) == {Pattern.ARCH: 0, Pattern.WHORL: 4}.get(pattern, 2)
    around = np.linspace(0.0, 2 * np.pi, 400)
    for u, v, sign, _ in flow.poles:
        angle = flow.orientation(u + 1.5 * np.cos(around), v + 1.5 * np.sin(around))
        steps = np.mod(np.diff(angle) + np.pi / 2, np.pi) - np.pi / 2
        assert steps.sum() == pytest.approx(np.pi * sign, abs=1e-6)


@pytest.mark.parametrize(("pattern", "side"), [(Pattern.LEFT_LOOP, 1), (Pattern.RIGHT_LOOP, -1)])
def test_a_loop_opens_away_from_its_delta(pattern: Pattern, side: int) -> None:
    core, delta = first_with(pattern)._flow.poles
    assert np.sign(delta[0] - core[0]) == side
    assert delta[1] < core[1]


def test_ridge_periods_are_those_of_adult_fingers() -> None:
    v, u = np.mgrid[-120:121:20, -80:81:20].astype(np.float64)
    periods = np.array([finger._flow.ridge_period(u, v) for finger in fingers(60)])
    assert periods.mean() == pytest.approx(9.0, abs=0.4)
    assert 5.5 < periods.min() < periods.max() < 14.0


def test_surplus_is_the_divergence_of_ridge_number() -> None:
    # Spokes of a wheel: around a pole of sign 2, tangents point outward and div(t / T) = 1 / (r T).
    level = synthesis._Arch(0.0, 0.0, 1.0, 1.0)
    wheel = synthesis._Flow(np.array([[0.0, 0.0, 2.0, 0.0]]), np.zeros((1, 9)), level, 9.0, np.empty((0, 4)))
    u, v = np.array([40.0, 0.0]), np.array([0.0, 80.0])
    angle = wheel.orientation(u, v)
    outward = np.cos(angle) * u + np.sin(angle) * v
    expected = np.sign(outward) * (1 / 9.0) / np.array([40.0, 80.0])
    # The period also shrinks upwards, by 0.0004 a pixel: on the second spoke ridges have to begin for that as well.
    expected[1] = np.sign(outward[1]) * (1 / 80.0 + 0.0004 / (1 - 0.0004 * 80)) / (9.0 * (1 - 0.0004 * 80))
    assert wheel.surplus(u, v, angle) == pytest.approx(expected, rel=0.02)


# Templates


def test_templates_have_the_statistics_of_live_scans() -> None:
    # The extractor on all prints of FVC2002 DB1_B to DB4_B: 31 minutiae (15 to 60 in nine of ten), the nearest one 22
    # pixels away (median), 69 % endings; prints 193 pixels wide (128 to 251) and 281 high (177 to 399).
    templates = [finger.template() for finger in fingers(300)]
    counts = np.array([len(template) for template in templates])
    assert np.percentile(counts, [5, 50, 95]) == pytest.approx([15, 31, 60], abs=7)
    assert np.percentile([np.ptp(template.x) for template in templates], [5, 50, 95]) == pytest.approx(
        [128, 193, 251], abs=25
    )
    assert np.percentile([np.ptp(template.y) for template in templates], [5, 50, 95]) == pytest.approx(
        [177, 281, 399], abs=35
    )
    nearest = []
    for template in templates:
        places = np.stack([template.x, template.y], axis=1).astype(np.float64)
        apart = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(len(places))
        nearest.append(apart.min(axis=1))
    assert np.median(np.concatenate(nearest)) == pytest.approx(22, abs=2)
    kinds = np.concatenate([template.kind for template in templates])
    assert np.mean(kinds == 1) == pytest.approx(0.67, abs=0.05)
    assert np.isin(kinds, [1, 2]).all()


def test_parallel_minutiae_mostly_point_the_same_way() -> None:
    # On FVC2002 DB1_B to DB3_B 35 % to 39 % of parallel minutiae 30 to 200 pixels apart point opposite ways; of those 10
    # to 13 pixels apart it is 73 %.
    opposite, close = [], []
    for finger in fingers(200):
        template = finger.template()
        x, y = template.x.astype(np.float64), template.y.astype(np.float64)
        apart = np.hypot(x[:, None] - x, y[:, None] - y)
        turned = np.cos(template.direction[:, None].astype(np.float64) - template.direction)
        parallel = np.abs(turned) > np.cos(0.35)
        opposite.append(turned[parallel & (apart > 30) & (apart < 200)] < 0)
        close.append(turned[parallel & (apart >= 10) & (apart < 13)] < 0)
    assert np.concatenate(opposite).mean() == pytest.approx(0.37, abs=0.06)
    assert np.concatenate(close).mean() > 0.6


def test_a_template_says_that_it_imitates_the_extractor() -> None:
    assert Finger(SEED, 1, 2).template().origin is Origin.EXTRACTED


def test_minutiae_of_a_finger_keep_their_distance_and_lie_along_the_ridges() -> None:
    too_near = []
    for finger in fingers(40):
        u, v, direction, _ = finger._minutiae.on_pad
        apart = np.hypot(u[:, None] - u, v[:, None] - v) + 1e9 * np.eye(len(u))
        too_near.append(apart.min(axis=1) < synthesis._OPPOSITE)
        assert np.cos(2 * (direction - finger._minutiae.flow.orientation(u, v))) == pytest.approx(1.0)
    assert np.concatenate(too_near).mean() < 0.005  # only ends of two short ridges may be


def test_minutiae_point_to_where_ridges_are_needed() -> None:
    towards = []
    for finger in fingers(80):
        u, v, direction, _ = finger._minutiae.on_pad
        surplus = finger._minutiae.flow.surplus(u, v, direction)
        towards.append(surplus[np.abs(surplus) > 5e-4] > 0)
    assert np.concatenate(towards).mean() > 0.75


@pytest.mark.parametrize(("pattern", "side"), [(Pattern.LEFT_LOOP, 1), (Pattern.RIGHT_LOOP, -1)])
def test_minutiae_of_a_loop_point_from_its_open_side_to_its_delta(pattern: Pattern, side: int) -> None:
    across = [np.cos(finger._minutiae.on_pad[2]) for finger in fingers(200) if finger.pattern == pattern]
    assert side * np.concatenate(across).mean() > 0.1


def naive_apart(  # as synthesis._apart, one pair after another
    u: NDArray[np.float64],
    v: NDArray[np.float64],
    direction: NDArray[np.float64],
    order: NDArray[np.float64],
    behind: NDArray[np.float64],
    wanted: int,
) -> list[int]:
    kept: list[int] = []
    for one in np.argsort(order).tolist():
        free = True
        for other in kept:
            du, dv = u[one] - u[other], v[one] - v[other]
            along = du * np.cos(direction[other]) + dv * np.sin(direction[other])
            across = dv * np.cos(direction[other]) - du * np.sin(direction[other])
            if np.cos(direction[one] - direction[other]) > 0:
                free &= bool((along / behind[other]) ** 2 + (across / synthesis._ABREAST) ** 2 >= 1)
            else:
                free &= bool(np.hypot(du, dv) >= synthesis._OPPOSITE)
        if free and len(kept) < wanted:
            kept.append(one)
    return kept


@pytest.mark.parametrize("wanted", [1, 10, 1000])
def test_places_are_chosen_as_its_slow_twin_does(wanted: int) -> None:
    rng = np.random.default_rng(SEED)
    u, v, direction = rng.uniform(0, 150, 90), rng.uniform(0, 150, 90), rng.uniform(0, 2 * np.pi, 90)
    rest = rng.exponential(size=90), rng.uniform(15, 50, 90), wanted
    assert synthesis._apart(u, v, direction, *rest).tolist() == naive_apart(u, v, direction, *rest)


def test_directions_on_the_image_follow_the_turned_ridges() -> None:
    finger = Finger(SEED, 3, 4)
    template = finger.template(2)
    placement, _ = finger._impression(2, WIDTH, HEIGHT)
    places = on_pad(finger, 2, template)
    along = finger._minutiae.flow.orientation(places[:, 0], places[:, 1]) + placement.turn
    assert np.mean(np.cos(2 * (template.direction - along))) > 0.9


def test_impressions_share_most_minutiae_and_differ_in_placement() -> None:
    mated, strange = [], []
    everyone = fingers(40)
    for finger, other in zip(everyone, everyone[1:] + everyone[:1], strict=True):
        first, second = finger.template(0), finger.template(1)
        assert not same(first, second)
        mated.append(shared(on_pad(finger, 0, first), on_pad(finger, 1, second)))
        strange.append(shared(on_pad(finger, 0, first), on_pad(other, 1, other.template(1))))
    assert np.mean(mated) > 0.75
    assert np.mean(strange) < 0.3
    turns = [finger._impression(number, WIDTH, HEIGHT)[0].turn for finger in everyone for number in range(3)]
    assert np.abs(turns).max() <= np.radians(15)
    assert np.std(turns) > np.radians(4)


def test_a_placement_can_be_undone() -> None:
    v, u = np.mgrid[-180:181:15, -130:131:15].astype(np.float64)
    for number in range(5):
        placement, _ = Finger(SEED, number)._impression(number, WIDTH, HEIGHT)
        back_u, back_v = placement.on_pad(*placement.on_image(u, v, WIDTH, HEIGHT), WIDTH, HEIGHT)
        assert np.hypot(back_u - u, back_v - v).max() < 0.1


def test_a_population_has_ten_fingers_a_person_in_order() -> None:
    people = list(population(SEED, 3, impression=1))
    assert [[template.position for template in person] for person in people] == [list(range(1, 11))] * 3
    assert same(people[2][6], Finger(SEED, 2, 7).template(1))


def test_a_population_is_made_as_it_is_read() -> None:
    people = population(SEED, 10**9)
    assert isinstance(people, GeneratorType)
    assert len(next(people)) == 10


# Images


def test_an_image_is_dark_ridges_on_a_white_ground() -> None:
    image = Finger(SEED, 5, 2).image()
    assert image.shape == (HEIGHT, WIDTH)
    assert image.dtype == np.uint8
    corners = [image[:12, :12], image[:12, -12:], image[-12:, :12], image[-12:, -12:]]
    assert min(corner.min() for corner in corners) > 220
    middle = image[HEIGHT // 2 - 60 : HEIGHT // 2 + 60, WIDTH // 2 - 60 : WIDTH // 2 + 60]
    assert np.percentile(middle, 20) < 110
    assert np.percentile(middle, 80) > 200


def test_an_image_has_the_size_asked_for() -> None:
    assert Finger(SEED).image(width=388, height=374).shape == (374, 388)


@pytest.mark.parametrize("pattern", list(Pattern))
def test_ridges_in_an_image_have_the_period_of_the_finger(pattern: Pattern) -> None:
    finger = first_with(pattern)
    window = np.hanning(128)[:, None] * np.hanning(128)
    middle = finger.image()[HEIGHT // 2 - 64 : HEIGHT // 2 + 64, WIDTH // 2 - 64 : WIDTH // 2 + 64].astype(np.float64)
    power = np.abs(np.fft.fft2((middle - middle.mean()) * window)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    band = (frequency > 1 / 20) & (frequency < 1 / 5)
    assert power[band].sum() > 0.5 * power[frequency > 0].sum()
    assert (power * frequency)[band].sum() / power[band].sum() == pytest.approx(1 / finger._flow.period, rel=0.2)


def test_impressions_show_the_same_ridges_in_another_place() -> None:
    def straightened(finger: Finger, impression: int) -> NDArray[np.float64]:
        v, u = np.mgrid[-70:71, -50:51].astype(np.float64)
        placement, _ = finger._impression(impression, WIDTH, HEIGHT)
        x, y = placement.on_image(u, v, WIDTH, HEIGHT)
        return np.asarray(finger.image(impression)[np.rint(y).astype(int), np.rint(x).astype(int)].ravel(), np.float64)

    finger, other = Finger(SEED, 1, 3), Finger(SEED, 2, 3)
    assert np.corrcoef(straightened(finger, 0), straightened(finger, 1))[0, 1] > 0.6
    assert abs(np.corrcoef(straightened(finger, 0), straightened(other, 0))[0, 1]) < 0.25
    assert np.corrcoef(finger.image(0).ravel(), finger.image(1).ravel())[0, 1] < 0.6


def test_the_minutiae_found_in_two_impressions_are_mostly_the_same() -> None:
    try:
        extractor = Extractor()
    except WeightsError as error:
        pytest.skip(f"needs the extractor's weights: {error}")
    finger = Finger(SEED, 8, 2)
    found = [extractor.extract(Image(finger.image(number), 500.0)) for number in range(2)]
    assert all(20 <= len(template) <= 75 for template in found)
    assert shared(on_pad(finger, 0, found[0]), on_pad(finger, 1, found[1])) > 0.6
