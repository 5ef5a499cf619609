"""Which counts are not told to those who may see figures and no persons.

Small counts tell of persons: where one match was concluded, whoever knows of one knows how (Article 8(3)). So a count from 1 to
:data:`SMALL` - 1 is left out, and so is whatever would tell it: another count of the same whole, a rate, a median.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

K = TypeVar("K", bound="Hashable")

SMALL: Final = 5
"""The least count that is told: the customary least cell of official tables; neither treaty nor law names one. [interp]"""


def hidden(counts: Mapping[K, int]) -> frozenset[K]:
    """Return which of these counts are not told: the small ones, and one more where a single one could be made out.

    Whoever knows the sum of all would otherwise find a single hidden count by subtraction; so the least of the others, zeros
    apart, is hidden with it. Equal ones are taken in their order.
    """
    small = [key for key, count in counts.items() if 0 < count < SMALL]
    if len(small) == 1:
        others = [key for key, count in counts.items() if count >= SMALL]
        small += sorted(others, key=lambda key: counts[key])[:1]
    return frozenset(small)


def part(count: int, whole: int) -> int | None:
    """Return how many of a whole it is; None where these or the others are few, or the whole is."""
    return None if hidden({True: count, False: whole - count}) or 0 < whole < SMALL else count
