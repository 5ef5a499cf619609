"""How soon a key is destroyed after its time came, read off the record: ``python -m benchmarks.proof promptness [--n 1000]``.

Two contact points serve, each in a process of its own; several clients let the JP one make ``n`` queries at the US one, as fast
as they are answered, over real TLS. A third finds nobody; a third matches and is not followed up; a third matches, is
requested and replied to. Then nothing but the two records is read:

=============  ==============================================  ========================================
contact point  the time of the keys comes with the entry       and these are destroyed (Articles 8, 9)
=============  ==============================================  ========================================
querying       ``no match`` received                           probe
querying       ``determination`` provided                      probe, candidate
queried        ``determination`` received, of no request       probe
queried        ``reply`` provided                              probe
=============  ==============================================  ========================================

The delay is the time of the ``deletion`` entry less that of this entry. Violations are a 99th percentile over a second, a
delay over five, a key whose deletion is in no entry (``without_entry``), one that is entered twice (``twice``), and one
entered at the very instant (``untimed``): there is a lock, a commit and a sync in between, so such a time was not read when
the key was destroyed. So is an entry before its cause or outside the life that was played (``untrue``).

An act that is refused because too much is asked at once is left to the service to finish (``left_to_the_service``): its keys
count like all others once their time has come.

On the queried side the probe of a query that finds nobody is in memory only and has no key: its entry stands in the
transaction of the answer and tells no time of destruction. That it is there is checked, apart (``never_stored``).
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from annex.parameters import Party
from benchmarks.proof import Outcome
from benchmarks.proof import _serving as serving
from contact_point import main, queried, querying
from contact_point.store import StoreError
from contact_point.transport import ClientError
from pcsc.duties import Content
from pcsc.errors import RecordError
from pcsc.messages import Conclusion
from pcsc.records import Direction
from tests.contact_point.parties import notification

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from contact_point.service import Installation
    from pcsc.records import Entry

FULL: Final = 1000

P99: Final = 1.0
"""Seconds within which 99 of 100 keys are destroyed."""

LATEST: Final = 5.0
"""Seconds within which every key is destroyed."""

CLIENTS: Final = 4

_ITEM: Final = "name"


class Life(Enum):
    """How an exchange goes."""

    NO_MATCH = "no match"
    NOT_FOLLOWED = "match, not followed up"
    REPLIED = "match, request and reply"


_PRINTS: Final = (Content.PROBE, Content.CANDIDATE)
_OWED: Final[dict[tuple[Party, Life], tuple[str, tuple[Content, ...]]]] = {
    # who, how it went: the event whose entry ends the hold, and the prints whose keys go with it
    (Party.JP, Life.NO_MATCH): ("no match", (Content.PROBE,)),
    (Party.JP, Life.NOT_FOLLOWED): ("determination", _PRINTS),
    (Party.JP, Life.REPLIED): ("determination", _PRINTS),
    (Party.US, Life.NOT_FOLLOWED): ("determination", (Content.PROBE,)),
    (Party.US, Life.REPLIED): ("reply", (Content.PROBE,)),
}


@dataclass(frozen=True, slots=True)
class Played:
    """One exchange as its clients played it, between two readings of the clock."""

    number: str
    life: Life
    begun: datetime
    ended: datetime | None
    """None where an act was refused on the way, and the service was to go on."""


def prove(n: int, told: Callable[[str], None]) -> Outcome:
    """Play ``n`` exchanges from several clients at once, and read off both records how soon their keys were destroyed."""
    return proved(n, told)


def proved(
    n: int, told: Callable[[str], None], *, command: Sequence[str] = serving.SERVE, clients: int = CLIENTS
) -> Outcome:
    """Do as :func:`prove` does, with the US contact point served by another command, or from fewer clients."""
    with tempfile.TemporaryDirectory(prefix="pcsc-") as folder, ExitStack() as stack:
        folders = {party: Path(folder) / party for party in Party}
        serving.set_up(folders)
        found = serving.enrol(folders[Party.US])
        with main.opened(folders[Party.JP]) as jp:
            stack.enter_context(serving.served(jp.settings, Path(folder) / "JP.log"))
        stack.enter_context(serving.served(found, Path(folder) / "US.log", command))
        us = stack.enter_context(main.opened(folders[Party.US]))
        asking = [stack.enter_context(serving.asking(folders[Party.JP]))[0] for _ in range(clients)]
        _play(clients, asking, us)  # what the first ones load is no part of what is measured
        begun = time.monotonic()
        played = _play(n, asking, us, told)
        seconds = time.monotonic() - begun
        if left := sum(each.ended is None for each in played):
            time.sleep(main.TICK + LATEST)
        delays = _Delays()
        for here in (asking[0], us):
            delays.read(here, played)
        told_of = {"exchanges": n, "clients": clients, "per_second": round(n / seconds, 1), "left_to_the_service": left}
        return delays.outcome(dict(told_of))


def _play(
    n: int, clients: Sequence[Installation], us: Installation, told: Callable[[str], None] = lambda _: None
) -> list[Played]:
    """Play exchanges of every kind in turn, each client one after the other, all clients at once."""
    lives = list(islice(cycle(Life), n))

    def through(which: int) -> list[Played]:
        mine = lives[which :: len(clients)]
        played = []
        for life in mine:
            played.append(_live(clients[which], us, life))
            if which == 0 and len(played) % 50 == 0:
                told(f"{len(played)} of {len(mine)} exchanges of the first of {len(clients)} clients")
        return played

    with ThreadPoolExecutor(len(clients)) as pool:
        return [each for played in pool.map(through, range(len(clients))) for each in played]


def _live(jp: Installation, us: Installation, life: Life) -> Played:
    """Play one exchange to where its prints are gone."""
    begun, way = main.clock(), serving.Numbered(jp.other)
    try:
        _act(replace(jp, other=way), us, life)
    except (ClientError, RecordError, StoreError):
        return Played(way.number, life, begun, None)
    return Played(way.number, life, begun, main.clock())


def _act(jp: Installation, us: Installation, life: Life) -> None:
    clock = main.clock
    person = serving.STRANGER if life is Life.NO_MATCH else serving.ENROLLED
    number = querying.open_query(jp, [serving.probe(person)], serving.why(Party.JP), clock()).control_number
    if life is Life.NO_MATCH:
        return
    requests = life is Life.REPLIED
    querying.examine(jp, number, Conclusion.IDENTIFICATION, "examiner", clock())
    querying.determine(jp, number, will_request=requests, now=clock())
    if requests:
        querying.request(jp, number, notification(_ITEM, party=Party.JP), clock())
        queried.answer_request(us, number, give=[_ITEM], by="officer", now=clock())


@dataclass(slots=True)
class _Delays:
    """What the records say; times in seconds."""

    seconds: dict[str, list[float]] = field(default_factory=dict)  # by who and after what
    counted: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def read(self, here: Installation, played: Iterable[Played]) -> None:
        """Read the record of one contact point."""
        entries: dict[str, list[Entry]] = {}
        with here.store.transaction() as tx:
            for entry in tx.entries():
                entries.setdefault(entry.exchange, []).append(entry)
        for each in played:
            self._read_exchange(here.settings.party, each, entries.get(each.number, []))

    def _read_exchange(self, party: Party, played: Played, entries: Sequence[Entry]) -> None:
        owed = _OWED.get((party, played.life))
        if owed is None:
            self._never_stored(party, played, entries)
            return
        event, kinds = owed
        ends = [each for each in entries if each.event == event and each.direction is not Direction.ACT]
        if not ends and played.ended is None:
            return  # its time has not come
        if len(ends) != 1:
            self._violation("without_entry", party, played, f"expected one {event} in the record; got {len(ends)}")
            return
        for kind in kinds:
            self._measure(party, played, ends[0], [each for each in _deletions(entries) if _is_of(each, kind)], kind)

    def _measure(self, party: Party, played: Played, end: Entry, found: Sequence[Entry], kind: Content) -> None:
        """Take the time from the end of a hold to the deletion of one kind of content."""
        self.counted["keys"] += 1
        if not found:
            self._violation("without_entry", party, played, f"no entry says that the {kind} was destroyed")
            return
        if len(found) > 1:
            self._violation("twice", party, played, f"{len(found)} entries say that the {kind} was destroyed")
        delay = found[0].at - end.at
        self.seconds.setdefault(f"{party} after {end.event}", []).append(delay.total_seconds())
        if not delay:
            self._violation(
                "untimed", party, played, f"the {kind} was destroyed in the very instant of the {end.event}"
            )
        in_time = played.ended is None or found[0].at <= played.ended + timedelta(seconds=LATEST)
        if delay < timedelta(0) or found[0].at < played.begun or not in_time or found[0].number < end.number:
            self._violation("untrue", party, played, f"the {kind} cannot have been destroyed at {found[0].at}")

    def _never_stored(self, party: Party, played: Played, entries: Sequence[Entry]) -> None:
        """See that the entry of a probe that was in memory only stands beside the answer."""
        answers = [each for each in entries if each.event == "no match"]
        beside = [each for each in _deletions(entries) if "never stored" in each.note]
        if not answers and played.ended is None:
            return  # it was not asked, or its number is not known
        if len(answers) == len(beside) == 1 and beside[0].number > answers[0].number and beside[0].at >= answers[0].at:
            self.counted["never_stored"] += 1
        else:
            what = f"{len(beside)} entries say that the probe was never stored, beside {len(answers)} answers"
            self._violation("without_entry", party, played, what)

    def _violation(self, name: str, party: Party, played: Played, what: str) -> None:
        self.counted[name] += 1
        self.violations.append(f"{party}, exchange {played.number} ({played.life.value}): {what}")

    def outcome(self, counts: dict[str, int | float | str]) -> Outcome:
        """Return the distribution, with every violation."""
        p50, p99, longest = _figures([each for some in self.seconds.values() for each in some])
        if p99 > P99:
            self.violations.append(f"99 of 100 keys were destroyed within {p99:.2f} s; expected {P99:g} s")
        if longest > LATEST:
            self.violations.append(f"a key was destroyed after {longest:.2f} s; expected {LATEST:g} s")
        named = ("keys", "without_entry", "twice", "untimed", "untrue", "never_stored")
        counts |= {name: self.counted[name] for name in named}
        missing = self.counted["without_entry"] / max(1, self.counted["keys"] + self.counted["never_stored"])
        counts |= {"without_entry_share": missing, "p50_s": p50, "p99_s": p99, "max_s": longest}
        for name, some in sorted(self.seconds.items()):
            counts[name] = "{} keys, p50 {:g} s, p99 {:g} s, max {:g} s".format(len(some), *_figures(some))
        return Outcome(counts, self.violations)


def _figures(seconds: Iterable[float]) -> tuple[float, float, float]:
    """Return the median, the 99th percentile and the maximum."""
    ordered = sorted(seconds) or [0.0]
    p50, p99, longest = (round(ordered[_rank(share, len(ordered))], 4) for share in (0.5, 0.99, 1.0))
    return p50, p99, longest


def _rank(share: float, of: int) -> int:
    """Return the place of a quantile in so many sorted values: the least that as many are at or below."""
    return max(0, -int(-share * of // 1) - 1)


def _deletions(entries: Iterable[Entry]) -> list[Entry]:
    return [each for each in entries if each.direction is Direction.ACT and each.event == "deletion"]


def _is_of(deletion: Entry, kind: Content) -> bool:
    """Whether a deletion is of this kind of content, as its note begins."""
    return deletion.note.startswith(f"{kind} destroyed")
