"""Many things, some worked on at a time, their results in the order of the things."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable
    from concurrent.futures import Future

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")


def in_order(
    work: Callable[[_Thing], _Result], things: Iterable[_Thing], *, at_once: int
) -> Generator[_Result, None, None]:
    """Yield what ``work`` makes of each thing, in their order, while threads work on so many at once.

    Few things are taken ahead of need, so that a long run holds few of them and of their results. What ``work`` raises is
    raised where its result would have come; what waits then, or when nobody takes any more, is not begun.
    """
    with ThreadPoolExecutor(at_once) as pool:
        ahead: deque[Future[_Result]] = deque()
        try:
            for thing in things:
                ahead.append(pool.submit(work, thing))
                if len(ahead) > 2 * at_once:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for waiting in ahead:
                waiting.cancel()
