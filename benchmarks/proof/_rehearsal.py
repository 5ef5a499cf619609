"""Every act of the life played once without interruption: what each begins from, which calls it makes, what it leaves.

A rehearsal has a stage and a folder of its own, because what is stored names its folder; several may work at once.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from benchmarks.proof import _traced
from benchmarks.proof._life import ACTS, before
from benchmarks.proof._stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benchmarks.proof._databases import Databases
    from benchmarks.proof._traced import Call

_MOST: Final = 2
_WORTH: Final = 50  # lives for which another rehearsal pays

_NOTHING: Final[dict[str, list[int]]] = {"JP": [], "US": []}


@contextmanager
def room() -> Iterator[Path]:
    """Give a folder to work in, in memory where there is a file system for it: it holds keys, and is gone afterwards."""
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it is our own, mode 0700
    with TemporaryDirectory(prefix="pcsc-proof-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def at_once(n: int) -> int:
    """Return how many rehearsals share ``n`` lives: each takes some seconds to prepare."""
    return min(_MOST, 1 + n // _WORTH)


class Rehearsed(NamedTuple):
    """One act as it goes when nothing interrupts it."""

    after: Path
    """A copy of both contact points when it is done."""
    calls: list[Call]
    log: Path
    journal: Path
    stands: dict[str, Any]
    slots: dict[str, list[int]]
    """The slots of all that is held then, by Party."""


class Rehearsal:
    """A stage that knows how each act goes, and its folder. For one thread."""

    def __init__(
        self,
        work: Path,
        databases: Databases,
        *,
        acts: Iterable[str] = ACTS,
        whole: bool = False,
        fault: str = "",
    ) -> None:
        """Work in a new folder; ``whole`` keeps what the acts write, ``fault`` is what is broken on purpose."""
        work.mkdir()
        self.work = work
        self._databases = databases
        self.names = _traced.NAMES + (_traced.SENDS if databases.urls else ())
        self.stage = Stage(work)
        self.folder = work / "both"
        self.journal = work / "journal"
        self._fault = fault
        self._base = work / "base"
        self.acts: dict[str, Rehearsed] = {}
        try:
            self._play_all(acts, whole=whole)
        except BaseException:
            self.stage.end()
            raise

    def _play_all(self, acts: Iterable[str], *, whole: bool) -> None:
        self.stage.call("make", self.folder, self._databases.urls)
        shutil.copytree(self.folder, self._base)
        self._databases.save("")
        for act in acts:
            self.acts[act] = self._rehearse(act, whole=whole)

    @property
    def calls(self) -> dict[str, list[Call]]:
        """Return the mutating calls of every act."""
        return {act: each.calls for act, each in self.acts.items()}

    def begin(self, act: str) -> set[str]:
        """Put everything as it is before an act; return the files that are there."""
        self.journal.unlink(missing_ok=True)
        shutil.rmtree(self.folder)
        shutil.copytree(self.start(act), self.folder)
        self._databases.restore(before(act))
        return _traced.files(self.folder)

    def start(self, act: str) -> Path:
        """Return the copy of both contact points that an act begins from."""
        return self.acts[before(act)].after if before(act) else self._base

    def play(self, act: str, log: Path, *, kill: tuple[str, int] | None = None, whole: bool = False) -> int:
        """Play an act under strace; return how it ended."""
        told = ("play", self.folder, self.journal, act, self._fault)
        return _traced.traced(self.stage, *told, log=log, kill=kill, names=self.names, whole=whole)[0]

    def ask(self, act: str, log: Path, *, kill: tuple[str, int] | None = None) -> tuple[int, dict[str, Any]]:
        """Recover, go on and ask, perhaps to be killed at it; return how it ended and what was answered."""
        told = ("ask", self.folder, self.journal, act, self._held(act), self._fault)
        if kill is None:
            return 0, self.stage.call(*told)
        return _traced.traced(self.stage, *told, log=log, kill=kill, names=self.names)

    def differences(self, act: str, answered: dict[str, Any]) -> list[str]:
        """Return every violation that was found, and all in which this life differs from the rehearsed one."""
        stands = answered["stands"]
        differing = [] if stands is None else _differing(self.acts[act].stands, stands, "")
        return [*answered["violations"], *differing]

    def _held(self, act: str) -> dict[str, list[int]]:
        return self.acts[before(act)].slots if before(act) else _NOTHING

    def _rehearse(self, act: str, *, whole: bool) -> Rehearsed:
        there, number = self.begin(act), len(self.acts)
        log, after = self.work / f"rehearsed-{number}.strace", self.work / f"after-{number}"
        ended = self.play(act, log, whole=whole)
        assert ended == 0, f"{act} ended with {ended}, and nothing had interrupted it"
        shutil.copytree(self.folder, after)
        self._databases.save(act)
        journal = self.work / f"journal-{number}"
        if self.journal.exists():
            shutil.copy(self.journal, journal)
        calls = _traced.mutating(_traced.calls(log, self.folder), there)
        answered = self.ask(act, log)[1]
        assert self._fault or not answered["violations"], f"{act}, uninterrupted: {answered['violations']}"
        return Rehearsed(after, calls, log, journal, answered["stands"], answered["slots"])


def _differing(expected: Any, got: Any, where: str) -> Iterator[str]:
    """Yield what differs, with where it stands."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            yield from _differing(value, got[name], f"{where} {name}")
    elif expected != got:
        missing, more = list(expected), []
        for each in got:
            if each in missing:
                missing.remove(each)
            else:
                more.append(each)
        yield (
            f"{where.strip()}: missing {missing}, too many {more}"
            if missing or more
            else f"{where.strip()}: another order"
        )
