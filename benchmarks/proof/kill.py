"""Kill -9 at the mutating system calls of a query's life: no answer lost or given twice, no entry too few or too many.

A rehearsal tells every call that changes a file in each act of the life, or speaks to the database's server. Then each act is
played again from where it begins and killed at one of them; both contact points start anew, recover, and are asked
(:mod:`benchmarks.proof._asked`). The calls are taken evenly over all acts: first those with which a run of writes to one file
begins or ends, and everything that is no write; then the writes between. Of every fifth life the recovery is killed too, at any
call, and begun again.

In most lives both contact points are one process and die together. Of every twentieth the two are processes apart, one serves
and the other asks over TLS, and one of them dies at a call of its own.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks import proof
from benchmarks.proof import _databases, _traced
from benchmarks.proof._life import ACTS
from benchmarks.proof._rehearsal import Rehearsal, at_once, room
from benchmarks.proof._stage import Stage
from benchmarks.proof._tls import ACTS as OVER_TLS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.proof._databases import Databases
    from benchmarks.proof._traced import Call

FULL: Final = 1326
"""Lives: of every 13, ten on SQLite and three on PostgreSQL."""

ON_SERVER: Final = 3 / 13
APART: Final = 20
"""Of every so many lives on SQLite one is played by two processes, over TLS."""

AGAIN: Final = 5
"""Of every so many lives the recovery is killed as well."""

_SEED: Final = 8_1
_RECOVERY_CALLS: Final = {"pwrite64": 60, "fdatasync": 12, "sendto": 200}  # about as many as a recovery makes


class Aim(NamedTuple):
    """Where to kill: an act, and the number of a mutating call in it from 0. ``apart``: the Party that dies alone."""

    act: str
    number: int
    apart: str = ""


class Killed(NamedTuple):
    """What became of one life."""

    aim: Aim
    call: str
    number: int
    """Of the mutating call that it died at, from 0; the number of all of them where it did not die."""
    died: bool
    died_again: bool
    violations: list[str]


def prove(
    n: int,
    told: Callable[[str], None],
    *,
    fault: str = "",
    acts: Sequence[str] = tuple(ACTS),
    at_file: str = "",
    on_server: float = ON_SERVER,
) -> proof.Outcome:
    """Kill ``n`` lives, the part ``on_server`` of them with PostgreSQL.

    ``acts`` are those that are played; ``at_file`` has only the calls killed that are about a file of this name. ``fault`` is
    what is broken on purpose (:mod:`benchmarks.proof._broken`).
    """
    if reason := _traced.missing():
        return proof.Outcome({"kills": 0}, [f"nothing could be killed: {reason}"])
    served = round(n * on_server)
    counts, violations = _on("SQLite", n - served, _databases.Files, told, fault=fault, acts=acts, at_file=at_file)
    if served and _databases.on_server() is None:
        return proof.Outcome({**counts, "PostgreSQL kills": 0, "PostgreSQL": "is not installed here"}, violations)
    more = _on("PostgreSQL", served, _databases.on_server, told, fault=fault, acts=acts, at_file=at_file)
    return proof.Outcome(counts | more.counts, violations + more.violations)


def _on(
    kind: str,
    n: int,
    databases: Callable[[], Databases | None],
    told: Callable[[str], None],
    *,
    fault: str,
    acts: Sequence[str],
    at_file: str,
) -> proof.Outcome:
    """Kill lives on one kind of database."""
    if not n:
        return proof.Outcome({}, [])
    with room() as work, ExitStack() as stack:
        rehearsals = []
        for at, found in enumerate([databases() for _ in range(at_once(n))]):
            assert found is not None, "whoever calls this has asked whether there is one"
            rehearsals.append(Rehearsal(work / str(at), found, acts=acts, fault=fault))
            stack.callback(rehearsals[-1].stage.end)
        apart = n // APART if kind == "SQLite" and not fault else 0
        # Each by its own calls: a signature that is a byte longer may make a page more.
        aims = [
            [*_aims(each.calls, n - apart, at_file), *_aims_apart(each, apart)][at :: len(rehearsals)]
            for at, each in enumerate(rehearsals)
        ]
        calls = rehearsals[0].calls
        count, edges = sum(map(len, calls.values())), sum(len(_edges(each)) for each in calls.values())
        told(f"{kind}: {count} mutating calls in {len(calls)} acts, {edges} of them edges; killing {n} times")
        with ThreadPoolExecutor(len(rehearsals)) as pool:
            killed = list(chain(*pool.map(_kill_all, rehearsals, aims, [told] * len(aims))))
    return _outcome(kind, killed, count, edges)


def _outcome(kind: str, killed: list[Killed], calls: int, edges: int) -> proof.Outcome:
    died = [each for each in killed if each.died]
    together = [each for each in died if not each.aim.apart]
    names = Counter(each.call.split()[0] for each in died)
    counts: dict[str, int | float | str] = {
        "kills": len(died),
        "calls of the life": calls,
        "of them edges": edges,
        "different calls hit": len({(each.aim.act, each.number) for each in together}),
        "kinds of calls hit": len({each.call for each in died}),
        "kills by call": ", ".join(f"{name} {times}" for name, times in names.most_common()),
        "kills over TLS": len(died) - len(together),
        "kills of the recovery": sum(each.died_again for each in killed),
        "not reached": len(killed) - len(died),
    }
    named = {f"{kind} {name}": count for name, count in counts.items()}
    return proof.Outcome(named, list(chain(*(each.violations for each in killed))))


# Where


def _aims(calls_of: Mapping[str, Sequence[Call]], n: int, at_file: str = "") -> Iterator[Aim]:
    """Yield ``n`` places to kill at: every edge evenly, then every other call evenly, then all of them again."""
    groups: tuple[list[Aim], list[Aim]] = [], []
    for act, calls in calls_of.items():
        edges = _edges(calls)
        for number, call in enumerate(calls):
            if call.path.endswith(at_file):
                groups[number not in edges].append(Aim(act, number))
    while n > 0 and any(groups):
        for group in groups:
            yield from _evenly(group, n)
            n -= min(n, len(group))


def _edges(calls: Sequence[Call]) -> set[int]:
    """Return the numbers of all calls but those in the middle of a run of writes to one file."""
    same = [one.what == two.what and one.name in _traced.WRITES for one, two in pairwise(calls)]
    return {at for at in range(len(calls)) if not (0 < at < len(calls) - 1 and same[at - 1] and same[at])}


def _evenly(aims: Sequence[Aim], n: int) -> list[Aim]:
    taken = min(n, len(aims))
    return [aims[at * len(aims) // taken] for at in range(taken)]


def _aims_apart(rehearsal: Rehearsal, n: int) -> list[Aim]:
    """Return ``n`` places at which one of two processes is to die, by the calls that the rehearsal made in its folder."""
    found = [
        Aim(act, number, party)
        for act in OVER_TLS
        if act in rehearsal.acts
        for number, call in enumerate(rehearsal.acts[act].calls)
        for party in ("JP", "US")
        if call.path.startswith(str(rehearsal.folder / party))
    ]
    return _evenly(found, n)


# One life


def _kill_all(rehearsal: Rehearsal, aims: Sequence[Aim], told: Callable[[str], None]) -> list[Killed]:
    done: list[Killed] = []
    with ExitStack() as stack:
        server: Stage | None = None
        for at, aim in enumerate(aims):
            chance = random.Random(f"{_SEED} {aim}")  # noqa: S311 - the same kills every time
            if aim.apart and server is None:
                server = Stage(rehearsal.work)
                stack.callback(server.end)
            call, number, died = _apart(rehearsal, server, aim) if server and aim.apart else _together(rehearsal, aim)
            done.append(_ask(rehearsal, Killed(aim, call, number, died, died_again=False, violations=[]), chance, at))
            if (at + 1) % 50 == 0:
                told(f"{at + 1} of {len(aims)}, {sum(len(each.violations) for each in done)} violations")
    return done


def _together(rehearsal: Rehearsal, aim: Aim) -> tuple[str, int, bool]:
    """Play an act until both die; return at which call, its number, and whether they did."""
    call = rehearsal.acts[aim.act].calls[aim.number]
    there, log = rehearsal.begin(aim.act), rehearsal.work / "killed.strace"
    died = rehearsal.play(aim.act, log, kill=(call.name, call.occurrence)) < 0
    return _died_at(rehearsal, log, there, died=died)


def _apart(rehearsal: Rehearsal, server: Stage, aim: Aim) -> tuple[str, int, bool]:
    """Play an act by two processes until one dies; the other is told to stop. Return as :func:`_together`."""
    there, log = rehearsal.begin(aim.act), rehearsal.work / "killed.strace"
    receiver = OVER_TLS[aim.act]
    serving = server.begin("serve", rehearsal.folder, receiver, aim.act)
    asking = rehearsal.stage.begin("play over TLS", rehearsal.folder, rehearsal.journal, aim.act, serving)
    victim = serving if aim.apart == receiver else asking
    with _traced.held(victim, log, kill=_own(rehearsal, aim), threads=True):
        server.release()
        ended, _ = rehearsal.stage.go()
        with suppress(ProcessLookupError):
            os.kill(serving, signal.SIGTERM)
        served, _ = server.ended()
    return _died_at(rehearsal, log, there, died=-signal.SIGKILL in {ended, served})


def _own(rehearsal: Rehearsal, aim: Aim) -> tuple[str, int]:
    """Return the call of an aim as the victim alone counts it, about: its own file system calls up to it."""
    calls = rehearsal.acts[aim.act].calls
    name, folder = calls[aim.number].name, str(rehearsal.folder / aim.apart)
    own = [each for each in calls[: aim.number + 1] if each.name == name and each.path.startswith(folder)]
    return name, len(own)


def _died_at(rehearsal: Rehearsal, log: Path, there: set[str], *, died: bool) -> tuple[str, int, bool]:
    made = _traced.mutating(_traced.calls(log, rehearsal.folder), there)
    return (made[-1].what if died and made else "nothing"), len(made) - died, died


def _ask(rehearsal: Rehearsal, killed: Killed, chance: random.Random, at: int) -> Killed:
    """Ask what is left of a life; of some, kill who asks, and ask again."""
    act, log = killed.aim.act, rehearsal.work / "killed.strace"
    name = chance.choice([each for each in sorted(_RECOVERY_CALLS) if each in rehearsal.names])
    kill = (name, chance.randrange(1, _RECOVERY_CALLS[name])) if at % AGAIN == 0 else None
    ended, answered = rehearsal.ask(act, log, kill=kill)
    if died_again := ended < 0:
        answered = rehearsal.ask(act, log)[1]
    apart = f" of {killed.aim.apart}" if killed.aim.apart else ""
    where = f"{act}, killed at {killed.call}{apart} (call {killed.number})"
    where += f" and in recovery at {kill}" if died_again else ""
    found = [f"{where}: {each}" for each in rehearsal.differences(act, answered)]
    return killed._replace(died_again=died_again, violations=found)
