"""The view is the searched set; evidence adds over fingers; nothing removed is ever named; a poor probe is an error."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest

import matcher
from matcher import Gallery, GalleryError, Policy, PolicyError, ProbeError, compare
from matcher.comparison import pack
from matcher.synthesis import Finger, population
from matcher.template import Template
from tests.matcher import naive

SEED = 2014
PERSONS = 12
STRICT = Policy(false_positive_identification_rate=1e-3, limit=20)
ANY = Policy(false_positive_identification_rate=1e9, limit=1000)

ENROLLED = list(population(SEED, PERSONS))
AGAIN = list(population(SEED, PERSONS, impression=1))
STRANGER = [Finger(SEED + 1, 0, position).template() for position in range(1, 11)]


def names(count: int = PERSONS) -> list[str]:
    return [f"subject {k}" for k in range(count)]


def gallery(*, threads: int = 1) -> Gallery:
    made = Gallery(threads=threads)
    made.add_many(zip(names(), ENROLLED, strict=True))
    return made


def unplaced(templates: list[Template]) -> list[Template]:
    return [replace(template, position=0) for template in templates]


@pytest.fixture(scope="module")
def enrolled() -> Gallery:
    return gallery()


# --- who is found


def test_another_impression_of_a_finger_finds_its_subject(enrolled: Gallery) -> None:
    for k in range(PERSONS):
        [candidate] = enrolled.search([AGAIN[k][1]], view=None, policy=STRICT)
        assert candidate.subject == f"subject {k}"
        [match] = candidate.fingers
        assert (match.probe, match.finger, match.position) == (0, 1, 2)
        assert candidate.false_match_probability * PERSONS <= 1e-3


def test_a_stranger_is_not_found(enrolled: Gallery) -> None:
    assert enrolled.search(STRANGER, view=None, policy=STRICT) == []
    assert all(enrolled.search([finger], view=None, policy=STRICT) == [] for finger in STRANGER)


def test_evidence_adds_over_fingers(enrolled: Gallery) -> None:
    [one] = enrolled.search(AGAIN[3][:1], view=None, policy=STRICT)
    [three] = enrolled.search(AGAIN[3][:3], view=None, policy=STRICT)
    assert three.score > one.score
    assert three.false_match_probability < one.false_match_probability
    assert [match.finger for match in three.fingers] == [0, 1, 2]
    assert three.score == pytest.approx(sum(match.score for match in three.fingers))


def test_fingers_of_unknown_position_are_compared_with_all_and_mated_once(enrolled: Gallery) -> None:
    [candidate] = enrolled.search(unplaced([AGAIN[5][6], AGAIN[5][2]]), view=None, policy=STRICT)
    assert candidate.subject == "subject 5"
    assert [(match.probe, match.finger, match.position) for match in candidate.fingers] == [(0, 6, 7), (1, 2, 3)]


def test_known_positions_that_differ_are_never_compared(enrolled: Gallery) -> None:
    elsewhere = replace(AGAIN[3][0], position=2)
    assert "subject 3" not in [c.subject for c in enrolled.search([elsewhere], view=None, policy=STRICT)]
    only_thumb = Gallery()
    only_thumb.add("a", ENROLLED[3][:1])
    assert only_thumb.search([elsewhere], view=None, policy=ANY) == []


def test_several_prints_of_one_finger_may_be_enrolled() -> None:
    one = Gallery()
    one.add("a", [ENROLLED[0][0], AGAIN[0][0]])
    [candidate] = one.search([Finger(SEED, 0, 1).template(2)], view=None, policy=STRICT)
    assert len(candidate.fingers) == 1


def test_best_comes_first_ties_by_index_and_the_limit_holds() -> None:
    twins = Gallery()
    twins.add_many([("other", ENROLLED[1]), ("first", ENROLLED[0]), ("second", ENROLLED[0])])
    found = twins.search(AGAIN[0], view=None, policy=ANY)
    assert [candidate.subject for candidate in found] == ["first", "second", "other"]
    assert found[0].score == found[1].score > found[2].score
    assert twins.search(AGAIN[0], view=None, policy=replace(ANY, limit=1)) == found[:1]


def test_search_equals_the_slow_twin(enrolled: Gallery) -> None:
    few = [*unplaced([AGAIN[2][0]]), AGAIN[2][2]]
    subjects = dict(zip(names(), [templates[:3] for templates in ENROLLED], strict=True))
    small = Gallery()
    small.add_many(subjects.items())
    every = [template for templates in (few, *subjects.values()) for template in templates]
    described = {id(template): pack([template]).descriptors for template in every}
    expected = naive.search(few, subjects, described, ANY.false_positive_identification_rate)
    got = small.search(few, view=None, policy=ANY)
    assert [candidate.subject for candidate in got][:1] == [name for name, _ in expected][:1] == ["subject 2"]
    assert {c.subject: c.score for c in got} == pytest.approx(dict(expected), rel=1e-3, abs=0.02)


# --- the view


def test_what_is_outside_the_view_is_as_if_it_were_not_enrolled(enrolled: Gallery) -> None:
    view = np.array([k % 3 != 1 for k in range(PERSONS)])
    absent = Gallery()
    absent.add_many((name, prints) for name, prints, seen in zip(names(), ENROLLED, view, strict=True) if seen)
    for k in range(PERSONS):
        found = enrolled.search(AGAIN[k][:2], view=view, policy=ANY)
        assert found == absent.search(AGAIN[k][:2], view=None, policy=ANY)
        assert (f"subject {k}" in [c.subject for c in found]) == view[k]


def test_a_view_shorter_than_the_gallery_leaves_later_subjects_out(enrolled: Gallery) -> None:
    view = np.ones(5, dtype=np.bool_)
    assert enrolled.search(AGAIN[5], view=view, policy=STRICT) == []
    assert enrolled.search(AGAIN[4], view=view, policy=STRICT)[0].subject == "subject 4"
    assert enrolled.search(AGAIN[4], view=view[:0], policy=ANY) == []


@pytest.mark.parametrize("view", [np.ones(PERSONS + 1, dtype=np.bool_), np.ones(3), np.ones((2, 2), dtype=np.bool_)])
def test_a_view_of_another_shape_is_refused(enrolled: Gallery, view: np.ndarray) -> None:
    with pytest.raises(GalleryError, match="a view is an array of at most 12 booleans, one a subject"):
        enrolled.search(AGAIN[0], view=view, policy=STRICT)


def test_the_policy_counts_the_subjects_of_the_view(enrolled: Gallery) -> None:
    [alone] = enrolled.search([AGAIN[0][0]], view=np.ones(1, dtype=np.bool_), policy=STRICT)
    tight = Policy(alone.false_match_probability * 1.5, limit=9)
    assert enrolled.search([AGAIN[0][0]], view=np.ones(1, dtype=np.bool_), policy=tight)
    assert not enrolled.search([AGAIN[0][0]], view=np.ones(2, dtype=np.bool_), policy=tight)


# --- enrolment


def test_a_removed_subject_is_gone_and_its_index_is_a_hole() -> None:
    made = gallery()
    made.remove("subject 2")
    assert made.subjects[:4] == ("subject 0", "subject 1", "", "subject 3")
    assert "subject 2" not in [c.subject for c in made.search(AGAIN[2], view=None, policy=ANY)]
    assert len(made.search(AGAIN[2], view=None, policy=ANY)) == PERSONS - 1
    assert made.search(AGAIN[3], view=np.arange(PERSONS) == 3, policy=STRICT)[0].subject == "subject 3"
    with pytest.raises(GalleryError, match="'subject 2' is not enrolled, or was removed before"):
        made.remove("subject 2")


def test_removal_wipes_the_arrays() -> None:
    made = Gallery()
    made.add_many([("a", ENROLLED[0]), ("b", ENROLLED[1])])
    minutiae = sum(len(template) for template in ENROLLED[0])
    made.remove("a")
    prints = made._snapshot.prints
    assert not prints.points[:minutiae].any()
    assert not prints.descriptors[:minutiae].any()
    assert prints.points[minutiae:].any()


def test_a_removed_subject_may_be_enrolled_again_at_a_new_index() -> None:
    made = gallery()
    made.remove("subject 2")
    made.add("subject 2", ENROLLED[2])
    assert made.subjects[2] == ""
    assert made.subjects[-1] == "subject 2"
    assert made.search(AGAIN[2], view=None, policy=STRICT)[0].subject == "subject 2"


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
    probe = AGAIN[1][:2]
    assert single.search(probe, view=None, policy=ANY) == gallery().search(probe, view=None, policy=ANY)


def test_an_empty_gallery_and_an_empty_enrolled_print_give_no_candidate() -> None:
    nobody = Gallery()
    assert nobody.search(AGAIN[0], view=None, policy=ANY) == []
    nobody.add("blank", [Template.of([], [], [], width=9, height=9)])
    assert nobody.search(AGAIN[0], view=None, policy=STRICT) == []


# --- probes, policies, threads


def test_a_poor_probe_is_an_error_and_never_no_match(enrolled: Gallery) -> None:
    poor = Template.of([1, 2, 3, 4, 5], [1, 2, 3, 4, 9], [0] * 5, width=20, height=20)
    with pytest.raises(ProbeError, match=r"6 minutiae or more; the best of 2 has 5: .* \(Article 4\(4\)\)"):
        enrolled.search([poor, poor], view=None, policy=STRICT)
    with pytest.raises(ProbeError, match="the best of 0 has 0"):
        enrolled.search([], view=None, policy=STRICT)
    [candidate] = enrolled.search([poor, AGAIN[0][0]], view=None, policy=STRICT)
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


def test_the_number_of_threads_changes_nothing(enrolled: Gallery) -> None:
    probe = unplaced(AGAIN[7][:2])
    assert gallery(threads=3).search(probe, view=None, policy=ANY) == enrolled.search(probe, view=None, policy=ANY)


def test_searches_run_beside_additions_and_removals() -> None:
    made = gallery()
    stop = threading.Event()
    wrong: list[object] = []

    def search() -> None:
        while not stop.is_set():
            found = [c.subject for c in made.search(AGAIN[0][:1], view=None, policy=STRICT)]
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


# --- one against one


def test_comparison_lays_the_probe_on_the_candidate() -> None:
    probe, candidate = AGAIN[4][1], ENROLLED[4][1]
    compared = compare(probe, candidate)
    assert compared.score > 0
    assert compared.transform is not None
    c, s = np.cos(compared.transform.rotation), np.sin(compared.transform.rotation)
    i, j = np.array(compared.pairs).T
    x = probe.x[i] * c + probe.y[i] * s + compared.transform.dx
    y = probe.y[i] * c - probe.x[i] * s + compared.transform.dy
    turned = probe.direction[i] + compared.transform.rotation - candidate.direction[j]
    assert np.median(np.hypot(x - candidate.x[j], y - candidate.y[j])) < 8
    assert np.median(np.abs(np.angle(np.exp(1j * turned)))) < 0.3


def test_comparison_is_nearly_symmetric() -> None:
    mated = [compare(AGAIN[k][1], ENROLLED[k][1]).score - compare(ENROLLED[k][1], AGAIN[k][1]).score for k in range(12)]
    assert np.abs(mated).max() < 0.5


def test_prints_without_minutiae_compare_as_nothing() -> None:
    blank = Template.of([], [], [], width=9, height=9)
    compared = compare(blank, ENROLLED[0][0])
    assert compared.pairs == ()
    assert compared.transform is None
    assert compared.false_match_probability == 1.0


def test_reading_a_template_loads_no_compiler() -> None:
    code = "import sys, matcher.template, matcher; matcher.Template; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = matcher.nothing
