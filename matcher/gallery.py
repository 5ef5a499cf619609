"""The gallery: every enrolled finger, packed, and the search of one individual's prints through a view of it.

A search is a cascade of sieves, each a hundred times dearer than the one before and run on a hundredth of what it ran on.
A gallery of millions is *skimmed* first, by which kinds of neighbourhood its fingers show at all. Stage one *sifts* what is
left, or all of a smaller gallery: how well does each minutia's neighbourhood occur in the probe? Stage two *relates*: do
the alike minutiae agree on one motion? Stage three *verifies*: one print is laid on the other, and what matches, and what
should match but does not, gives a log likelihood ratio. Over several fingers of one individual the evidence adds. What is
returned is decided by the probability of a false candidate (``calibration``), never by a raw score.

**A mask is the searched set.** A print outside it is not looked at by any stage; leaving it out of the gallery and leaving
it out of the mask give the same answer, byte for byte. How many comparisons each stage makes follows from the probe and from
how many prints are in view; what one costs, from how many minutiae the two have, and not from whether they match.

Arrays only grow. A search takes a snapshot of their ends and runs beside additions and removals without a lock; a removed
subject is wiped from the arrays at once, and a search that was under way checks again before it names anyone.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from weakref import WeakSet, finalize

import numpy as np

from matcher._arrays import aligned
from matcher._inverted import FINGERS, GREATEST_SCORE, VOTES, aim, best, encode, erase, seal, tally
from matcher._kernels import FEATURES, Prints
from matcher._parameters import CASCADE, DISSENT, STANDS_OUT
from matcher._sift import BLOCK, NOUGHT, Blocks, sift
from matcher.calibration import all_of, best_of, false_match_probability
from matcher.cells import cells
from matcher.comparison import pack, pack_probe, relate, verify
from matcher.template import LEAST_MINUTIAE, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from matcher._inverted import Segment
    from matcher.comparison import Packed, Probe
    from matcher.template import Template

_FIRST_ROWS: Final = 1024
_NONE: Final = np.zeros(0, dtype=np.int64)

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
    probability that as many fingers of another individual compare so well; ``fingers``, one or more, are those with
    evidence in favour, in the order of the probe.
    """

    subject: str
    score: float
    false_match_probability: float
    fingers: tuple[FingerMatch, ...]


class _Lease:
    """Held by whoever may read an array: when the last one lets go, the array is wiped before its memory is given back."""


class _Column:
    """An array that grows at its end; views handed out before keep their length. It begins where a line of the cache does."""

    def __init__(self, dtype: type[np.generic], *width: int) -> None:
        self._size = 0
        self._use(aligned(_FIRST_ROWS, dtype, width))

    @property
    def rows(self) -> NDArray[Any]:
        return self._data[: self._size]

    def reserve(self, count: int) -> None:
        """Make room for so many more rows, so that :meth:`extend` cannot fail for want of memory."""
        size = self._size + count
        if size > len(self._data):
            larger = aligned(max(size, 2 * len(self._data)), self._data.dtype.type, self._data.shape[1:])
            larger[: self._size] = self.rows
            self._use(larger)

    def extend(self, rows: NDArray[Any]) -> None:
        self.reserve(len(rows))
        self._data[self._size : self._size + len(rows)] = rows
        self._size += len(rows)

    def _use(self, data: NDArray[Any]) -> None:
        self._data = data
        # A print that is removed later must not be left in an array that was outgrown before (Article 8).
        self.lease = _Lease()
        finalize(self.lease, data.fill, 0).atexit = False


class _Snapshot(NamedTuple):
    """What one search sees. Fingers of one subject stand together, in the order of their subjects."""

    prints: Prints
    subject: NDArray[np.int32]  # of a finger
    position: NDArray[np.uint8]  # of a finger
    origin: NDArray[np.uint8]  # of a finger
    first: NDArray[np.int64]  # finger of a subject, and one more entry for the end
    live: NDArray[np.bool_]  # subject
    leases: tuple[_Lease, ...]  # of the arrays


class _Looked(NamedTuple):
    """A probe print ready to be searched for, with what decides which fingers it may be compared with, and their tail."""

    number: int
    print_: Probe
    position: int
    origin: Origin
    strength: float  # reliable minutiae


class _Left(NamedTuple):
    """What a stage leaves: in each column a subject and, for each print of the probe, one of its fingers, -1 where it has none.

    A subject may have several columns, with other fingers, if the probe is one print.
    """

    subjects: NDArray[np.int64]  # (c,)
    fingers: NDArray[np.int64]  # (prints, c)
    scores: NDArray[np.float32]  # (prints, c) of stage one

    def of(self, columns: NDArray[np.intp]) -> _Left:
        return _Left(self.subjects[columns], self.fingers[:, columns], self.scores[:, columns])


class _Pair(NamedTuple):
    """One probe print compared with one finger of a subject, the best of so many."""

    score: float
    probability: float
    probe: int
    finger: int
    position: int  # of the finger, 0 if neither side knows
    alternatives: int


class Gallery:
    """Enrolled subjects and the search through them. All methods may be called from several threads at once.

    ``threads`` is how many cores all its searches together use: so many run at a time, each split over as many threads,
    which they share, and further ones wait. With 1 a search runs in the thread that called it and starts none. Kernels
    release the interpreter lock. The threads begin with the first search and end with the gallery or the interpreter. A
    process may fork, unless another of its threads is enrolling: each side then has threads of its own. Of more than
    ``skim_from`` fingers the inverted file says which are looked at more closely.

    One finger of 33 minutiae takes about 3 KB. The first use in a process compiles or loads the kernels (``matcher.warm``).
    """

    def __init__(self, *, threads: int = 1, skim_from: int = CASCADE.skim_from) -> None:
        if threads < 1:
            raise GalleryError(f"a search needs one or more threads; got {threads}")
        self.skim_from = skim_from
        self._threads = threads
        self._begin()
        _galleries.add(self)
        self._names: list[str] = []
        self._index: dict[str, int] = {}
        self._starts = _Column(np.int64)
        self._minutiae = _Column(np.int16, 3)
        self._reliability = _Column(np.uint8)
        self._corners = _Column(np.uint8)
        self._corner_counts = _Column(np.int32)
        self._bounded = _Column(np.bool_)
        self._blocks = _Column(np.uint8, *BLOCK)
        self._first_block = _Column(np.int64)
        self._read_blocks = _Column(np.int32)
        self._codes = _Column(np.uint32)
        self._segments: list[Segment] = []
        self._subject = _Column(np.int32)
        self._position = _Column(np.uint8)
        self._origin = _Column(np.uint8)
        self._first = _Column(np.int64)
        self._live = _Column(np.bool_)
        self._starts.extend(np.zeros(1, dtype=np.int64))
        self._first.extend(np.zeros(1, dtype=np.int64))
        self._snapshot = self._taken()

    def _begin(self) -> None:
        """Make the locks and the threads; again in the child of a fork, which has neither the threads nor who held a lock."""
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(self._threads)
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="gallery") if self._threads > 1 else None

    @property
    def subjects(self) -> tuple[str, ...]:
        """Return the subjects in the order of their index, which a view follows; '' where one was removed."""
        with self._lock:
            return tuple(self._names)

    @property
    def size(self) -> int:
        """Return how many bytes the prints take, names left out, and room to grow."""
        return sum(column.rows.nbytes for column in self._columns) + sum(
            array.nbytes for segment in self._segments for array in segment
        )

    def sifted(self, probe: Probe) -> NDArray[np.float32]:
        """Return stage one's score of every finger, in the order of subjects and their prints, for one probe print."""
        snapshot = self._snapshot
        return self._sifted(snapshot, probe, np.arange(len(snapshot.subject)))

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
                    f"a subject is enrolled with a name and one or more prints; got {subject!r} with {len(templates)}"
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
            for column in (self._minutiae, self._reliability, self._corners):
                column.rows[first:last] = 0
            fingers = range(*self._first.rows[index : index + 2].tolist())
            for finger in fingers:
                self._unfile(finger)
            self._blocks.rows[self._block_range(fingers)] = NOUGHT
            self._codes.rows[first:last] = 0
            for column in (self._corner_counts, self._bounded, self._position, self._origin):
                column.rows[fingers.start : fingers.stop] = 0

    def search(self, probe: Sequence[Template], mask: NDArray[np.bool_] | None, policy: Policy) -> list[Candidate]:
        """Return the candidates for the individual whose prints ``probe`` holds, best first, ties by index.

        ``mask`` has one entry a subject, in the order of :attr:`subjects`; where it is False, or has ended, the subject
        is unreachable. None stands for the whole gallery. A candidate is returned if its false match probability times
        the number of subjects searched is within ``policy``'s rate and it stands out from the best subject that is beyond it
        (:data:`matcher._parameters.STANDS_OUT`). Probe prints with fewer than 8 minutiae are left out. Fingers whose
        positions are both known and differ are never compared.

        Raises:
            ProbeError: no print of the probe has 8 minutiae or more.
            GalleryError: the mask is not an array of booleans, or has more entries than there are subjects.

        """
        looked = _looked(probe)
        with self._places:
            snapshot = self._snapshot
            searched = _reachable(snapshot, mask)
            count = int(np.count_nonzero(searched))
            left = self._related(snapshot, looked, self._narrow(snapshot, looked, searched), count)
            return self._decided(snapshot, self._verified(snapshot, looked, left), count, policy)

    # --- the arrays --------------------------------------------------------------------------------------------------

    def _taken(self) -> _Snapshot:
        prints = Prints(
            starts=self._starts.rows,
            minutiae=self._minutiae.rows,
            reliability=self._reliability.rows,
            corners=self._corners.rows,
            corner_counts=self._corner_counts.rows,
            bounded=self._bounded.rows,
            blocks=Blocks(self._blocks.rows, self._first_block.rows, self._read_blocks.rows),
        )
        leases = tuple(column.lease for column in self._columns)
        return _Snapshot(
            prints,
            self._subject.rows,
            self._position.rows,
            self._origin.rows,
            self._first.rows,
            self._live.rows,
            leases,
        )

    @property
    def _columns(self) -> list[_Column]:
        return [column for column in vars(self).values() if isinstance(column, _Column)]

    def _append(
        self, batch: list[tuple[str, tuple[Template, ...]]], parts: list[tuple[Packed, NDArray[np.uint32]]]
    ) -> None:
        self._make_room(parts, len(batch))
        for (prints, _, _), codes in parts:
            self._codes.extend(codes)
            self._starts.extend(prints.starts[1:] + self._starts.rows[-1])
            self._minutiae.extend(prints.minutiae)
            self._reliability.extend(prints.reliability)
            self._corners.extend(prints.corners)
            self._corner_counts.extend(prints.corner_counts)
            self._bounded.extend(prints.bounded)
            self._first_block.extend(prints.blocks.first + len(self._blocks.rows))
            self._read_blocks.extend(prints.blocks.read)
            self._blocks.extend(prints.blocks.values)
        counts = np.array([len(templates) for _, templates in batch], dtype=np.int64)
        self._subject.extend(np.repeat(np.arange(len(self._names), len(self._names) + len(batch)), counts))
        every = [template for _, templates in batch for template in templates]
        self._position.extend(np.array([template.position for template in every], dtype=np.uint8))
        self._origin.extend(np.array([template.origin for template in every], dtype=np.uint8))
        self._first.extend(np.cumsum(counts) + self._first.rows[-1])
        self._live.extend(np.ones(len(batch), dtype=np.bool_))
        for subject, _ in batch:
            self._index[subject] = len(self._names)
            self._names.append(subject)

    def _make_room(self, parts: list[tuple[Packed, NDArray[np.uint32]]], subjects: int) -> None:
        """Make room in every array for what is to be appended, so that all of it is or, for want of memory, none."""
        fingers = sum(len(prints.starts) - 1 for (prints, _, _), _ in parts)
        for column in (self._starts, self._corner_counts, self._bounded, self._first_block, self._read_blocks):
            column.reserve(fingers)
        for column in (self._subject, self._position, self._origin):
            column.reserve(fingers)
        for column in (self._first, self._live):
            column.reserve(subjects)
        for column in (self._minutiae, self._reliability, self._codes):
            column.reserve(sum(len(codes) for _, codes in parts))
        self._corners.reserve(sum(len(prints.corners) for (prints, _, _), _ in parts))
        self._blocks.reserve(sum(len(prints.blocks.values) for (prints, _, _), _ in parts))

    def _unfile(self, finger: int) -> None:
        """Erase a finger from the inverted file, if it is in it yet."""
        number, within = divmod(finger, FINGERS)
        if number < len(self._segments) and within < len(self._segments[number].sizes):
            codes = self._codes.rows[slice(*self._starts.rows[finger : finger + 2])]
            erase(self._segments[number], within, codes)

    def _block_range(self, fingers: range) -> slice:
        """Return the blocks of fingers that stand together."""
        first = self._first_block.rows
        end = int(first[fingers.stop]) if fingers.stop < len(first) else len(self._blocks.rows)
        return slice(int(first[fingers.start]), end)

    # --- the stages --------------------------------------------------------------------------------------------------

    def _each(self, work: Callable[[_Part], _Result], parts: Iterable[_Part]) -> list[_Result]:
        if self._pool is None:
            return list(map(work, parts))
        # What holds for who asks holds for the threads too, such as where numpy takes the memory of arrays from.
        contexts = iter(copy_context, None)
        return list(self._pool.map(lambda part, context: context.run(work, part), parts, contexts))

    def _packed(self, templates: list[Template]) -> list[tuple[Packed, NDArray[np.uint32]]]:
        """Return prints as the kernels read them, with the codes of their minutiae in the inverted file."""

        def part(some: list[Template]) -> tuple[Packed, NDArray[np.uint32]]:
            packed = pack(some)
            return packed, encode(cells(), packed.descriptors)

        size = max(64, -(-len(templates) // self._threads))
        return self._each(part, [templates[at : at + size] for at in range(0, len(templates), size)])

    def _shared_out(
        self, work: Callable[[NDArray[np.int64]], NDArray[np.float32]], fingers: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return what ``work`` makes of fingers, shared out over the threads."""
        if self._threads == 1:
            return work(fingers)
        return np.concatenate(self._each(work, np.array_split(fingers, self._threads)))

    def _narrow(self, snapshot: _Snapshot, looked: list[_Looked], searched: NDArray[np.bool_]) -> _Left:
        """Return what stage one leaves: the fingers or, if the probe has several prints, the subjects that stand out most."""
        room = _room(len(looked), CASCADE.related, CASCADE.related_share, int(np.count_nonzero(searched)))
        if len(looked) == 1:
            fingers = self._skimmed(looked[0], _eligible(snapshot, searched, looked[0]))
            scores = self._sifted(snapshot, looked[0].print_, fingers)
            fingers, scores = _few_of_each(snapshot.subject, fingers, scores)
            best = _greatest(scores, room)
            return _Left(snapshot.subject[fingers[best]].astype(np.int64), fingers[best][None], scores[best][None])
        left = self._mated(snapshot, looked, self._best_subjects(snapshot, looked, searched, 4 * room))
        total = sum((_excess(scores) for scores in left.scores), start=np.zeros(len(left.subjects), dtype=np.float32))
        return left.of(_greatest(total, room))

    def _best_subjects(
        self, snapshot: _Snapshot, looked: list[_Looked], searched: NDArray[np.bool_], room: int
    ) -> NDArray[np.int64]:
        """Return the subjects, ascending, of whom some fingers stand out most.

        The probe's strongest prints come first, and each subject is compared with as many as ``CASCADE.fingers`` of those that
        it holds a finger for; the rest only where that has left few.
        """
        excess = np.zeros(len(searched), dtype=np.float32)
        compared = np.zeros(len(searched), dtype=np.uint8)
        for one in sorted(looked, key=lambda one: -one.strength):
            wanted = searched & (compared < CASCADE.fingers)
            fingers = self._skimmed(one, _eligible(snapshot, wanted, one)) if wanted.any() else _NONE
            if len(fingers):
                scores = self._sifted(snapshot, one.print_, fingers)
                subjects, best_scores, _ = _best_of_each(snapshot.subject[fingers], scores)
                excess[subjects] += _excess(best_scores)
                compared[subjects] += 1
        left = np.flatnonzero(compared)
        return left[_greatest(excess[left], room)]

    def _mated(self, snapshot: _Snapshot, looked: list[_Looked], subjects: NDArray[np.int64]) -> _Left:
        """Return for each subject and probe print the finger with the best score in stage one, of those that it may meet."""
        fingers = np.full((len(looked), len(subjects)), -1, dtype=np.int64)
        scores = np.full((len(looked), len(subjects)), -1.0, dtype=np.float32)
        every = _fingers_of(snapshot, subjects)
        for row, one in enumerate(looked):
            these = every[_may_meet(snapshot.position[every], one.position)]
            if len(these):
                of_these = self._sifted(snapshot, one.print_, these)
                who, best_scores, at = _best_of_each(snapshot.subject[these], of_these)
                places = np.searchsorted(subjects, who)
                fingers[row, places], scores[row, places] = these[at], best_scores
        return _Left(subjects, fingers, scores)

    def _skimmed(self, one: _Looked, eligible: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the fingers for stage one, ascending: all that are eligible, or of many the best by the inverted file.

        Whether it is asked follows from how many are eligible; a finger's votes, from this finger and the probe.
        """
        count = int(np.count_nonzero(eligible))
        if count <= self.skim_from:
            return np.flatnonzero(eligible)
        target = aim(cells(), one.print_.rows.values)
        segments = self._sealed(len(eligible))
        mask = np.zeros(sum(len(segment.sizes) for segment in segments), dtype=np.bool_)
        mask[: len(eligible)] = eligible  # the last segment may hold fingers that came after the snapshot
        scores = np.zeros(len(mask), dtype=np.uint16)

        def part(numbers: NDArray[np.int64]) -> None:
            votes = np.zeros(VOTES, dtype=np.int32)
            for number in numbers:
                of_segment = slice(number * FINGERS, (number + 1) * FINGERS)
                tally(target, segments[number], mask[of_segment], votes, scores[of_segment])

        self._each(part, np.array_split(np.arange(len(segments)), self._threads))
        room = max(CASCADE.skimmed, math.ceil(CASCADE.skimmed_share * count))
        return best(scores, room, np.zeros(GREATEST_SCORE + 1, dtype=np.int64))

    def _sealed(self, fingers: int) -> list[Segment]:
        """Return the inverted file of the first so many fingers or a few more; what was added since the last time is filed."""
        with self._lock:
            held = len(self._subject.rows)
            for number in range(max(len(self._segments) - 1, 0), -(-held // FINGERS)):
                first, last = number * FINGERS, min((number + 1) * FINGERS, held)
                if number < len(self._segments) and len(self._segments[number].sizes) == last - first:
                    continue
                starts = self._starts.rows[first : last + 1]
                owner = np.repeat(np.arange(last - first), np.diff(starts))
                there = self._live.rows[self._subject.rows[first:last]][owner]  # who was removed is not filed again
                codes = self._codes.rows[starts[0] : starts[-1]][there]
                self._segments[number:] = [seal(codes, owner[there], last - first)]
            segments = list(self._segments)
        del segments[-(-fingers // FINGERS) :]
        return segments

    def _sifted(self, snapshot: _Snapshot, probe: Probe, fingers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return stage one's score of each finger: what its minutiae find in the probe above what strangers do, on average."""
        floor = CASCADE.floor_turned if probe.turned else CASCADE.floor

        def part(rows: NDArray[np.int64]) -> NDArray[np.float32]:
            scores = np.empty(len(rows), dtype=np.int32)
            sift(probe.rows, snapshot.prints.blocks, rows, floor, scores)
            sizes = snapshot.prints.starts[rows + 1] - snapshot.prints.starts[rows]
            return (scores / (sizes + CASCADE.few)).astype(np.float32)

        return self._shared_out(part, fingers)

    def _related(self, snapshot: _Snapshot, looked: list[_Looked], left: _Left, searched: int) -> _Left:
        """Return what stage two leaves, ``searched`` being the number of subjects in view.

        What counts is the agreement on one motion times stage one's score: either alone misjudges more mates.
        """
        total = np.zeros(len(left.subjects), dtype=np.float32)
        for one, fingers, scores in zip(looked, left.fingers, left.scores, strict=True):
            there = np.flatnonzero(fingers >= 0)
            related = functools.partial(relate, one.print_, snapshot.prints)
            total[there] += self._shared_out(related, fingers[there]) * (scores[there] + np.float32(CASCADE.benefit))
        return left.of(_greatest(total, _room(len(looked), CASCADE.verified, CASCADE.verified_share, searched)))

    def _verified(self, snapshot: _Snapshot, looked: list[_Looked], left: _Left) -> dict[int, list[_Pair]]:
        """Return the comparison of every probe print with every finger left, by subject."""
        pairs: dict[int, list[_Pair]] = {}
        for one, fingers in zip(looked, left.fingers, strict=True):
            there = np.flatnonzero(fingers >= 0)
            verified = functools.partial(_scores, one.print_, snapshot.prints)
            scores = self._shared_out(verified, fingers[there])
            subjects = left.subjects[there].tolist()
            for subject, finger, score in zip(subjects, fingers[there].tolist(), scores.tolist(), strict=True):
                pairs.setdefault(subject, []).append(_compared(snapshot, looked, one, subject, finger, score))
        return pairs

    def _decided(
        self, snapshot: _Snapshot, pairs: dict[int, list[_Pair]], searched: int, policy: Policy
    ) -> list[Candidate]:
        """Return those whose false match probability the policy bears, and who stand out from the others, best first."""
        weighed = [(subject, *_evidence(compared)) for subject, compared in pairs.items() if compared]
        rate = policy.false_positive_identification_rate
        others = min(
            (probability for _, _, probability, _ in weighed if probability * searched > rate), default=math.inf
        )
        named = sorted(
            (probability, -score, subject, mates)
            for subject, score, probability, mates in weighed
            if probability * searched <= rate and probability <= others * STANDS_OUT
        )
        with self._lock:  # who was removed while the search ran is not named
            return [
                Candidate(self._names[subject], -cost, probability, _matches(snapshot, subject, mates))
                for probability, cost, subject, mates in named
                if self._names[subject]
            ][: policy.limit]


_galleries: Final[WeakSet[Gallery]] = WeakSet()


def _begin_again() -> None:
    for each in list(_galleries):
        each._begin()  # noqa: SLF001 - their own module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_again)


def _looked(probe: Sequence[Template]) -> list[_Looked]:
    """Return the prints of a probe that have enough minutiae to be searched for."""
    looked = []
    for number, template in enumerate(probe):
        if len(template) >= LEAST_MINUTIAE:
            print_ = pack_probe(template)
            strength = float(print_.prints.reliability.sum())
            looked.append(_Looked(number, print_, template.position, template.origin, strength))
    if not looked:
        most = max((len(template) for template in probe), default=0)
        raise ProbeError(
            f"a search needs a print with {LEAST_MINUTIAE} minutiae or more; the best of {len(probe)} has {most}: "
            'capture again. This is not "no match" (Article 4(4))'
        )
    return looked


def _reachable(snapshot: _Snapshot, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which subjects are searched: those in the mask and not removed."""
    searched = snapshot.live.copy()
    if mask is None:
        return searched
    if mask.dtype != np.bool_ or mask.ndim != 1 or len(mask) > len(searched):
        raise GalleryError(
            f"a mask is an array of at most {len(searched)} booleans, one a subject; "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    searched[: len(mask)] &= mask
    searched[len(mask) :] = False
    return searched


def _eligible(snapshot: _Snapshot, searched: NDArray[np.bool_], one: _Looked) -> NDArray[np.bool_]:
    """Return which fingers a probe print may be compared with: of a subject searched, the same position or unknown."""
    eligible = searched[snapshot.subject]
    return eligible & _may_meet(snapshot.position, one.position) if one.position else eligible


def _may_meet(positions: NDArray[np.uint8], position: int) -> NDArray[np.bool_]:
    if not position:
        return np.ones(len(positions), dtype=np.bool_)
    return np.asarray((positions == position) | (positions == 0))


def _fingers_of(snapshot: _Snapshot, subjects: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the fingers of subjects, in their order."""
    first = snapshot.first[subjects]
    counts = snapshot.first[subjects + 1] - first
    before = np.cumsum(counts) - counts
    return np.asarray(np.arange(counts.sum()) + np.repeat(first - before, counts))


def _best_of_each(
    subject: NDArray[np.int32], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.intp]]:
    """Return the subjects, ascending as given, each one's best score, and the first place that has it; one or more."""
    starts = np.flatnonzero(np.diff(subject, prepend=-1))
    best = np.maximum.reduceat(scores, starts)
    if len(starts) == len(scores):
        return subject, scores, starts
    segment = np.cumsum(np.diff(subject, prepend=-1) != 0) - 1
    at = np.flatnonzero(scores == best[segment])
    return subject[starts], best, at[np.flatnonzero(np.diff(segment[at], prepend=-1))]


def _few_of_each(
    subject: NDArray[np.int32], fingers: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the fingers, ascending as given, that are among the best few of their subject, and their scores.

    So nobody of whom hundreds of captures are held takes the places of everybody else.
    """
    owner = subject[fingers]
    if len(fingers) <= CASCADE.captures or (owner[CASCADE.captures :] != owner[: -CASCADE.captures]).all():
        return fingers, scores
    order = np.lexsort((-scores, owner))  # stable: of equals the first
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    kept = np.sort(order[rank < CASCADE.captures])
    return fingers[kept], scores[kept]


def _excess(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how far each score stands above the mean, in standard deviations, squared; 0 below it, and for -1.

    Squares, so that one finger that stands out counts more than three that are a little above.
    """
    there = scores >= 0.0
    if not there.any():
        return np.zeros_like(scores)
    mean, spread = scores[there].mean(dtype=np.float64), scores[there].std(dtype=np.float64)
    return np.where(there, np.square(np.maximum((scores - mean) / (spread + 1e-9), 0.0)), 0.0).astype(np.float32)


def _room(prints: int, least: int, share: float, subjects: int) -> int:
    """Return how many subjects a stage has room for: so many comparisons, or this share of the subjects if that is more."""
    return max(1, max(least, math.ceil(share * subjects)) // prints)


def _greatest(values: NDArray[np.float32], room: int) -> NDArray[np.intp]:
    """Return the places of the greatest values, ascending; of equals the first."""
    if len(values) <= room:
        return np.arange(len(values))
    least = np.partition(values, len(values) - room)[len(values) - room]
    above = np.flatnonzero(values > least)
    return np.sort(np.concatenate([above, np.flatnonzero(values == least)[: room - len(above)]]))


def _scores(probe: Probe, prints: Prints, fingers: NDArray[np.int64]) -> NDArray[np.float32]:
    return verify(probe, prints, fingers)[0][:, FEATURES]


def _compared(
    snapshot: _Snapshot, looked: list[_Looked], one: _Looked, subject: int, finger: int, score: float
) -> _Pair:
    """Return one comparison with the probability that the best of as many, of a stranger, does as well.

    A print has as many chances as the subject has fingers that it may meet, and a finger as there are prints that may meet it.
    """
    positions = snapshot.position[snapshot.first[subject] : snapshot.first[subject + 1]]
    position = int(snapshot.position[finger])
    rivals = sum(position == 0 or other.position in {0, position} for other in looked)
    alternatives = int(np.count_nonzero(_may_meet(positions, one.position))) * rivals
    probability = false_match_probability(score, one.origin, Origin(int(snapshot.origin[finger])))
    return _Pair(score, best_of(probability, alternatives), one.number, finger, position or one.position, alternatives)


def _evidence(compared: list[_Pair]) -> tuple[float, float, list[_Pair]]:
    """Return the summed score, the false match probability, and the pairs: each finger mated once, in the probe's order.

    Two prints of one finger, on either side, are one finger's evidence: the better one's. Choosing a mate among several fingers
    costs what the choice is worth. Evidence against is bounded by ``DISSENT``: a mated finger may be too poor to show it.
    """
    mates: list[_Pair] = []
    taken: set[tuple[str, int]] = set()
    for pair in sorted(compared, key=lambda pair: (-pair.score, pair.probe, pair.finger)):
        claims = {("probe", pair.probe), ("finger", pair.finger)} | (
            {("position", pair.position)} if pair.position else set()
        )
        if not claims & taken:
            mates.append(pair)
            taken |= claims
    mates.sort(key=lambda pair: pair.probe)
    score = math.fsum(max(pair.score - math.log(pair.alternatives), DISSENT) for pair in mates)
    return score, all_of([pair.probability for pair in mates]), mates


def _matches(snapshot: _Snapshot, subject: int, mates: list[_Pair]) -> tuple[FingerMatch, ...]:
    """Return the fingers with evidence in favour or, where none has any, the one with the least against."""
    first = int(snapshot.first[subject])
    best = max(mate.score for mate in mates)
    return tuple(
        FingerMatch(pair.probe, pair.finger - first, int(snapshot.position[pair.finger]), pair.score)
        for pair in mates
        if pair.score > 0.0 or pair.score == best
    )
