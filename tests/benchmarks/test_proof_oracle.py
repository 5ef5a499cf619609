"""The proof that no answer tells more than it says, small, and on services that tell, take longer, or count wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.proof import _crowd, _limit, oracle
from benchmarks.proof._crowd import Reason

N = 30

_SERVE = """
import sys
from pathlib import Path
from contact_point import main, queried, wire
from contact_point.holdings import Holdings
from contact_point.store import Transaction

{}
main.serve(Path(sys.argv[1]))
"""
_TELLS = """
encode, search, excluded = wire.encode, Holdings.search, []
def searching(self, probe, *, identified, **said):
    found = search(self, probe, identified=identified, **said)
    excluded[:] = [found[0] is None and search(self, probe, identified=False, **said)[0] is not None]
    return found
def telling(message):
    return encode(message) + (b" " if excluded == [True] and wire.kind_of(message) == "no-match" else b"")
Holdings.search, wire.encode = searching, telling
"""
_FORGETS = "Transaction.queries_on = lambda self, day, side, search: 0"


def asked(*seconds: tuple[Reason, float]) -> list[oracle.Asked]:
    return [oracle.Asked(0, reason, each, "") for reason, each in seconds]


@pytest.mark.long
def test_4_4_answers_that_find_nobody_are_alike_and_a_service_that_works_longer_is_found() -> None:
    outcome = oracle.proved(N, print, control=oracle.leaking(0.2), at_once=5)
    expected = {"queries": N, "shapes": 1, "climbing_steps": N // 2, "climbing_matches": 0}
    expected |= {"answered_sqlite": 2, "refused_sqlite": 3, "counted_sqlite": 2}
    assert {name: outcome.counts[name] for name in expected} == expected
    assert float(outcome.counts["control_t"]) >= oracle.LEAST
    assert [each for each in outcome.violations if "in time" not in each and "the time of" not in each] == []


@pytest.mark.long
def test_4_4_a_service_whose_answer_tells_who_is_excluded_is_found() -> None:
    outcome = oracle.proved(N, print, command=("-c", _SERVE.format(_TELLS)), control=oracle.leaking(0.2), at_once=5)
    assert any("expected every answer of one shape; got 2" in each for each in outcome.violations)


@pytest.mark.long
def test_4_7_a_service_that_forgets_what_was_asked_is_found() -> None:
    violations = _limit.proved(5, print, command=("-c", _SERVE.format(_FORGETS))).violations
    assert any("'answered': 5" in each for each in violations)


def test_a_control_that_is_not_seen_is_a_violation_and_so_are_times_that_differ() -> None:
    rng = np.random.default_rng(1)
    same = [(reason, float(each)) for each in rng.normal(20.0, 1.0, 200) for reason in Reason]
    assert set(oracle._greatest_t(asked(*same)).values()) == {0.0}
    longer = [(reason, each + 1.0 * (reason is Reason.EXCLUDED)) for reason, each in same]
    times = oracle._greatest_t(asked(*longer))
    assert times[Reason.ABSENT, Reason.BELOW] == 0.0
    assert min(times[Reason.ABSENT, Reason.EXCLUDED], times[Reason.EXCLUDED, Reason.BELOW]) > oracle.LEAST


def test_welch_of_known_samples() -> None:
    one, two = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 4.0, 6.0])
    # means 2.5 and 4, variances 5/3 and 4: -1.5 / sqrt(5/12 + 4/3)
    assert oracle._welch(one, two) == pytest.approx(-1.5 / (5 / 12 + 4 / 3) ** 0.5)
    assert oracle._welch(one[:1], two) == 0.0


def test_a_correlation_is_found_under_a_drift_and_none_where_both_drift() -> None:
    rng = np.random.default_rng(2)
    drift, noise, other = np.linspace(0.0, 50.0, 2000), rng.normal(size=2000), rng.normal(size=2000)
    assert abs(oracle._correlation((drift + noise).tolist(), (drift + noise + other).tolist())) > oracle.LEAST
    assert abs(oracle._correlation((drift + noise).tolist(), (drift + other).tolist())) < oracle.LEAST


def test_an_answer_is_of_another_shape_by_its_status_its_headers_and_its_fields_and_not_by_what_varies() -> None:
    headers = {"Content-Type": "application/json", "Signature": "sig1=:abcd:"}
    body = b'{"message":"no-match","control_number":"JP-1","salt":"00"}'
    one = oracle.shape(200, headers, body)
    assert oracle.shape(200, headers | {"Signature": "sig1=:efgh:"}, body.replace(b"JP-1", b"JP-2")) == one
    others = (
        oracle.shape(503, headers, body),
        oracle.shape(200, headers | {"Retry-After": "5"}, body),
        oracle.shape(200, headers | {"Signature": "sig1=:abcde:"}, body),
        oracle.shape(200, headers, body.replace(b"no-match", b"no-watch")),
        oracle.shape(200, headers, body + b" "),
    )
    assert len({one, *others}) == 6
    assert oracle.shape(200, headers | {"Connection": "close"}, body) == one  # of the connection, not of the answer


def test_everybody_is_asked_for_in_each_way_once() -> None:
    for each in _crowd.people()[: len(Reason)]:
        assert {each.role(turn) for turn in range(len(Reason))} == set(Reason)
