"""Other matchers on the same templates, in the same run: what this matcher's speed and error rates are ratios to.

A :class:`~benchmarks.peers.peer.Peer` prepares templates and compares two of them. Two are known, :func:`available` says
which are at hand:

* :mod:`~benchmarks.peers.bozorth3`, NIST's, by ``make peers``;
* :mod:`~benchmarks.peers.sourceafis_style`, our own reading of the most accurate of the open ones.

:func:`compare_all` and :func:`rates` give a peer's error rates by the definitions, and by the code, of
``benchmarks.accuracy``; :func:`speed` how many comparisons it makes in a CPU second. ``python -m benchmarks.peers FOLDER...``
prints both.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.accuracy import EMPTY, LOWEST, competition_eer, firsts, fnmr_at, owners
from benchmarks.peers.bozorth3 import Bozorth3
from benchmarks.peers.peer import MissingPeerError, Peer
from benchmarks.peers.sourceafis_style import SourceAfisStyle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.accuracy import Impression
    from matcher.template import Template

__all__ = [
    "MissingPeerError",
    "Peer",
    "Rates",
    "Ratio",
    "available",
    "beside",
    "compare_all",
    "rank_one",
    "rates",
    "speed",
]


@dataclass(frozen=True, slots=True)
class Rates:
    """A matcher's errors on some folders, as ``benchmarks.accuracy`` defines them; fractions.

    ``eer`` is the mean of the folders' (the protocol of the FVC); the others are over all folders together. ``zero_fmr`` is
    FNMR at the smallest threshold without a false match. ``rank1`` is of later impressions among all first ones; a finger
    that shares the first place with another is not found.
    """

    name: str
    eer: float
    fnmr_1e3: float
    fnmr_1e4: float
    zero_fmr: float
    rank1: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """How fast a peer is: comparisons in a CPU second, and how many times as many this matcher makes."""

    name: str
    comparisons_a_second: float
    times: float


def available() -> tuple[list[Peer], list[str]]:
    """Return the peers that can be measured here, and why the others cannot."""
    made: list[Callable[[], Peer]] = [Bozorth3, SourceAfisStyle]
    peers, reasons = [], []
    for peer in made:
        try:
            peers.append(peer())
        except MissingPeerError as error:
            reasons.append(str(error))
    return peers, reasons


def compare_all(peer: Peer, prints: Sequence[Impression]) -> NDArray[np.float64]:
    """Return (n, n) scores of every print as a probe with every later one; 0 elsewhere."""
    prepared = [peer.prepare(print_.template or EMPTY) for print_ in prints]
    scores = np.zeros((len(prints), len(prints)))
    for number, probe in enumerate(prepared[:-1]):
        scores[number, number + 1 :] = peer.compare_many(probe, prepared[number + 1 :])
    return scores


def rates(name: str, prints: Sequence[Impression], scores: NDArray[Any]) -> Rates:
    """Return the error rates of a matcher whose scores stand above the diagonal, a peer or not."""
    probe, candidate = np.triu_indices(len(prints), 1)
    owner, first = owners(prints), firsts(prints)
    usable = np.array([print_.template is not None and len(print_.template) > 0 for print_ in prints])
    values = np.where(usable[probe] & usable[candidate], scores[probe, candidate], LOWEST)
    mated = owner[probe] == owner[candidate]
    folder = np.unique([print_.folder for print_ in prints], return_inverse=True)[1]
    impostors = ~mated & first[probe] & first[candidate] & (folder[probe] == folder[candidate])
    eers = [
        competition_eer(values[mated & (folder[probe] == each)], values[impostors & (folder[probe] == each)])
        for each in np.unique(folder)
    ]
    genuine, impostor = values[mated], values[~mated]
    return Rates(
        name,
        eer=float(np.mean(eers)),
        fnmr_1e3=fnmr_at(genuine, impostor, 1e-3),
        fnmr_1e4=fnmr_at(genuine, impostor, 1e-4),
        zero_fmr=fnmr_at(genuine, impostor, 0.0),
        rank1=rank_one(prints, scores),
    )


def rank_one(prints: Sequence[Impression], scores: NDArray[Any]) -> float:
    """Return the share of later impressions with a greater score against their finger's first than against any other's."""
    owner, first = owners(prints), firsts(prints)
    enrolled, probes = np.flatnonzero(first), np.flatnonzero(~first)
    if not len(probes):
        return float("nan")
    once = np.triu(scores, 1)
    against = (once + once.T)[np.ix_(probes, enrolled)]
    own = owner[probes][:, None] == owner[enrolled][None, :]
    return float(np.mean(against[own] > np.where(own, -np.inf, against).max(axis=1)))


def speed(peer: Peer, probes: Sequence[Template], candidates: Sequence[Template]) -> float:
    """Return comparisons in a CPU second: every probe against every candidate, one thread.

    The candidates are prepared before, as they would be when they are enrolled; preparing the probe is part of a search.
    """
    prepared = [peer.prepare(candidate) for candidate in candidates]
    peer.compare(peer.prepare(probes[0]), prepared[0])  # compiles what has to be compiled
    begin = time.process_time()
    for probe in probes:
        peer.compare_many(peer.prepare(probe), prepared)
    return len(probes) * len(candidates) / (time.process_time() - begin)


def beside(
    fingers_a_second: float, probes: Sequence[Template], candidates: Sequence[Template]
) -> tuple[list[Ratio], list[str]]:
    """Return how a search of so many fingers in a CPU second compares with the peers at hand, and why others are not.

    Peers compare every probe with every candidate: give them prints of the gallery that was searched, a thousand or so,
    because bozorth3 compares some 1,500 in a second.
    """
    peers, reasons = available()
    speeds = [(peer.name, speed(peer, probes, candidates)) for peer in peers]
    return [Ratio(name, found, fingers_a_second / found) for name, found in speeds], reasons
