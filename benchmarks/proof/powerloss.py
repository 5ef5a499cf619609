"""A power loss at every moment of a query's life: the disk rebuilt as it may be then, and both contact points started on it.

A rehearsal traces every write of each act with its bytes, and every synchronisation. The disk is rebuilt as it may be after
a part of them (:mod:`benchmarks.proof._disk`): with all that was written so far; without what was not yet durable; with any
of it; with any sectors of it. Power goes at one of the two or at both. Then both recover and are asked, as after a kill
(:mod:`benchmarks.proof._asked`): what one had told the other, or had called deleted, must be so after it too.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks import proof
from benchmarks.proof import _disk, _traced
from benchmarks.proof._databases import Files
from benchmarks.proof._disk import Act, Disk, Loss
from benchmarks.proof._life import ACTS, Journal, mark_of, path_to
from benchmarks.proof._rehearsal import Rehearsal, at_once, room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

FULL: Final = 2000
_SEED: Final = 8_2
_PARTIES: Final = ("JP", "US")
_VICTIMS: Final = (("JP", "US"), ("JP",), ("US",))


class State(NamedTuple):
    """One state of the disks: an act, after how many of its writes power went, who lost it, and what was lost."""

    act: str
    after: int
    victims: tuple[str, ...]
    loss: Loss


def prove(n: int, told: Callable[[str], None], *, fault: str = "", acts: Sequence[str] = tuple(ACTS)) -> proof.Outcome:
    """Ask ``n`` states; ``fault`` is what is broken on purpose (:mod:`benchmarks.proof._broken`)."""
    if reason := _traced.missing():
        return proof.Outcome({"states": 0}, [f"nothing could be rebuilt: {reason}"])
    with room() as work, ExitStack() as stack:
        benches = [_Bench(work / str(at), acts, fault) for at in range(at_once(n))]
        for bench in benches:
            stack.callback(bench.rehearsal.stage.end)
        states = [_states(each, n)[at :: len(benches)] for at, each in enumerate(benches)]
        happened = sum(len(each) for each in benches[0].acts.values())
        told(f"{happened} writes, truncations, names and synchronisations in {len(acts)} acts; asking {n} states")
        with ThreadPoolExecutor(len(benches)) as pool:
            found = list(chain(*pool.map(_ask_all, benches, states, [told] * len(states))))
    return _outcome(list(chain(*states)), happened, found)


def _outcome(states: Sequence[State], happened: int, found: list[list[str]]) -> proof.Outcome:
    losses = Counter(each.loss.value for each in states)
    counts: dict[str, int | float | str] = {
        "states": len(states),
        "writes and synchronisations": happened,
        "different moments": len({(each.act, each.after) for each in states}),
        **{f"states {loss}": times for loss, times in sorted(losses.items())},
        "states with violations": sum(map(bool, found)),
    }
    return proof.Outcome(counts, list(chain(*found)))


class _Bench:
    """A rehearsal whose every act can be cut short by a power loss."""

    def __init__(self, work: Path, acts: Sequence[str], fault: str) -> None:
        self.rehearsal = Rehearsal(work, Files(), acts=acts, whole=True, fault=fault)
        self.acts = {act: list(self._happened(act)) for act in self.rehearsal.acts}
        for act, happened in self.acts.items():
            whole = self.files(State(act, len(happened), (), Loss.NOTHING))
            assert whole == _all_files(self.rehearsal.acts[act].after), f"the trace of {act} does not give what it left"

    def _happened(self, act: str) -> Iterator[Act]:
        rehearsal = self.rehearsal
        log, mark = rehearsal.acts[act].log, mark_of(rehearsal.journal)
        return _disk.acts(log, rehearsal.folder, mark, rehearsal.start(act))

    def ask(self, state: State) -> list[str]:
        """Rebuild a state, start on it, and return every violation."""
        rehearsal = self.rehearsal
        rehearsal.begin(state.act)
        shutil.rmtree(rehearsal.folder)
        for path, content in self.files(state).items():
            _write(rehearsal.folder / path, content)
        noted = sum(each.kind == "note" for each in self.acts[state.act][: state.after])
        if noted:
            shutil.copy(rehearsal.acts[state.act].journal, rehearsal.journal)
            Journal(rehearsal.journal).keep(noted)
        answered = rehearsal.ask(state.act, rehearsal.work / "none")[1]
        victims = " and ".join(state.victims)
        where = f"{state.act}, power lost at {victims} after {state.after} of {len(self.acts[state.act])}, {state.loss}"
        return [f"{where}: {each}" for each in rehearsal.differences(state.act, answered)]

    def files(self, state: State) -> dict[str, bytes]:
        """Return every file of both as a state has it. What was not durable when an act ended may be lost in a later one."""
        chance = random.Random(f"{_SEED} {state}")  # noqa: S311 - the same states every time
        start = _all_files(self.rehearsal.start(path_to(state.act)[0])).items()
        disks = {party: Disk({name: file for name, file in start if _owner(name) == party}) for party in _PARTIES}
        for act in path_to(state.act):
            for each in self.acts[act][: state.after] if act == state.act else self.acts[act]:
                disks[_owner(each.path)].do(each)
        losses = {party: state.loss if party in state.victims else Loss.NOTHING for party in _PARTIES}
        return {path: file for party in _PARTIES for path, file in disks[party].files(losses[party], chance).items()}


def _all_files(folder: Path) -> dict[str, bytes]:
    """Return the content of every file in a folder, by its name there."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(_disk.PASSING))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def _owner(name: str) -> str:
    """Return whose disk a file is on; what lies in the folder of neither is the examiner's."""
    first = name.partition("/")[0]
    return first if first in _PARTIES else "JP"


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def _states(bench: _Bench, n: int) -> list[State]:
    """Return ``n`` states, evenly over all moments, each with the next victims and the next loss."""
    moments = [(act, after) for act, happened in bench.acts.items() for after in range(1, len(happened) + 1)]
    kinds = [(victims, loss) for loss in Loss for victims in _VICTIMS]
    chosen = (moments[at * len(moments) // n % len(moments)] for at in range(n))
    return [State(act, after, *kinds[at % len(kinds)]) for at, (act, after) in enumerate(chosen)]


def _ask_all(bench: _Bench, states: Sequence[State], told: Callable[[str], None]) -> list[list[str]]:
    found: list[list[str]] = []
    for at, state in enumerate(states):
        found.append(bench.ask(state))
        if (at + 1) % 100 == 0:
            told(f"{at + 1} of {len(states)}, {sum(map(bool, found))} with violations")
    return found
