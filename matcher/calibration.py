"""From scores to error rates: how probable a score is between prints of different fingers.

A threshold on a raw score means nothing to an examiner or a regulator; the expected number of false candidates does. The
chain is score -> probability of one false match -> probability over several fingers -> expected false candidates of a
search. Every step errs towards the larger probability: a false candidate costs an examiner an hour and another person's
data their confidentiality.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from matcher._parameters import TAILS
from matcher.template import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable


def false_match_probability(score: float, one: Origin, other: Origin) -> float:
    """Return a bound on the probability that one comparison of different fingers scores at least so much.

    ``one`` and ``other`` say who found the minutiae of either print: each pair of makers has its own tail. Above the score
    that one impostor comparison in a thousand reaches, it is exponential; where our extractor found either print's minutiae its
    rate is the lower end of a 90 % interval among synthetic prints, the largest set (``TAILS``). Below it the same line, which
    the observed scores of prints with 8 minutiae or more stay under.
    """
    tail = TAILS[(one != Origin.EXTRACTED) + (other != Origin.EXTRACTED)]
    return math.exp(min(0.0, -tail.rate * (score - tail.origin)))


def best_of(probability: float, alternatives: int) -> float:
    """Return a bound on the probability of at least one such match among several comparisons (Bonferroni)."""
    return min(1.0, probability * alternatives)


def all_of(probabilities: Iterable[float]) -> float:
    """Return the probability that independent comparisons of different fingers come out so extreme together.

    R. A. Fisher's combination: the probability that a product of n uniform values is at most t is
    t * sum((-ln t)^k / k!, k < n).
    """
    logarithms = [math.log(max(p, 5e-324)) for p in probabilities]
    surprise = -math.fsum(logarithms)
    term, total = 1.0, 0.0
    for k in range(len(logarithms)):
        total += term
        term *= surprise / (k + 1)
    return min(1.0, math.exp(-surprise) * total) if logarithms else 1.0
