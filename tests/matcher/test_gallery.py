"""The mask is the searched set; evidence adds over fingers; nothing removed is ever named; a poor probe is an error."""

from __future__ import annotations

import math
import subprocess
import sys
import threading
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import matcher
from matcher import Gallery, GalleryError, ImpressionType, Origin, Policy, PolicyError, ProbeError
from matcher import gallery as searching
from matcher._kernels import Prints
from matcher._parameters import CASCADE, STANDS_OUT
from matcher._sift import NOUGHT
from matcher.comparison import pack
from matcher.synthesis import Finger, population
from matcher.template import LEAST_MINUTIAE, Template
from tests.matcher import naive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from matcher import Candidate

SEED: Final = 2014
PERSONS: Final = 12
STRICT: Final = Policy(false_positive_identification_rate=1e-3, limit=20)
ANY: Final = Policy(false_positive_identification_rate=1e9, limit=1000)

ENROLLED: Final = list(population(SEED, PERSONS))
AGAIN: Final = list(population(SEED, PERSONS, impression=1))
STRANGER: Final = [Finger(SEED + 1, 0, position).template() for position in range(1, 11)]
BLANK: Final = Template.of([], [], [], width=9, height=9)
PARTS: Final = ("x", "y", "direction", "kind", "quality")


def names(count: int = PERSONS) -> list[str]:
    return [f"subject {k}" for k in range(count)]


def gallery(*, threads: int = 1) -> Gallery:
    made = Gallery(threads=threads)
    made.add_many(zip(names(), ENROLLED, strict=True))
    return made


def holding(subjects: Sequence[Sequence[Template]], *, skim_from: int = CASCADE.skim_from) -> Gallery:
    made = Gallery(skim_from=skim_from)
    made.add_many(zip(names(len(subjects)), subjects, strict=True))
    return made


def unplaced(templates: Sequence[Template]) -> list[Template]:
    return [replace(template, position=0) for template in templates]


def those(template: Template, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Template:
    """Return a print with some of its minutiae."""
    parts: dict[str, Any] = {name: getattr(template, name)[kept] for name in PARTS}
    return replace(template, **parts)


def left_behind(template: Template, count: int) -> Template:
    """Return so many minutiae around the middle of a print, as somebody might leave them."""
    away = np.hypot(template.x - np.median(template.x), template.y - np.median(template.y))
    near = np.sort(np.argsort(away, kind="stable")[:count])
    return replace(those(template, near), position=0, impression=ImpressionType.LATENT)


def subjects_of(found: Sequence[Candidate]) -> list[str]:
    return [candidate.subject for candidate in found]


@pytest.fixture(scope="module")
def enrolled() -> Gallery:
    return gallery()


# --- who is found ----------------------------------------------------------------------------------------------------


def test_another_impression_of_a_finger_finds_its_subject(enrolled: Gallery) -> None:
    for k in range(PERSONS):
        [candidate] = enrolled.search([AGAIN[k][1]], mask=None, policy=STRICT)
        assert candidate.subject == f"subject {k}"
        [match] = candidate.fingers
        assert (match.probe, match.finger, match.position) == (0, 1, 2)
        assert candidate.false_match_probability * PERSONS <= STRICT.false_positive_identification_rate


def test_a_stranger_is_not_found(enrolled: Gallery) -> None:
    assert enrolled.search(STRANGER, mask=None, policy=STRICT) == []
    assert all(enrolled.search([finger], mask=None, policy=STRICT) == [] for finger in STRANGER)
    assert all(enrolled.search([finger], mask=None, policy=STRICT) == [] for finger in unplaced(STRANGER))


def test_evidence_adds_over_fingers(enrolled: Gallery) -> None:
    [one] = enrolled.search(AGAIN[3][:1], mask=None, policy=STRICT)
    [three] = enrolled.search(AGAIN[3][:3], mask=None, policy=STRICT)
    assert three.score > one.score
    assert three.false_match_probability < one.false_match_probability
    assert [match.finger for match in three.fingers] == [0, 1, 2]
    assert three.score == pytest.approx(sum(match.score for match in three.fingers))


def test_fingers_of_unknown_position_are_compared_with_all_and_mated_once(enrolled: Gallery) -> None:
    [candidate] = enrolled.search(unplaced([AGAIN[5][6], AGAIN[5][2]]), mask=None, policy=STRICT)
    assert candidate.subject == "subject 5"
    assert [(match.probe, match.finger, match.position) for match in candidate.fingers] == [(0, 6, 7), (1, 2, 3)]
    told = sum(match.score for match in candidate.fingers)
    assert candidate.score == pytest.approx(
        told - 2 * math.log(20)
    )  # each the best of ten, and of two that may meet it


def test_known_positions_that_differ_are_never_compared(enrolled: Gallery) -> None:
    elsewhere = replace(AGAIN[3][0], position=2)
    assert "subject 3" not in subjects_of(enrolled.search([elsewhere], mask=None, policy=STRICT))
    only_thumb = Gallery()
    only_thumb.add("a", ENROLLED[3][:1])
    assert only_thumb.search([elsewhere], mask=None, policy=ANY) == []


def test_prints_enrolled_without_their_position_are_found_from_any() -> None:
    made = holding([unplaced(prints[:2]) for prints in ENROLLED])
    for probe in (AGAIN[4][1], replace(AGAIN[4][1], position=9), *unplaced(AGAIN[4][1:2])):
        [candidate] = made.search([probe], mask=None, policy=STRICT)
        assert (candidate.subject, candidate.fingers[0].finger) == ("subject 4", 1)


def test_several_prints_of_one_finger_may_be_enrolled() -> None:
    one = Gallery()
    one.add("a", [ENROLLED[0][0], AGAIN[0][0]])
    [candidate] = one.search([Finger(SEED, 0, 1).template(2)], mask=None, policy=STRICT)
    assert len(candidate.fingers) == 1


def test_several_print_sets_of_a_person_are_searched_as_one_person() -> None:
    made = holding([[*first, *second] for first, second in zip(ENROLLED[:6], AGAIN[:6], strict=True)])
    for k in range(6):
        third = [Finger(SEED, k, position).template(2) for position in range(1, 11)]
        [candidate] = made.search(third, mask=None, policy=STRICT)
        assert candidate.subject == f"subject {k}"
        assert [match.probe for match in candidate.fingers] == list(range(10))
        assert all(match.finger % 10 == match.probe for match in candidate.fingers)


@pytest.mark.parametrize("here", [(0, 1, 2), (5, 6, 7, 8, 9), tuple(range(10))])
@pytest.mark.parametrize("there", [(2, 3), (1, 2, 7, 9), tuple(range(10))])
def test_missing_fingers_on_either_side_leave_the_others_to_decide(
    here: tuple[int, ...], there: tuple[int, ...]
) -> None:
    made = holding([[prints[position] for position in there] for prints in ENROLLED])
    found = made.search([AGAIN[6][position] for position in here], mask=None, policy=STRICT)
    both = sorted(set(here) & set(there))
    assert subjects_of(found) == (["subject 6"] if both else [])
    assert [match.position - 1 for candidate in found for match in candidate.fingers] == both


def test_a_flat_print_finds_the_rolled_one_that_shows_more() -> None:
    made = holding([[replace(p, impression=ImpressionType.ROLLED) for p in prints[:3]] for prints in ENROLLED])
    probes = [those(prints[1], np.abs(prints[1].x - np.median(prints[1].x)) < 70) for prints in AGAIN]
    assert sum(len(probe) for probe in probes) < 0.8 * sum(len(prints[1]) for prints in AGAIN)
    for k, flat in enumerate(probes):
        [candidate] = made.search([replace(flat, impression=ImpressionType.PLAIN)], mask=None, policy=STRICT)
        assert candidate.subject == f"subject {k}"


@pytest.mark.parametrize("origin", [Origin.OTHER, Origin.MARKED])
@pytest.mark.parametrize(("count", "missed"), [(8, 1), (12, 1), (16, 0), (20, 0)])
def test_a_few_minutiae_left_behind_rank_their_finger_first(
    enrolled: Gallery, count: int, missed: int, origin: Origin
) -> None:
    first = 0
    for k in range(PERSONS):
        latent = replace(left_behind(AGAIN[k][k % 3], count), origin=origin)
        told = weighed(enrolled, [latent], None)
        first += max(told, key=lambda subject: told[subject][0]) == k
        assert set(subjects_of(enrolled.search([latent], mask=None, policy=STRICT))) <= {f"subject {k}"}
    assert first >= PERSONS - missed


def test_twenty_minutiae_left_behind_name_their_finger(enrolled: Gallery) -> None:
    for k in range(PERSONS):
        [candidate] = enrolled.search([left_behind(AGAIN[k][k % 3], 20)], mask=None, policy=STRICT)
        assert (candidate.subject, candidate.fingers[0].finger) == (f"subject {k}", k % 3)


def test_a_latent_print_is_found_however_it_lies(enrolled: Gallery) -> None:
    upright = left_behind(AGAIN[2][1], 20)
    turned = replace(
        upright,
        x=upright.y,
        y=np.int16(upright.width - 1) - upright.x,
        direction=np.mod(upright.direction + np.float32(np.pi / 2), np.float32(naive.TAU)),
    )
    [candidate, *_] = enrolled.search([turned], mask=None, policy=ANY)
    assert candidate.subject == "subject 2"


@pytest.mark.parametrize("probe", Origin)
def test_prints_of_different_origins_find_each_other(probe: Origin) -> None:
    mixed = [[replace(p, origin=Origin((k + j) % 3)) for j, p in enumerate(ENROLLED[k][:3])] for k in range(PERSONS)]
    made = holding(mixed)
    for k in range(PERSONS):
        found = made.search([replace(p, origin=probe) for p in AGAIN[k][:3]], mask=None, policy=STRICT)
        assert subjects_of(found) == [f"subject {k}"]


def test_best_comes_first_ties_by_index_and_the_limit_holds() -> None:
    twins = Gallery()
    twins.add_many([("other", AGAIN[0][:3]), ("first", ENROLLED[0]), ("second", ENROLLED[0])])
    found = twins.search(AGAIN[0], mask=None, policy=ANY)
    assert subjects_of(found) == ["other", "first", "second"] or subjects_of(found) == ["first", "second", "other"]
    equal = [candidate for candidate in found if candidate.subject != "other"]
    assert equal[0].score == equal[1].score
    assert equal[0].false_match_probability == equal[1].false_match_probability
    for limit in (1, 2, 3):
        assert twins.search(AGAIN[0], mask=None, policy=replace(ANY, limit=limit)) == found[:limit]


# --- who stands out --------------------------------------------------------------------------------------------------


def test_two_equal_persons_are_both_named() -> None:
    made = holding([ENROLLED[0], ENROLLED[1], ENROLLED[0]])
    for probe in (AGAIN[0][:1], unplaced(AGAIN[0][:1]), AGAIN[0]):
        assert subjects_of(made.search(probe, mask=None, policy=STRICT)) == ["subject 0", "subject 2"]


def test_the_best_is_named_alone_only_where_it_stands_out_from_those_who_are_not() -> None:
    """A policy between two probabilities bears the one alone; how far they are apart then decides."""
    outcomes = set()
    original = ENROLLED[8][1]
    first = np.arange(len(original))
    nudged = [replace(original, x=original.x + np.int16(pixels) * (first == 9)) for pixels in (6, 12, 18)]
    for other in (*nudged, *(those(original, first >= lost) for lost in (1, 2, 4, 8))):
        made = holding([[original], [other]])
        found = made.search([AGAIN[8][1]], mask=None, policy=ANY)
        assert len(found) == 2
        best, second = sorted(found, key=lambda candidate: candidate.false_match_probability)
        between = math.sqrt(best.false_match_probability) * math.sqrt(second.false_match_probability)
        stands_out = best.false_match_probability <= second.false_match_probability * STANDS_OUT
        alone = made.search([AGAIN[8][1]], mask=None, policy=Policy(2 * between, limit=9))
        assert alone == ([best] if stands_out else [])
        assert made.search([AGAIN[8][1]], mask=None, policy=ANY) == found
        outcomes.add(stands_out)
    assert outcomes == {True, False}


# --- the slow twin ---------------------------------------------------------------------------------------------------


@cache
def plain(template: Template) -> naive.Finger:
    one = pack([template])
    values = np.empty_like(one.descriptors)
    values[one.order] = one.descriptors
    return naive.Finger(naive.print_of(template, values), template.position, template.origin)


Weighed = dict[int, tuple[float, float, tuple[tuple[int, int, float], ...]]]


def weighed(made: Gallery, probe: Sequence[Template], mask: NDArray[np.bool_] | None) -> Weighed:
    """Return score, logarithm of the probability, and mates of every subject that reaches the last stage."""
    looked, snapshot = searching._looked(probe), made._snapshot
    searched = searching._reachable(snapshot, mask)
    left = made._related(snapshot, looked, made._narrow(snapshot, looked, searched), int(searched.sum()))
    pairs = made._verified(snapshot, looked, left)
    every = {}
    for subject, compared in pairs.items():
        if compared:
            score, probability, mates = searching._evidence(compared)
            first = int(snapshot.first[subject])
            best = max(mate.score for mate in mates)
            told = tuple(
                (mate.probe, mate.finger - first, mate.score) for mate in mates if mate.score > 0 or mate.score == best
            )
            every[subject] = score, math.log(probability), told
    return every


def assert_equal_to_the_slow_twin(
    made: Gallery,
    probe: Sequence[Template],
    subjects: Sequence[Sequence[Template] | None],
    mask: NDArray[np.bool_] | None = None,
) -> None:
    fingers = [plain(template) for template in probe]
    held = [None if prints is None else [plain(template) for template in prints] for prints in subjects]
    view = None if mask is None else mask.tolist()
    expected = naive.weigh(fingers, held, view)
    got = weighed(made, probe, mask)
    assert sorted(got) == [one.subject for one in expected]
    for one in expected:
        score, surprise, mates = got[one.subject]
        assert score == pytest.approx(one.score, rel=1e-3, abs=0.03)
        assert surprise == pytest.approx(math.log(one.probability), rel=2e-3, abs=0.05)
        clear = [mate for mate in mates if mate[2] > 0.05]
        assert [mate[:2] for mate in clear] == [mate[:2] for mate in one.mates if mate[2] > 0.05]
        assert [mate[2] for mate in clear] == pytest.approx(
            [m[2] for m in one.mates if m[2] > 0.05], rel=1e-3, abs=0.03
        )
    for policy in (ANY, STRICT):
        named = naive.search(fingers, held, policy.false_positive_identification_rate, view)
        found = made.search(probe, mask, policy)
        assert [made.subjects.index(candidate.subject) for candidate in found] == [one.subject for one in named]


PROBES: Final = {
    "one finger": AGAIN[2][1:2],
    "one finger, position unknown": unplaced(AGAIN[2][1:2]),
    "two fingers, one position unknown": [*unplaced([AGAIN[2][0]]), AGAIN[2][2]],
    "four fingers": AGAIN[7][:4],
    "one finger twice": [AGAIN[2][1], Finger(SEED, 2, 2).template(3)],
    "a stranger's": STRANGER[:2],
    "a latent print": [left_behind(AGAIN[4][0], 12)],
    "a marked print": [replace(left_behind(AGAIN[4][0], 16), impression=ImpressionType.UNKNOWN, origin=Origin.MARKED)],
    "our own": [replace(template, origin=Origin.EXTRACTED) for template in AGAIN[3][:2]],
    "too poor, beside a good one": [BLANK, those(AGAIN[5][0], np.arange(5)), AGAIN[5][1]],
}


@pytest.mark.parametrize("skim_from", [0, CASCADE.skim_from])
@pytest.mark.parametrize("name", PROBES)
def test_search_equals_the_slow_twin(name: str, skim_from: int) -> None:
    """The inverted file leaves out nobody of so few."""
    subjects = [
        *(prints[:3] for prints in ENROLLED[:6]),
        [*ENROLLED[6][:2], *AGAIN[6][:2]],
        unplaced(ENROLLED[7][:3]),
        [replace(template, origin=Origin.EXTRACTED) for template in ENROLLED[8][:3]],
        [BLANK],
        [replace(template, impression=ImpressionType.LATENT_LIFT) for template in ENROLLED[9][1:3]],
    ]
    assert_equal_to_the_slow_twin(holding(subjects, skim_from=skim_from), PROBES[name], subjects)


def test_search_of_ten_fingers_equals_the_slow_twin_where_stages_leave_subjects_out() -> None:
    every = [*ENROLLED, *population(SEED + 5, 12)]
    subjects: list[list[Template] | None] = [prints[: 10 - k % 4] for k, prints in enumerate(every)]
    probe = [AGAIN[4][k] for k in (9, 3, 1, 0, 5, 6, 2, 8, 7, 4)]
    assert len(subjects) > CASCADE.verified // len(probe)
    made = holding([prints or [] for prints in subjects])
    assert_equal_to_the_slow_twin(made, probe, subjects)
    mask = np.arange(len(subjects)) % 5 != 1
    assert_equal_to_the_slow_twin(made, probe, subjects, mask)
    made.remove("subject 7")
    subjects[7] = None
    assert_equal_to_the_slow_twin(made, probe, subjects, mask)


# --- the mask --------------------------------------------------------------------------------------------------------


def test_what_is_outside_the_mask_is_as_if_it_were_not_enrolled(enrolled: Gallery) -> None:
    mask = np.array([k % 3 != 1 for k in range(PERSONS)])
    absent = Gallery()
    absent.add_many((name, prints) for name, prints, seen in zip(names(), ENROLLED, mask, strict=True) if seen)
    for k in range(PERSONS):
        found = enrolled.search(AGAIN[k][:2], mask=mask, policy=ANY)
        assert found == absent.search(AGAIN[k][:2], mask=None, policy=ANY)
        assert (f"subject {k}" in subjects_of(found)) == mask[k]


@st.composite
def views(draw: st.DrawFn) -> tuple[list[list[Template]], NDArray[np.bool_], list[Template]]:
    """Draw what is enrolled, a mask that may end early, and a probe."""
    fingers = st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True)
    count = draw(st.integers(1, 7))
    subjects = [
        [draw(st.sampled_from([ENROLLED, AGAIN]))[k % PERSONS][j] for j in draw(fingers)]
        for k in draw(st.lists(st.integers(0, 8), min_size=count, max_size=count))
    ]
    mask = draw(st.lists(st.booleans(), max_size=count))
    person, known = draw(st.integers(0, 8)), draw(st.booleans())
    probe = [Finger(SEED, person, j + 1).template(2) for j in draw(fingers)]
    return subjects, np.array(mask, dtype=np.bool_), probe if known else unplaced(probe)


@settings(max_examples=80)
@given(views(), st.sampled_from([0, CASCADE.skim_from]))
def test_masked_removed_and_never_enrolled_give_one_answer_byte_for_byte(
    drawn: tuple[list[list[Template]], NDArray[np.bool_], list[Template]], skim_from: int
) -> None:
    subjects, mask, probe = drawn
    seen = np.concatenate([mask, np.zeros(len(subjects) - len(mask), dtype=np.bool_)])
    made, absent = holding(subjects, skim_from=skim_from), Gallery(skim_from=skim_from)
    absent.add_many(
        (name, prints) for name, prints, inside in zip(names(len(subjects)), subjects, seen, strict=True) if inside
    )
    expected = absent.search(probe, None, ANY)
    assert repr(made.search(probe, mask, ANY)) == repr(expected)
    for name, inside in zip(names(len(subjects)), seen, strict=True):
        if not inside:
            made.remove(name)
    assert repr(made.search(probe, None, ANY)) == repr(expected)
    assert repr(made.search(probe, seen, ANY)) == repr(expected)


@settings(max_examples=30)
@given(st.permutations(range(PERSONS)), st.permutations(range(3)))
def test_the_order_of_enrolment_and_of_the_probe_changes_no_answer(order: list[int], fingers: list[int]) -> None:
    made, straight = Gallery(), Gallery()
    straight.add_many((f"subject {k}", ENROLLED[k][:3]) for k in range(PERSONS))
    made.add_many((f"subject {k}", ENROLLED[k][:3]) for k in order)
    [expected] = straight.search(AGAIN[6][:3], None, STRICT)
    [candidate] = made.search([AGAIN[6][k] for k in fingers], None, STRICT)
    assert candidate.subject == expected.subject
    assert candidate.score == expected.score
    assert candidate.false_match_probability == pytest.approx(expected.false_match_probability, rel=1e-12)
    assert {(match.finger, match.score) for match in candidate.fingers} == {
        (match.finger, match.score) for match in expected.fingers
    }


def test_a_mask_shorter_than_the_gallery_leaves_later_subjects_out(enrolled: Gallery) -> None:
    mask = np.ones(5, dtype=np.bool_)
    assert enrolled.search(AGAIN[5], mask=mask, policy=STRICT) == []
    assert enrolled.search(AGAIN[4], mask=mask, policy=STRICT)[0].subject == "subject 4"
    assert enrolled.search(AGAIN[4], mask=mask[:0], policy=ANY) == []


def test_what_is_searched_may_be_said_by_place_or_by_name(enrolled: Gallery) -> None:
    mask = np.arange(PERSONS) < 6
    assert enrolled.search(AGAIN[4][:1], mask, STRICT) == enrolled.search(probe=AGAIN[4][:1], policy=STRICT, mask=mask)


@pytest.mark.parametrize("mask", [np.ones(PERSONS + 1, dtype=np.bool_), np.ones(3), np.ones((2, 2), dtype=np.bool_)])
def test_a_mask_of_another_shape_is_refused(enrolled: Gallery, mask: NDArray[np.bool_]) -> None:
    with pytest.raises(GalleryError, match="a mask is an array of at most 12 booleans, one a subject; got"):
        enrolled.search(AGAIN[0], mask=mask, policy=STRICT)


def test_the_policy_counts_the_subjects_of_the_mask(enrolled: Gallery) -> None:
    [alone] = enrolled.search([AGAIN[0][0]], mask=np.ones(1, dtype=np.bool_), policy=STRICT)
    tight = Policy(alone.false_match_probability * 1.5, limit=9)
    assert enrolled.search([AGAIN[0][0]], mask=np.ones(1, dtype=np.bool_), policy=tight)
    assert not enrolled.search([AGAIN[0][0]], mask=np.ones(2, dtype=np.bool_), policy=tight)


# --- enrolment -------------------------------------------------------------------------------------------------------


def test_a_removed_subject_is_gone_and_its_index_is_a_hole() -> None:
    made = gallery()
    made.remove("subject 2")
    assert made.subjects[:4] == ("subject 0", "subject 1", "", "subject 3")
    assert "subject 2" not in subjects_of(made.search(AGAIN[2], mask=None, policy=ANY))
    assert made.search(AGAIN[3], mask=np.arange(PERSONS) == 3, policy=STRICT)[0].subject == "subject 3"
    with pytest.raises(GalleryError, match="'subject 2' is not enrolled, or was removed before"):
        made.remove("subject 2")


@pytest.mark.parametrize("removed", range(3))
def test_removal_wipes_what_shows_a_persons_minutiae_and_nothing_else(removed: int) -> None:
    made, subjects = Gallery(), [ENROLLED[0], [BLANK, *AGAIN[1]], ENROLLED[2]]
    made.add_many(zip("abc", subjects, strict=True))
    before = made._snapshot.prints
    kept = {name: getattr(before, name).copy() for name in Prints._fields if name != "blocks"}
    blocks = before.blocks.values.copy()
    made.remove("abc"[removed])
    prints = made._snapshot.prints
    sizes = [sum(len(template) for template in prints) for prints in subjects]
    owned = [sum(-(-len(template) // 16) for template in prints) for prints in subjects]
    gone = np.repeat(np.arange(3), sizes) == removed
    for name in kept:
        after = getattr(prints, name)
        if len(after) == len(gone):
            assert not after[gone].any()
            assert (after[~gone] == kept[name][~gone]).all()
    gone = np.repeat(np.arange(3), owned) == removed
    assert (prints.blocks.values[gone] == NOUGHT).all()
    assert (prints.blocks.values[~gone] == blocks[~gone]).all()


def test_an_array_that_was_outgrown_is_wiped_once_no_search_reads_it() -> None:
    made = gallery()
    searching_still = made._snapshot
    outgrown = searching_still.prints.minutiae
    made.add_many((f"later {n}", [ENROLLED[0][0]] * 40) for n in range(100))
    assert made._snapshot.prints.minutiae.base is not outgrown.base
    assert outgrown.any()
    del searching_still
    assert not outgrown.any()
    assert subjects_of(made.search([AGAIN[3][1]], mask=None, policy=STRICT)) == ["subject 3"]


def test_a_removed_subject_may_be_enrolled_again_at_a_new_index() -> None:
    made = gallery()
    made.remove("subject 2")
    made.add("subject 2", ENROLLED[2])
    assert made.subjects[2] == ""
    assert made.subjects[-1] == "subject 2"
    assert made.search(AGAIN[2], mask=None, policy=STRICT)[0].subject == "subject 2"


def test_enrolling_all_or_none() -> None:
    made = gallery()
    with pytest.raises(GalleryError, match="'subject 0' is enrolled already: remove it first"):
        made.add_many([("new", ENROLLED[0]), ("subject 0", ENROLLED[0])])
    with pytest.raises(GalleryError, match="this batch holds one twice"):
        made.add_many([("new", ENROLLED[0]), ("new", ENROLLED[1])])
    with pytest.raises(GalleryError, match="one or more prints"):
        made.add("new", [])
    with pytest.raises(GalleryError, match="a name"):
        made.add("", ENROLLED[0])
    assert made.subjects == tuple(names())


def test_one_by_one_and_all_at_once_give_the_same_gallery() -> None:
    single = Gallery()
    for name, templates in zip(names(), ENROLLED, strict=True):
        single.add(name, templates)
    together = gallery()
    for name in Prints._fields[:-1]:
        assert (getattr(single._snapshot.prints, name) == getattr(together._snapshot.prints, name)).all()
    probe = AGAIN[1][:2]
    assert single.search(probe, mask=None, policy=ANY) == together.search(probe, mask=None, policy=ANY)


def test_a_gallery_grows_without_losing_what_it_holds() -> None:
    made = Gallery()
    for k in range(120):
        made.add(f"subject {k}", ENROLLED[k % PERSONS][:1] if k < PERSONS else STRANGER[1:2])
    for k in range(PERSONS):
        assert made.search(AGAIN[k][:1], None, STRICT)[0].subject == f"subject {k}"


def test_an_empty_gallery_and_an_empty_enrolled_print_give_no_candidate() -> None:
    nobody = Gallery()
    assert nobody.search(AGAIN[0], mask=None, policy=ANY) == []
    nobody.add("blank", [BLANK])
    assert nobody.search(AGAIN[0], mask=None, policy=STRICT) == []
    nobody.remove("blank")
    assert nobody.search(AGAIN[0], mask=None, policy=ANY) == []


# --- probes, policies, threads ---------------------------------------------------------------------------------------


def test_a_poor_probe_is_an_error_and_never_no_match(enrolled: Gallery) -> None:
    poor = those(AGAIN[0][0], np.arange(LEAST_MINUTIAE - 1))
    told = rf"{LEAST_MINUTIAE} minutiae or more; the best of 2 has {LEAST_MINUTIAE - 1}: .* \(Article 4\(4\)\)"
    with pytest.raises(ProbeError, match=told):
        enrolled.search([poor, BLANK], mask=None, policy=STRICT)
    with pytest.raises(ProbeError, match="the best of 0 has 0"):
        enrolled.search([], mask=None, policy=STRICT)
    with pytest.raises(ProbeError, match="the best of 1 has"):
        Gallery().search([poor], mask=None, policy=STRICT)
    [candidate] = enrolled.search([poor, AGAIN[0][0]], mask=None, policy=STRICT)
    assert [match.probe for match in candidate.fingers] == [1]


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_policy_needs_a_positive_rate(rate: float) -> None:
    with pytest.raises(
        PolicyError, match="expected number of false candidates of one search must be a positive number"
    ):
        Policy(rate, limit=1)


def test_a_policy_and_a_gallery_need_positive_numbers() -> None:
    with pytest.raises(PolicyError, match="got a limit of 0"):
        Policy(1e-3, limit=0)
    with pytest.raises(GalleryError, match="one or more threads; got 0"):
        Gallery(threads=0)


@pytest.mark.parametrize("threads", [2, 3, 20])
def test_the_number_of_threads_changes_nothing(enrolled: Gallery, threads: int) -> None:
    many = gallery(threads=threads)
    for probe in (unplaced(AGAIN[7][:2]), AGAIN[7], [left_behind(AGAIN[7][1], 12)]):
        for mask in (None, np.arange(PERSONS) % 2 == 1, np.zeros(PERSONS, dtype=np.bool_)):
            assert many.search(probe, mask, ANY) == enrolled.search(probe, mask, ANY)


def test_searches_run_beside_additions_and_removals() -> None:
    made = gallery()
    stop = threading.Event()
    wrong: list[object] = []

    def search() -> None:
        while not stop.is_set():
            found = subjects_of(made.search(AGAIN[0][:1], mask=None, policy=STRICT))
            if found != ["subject 0"]:
                wrong.append(found)

    searchers = [threading.Thread(target=search) for _ in range(3)]
    for thread in searchers:
        thread.start()
    for k in range(40):
        made.add(f"passing {k}", ENROLLED[1 + k % 11])
        if k >= 3:
            made.remove(f"passing {k - 3}")
    stop.set()
    for thread in searchers:
        thread.join()
    assert not wrong
    assert [name for name in made.subjects if name.startswith("passing")] == ["passing 37", "passing 38", "passing 39"]


# --- the package -----------------------------------------------------------------------------------------------------


def test_reading_a_template_loads_no_compiler() -> None:
    code = "import sys, matcher.template, matcher; matcher.Template; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = matcher.nothing


def test_who_is_enrolled_while_a_search_runs_does_not_disturb_it() -> None:
    made = holding(ENROLLED[:4], skim_from=0)
    [one], snapshot = searching._looked(unplaced(AGAIN[1][:1])), made._snapshot
    eligible = searching._eligible(snapshot, searching._reachable(snapshot, None), one)
    made.add("late", ENROLLED[5])
    assert made._skimmed(one, eligible).tolist() == list(range(40))


def test_a_candidate_has_a_finger_even_where_nothing_speaks_in_its_favour() -> None:
    found = holding([[BLANK]]).search([AGAIN[0][0]], None, ANY)
    assert [len(candidate.fingers) for candidate in found] == [1]


def test_several_prints_that_may_meet_one_finger_pay_for_the_choice() -> None:
    made = holding([[replace(ENROLLED[2][0], position=0)]])
    [one] = made.search([AGAIN[2][0]], None, ANY)
    [several] = made.search([AGAIN[2][0], *AGAIN[3][1:4]], None, ANY)
    assert several.fingers[0].score == one.fingers[0].score
    assert several.false_match_probability > one.false_match_probability


def test_a_subject_of_many_captures_does_not_take_the_places_of_others() -> None:
    probe = AGAIN[0][1]
    made = Gallery()
    made.add("many", [replace(probe, position=0)] * (CASCADE.related + 1))  # every one nearer than the mate
    made.add("mate", [ENROLLED[0][1]])
    assert set(subjects_of(made.search([probe], mask=None, policy=ANY))) == {"many", "mate"}


@pytest.mark.parametrize(("prints", "fingers"), [(1, 1), (2, 1), (10, 1), (1, 10), (10, 2), (3, 3)])
def test_whatever_may_be_chosen_among_the_bound_on_strangers_holds(prints: int, fingers: int) -> None:
    """Probabilities of strangers are uniform, at the worst; of those combined as many are as small as they say, or fewer."""
    rng = np.random.default_rng(SEED)
    found = []
    for _ in range(4000):
        chances = rng.uniform(size=(prints, fingers))
        pairs = [
            searching._Pair(-math.log(p), min(1.0, p * prints * fingers), i, j, 0, prints * fingers)
            for (i, j), p in np.ndenumerate(chances)
        ]
        found.append(searching._evidence(pairs)[1])
    for bound in (0.3, 0.1, 0.01):
        assert np.mean(np.array(found) <= bound) <= bound + 3 * math.sqrt(bound / len(found))


def test_a_removed_print_is_not_filed_again() -> None:
    made = holding(ENROLLED[:3], skim_from=0)
    made.remove(names(3)[1])
    made.add("late", ENROLLED[5])
    [segment] = made._sealed(40)
    assert not set(range(10, 20)) & set((segment.postings & np.uint32(0xFFFF)).tolist())
