"""The gallery: every enrolled finger, packed, and the search of one individual's prints through a view of it.

A search is three sieves. Stage one scores every finger of the view by the similarity of minutia neighbourhoods; stages
two and three align the few hundred subjects left, count what matches and what should match but does not, and give
each finger a log likelihood ratio (``_kernels``). Over several fingers of one individual the evidence adds. What is
returned is decided by the probability of a false candidate (``calibration``), never by a raw score.

**The view is the searched set.** A print outside the view is not looked at by any stage; leaving it out of the gallery
and leaving it out of the view give the same answer, byte for byte.

Arrays only grow. A search takes a snapshot of their ends and runs beside additions and removals without a lock; a removed
subject is wiped from the arrays at once, and a search that was under way checks again before it names anyone.
"""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import numpy as np

from matcher import _kernels
from matcher._kernels import FEATURES, Prints
from matcher._parameters import (
    DISSENT,
    SHORTLIST,
    SHORTLIST_SHARE,
    SIFT_FLOOR,
)
from matcher.calibration import all_of, best_of, false_match_probability
from matcher.comparison import DESCRIPTOR_BYTES, pack, pack_probe, verify
from matcher.template import LEAST_MINUTIAE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from matcher.template import Template

_FIRST_ROWS: Final = 1024

_Part = TypeVar("_Part")
_Result = TypeVar("_Result")


class GalleryError(ValueError):
    """A gallery was asked for what it cannot do: an unknown or repeated subject, a view of another size."""


class ProbeError(ValueError):
    """The probe is too poor to be searched; a quality failure must never look like "no match" (Article 4(4))."""


class PolicyError(ValueError):
    """An arrangement cannot fix such a rate or limit."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an implementing arrangement fixes about a search.

    ``false_positive_identification_rate`` is the expected number of false candidates of one search over the whole view,
    for example 1e-3; ``limit`` the most candidates that may be returned.

    Raises:
        PolicyError: the rate is not a positive number, or the limit is not positive.

    """

    false_positive_identification_rate: float
    limit: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.false_positive_identification_rate) and self.false_positive_identification_rate > 0):
            raise PolicyError(
                "the expected number of false candidates of one search must be a positive number, for example 1e-3; "
                f"got {self.false_positive_identification_rate!r}"
            )
        if self.limit < 1:
            raise PolicyError(f"a search returns at most one or more candidates; got a limit of {self.limit!r}")


@dataclass(frozen=True, slots=True)
class FingerMatch:
    """A probe finger (its index in the probe) and the subject's finger (its index at enrolment) that it matches."""

    probe: int
    finger: int
    position: int
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subject that the evidence names. Score and probability are internal: neither leaves the contact point.

    ``score`` is a log likelihood ratio summed over the fingers compared; ``false_match_probability`` the bound on the
    probability that as many fingers of another individual compare so well; ``fingers`` are those with evidence in
    favour, in the order of the probe.
    """

    subject: str
    score: float
    false_match_probability: float
    fingers: tuple[FingerMatch, ...]


class _Column:
    """An array that grows at its end; views handed out before keep their length."""

    def __init__(self, dtype: type[np.generic], *width: int) -> None:
        self._data: NDArray[Any] = np.zeros((_FIRST_ROWS, *width), dtype=dtype)
        self._size = 0

    @property
    def rows(self) -> NDArray[Any]:
        return self._data[: self._size]

    def extend(self, rows: NDArray[Any]) -> None:
        size = self._size + len(rows)
        if size > len(self._data):
            larger = np.zeros((max(size, 2 * len(self._data)), *self._data.shape[1:]), dtype=self._data.dtype)
            larger[: self._size] = self.rows
            self._data = larger
        self._data[self._size : size] = rows
        self._size = size


class _Snapshot(NamedTuple):
    """What one search sees. Fingers of one subject stand together, in the order of their subjects."""

    prints: Prints
    subject: NDArray[np.int64]  # of a finger
    position: NDArray[np.uint8]  # of a finger
    first: NDArray[np.int64]  # finger of a subject, and one more entry for the end
    live: NDArray[np.bool_]  # subject


class _Pair(NamedTuple):
    """One probe finger compared with one finger of a subject."""

    score: float
    probe: int
    finger: int


class Gallery:
    """Enrolled subjects and the search through them. All methods may be called from several threads at once.

    ``threads`` is how many one search may use; kernels release the interpreter lock. One finger of 33 minutiae takes 7 KB.
    The first use in a process compiles or loads the kernels.
    """

    def __init__(self, *, threads: int = 1) -> None:
        if threads < 1:
            raise GalleryError(f"a search needs one or more threads; got {threads}")
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="gallery") if threads > 1 else None
        self._lock = threading.Lock()
        self._names: list[str] = []
        self._index: dict[str, int] = {}
        self._points = _Column(np.float32, 5)
        self._descriptors = _Column(np.int8, DESCRIPTOR_BYTES)
        self._hull = _Column(np.int32)
        self._hull_sizes = _Column(np.int32)
        self._starts = _Column(np.int64)
        self._subject = _Column(np.int64)
        self._position = _Column(np.uint8)
        self._first = _Column(np.int64)
        self._live = _Column(np.bool_)
        self._starts.extend(np.zeros(1, dtype=np.int64))
        self._first.extend(np.zeros(1, dtype=np.int64))
        self._snapshot = self._taken()

    @property
    def subjects(self) -> tuple[str, ...]:
        """Return the subjects in the order of their index, which a view follows; '' where one was removed."""
        with self._lock:
            return tuple(self._names)

    def add(self, subject: str, templates: Sequence[Template]) -> None:
        """Enrol a subject with one or more prints; several of one finger are welcome.

        Raises:
            GalleryError: the subject has no name or no print, or is enrolled already.

        """
        self.add_many([(subject, templates)])

    def add_many(self, enrolments: Iterable[tuple[str, Sequence[Template]]]) -> None:
        """Enrol many subjects: all of them or, on an error, none. About 0.25 ms CPU a print.

        Raises:
            GalleryError: a subject has no name or no print, is enrolled already, or comes twice.

        """
        batch = [(subject, tuple(templates)) for subject, templates in enrolments]
        for subject, templates in batch:
            if not subject or not templates:
                raise GalleryError(
                    f"a subject is enrolled with a name and one or more prints; got {subject!r} with none"
                )
        if len({subject for subject, _ in batch}) < len(batch):
            raise GalleryError("each subject may come once; this batch holds one twice")
        prints = self._packed([template for _, templates in batch for template in templates])
        with self._lock:
            known = [subject for subject, _ in batch if subject in self._index]
            if known:
                raise GalleryError(f"{known[0]!r} is enrolled already: remove it first, then add all its prints")
            self._append(batch, prints)
            self._snapshot = self._taken()

    def remove(self, subject: str) -> None:
        """Make a subject unreachable, for searches already under way too, and wipe its prints from the arrays.

        Its index stays as a hole, so that views keep their meaning.

        Raises:
            GalleryError: no such subject is enrolled.

        """
        with self._lock:
            if subject not in self._index:
                raise GalleryError(f"{subject!r} is not enrolled, or was removed before")
            index = self._index.pop(subject)
            self._names[index] = ""
            self._live.rows[index] = False
            first, last = self._starts.rows[self._first.rows[index : index + 2]]
            for column in (self._points, self._descriptors, self._hull):
                column.rows[first:last] = 0

    def search(self, probe: Sequence[Template], *, view: NDArray[np.bool_] | None, policy: Policy) -> list[Candidate]:
        """Return the candidates for the individual whose prints ``probe`` holds, best first, ties by index.

        ``view`` has one entry a subject, in the order of :attr:`subjects`; where it is False, or has ended, the subject
        is unreachable. None stands for the whole gallery. A candidate is returned if its false match probability times
        the number of subjects searched is within ``policy``'s rate. Probe prints with fewer than 6 minutiae are left
        out. Fingers whose positions are both known and differ are never compared.

        Raises:
            ProbeError: no print of the probe has 6 minutiae or more.
            GalleryError: the view is not an array of booleans, or has more entries than there are subjects.

        """
        usable = [(number, print_) for number, print_ in enumerate(probe) if len(print_) >= LEAST_MINUTIAE]
        if not usable:
            most = max((len(print_) for print_ in probe), default=0)
            raise ProbeError(
                f"a search needs a print with {LEAST_MINUTIAE} minutiae or more; the best of {len(probe)} has {most}: "
                'capture again. This is not "no match" (Article 4(4))'
            )
        snapshot = self._snapshot
        searched = _reachable(snapshot, view)
        packed = {number: pack_probe(print_) for number, print_ in usable}
        fingers = {number: _eligible(snapshot, searched, print_.position) for number, print_ in usable}
        shortlist = _shortlist(snapshot, searched, self._sift(snapshot, packed, fingers))
        chosen = {number: rows[shortlist[snapshot.subject[rows]]] for number, rows in fingers.items()}
        pairs = self._verify(snapshot, packed, chosen)
        return self._decided(snapshot, pairs, int(np.count_nonzero(searched)), policy)

    # --- the arrays --------------------------------------------------------------------------------------------------

    def _taken(self) -> _Snapshot:
        prints = Prints(
            starts=self._starts.rows,
            points=self._points.rows,
            descriptors=self._descriptors.rows,
            hull=self._hull.rows,
            hull_sizes=self._hull_sizes.rows,
        )
        return _Snapshot(prints, self._subject.rows, self._position.rows, self._first.rows, self._live.rows)

    def _append(self, batch: list[tuple[str, tuple[Template, ...]]], prints: list[Prints]) -> None:
        for block in prints:
            self._starts.extend(block.starts[1:] + self._starts.rows[-1])
            self._points.extend(block.points)
            self._descriptors.extend(block.descriptors)
            self._hull.extend(block.hull)
            self._hull_sizes.extend(block.hull_sizes)
        counts = np.array([len(templates) for _, templates in batch], dtype=np.int64)
        self._subject.extend(np.repeat(np.arange(len(self._names), len(self._names) + len(batch)), counts))
        positions = [template.position for _, templates in batch for template in templates]
        self._position.extend(np.array(positions, dtype=np.uint8))
        self._first.extend(np.cumsum(counts) + self._first.rows[-1])
        self._live.extend(np.ones(len(batch), dtype=np.bool_))
        for subject, _ in batch:
            self._index[subject] = len(self._names)
            self._names.append(subject)

    # --- the stages --------------------------------------------------------------------------------------------------

    def _each(self, work: Callable[[_Part], _Result], parts: Iterable[_Part]) -> list[_Result]:
        return list(map(work, parts) if self._pool is None else self._pool.map(work, parts))

    def _packed(self, templates: list[Template]) -> list[Prints]:
        size = max(64, -(-len(templates) // self._threads))
        return self._each(pack, [templates[at : at + size] for at in range(0, len(templates), size)])

    def _sift(
        self, snapshot: _Snapshot, probe: dict[int, Prints], fingers: dict[int, NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]:
        """Return for each probe finger the score of every finger of the gallery, -1 where they may not be compared."""

        def part(task: tuple[Prints, NDArray[np.int64]]) -> NDArray[np.float32]:
            print_, rows = task
            scores = np.empty(len(rows), dtype=np.float32)
            best = np.empty(len(print_.points), dtype=np.int32)
            _kernels.sift(print_, snapshot.prints, rows, SIFT_FLOOR, best, scores)
            return scores

        scores = []
        for number, rows in fingers.items():
            parts = self._each(part, [(probe[number], rows_) for rows_ in np.array_split(rows, self._threads)])
            every = np.full(len(snapshot.subject), -1.0, dtype=np.float32)
            every[rows] = np.concatenate(parts)
            scores.append(every)
        return scores

    def _verify(
        self, snapshot: _Snapshot, probe: dict[int, Prints], fingers: dict[int, NDArray[np.int64]]
    ) -> dict[int, list[_Pair]]:
        """Return every comparison of a probe finger with a finger left, by subject, in the order of the index."""

        def part(task: tuple[Prints, NDArray[np.int64]]) -> NDArray[np.float32]:
            return verify(task[0], snapshot.prints, task[1])[0][:, FEATURES]

        pairs: dict[int, list[_Pair]] = {}
        for number, rows in fingers.items():
            parts = self._each(part, [(probe[number], rows_) for rows_ in np.array_split(rows, self._threads)])
            for finger, score in zip(rows.tolist(), np.concatenate(parts).tolist(), strict=True):
                pairs.setdefault(int(snapshot.subject[finger]), []).append(_Pair(score, number, finger))
        return dict(sorted(pairs.items()))

    def _decided(
        self, snapshot: _Snapshot, pairs: dict[int, list[_Pair]], searched: int, policy: Policy
    ) -> list[Candidate]:
        """Return those whose false match probability the policy bears, best first."""
        named = []
        for subject, compared in pairs.items():
            score, probability, mates = _evidence(compared)
            if probability * searched <= policy.false_positive_identification_rate:
                named.append((-score, subject, probability, mates))
        with self._lock:  # who was removed while the search ran is not named
            return [
                Candidate(self._names[subject], -cost, probability, _matches(snapshot, subject, mates))
                for cost, subject, probability, mates in sorted(named)
                if self._names[subject]
            ][: policy.limit]


def _reachable(snapshot: _Snapshot, view: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which subjects are searched: those in the view and not removed."""
    searched = snapshot.live.copy()
    if view is None:
        return searched
    if view.dtype != np.bool_ or view.ndim != 1 or len(view) > len(searched):
        raise GalleryError(
            f"a view is an array of at most {len(searched)} booleans, one a subject; "
            f"got {view.dtype} of shape {view.shape}"
        )
    searched[: len(view)] &= view
    searched[len(view) :] = False
    return searched


def _eligible(snapshot: _Snapshot, searched: NDArray[np.bool_], position: int) -> NDArray[np.int64]:
    """Return the fingers a probe finger may be compared with: of a subject searched, the same position or unknown."""
    mask = searched[snapshot.subject]
    if position:
        mask &= (snapshot.position == position) | (snapshot.position == 0)
    return np.flatnonzero(mask).astype(np.int64, copy=False)


def _shortlist(
    snapshot: _Snapshot, searched: NDArray[np.bool_], scores: list[NDArray[np.float32]]
) -> NDArray[np.bool_]:
    """Return the subjects for stage two: the best by the sum over probe fingers of their best finger, ties by index."""
    chosen = np.zeros(len(searched), dtype=np.bool_)
    if not len(searched):
        return chosen
    best = np.array([np.maximum.reduceat(of_finger, snapshot.first[:-1]) for of_finger in scores], dtype=np.float32)
    total: NDArray[np.float32] = np.maximum(best, 0.0).sum(axis=0)
    room = max(SHORTLIST, math.ceil(SHORTLIST_SHARE * np.count_nonzero(searched)))
    compared = np.flatnonzero((best >= 0.0).any(axis=0))
    if len(compared) > room:
        least = np.partition(total[compared], len(compared) - room)[len(compared) - room]
        compared = compared[total[compared] >= least]
        compared = compared[np.argsort(-total[compared], kind="stable")[:room]]
    chosen[compared] = True
    return chosen


def _evidence(compared: list[_Pair]) -> tuple[float, float, list[_Pair]]:
    """Return the summed score, the false match probability, and the pairs: each finger mated once, best first.

    Choosing a mate among several fingers costs what the choice is worth. Evidence against is bounded by ``DISSENT``: a
    mated finger may be too poor to show it.
    """
    alternatives: dict[int, int] = {}
    for pair in compared:
        alternatives[pair.probe] = alternatives.get(pair.probe, 0) + 1
    mates: dict[int, _Pair] = {}
    taken: set[int] = set()
    for pair in sorted(compared, key=lambda pair: (-pair.score, pair.probe, pair.finger)):
        if pair.probe not in mates and pair.finger not in taken:
            mates[pair.probe] = pair
            taken.add(pair.finger)
    ordered = [mates[number] for number in sorted(mates)]
    score = math.fsum(max(pair.score - math.log(alternatives[pair.probe]), DISSENT) for pair in ordered)
    each = [best_of(false_match_probability(pair.score), alternatives[pair.probe]) for pair in ordered]
    return score, all_of(each), ordered


def _matches(snapshot: _Snapshot, subject: int, mates: list[_Pair]) -> tuple[FingerMatch, ...]:
    first = int(snapshot.first[subject])
    return tuple(
        FingerMatch(pair.probe, pair.finger - first, int(snapshot.position[pair.finger]), pair.score)
        for pair in mates
        if pair.score > 0.0
    )
