"""One print against one: what is packed, and what an examiner is shown of what a search saw."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from matcher import Origin, compare
from matcher._kernels import EVIDENCE, FEATURES
from matcher._parameters import PAIRING
from matcher.comparison import Comparison, Evidence, pack, pack_probe, verify
from matcher.descriptors import DIMENSIONS
from matcher.synthesis import Finger, population
from matcher.template import ImpressionType, Template
from tests.matcher import naive

if TYPE_CHECKING:
    from numpy.typing import NDArray

SEED = 2014
PERSONS = 12
ENROLLED = [prints[1] for prints in population(SEED, PERSONS)]
AGAIN = [prints[1] for prints in population(SEED, PERSONS, impression=1)]
BLANK = Template.of([], [], [], width=9, height=9)
PARTS = ("x", "y", "direction", "kind", "quality")
FIRST = np.zeros(1, dtype=np.int64)


def those(template: Template, kept: NDArray[np.bool_]) -> Template:
    parts: dict[str, Any] = {name: getattr(template, name)[kept] for name in PARTS}
    return replace(template, **parts)


def every_pair() -> list[tuple[Template, Template]]:
    """Mates, strangers, and prints as somebody left or marked them."""
    mates = list(zip(AGAIN, ENROLLED, strict=True))
    strangers = [(AGAIN[k], ENROLLED[k - 1]) for k in range(PERSONS)]
    left = [(replace(one, impression=ImpressionType.LATENT), other) for one, other in mates]
    marked = [(one, replace(other, origin=Origin.MARKED)) for one, other in mates]
    return [*mates, *strangers, *left, *marked, (BLANK, ENROLLED[0]), (AGAIN[0], BLANK), (BLANK, BLANK)]


def plain(template: Template) -> naive.Print:
    one = pack([template])
    values = np.empty_like(one.descriptors)
    values[one.order] = one.descriptors
    return naive.print_of(template, values)


# --- packing ---------------------------------------------------------------------------------------------------------


def test_nothing_and_blank_prints_can_be_packed() -> None:
    nothing = pack([])
    assert nothing.prints.starts.tolist() == [0]
    assert nothing.descriptors.shape == (0, DIMENSIONS)
    blank = pack([BLANK, BLANK])
    assert blank.prints.starts.tolist() == [0, 0, 0]
    assert blank.prints.corner_counts.tolist() == [0, 0]


def test_prints_packed_together_are_those_packed_alone() -> None:
    templates = [ENROLLED[0], BLANK, AGAIN[3], replace(ENROLLED[5], origin=Origin.MARKED), AGAIN[7]]
    together = pack(templates)
    for f, template in enumerate(templates):
        alone = pack([template])
        rows = slice(*together.prints.starts[f : f + 2])
        for name in ("minutiae", "reliability"):
            assert (getattr(together.prints, name)[rows] == getattr(alone.prints, name)).all()
        assert (together.order[rows] == alone.order).all()
        assert (together.descriptors[rows] == alone.descriptors).all()
        corners = together.prints.corners[rows][: together.prints.corner_counts[f]]
        assert (corners == alone.prints.corners[: alone.prints.corner_counts[0]]).all()


def test_best_minutiae_come_first_and_the_order_leads_back_to_the_template() -> None:
    template = replace(ENROLLED[4], origin=Origin.EXTRACTED)
    packed = pack([template])
    assert sorted(packed.order.tolist()) == list(range(len(template)))
    assert (np.diff(packed.prints.reliability.astype(int)) <= 0).all()
    assert (packed.prints.minutiae[:, 0] == template.x[packed.order]).all()
    assert (packed.prints.minutiae[:, 1] == -template.y[packed.order]).all()


def test_a_latent_probe_is_compared_without_its_own_directions() -> None:
    upright, left = pack_probe(AGAIN[0]), pack_probe(replace(AGAIN[0], impression=ImpressionType.LATENT))
    assert upright.rows.values[:, -2:].any()
    assert not left.rows.values[:, -2:].any()


# --- what an examiner is shown ---------------------------------------------------------------------------------------


def test_comparison_lays_the_probe_on_the_candidate() -> None:
    for probe, candidate in zip(AGAIN, ENROLLED, strict=True):
        compared = compare(probe, candidate)
        assert compared.transform is not None
        c, s = np.cos(compared.transform.rotation), np.sin(compared.transform.rotation)
        i, j = np.array(compared.pairs).T
        x = probe.x[i] * c + probe.y[i] * s + compared.transform.dx
        y = probe.y[i] * c - probe.x[i] * s + compared.transform.dy
        turned = probe.direction[i] + compared.transform.rotation - candidate.direction[j]
        assert np.median(np.hypot(x - candidate.x[j], y - candidate.y[j])) < 8
        assert np.median(np.abs(np.angle(np.exp(1j * turned)))) < 0.3


def test_comparison_shows_what_a_search_scores() -> None:
    for probe, candidate in every_pair():
        found, _ = verify(pack_probe(probe), pack([candidate]).prints, FIRST)
        assert compare(probe, candidate).score == found[0, FEATURES]


def test_comparison_equals_the_slow_twin() -> None:
    certain = 0
    for probe, candidate in every_pair():
        expected, compared = naive.verify(a := plain(probe), b := plain(candidate)), compare(probe, candidate)
        if expected.doubtful:
            continue
        certain += 1
        pairs = sorted((int(a.order[i]), int(b.order[j])) for i, j in expected.mates)
        assert compared.pairs == tuple(pairs)
        assert compared.unpaired == (expected.alone if pairs else ((), ()))
        assert compared.score == pytest.approx(expected.score, rel=1e-3, abs=0.01)
        features = expected.features if pairs else [0.0] * FEATURES
        assert [one.value for one in compared.evidence] == pytest.approx(list(features), rel=1e-3, abs=2e-3)
        assert (compared.transform is not None) == bool(pairs)
        if compared.transform is not None:
            assert math.remainder(compared.transform.rotation - expected.turn, math.tau) == pytest.approx(0, abs=1e-3)
            shift = complex(compared.transform.dx, -compared.transform.dy)
            assert shift == pytest.approx(expected.shift, abs=0.1)
    assert certain > PERSONS


def test_evidence_is_named_and_its_weights_add_to_the_score_with_the_constant() -> None:
    for probe, candidate in every_pair():
        compared = compare(probe, candidate)
        constant = float(PAIRING.weights[FEATURES])
        told = math.fsum(one.weight for one in compared.evidence)
        assert compared.score == pytest.approx(told + constant, rel=1e-4, abs=1e-3)
        assert tuple(one.name for one in compared.evidence) == EVIDENCE
        for one, weight in zip(compared.evidence, PAIRING.weights, strict=False):
            assert one.weight == pytest.approx(one.value * float(weight), rel=1e-6)


def test_pairs_are_in_the_templates_order_and_no_minutia_is_in_two_or_also_unpaired() -> None:
    for probe, candidate in every_pair():
        compared = compare(probe, candidate)
        assert list(compared.pairs) == sorted(compared.pairs)
        for side, template in enumerate((probe, candidate)):
            mated = [pair[side] for pair in compared.pairs]
            alone = list(compared.unpaired[side])
            assert len(set(mated)) == len(mated)
            assert alone == sorted(set(alone))
            assert not set(mated) & set(alone)
            assert all(0 <= k < len(template) for k in (*mated, *alone))


def swapped(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((j, i) for i, j in pairs))


def test_mates_are_the_same_from_either_side() -> None:
    for probe, candidate in zip(AGAIN, ENROLLED, strict=True):
        one, other = compare(probe, candidate), compare(candidate, probe)
        assert abs(len(one.pairs) - len(other.pairs)) <= 2  # the tolerance widens from the middle of the one laid upon
        assert len(set(one.pairs) & set(swapped(other.pairs))) >= len(one.pairs) - 2
        if set(one.pairs) == set(swapped(other.pairs)):
            assert one.score == pytest.approx(other.score, rel=0.02, abs=0.5)


def test_a_print_compared_with_itself_has_every_minutia_mated() -> None:
    for template in ENROLLED:
        compared = compare(template, template)
        assert compared.pairs == tuple((k, k) for k in range(len(template)))
        assert compared.unpaired == ((), ())
        assert compared.transform is not None
        assert abs(compared.transform.rotation) < 1e-3


def test_a_minutia_that_only_one_print_shows_is_shown_as_unpaired() -> None:
    whole = ENROLLED[3]
    middle = int(np.argmin(np.hypot(whole.x - np.mean(whole.x), whole.y - np.mean(whole.y))))
    lacking = those(whole, np.arange(len(whole)) != middle)
    assert compare(whole, lacking).unpaired == ((middle,), ())
    assert compare(lacking, whole).unpaired == ((), (middle,))


@pytest.mark.parametrize("few", [{"origin": Origin.MARKED}, {"impression": ImpressionType.LATENT_PHOTO}])
def test_what_a_marked_or_latent_print_lacks_is_no_evidence(few: dict[str, Any]) -> None:
    whole = ENROLLED[3]
    middle = int(np.argmin(np.hypot(whole.x - np.mean(whole.x), whole.y - np.mean(whole.y))))
    lacking = replace(those(whole, np.arange(len(whole)) != middle), **few)
    assert compare(lacking, whole).unpaired == ((), ())
    against = next(one for one in compare(lacking, whole).evidence if one.name == "against")
    assert against.value == 0.0


def test_mates_score_above_every_stranger() -> None:
    strangers = [compare(AGAIN[k], ENROLLED[j]).score for k in range(PERSONS) for j in range(PERSONS) if j != k]
    for probe, candidate in zip(AGAIN, ENROLLED, strict=True):
        assert compare(probe, candidate).score > max(strangers)


@pytest.mark.parametrize(("probe", "candidate"), [(BLANK, ENROLLED[0]), (ENROLLED[0], BLANK), (BLANK, BLANK)])
def test_prints_without_minutiae_compare_as_nothing(probe: Template, candidate: Template) -> None:
    compared = compare(probe, candidate)
    nothing = tuple(Evidence(name, 0.0, 0.0) for name in EVIDENCE)
    assert compared == Comparison(
        float(PAIRING.weights[FEATURES]), compared.false_match_probability, (), ((), ()), nothing, None
    )
    assert compared.false_match_probability > 0.1


def test_probability_falls_as_the_score_rises() -> None:
    finger = Finger(SEED, 40, 2)
    whole, other = finger.template(0), finger.template(1)
    compared = [compare(those(other, np.arange(len(other)) % 6 < kept), whole) for kept in (2, 4, 6)]
    assert compared[0].score < compared[1].score < compared[2].score
    assert compared[0].false_match_probability > compared[1].false_match_probability
    assert compared[1].false_match_probability > compared[2].false_match_probability
