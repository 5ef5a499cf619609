"""No answer tells more than it says (Articles 4(2), 4(4), 4(7)): ``python -m benchmarks.proof oracle [--n 20000]``.

The JP contact point is served by the program itself, with a gallery of 200 persons of whom Annex II makes half available
(:mod:`benchmarks.proof._crowd`). The US one asks over real TLS, one query after the other on one connection, and takes the time
from before a signed request is sent until its answer is read.

* **Time.** ``n`` queries that find nobody, in random order: because the person is absent, is excluded from what the query may
  see, or is below the threshold. In three turns everybody is asked for in each of the three ways, so the prints are the same.
  Of each turn its mean is taken off, after times above a percentile of *all* of them are left out, as dudect does (Reparaz,
  Balasch, Verbauwhede 2017), for each of :data:`CROPS`. ``t_...`` is the greatest absolute Welch t of two reasons: 4.5 or more
  is a violation.
* **Bytes.** ``shapes``: how many different answers there were to those queries, by status, headers and fields of the body; of
  what must be another in each (:data:`VARIES`) the length counts. More than one: violation.
* **Control.** The same on a service that works :data:`LEAK` seconds longer where the person is excluded, with a tenth as many
  queries: if its ``control_t`` is below 4.5 the measurement is blind, and that is a violation.
* **Climbing.** Half as many steps of somebody who holds a stranger's minutiae, moves one of them at each step, and keeps what
  the answers like better: a longer time, for nothing else differs. How like the probe is to a print that is enrolled, only
  this proof knows. ``climbed`` is what was gained, as a log likelihood ratio; ``with_scores`` what the same steps gain where
  the score is told. More than half of it and than chance gives, or a match: violation. ``correlation_t`` is of the changes of
  likeness and of time from one step to the next, by rank: 4.5 or more is a violation.
* **Quotas.** On each database: 100 queries at once where an arrangement allows 37; the service is killed on the way, started
  again, and every query sent again until it is answered or refused for the quota. Not exactly 37 ``answered``: violation.

What the times are made of, and how loaded the machine was, changes their spread and not the promise.
"""

from __future__ import annotations

import json
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from annex.parameters import Party
from benchmarks.proof import Outcome, _crowd, _limit
from benchmarks.proof import _serving as serving
from benchmarks.proof._crowd import Reason
from contact_point import main, wire
from contact_point.service import Installation
from matcher.comparison import compare
from matcher.template import Template
from pcsc.messages import Match

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from contact_point.identity import State
    from contact_point.wire import HttpRequest
    from pcsc.messages import Query

    Array = NDArray[np.float64]

FULL: Final = 20_000

LEAST: Final = 4.5
"""Absolute t from which two distributions count as different: one in 100,000 equal ones comes so far."""

CROPS: Final = (10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 100.0)
"""Percentiles of all times together above which times are left out: what else the machine did, and no part of the answer."""

LEAK: Final = 0.01
"""Seconds that the control's service works longer where the person is excluded."""

VARIES: Final = frozenset(
    {"control_number", "made_at", "salt", "trace", "content-digest", "date", "signature", "signature-input"}
)
"""Fields of body and headers that are another in every answer: number, time, salt, trace, nonce, and what is made of them."""

_OF_THE_CONNECTION: Final = frozenset({"connection"})  # whether it ends, which follows from its age (tls.LIFE)
_TURNS: Final = len(Reason)
_CONTROL: Final = 10  # one of so many
_FIRST: Final = 5  # queries after a change of the gallery, which have to take it in
_LEAST_CONTROL: Final = 60
_BY_CHANCE: Final = 5.0  # what steps at random gain: their likeness has a standard deviation of 1.2
_SEED: Final = 20_190_105
_TARGET, _START = 100, 199  # strangers: one is enrolled and in view, the other nowhere

_LEAKING: Final = """
import sys, time
from pathlib import Path
from contact_point import main
from contact_point.holdings import Holdings

search = Holdings.search
def leaking(self, probe, *, identified, **said):
    found = search(self, probe, identified=identified, **said)
    if found[0] is None and search(self, probe, identified=False, **said)[0] is not None:
        time.sleep({})
    return found
Holdings.search = leaking
main.serve(Path(sys.argv[1]))
"""


def leaking(seconds: float) -> tuple[str, ...]:
    """Return what makes a Python process serve, and work so much longer where the person is excluded."""
    return ("-c", _LEAKING.format(seconds))


class Asked(NamedTuple):
    """How one query was answered."""

    turn: int
    reason: Reason
    seconds: float
    shape: str


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Ask ``n`` queries that find nobody, climb, and reach a quota."""
    return proved(n, told)


def proved(
    n: int,
    told: Callable[[str], None],
    *,
    command: Sequence[str] = serving.SERVE,
    control: Sequence[str] = leaking(LEAK),
    at_once: int = _limit.AT_ONCE,
) -> Outcome:
    """Do as :func:`prove` does, with another service, another control, or fewer queries at once."""
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders)
        asked = stack.enter_context(main.opened(folders[Party.JP]))
        range_ = _Range(asked, folders[Party.US], Path(folder) / "JP.log")
        counts, violations = _answers(range_, n, command, control, told)
    limits = _limit.proved(at_once, told)
    return Outcome(counts | limits.counts, violations + limits.violations)


@dataclass(frozen=True, slots=True)
class _Range:
    """The contact point that is asked, and where whoever asks lives."""

    asked: Installation
    asking: Path
    log: Path

    @contextmanager
    def served(self, command: Sequence[str]) -> Iterator[tuple[Installation, Timed]]:
        """Serve it with a command; yield the installation that asks, and the way that it asks by."""
        with (
            serving.served(self.asked.settings, self.log, command),
            main.opened(self.asking) as here,
            Timed(here.settings) as way,
        ):
            yield here, way


def _answers(
    at: _Range, n: int, command: Sequence[str], control: Sequence[str], told: Callable[[str], None]
) -> tuple[dict[str, int | float | str], list[str]]:
    """Return what the answers of the service and of the control tell."""
    asked: list[Asked] = []
    with at.served(command) as (here, way):
        for turn in range(_TURNS):
            _crowd.turn(at.asked, turn)
            asked += _ask(here, way, turn, -(-n // _TURNS), told)
        climbed = _climb(here, way, max(1, n // 2), told)
    with at.served(control) as (here, way):
        seen = _ask(here, way, _TURNS - 1, max(_LEAST_CONTROL, n // _CONTROL), told)
    times, blind = _greatest_t(asked), max(_greatest_t(seen).values())
    shapes = {each.shape for each in asked}
    seconds = sorted(each.seconds for each in asked)
    counts: dict[str, int | float | str] = {"queries": len(asked)}
    counts |= {f"queries_{reason.name.lower()}": sum(each.reason is reason for each in asked) for reason in Reason}
    counts |= {"shapes": len(shapes), "p50_ms": round(1000 * seconds[len(seconds) // 2], 2)}
    counts |= {f"t_{one.name.lower()}_{two.name.lower()}": t for (one, two), t in times.items()}
    counts |= {"control_queries": len(seen), "control_t": blind} | climbed.counts
    violations = [
        f"{one.value} and {two.value} differ in time: t is {t}; expected less than {LEAST}"
        for (one, two), t in times.items()
        if t >= LEAST
    ]
    if len(shapes) > 1:
        violations.append(f"expected every answer of one shape; got {len(shapes)}: {' and '.join(sorted(shapes)[:2])}")
    if blind < LEAST:
        violations.append(f"the control was not found: its t is {blind}; expected {LEAST} or more: too few queries")
    return counts, violations + climbed.violations


class Timed(serving.Watched):
    """The way to the contact point that is asked, with the time and the shape of the last answer. For one thread."""

    seconds = 0.0
    shape = ""

    def _send(
        self, state: State, request: HttpRequest, body: bytes, within: float
    ) -> tuple[int, dict[str, str], bytes]:
        begun = time.perf_counter()
        status, headers, answer = super()._send(state, request, body, within)
        self.seconds = time.perf_counter() - begun
        self.shape = shape(status, headers, answer)
        return status, headers, answer

    def ask(self, query: Query) -> bool:
        """Make a query, and return whether there is a match."""
        answer, _ = self.post(query, wire.encode(query), main.clock())
        self.said.clear()
        return isinstance(answer, Match)


def shape(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Return an answer as one text: of what is another in each, the length alone."""
    told = {name.lower(): value for name, value in headers.items() if name.lower() not in _OF_THE_CONNECTION}
    fields = {name: str(value) for name, value in json.loads(body).items()}
    shown = [
        f"{name}: {len(value)} characters" if name in VARIES else f"{name}: {value}"
        for each in (told, fields)
        for name, value in sorted(each.items())
    ]
    return f"{status}, {len(body)} bytes; " + "; ".join(shown)


def _ask(here: Installation, way: Timed, turn: int, n: int, told: Callable[[str], None]) -> list[Asked]:
    """Make ``n`` queries of a turn in random order, everybody as often as the others, and some first that do not count."""
    rng = np.random.default_rng([_SEED, turn])
    people = _crowd.people()
    queries = [_crowd.query(here, _crowd.marked(each.later)) for each in people]
    order = np.concatenate([rng.permutation(len(people)) for _ in range(-(-n // len(people)))])[:n]
    asked = []
    for number, which in enumerate([*order[:_FIRST].tolist(), *order.tolist()]):
        if way.ask(_crowd.again(here, queries[which])):
            raise RuntimeError(f"{people[which].name} was found, though {people[which].role(turn).value}")
        asked.append(Asked(turn, people[which].role(turn), way.seconds, way.shape))
        if number % 500 == 499:
            told(f"turn {turn + 1}: {number + 1} of {n} queries")
    return asked[_FIRST:]


def _greatest_t(asked: Sequence[Asked]) -> dict[tuple[Reason, Reason], float]:
    """Return the greatest absolute Welch t of each two reasons, over all croppings."""
    greatest = dict.fromkeys(combinations(Reason, 2), 0.0)
    seconds = np.array([each.seconds for each in asked])
    turns = np.array([each.turn for each in asked])
    for crop in CROPS:
        kept: dict[Reason, list[Array]] = {reason: [] for reason in Reason}
        for turn in sorted(set(turns.tolist())):
            these = turns == turn
            within = these & (seconds <= np.percentile(seconds[these], crop))
            mean = seconds[within].mean()
            for reason in Reason:
                of_reason = within & np.array([each.reason is reason for each in asked])
                kept[reason].append(seconds[of_reason] - mean)
        some = {reason: np.concatenate(each) for reason, each in kept.items()}
        for pair in greatest:
            greatest[pair] = max(greatest[pair], round(abs(_welch(some[pair[0]], some[pair[1]])), 2))
    return greatest


def _welch(one: Array, two: Array) -> float:
    """Return Welch's t of two samples; 0 where one is too small for a spread."""
    if min(len(one), len(two)) < 2:
        return 0.0
    spread = one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two)
    return float((one.mean() - two.mean()) / np.sqrt(spread)) if spread > 0 else 0.0


# Climbing


@dataclass(slots=True)
class _Climb:
    """What the steps of a climb were like, which nobody who climbs is told, and how long their answers took."""

    likeness: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    matches: int = 0
    shapes: set[str] = field(default_factory=set)


def _climb(here: Installation, way: Timed, steps: int, told: Callable[[str], None]) -> Outcome:
    """Climb by what the answers tell, and by scores; return what either gained."""
    target, start = _crowd.strangers()[_TARGET], _crowd.first(_crowd.strangers()[_START])
    made, kept, before = _Climb(), start, 0.0
    rng = np.random.default_rng(_SEED)
    for step in range(steps):
        probe = _altered(kept, rng)
        made.matches += way.ask(_crowd.query(here, _crowd.marked(probe)))
        made.likeness.append(_like(probe, target))
        made.seconds.append(way.seconds)
        made.shapes.add(way.shape)
        if way.seconds > before:
            kept = probe
        before = way.seconds
        if step % 500 == 499:
            told(f"climbing: {step + 1} of {steps} steps")
    begun = _like(start, target)
    gained, possible = _like(kept, target) - begun, _with_scores(start, target, steps) - begun
    correlation = round(abs(_correlation(made.likeness, made.seconds)), 2)
    violations = []
    if made.matches or gained > max(possible / 2, _BY_CHANCE):
        violations.append(
            f"climbing by the answers gained {gained:.1f} and {made.matches} matches; with scores it gains {possible:.1f}"
        )
    if correlation >= LEAST:
        violations.append(f"the time of an answer goes with likeness: t is {correlation}; expected less than {LEAST}")
    if len(made.shapes) > 1 and not made.matches:
        violations.append(f"expected every answer of a climb of one shape; got {len(made.shapes)}")
    counts: dict[str, int | float | str] = {"climbing_steps": steps, "climbing_matches": made.matches}
    counts |= {"climbed": round(gained, 1), "with_scores": round(possible, 1), "correlation_t": correlation}
    return Outcome(counts, violations)


def _with_scores(start: Template, target: Template, steps: int) -> float:
    """Return how like the print of somebody becomes who is told the score at each step."""
    rng, kept, best = np.random.default_rng(_SEED), start, _like(start, target)
    for _ in range(steps):
        probe = _altered(kept, rng)
        if (score := _like(probe, target)) >= best:
            kept, best = probe, score
    return best


def _like(probe: Template, target: Template) -> float:
    return compare(_crowd.marked(probe).template, target).score


def _altered(made: Template, rng: np.random.Generator) -> Template:
    """Return a template with one minutia at another place, pointing elsewhere."""
    x, y, direction = made.x.copy(), made.y.copy(), made.direction.copy()
    which = int(rng.integers(len(made)))
    x[which], y[which] = rng.integers(made.width), rng.integers(made.height)
    direction[which] = rng.uniform(0.0, 2 * np.pi)
    return Template.of(x, y, direction, width=made.width, height=made.height, kind=made.kind, quality=made.quality)


def _correlation(likeness: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the t of the rank correlation of two series, from one step to the next: both drift, and that is no cause.

    Its variance is that of differences of independent values, which is the greater one.
    """
    one, two = (_ranks(np.diff(np.asarray(each))) for each in (likeness, seconds))
    if len(one) < 3:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1] * np.sqrt(len(one) / 1.5))


def _ranks(values: Array) -> Array:
    return np.argsort(np.argsort(values)).astype(float)
