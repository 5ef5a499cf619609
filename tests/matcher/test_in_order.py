"""Things worked on some at a time: the order of their results, how many are taken ahead, and where an error comes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from matcher.in_order import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_results_come_in_the_order_of_the_things_however_long_each_takes() -> None:
    later = threading.Event()

    def work(thing: int) -> int:
        if thing == 0:
            later.wait(10)
        elif thing == 1:
            later.set()  # the second is done before the first
        return thing * thing

    assert list(in_order(work, range(50), at_once=2)) == [thing * thing for thing in range(50)]


def test_no_more_things_are_taken_than_are_needed_soon() -> None:
    taken = []

    def things() -> Iterator[int]:
        for thing in range(1000):
            taken.append(thing)
            yield thing

    results = in_order(str, things(), at_once=2)
    assert taken == []
    assert next(results) == "0"
    assert len(taken) == 5
    results.close()
    assert len(taken) == 5


def test_an_error_comes_where_its_result_would_have_come() -> None:
    results = in_order(lambda thing: 6 // thing, [3, 2, 0, 1], at_once=2)
    assert [next(results), next(results)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
