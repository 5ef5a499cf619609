"""The proof that every query is answered once, small, and on services that answer anew or record again."""

from __future__ import annotations

import pytest

from benchmarks.proof import exactlyonce

N = 10

_SERVE = """
import sys
from pathlib import Path
from contact_point import main, queried, service, wire
from pcsc.messages import NoMatch, Query

given_again = queried._again
def again(here, message, before, answer):
    {}
queried._again = again
main.serve(Path(sys.argv[1]))
"""
_ANEW = """
    return wire.encode(NoMatch(message.control_number, here.clock(), service.new_salt()))
"""
_RECORDED = """
    with here.store.transaction() as tx:
        body = wire.encode(message)
        service.record(tx, tx.exchange(before.exchange), message, body, queried.Direction.RECEIVED, here.clock())
    return given_again(here, message, before, answer)
"""


def test_11_1_every_query_is_answered_and_recorded_once_whatever_is_lost_on_the_way() -> None:
    outcome = exactlyonce.proved(N, print, clients=5, kill_every=N)
    expected = {"answers": N, "record_pairs": N, "lost": 0, "double": 0, "differing": 0, "kills": 1}
    assert {name: outcome.counts[name] for name in expected} == expected
    assert outcome.violations == []
    assert int(outcome.counts["requests"]) > N
    assert int(outcome.counts["dropped"]) > 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("otherwise", "said"),
    [
        (_ANEW, "was answered with 2 different answers"),
        (_RECORDED, "once in the record of US; got {'query': 2"),
    ],
    ids=["answers anew", "records again"],
)
def test_a_service_that_does_otherwise_is_found(otherwise: str, said: str) -> None:
    command = ("-c", _SERVE.format(otherwise.strip()))
    violations = exactlyonce.proved(N, print, command=command, clients=5, kill_every=10 * N).violations
    assert any(said in each for each in violations)
