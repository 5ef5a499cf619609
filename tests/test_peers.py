"""The peers of the benchmarks: that they recognise what they should, and are measured as this matcher is."""

from __future__ import annotations

import heapq
import math
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmarks.accuracy import Impression
from benchmarks.peers import MissingPeerError, Peer, available, beside, compare_all, rank_one, rates, speed
from benchmarks.peers.bozorth3 import Bozorth3, written
from benchmarks.peers.sourceafis_style import SourceAfisStyle
from matcher.formats import read_iso19794_2
from matcher.template import Template

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 600
TURN = 65536

Pair = tuple[int, int]
Edge = tuple[int, int, int]


def a_print(seed: int, minutiae: int = 30) -> Template:
    random = np.random.default_rng(seed)
    places = random.permutation(400)[:minutiae]  # of a grid, so that no two lie together
    return Template.of(
        200 + 10 * (places % 20) + random.integers(0, 5, minutiae),
        200 + 10 * (places // 20) + random.integers(0, 5, minutiae),
        random.uniform(0, 2 * np.pi, minutiae),
        width=SIDE,
        height=SIDE,
        kind=random.integers(1, 3, minutiae),
        quality=random.integers(1, 101, minutiae),
    )


def moved(template: Template, turn: float = 0.0, right: int = 0, down: int = 0, *, mirrored: bool = False) -> Template:
    x, y = template.x - SIDE / 2, SIDE / 2 - template.y
    direction = template.direction.astype(np.float64)
    if mirrored:
        x, direction = -x, np.pi - direction
    cos, sin = math.cos(turn), math.sin(turn)
    return Template.of(
        SIDE / 2 + cos * x - sin * y + right,
        SIDE / 2 - sin * x - cos * y + down,
        direction + turn,
        width=SIDE,
        height=SIDE,
        kind=template.kind,
        quality=template.quality,
    )


@pytest.fixture(params=[Bozorth3.name, SourceAfisStyle.name])
def peer(request: pytest.FixtureRequest) -> Peer:
    return SourceAfisStyle() if request.param == SourceAfisStyle.name else request.getfixturevalue("bozorth3")


@pytest.fixture(scope="module")
def bozorth3() -> Bozorth3:
    try:
        return Bozorth3()
    except MissingPeerError as error:
        pytest.skip(str(error))


def score(peer: Peer, one: Template, two: Template) -> float:
    return peer.compare(peer.prepare(one), peer.prepare(two))


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [-2.4, -0.5, 0.3, 1.1, 3.0])
def test_a_turned_and_shifted_print_is_recognised(peer: Peer, turn: float) -> None:
    found = score(peer, a_print(1), moved(a_print(1), turn, 20, -30))
    assert found > 0.5 * score(peer, a_print(1), a_print(1))
    assert found > 4 * max(score(peer, a_print(1), a_print(seed)) for seed in range(2, 12))


def test_the_mirror_image_of_a_print_is_a_stranger(peer: Peer) -> None:
    assert score(peer, a_print(1), moved(a_print(1), mirrored=True)) < 0.3 * score(peer, a_print(1), a_print(1))


def test_a_shift_changes_no_score(peer: Peer) -> None:
    one, two = a_print(1), moved(a_print(1), 0.2)
    expected = score(peer, one, two)
    assert score(peer, moved(one, right=31, down=-17), two) == expected
    assert score(peer, one, moved(two, right=-40, down=25)) == expected


def test_many_comparisons_score_as_one_at_a_time(peer: Peer) -> None:
    probe = peer.prepare(a_print(1))
    candidates = [peer.prepare(moved(a_print(seed % 3), 0.1 * seed)) for seed in range(6)]
    found = peer.compare_many(probe, candidates)
    assert found.dtype == np.float64
    assert found.tolist() == [peer.compare(probe, candidate) for candidate in candidates]
    assert found.tolist() == peer.compare_many(probe, candidates).tolist()
    assert peer.compare_many(probe, []).shape == (0,)


@pytest.mark.parametrize("minutiae", [0, 1])
def test_a_print_without_an_edge_scores_nothing(peer: Peer, minutiae: int) -> None:
    assert score(peer, a_print(1, minutiae), a_print(1)) == 0
    assert score(peer, a_print(1), a_print(1, minutiae)) == 0
    assert score(peer, a_print(1, minutiae), a_print(1, minutiae)) == 0


def test_impressions_of_real_fingers_find_each_other(peer: Peer, shared_data: Path) -> None:
    def read(finger: int, impression: int) -> Template:
        return read_iso19794_2((shared_data / f"fvc2002/DB1_B/{finger}_{impression}.iso").read_bytes())[0]

    fingers = range(101, 106)
    enrolled = [peer.prepare(read(finger, 1)) for finger in fingers]
    found = [np.argmax(peer.compare_many(peer.prepare(read(finger, 2)), enrolled)) for finger in fingers]
    assert found == list(range(5))


# --- the one after SourceAFIS ----------------------------------------------------------------------------------------


def test_prints_of_as_many_minutiae_as_a_template_holds_are_compared() -> None:
    peer = SourceAfisStyle()
    assert score(peer, a_print(1, 255), a_print(1, 255)) > 2 * score(peer, a_print(1, 255), a_print(2, 255))


@pytest.mark.parametrize("turn", [0.5, 1.0, 1.5])
def test_turning_both_prints_by_quarters_leaves_the_score(turn: float) -> None:
    peer, one, two = SourceAfisStyle(), a_print(1), moved(a_print(1), 0.2)
    turned = score(peer, moved(one, turn * np.pi), moved(two, turn * np.pi))
    assert turned == pytest.approx(score(peer, one, two), abs=0.02)


@pytest.mark.parametrize(("one", "two"), [(2, 5), (9, 9), (11, 24), (24, 11), (30, 30)])
def test_the_slow_twin_gives_the_same_scores(one: int, two: int) -> None:
    peer = SourceAfisStyle()
    for seed in range(3):
        pair = a_print(seed, one), moved(a_print(seed, two), 0.1)
        assert score(peer, *pair) == pytest.approx(twin(*pair), abs=0.02)
        pair = a_print(seed, one), a_print(seed + 10, two)
        assert score(peer, *pair) == pytest.approx(twin(*pair), abs=0.02)


def steps(radians: float) -> int:
    return math.floor(radians / (2 * math.pi) * TURN + 0.5)


def apart(one: int, two: int) -> int:
    return abs((one - two + TURN // 2) % TURN - TURN // 2)


class Edges:
    """A print's minutiae in SourceAFIS's sense, and the edge from any to any."""

    def __init__(self, template: Template) -> None:
        self.number = len(template)
        order = np.random.default_rng(self.number).permutation(self.number)
        rows = zip(template.x[order], template.y[order], template.direction[order], template.kind[order], strict=True)
        self.minutiae = [(int(x), -int(y), steps(float(d)), int(k)) for x, y, d, k in rows]
        every = range(self.number)
        self.edges = {(here, there): self.edge(here, there) for here in every for there in every}

    def __call__(self, here: int, there: int) -> Edge:
        return self.edges[here, there]

    def edge(self, here: int, there: int) -> Edge:
        (x, y, direction, _), (to_x, to_y, other, _) = self.minutiae[here], self.minutiae[there]
        along = steps(math.atan2(to_y - y, to_x - x))
        length = math.floor(math.hypot(to_x - x, to_y - y) + 0.5)
        return length, (direction - along) % TURN, (other - along - TURN // 2) % TURN

    def near(self, here: int) -> list[int]:
        x, y, *_ = self.minutiae[here]
        others = [n for n in range(self.number) if n != here]
        return sorted(others, key=lambda n: (self.minutiae[n][0] - x) ** 2 + (self.minutiae[n][1] - y) ** 2)[:9]


def fit(one: Edge, two: Edge) -> bool:
    return abs(one[0] - two[0]) <= 13 and all(
        apart(a, b) <= TURN * 10 // 360 for a, b in zip(one[1:], two[1:], strict=True)
    )


def twin(probe: Template, candidate: Template) -> float:
    one, two = Edges(probe), Edges(candidate)
    return max((weight(one, two, *grown(one, two, root)) for root in root_pairs(one, two)), default=0.0)


def root_pairs(one: Edges, two: Edges) -> list[Pair]:
    found: list[Pair] = []
    fitted = lookups = 0
    walks = [(here, (here + step) % two.number) for step in range(1, two.number) for here in range(two.number)]
    for here, there in sorted(walks, key=lambda walk: two(*walk)[0] < 58):
        for start in range(one.number):
            for end in range(one.number):
                if start == end or not fit(one(start, end), two(here, there)):
                    continue
                if (start, here) not in found:
                    found.append((start, here))
                fitted += 1
                if fitted == 70:
                    return found
        lookups += 1
        if lookups == 1633:
            return found
    return found


def grown(one: Edges, two: Edges, root: Pair) -> tuple[dict[Pair, Pair | None], dict[Pair, int]]:
    """Return the pairs of the tree, each with the pair it grew from, and how many edges support each."""
    tree: dict[Pair, Pair | None] = {}
    support: dict[Pair, int] = {}
    queue: list[tuple[int, int, Pair, Pair | None]] = [(0, -1, root, None)]
    serial = 0

    def supported(pair: Pair, start: Pair | None) -> None:
        if pair in tree and start is not None:
            support[pair] += 1
            support[start] += 1

    def paired(pair: Pair) -> bool:
        return any(pair[0] == mine or pair[1] == theirs for mine, theirs in tree)

    while queue:
        _, _, pair, start = heapq.heappop(queue)
        if paired(pair):
            supported(pair, start)
            continue
        tree[pair] = start
        support[pair] = 0
        for theirs in two.near(pair[1]):
            for mine in one.near(pair[0]):
                if not fit(one(pair[0], mine), two(pair[1], theirs)):
                    continue
                if paired((mine, theirs)):
                    supported((mine, theirs), pair)
                else:
                    heapq.heappush(queue, (two(pair[1], theirs)[0], serial, (mine, theirs), pair))
                    serial += 1
    return tree, support


def weight(one: Edges, two: Edges, tree: dict[Pair, Pair | None], support: dict[Pair, int]) -> float:
    score = sum(0.032 + 0.265 * (1 + support[pair]) + 0.193 * (support[pair] > 0) for pair in tree)
    score += 8.98 * (len(tree) / one.number + len(tree) / two.number) / 2
    score += sum(0.629 * (one.minutiae[a][3] == two.minutiae[b][3]) for a, b in tree)
    errors = [
        (abs(mine[0] - theirs[0]), apart(mine[1], theirs[1]), apart(mine[2], theirs[2]))
        for (a, b), start in tree.items()
        if start is not None
        for mine, theirs in [(one(start[0], a), two(start[1], b))]
    ]
    if errors:
        most = TURN * 10 // 360
        score += 9.9 * (1 - fmean([max(9, length) for length, _, _ in errors]) / 13)
        score += 2.79 * (1 - fmean([max(0.27 * most, angle) for _, *both in errors for angle in both]) / most)
    return score


# --- bozorth3 --------------------------------------------------------------------------------------------------------


def test_bozorth3_that_is_not_installed_says_so() -> None:
    with pytest.raises(MissingPeerError) as caught:
        Bozorth3("nbis_that_nobody_has")
    assert str(caught.value) == (
        "bozorth3 is not measured: nbis-py is not installed (No module named 'nbis_that_nobody_has'); make peers"
    )


def test_bozorth3_gets_minutiae_by_x_and_y_from_below() -> None:
    template = Template.of([30, 10, 30], [5, 7, 9], [0, np.pi / 2, np.pi], width=40, height=50, kind=[0, 2, 1])
    assert written(template) == (
        b"FMR\0 20\0" + bytes([0, 0, 0, 26 + 3 * 6, 0, 0, 0, 40, 0, 50, 0, 0, 0, 0, 0, 0, 0, 3])
        + bytes([0x80, 10, 0, 7, 64, 63])
        + bytes([0x40, 30, 0, 9, 128, 63])
        + bytes([0x40, 30, 0, 5, 0, 63])
    )  # fmt: skip


def test_bozorth3_gets_the_best_minutiae() -> None:
    template = a_print(3, 200)
    best = np.sort(np.sort(template.quality)[::-1][:150])
    kept = {
        tuple(row) for row in np.frombuffer(written(template)[26:], dtype=np.uint8).reshape(-1, 6)[:, 1:4:2].tolist()
    }
    assert len(kept) == 150
    rows = zip(template.x, template.y, template.quality, strict=True)
    assert sorted(int(quality) for x, y, quality in rows if (x % 256, y % 256) in kept) == best.tolist()


def test_bozorth3_compares_ten_minutiae_and_gives_up_below(bozorth3: Bozorth3) -> None:
    for minutiae in range(10, 17):
        assert score(bozorth3, a_print(4, minutiae), a_print(4, minutiae)) > 20
    assert score(bozorth3, a_print(4, 9), a_print(4, 9)) == 0


def test_minutiae_far_from_all_others_change_no_score_of_bozorth3(bozorth3: Bozorth3) -> None:
    def with_lonely(template: Template) -> Template:
        lonely = template.width + 300 * np.arange(1, 5)
        return Template.of(
            [*template.x, *lonely],
            [*template.y, *[0] * 4],
            [*template.direction, *[0] * 4],
            width=2000,
            height=template.height,
        )

    one, two = a_print(5, 20), moved(a_print(5, 20), 0.3)
    assert score(bozorth3, with_lonely(one), with_lonely(two)) == score(bozorth3, one, two) > 20


# --- measuring -------------------------------------------------------------------------------------------------------


def impressions(folder: str, fingers: int, each: int = 3) -> list[Impression]:
    return [
        Impression(folder, str(finger), number, moved(a_print(finger), 0.1 * number, right=number))
        for finger in range(fingers)
        for number in range(1, each + 1)
    ]


def test_the_one_after_sourceafis_is_always_there() -> None:
    peers, reasons = available()
    assert "SourceAFIS style" in [peer.name for peer in peers]
    assert len(peers) + len(reasons) == 2


def test_a_peer_that_recognises_every_print_makes_no_error() -> None:
    prints, peer = [*impressions("a", 3), *impressions("b", 0)], SourceAfisStyle()
    found = compare_all(peer, prints)
    assert (np.tril(found) == 0).all()
    figures = rates(peer.name, prints, found)
    assert (figures.name, figures.eer, figures.fnmr_1e4, figures.zero_fmr, figures.rank1) == (peer.name, 0, 0, 0, 1)


def test_rates_are_those_of_the_scores() -> None:
    prints = impressions("a", 2, 2)  # genuine: 01 and 23; impostors of first impressions: 02
    found = np.zeros((4, 4))
    found[0, 1], found[2, 3], found[0, 2], found[0, 3], found[1, 2], found[1, 3] = 5, 1, 2, 3, -1, 0
    figures = rates("any", prints, found)
    assert (figures.fnmr_1e3, figures.zero_fmr) == (0.5, 0.5)
    assert figures.eer == 0.25  # between FMR 0 and FNMR .5, the nearer of the two thresholds about the crossing (FVC)
    assert figures.rank1 == 0.5  # 1 finds 0 (5 against -1); 3 finds 0 (3) before 2 (1)


def test_the_error_rate_of_folders_is_the_mean_of_theirs() -> None:
    prints = [*impressions("a", 2, 2), *impressions("b", 2, 2)]
    found = np.full((8, 8), 2.0)
    found[0, 1] = found[2, 3] = 9
    found[4, 5] = found[6, 7] = 1
    assert rates("any", prints, found).eer == 0.5


def test_a_shared_first_place_is_not_found() -> None:
    prints = impressions("a", 2, 2)
    assert rank_one(prints, np.ones((4, 4))) == 0
    assert math.isnan(rank_one(impressions("a", 2, 1), np.zeros((2, 2))))


def test_a_print_without_a_template_scores_lowest() -> None:
    prints = [*impressions("a", 2, 2), Impression("a", "0", 3, None)]
    found = compare_all(SourceAfisStyle(), prints)
    assert rates("any", prints, found).zero_fmr == 0.5


def test_speed_is_in_comparisons_a_second() -> None:
    templates = [a_print(seed) for seed in range(5)]
    assert speed(SourceAfisStyle(), templates[:2], templates) > 0


def test_what_stands_beside_the_peers_is_given_as_a_ratio() -> None:
    templates = [a_print(seed) for seed in range(5)]
    ratios, reasons = beside(1e6, templates[:2], templates)
    assert [ratio.name for ratio in ratios] == [peer.name for peer in available()[0]]
    assert reasons == available()[1]
    assert all(ratio.times * ratio.comparisons_a_second == pytest.approx(1e6) for ratio in ratios)
