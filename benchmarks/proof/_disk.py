"""A disk as a power loss may leave it, rebuilt from the trace of what was written and what was made durable.

A file's writes since it was last synchronised may be there or not, each or sector by sector, in any combination: the disk
and the system write back in whatever order they like. Names that were made or removed since their folder was synchronised
keep their order, as a journalling file system has it, but the last of them may be missing. Everything before is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.proof import _traced

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from benchmarks.proof._traced import Call

SECTOR: Final = 512
"""Bytes that a disk writes whole or not at all."""

PASSING: Final = "-shm"
"""How the names of files end that SQLite makes anew after a power loss."""


class Loss(StrEnum):
    """What is lost of that which was not durable."""

    NOTHING = "prefix"
    """All of it reached the disk, in its order."""
    ALL = "dropped"
    """None of it did."""
    SOME = "reordered"
    """Any of the writes did."""
    SECTORS = "torn"
    """Any of the sectors did."""


class Act(NamedTuple):
    """One thing that happens to a disk."""

    kind: str
    """write, truncate, make, remove, synchronise; or note, which happens to no disk."""
    path: str
    at: int = 0
    data: bytes = b""


def acts(log: Path, folder: Path, mark: Path, start: Path) -> Iterator[Act]:
    """Yield what a whole log says of the files in a folder, by their names in it, and each mark of a note between.

    ``start`` is a copy of the folder as it was before.

    Raises:
        TraceError: a call came that this knows nothing of.

    """
    ends: dict[str, int] = {}  # where write() goes on in each file
    there = {str(folder / path.relative_to(start)) for path in start.rglob("*")}
    for call in _traced.calls(log, folder, mark):
        if call.path == str(mark):
            yield Act("note", "")
        elif " = -1 " not in call.rest and not call.path.endswith(PASSING):
            yield from _acts(call, str(Path(call.path).relative_to(folder)), ends, there)


def _acts(call: Call, name: str, ends: dict[str, int], there: set[str]) -> Iterator[Act]:
    if call.name == "pwrite64":
        yield Act("write", name, _number(call, 1), _traced.written(call))
    elif call.name == "write":
        data = _traced.written(call)
        yield Act("write", name, ends[name], data)
        ends[name] += len(data)
    elif call.name in {"ftruncate", "truncate"}:
        yield Act("truncate", name, _number(call, 1))
    elif call.name in _traced.SYNCS:
        yield Act("synchronise", name)
    elif call.name in {"unlink", "unlinkat"}:
        there.discard(call.path)
        yield Act("remove", name)
    elif call.name in {"open", "openat", "creat"}:
        ends[name] = 0
        if "O_CREAT" in call.rest and call.path not in there:
            there.add(call.path)
            yield Act("make", name)
        elif "O_TRUNC" in call.rest:
            yield Act("truncate", name, 0)
    else:
        raise _traced.TraceError(f"{call.what}: what this call does to a disk is not known")


def _number(call: Call, before_end: int) -> int:
    """Return the last number among the arguments of a call."""
    arguments = call.rest.rpartition(")")[0].split(", ")
    return int(arguments[-before_end])


@dataclass(slots=True, eq=False)
class _File:
    """One file: what of it is durable, and what was done to it since."""

    durable: bytearray
    since: list[Act] = field(default_factory=list)

    def synchronise(self) -> None:
        for act in self.since:
            _do(self.durable, act)
        self.since.clear()

    def after(self, keeps: Callable[[Act], Iterable[Act]]) -> bytes:
        """Return what is there when only so much of each act since was done."""
        content = bytearray(self.durable)
        for act in self.since:
            for kept in keeps(act):
                _do(content, kept)
        return bytes(content)


def _do(content: bytearray, act: Act) -> None:
    size = act.at if act.kind == "truncate" else max(len(content), act.at + len(act.data))
    if act.kind == "truncate":
        del content[size:]
    content.extend(bytes(size - len(content)))
    content[act.at : act.at + len(act.data)] = act.data


class Disk:
    """The disk of one contact point: files as they were at a start, all durable; then whatever :meth:`do` does."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        """Take in files by their names."""
        self._durable = {path: _File(bytearray(content)) for path, content in files.items()}
        self._names = dict(self._durable)
        self._renamed: list[tuple[str, _File | None]] = []  # names made or removed since their folder was synchronised

    def do(self, act: Act) -> None:
        """Let something happen to the disk."""
        if act.kind == "make":
            self._names[act.path] = made = _File(bytearray())
            self._renamed.append((act.path, made))
        elif act.kind == "remove":
            del self._names[act.path]
            self._renamed.append((act.path, None))
        elif act.kind == "synchronise" and act.path not in self._names:
            self._rename(
                self._durable, len(self._renamed)
            )  # a folder; the journal of the file system has but one order
            self._renamed.clear()
        elif act.kind == "synchronise":
            self._names[act.path].synchronise()
        elif act.kind != "note":
            self._names[act.path].since.append(act)

    def files(self, loss: Loss, chance: random.Random) -> dict[str, bytes]:
        """Return the content of every file, by its name, after a power loss."""
        renamed = {Loss.NOTHING: len(self._renamed), Loss.ALL: 0}.get(loss, chance.randint(0, len(self._renamed)))
        names = dict(self._durable)
        self._rename(names, renamed)
        return {path: file.after(_keeps(loss, chance)) for path, file in sorted(names.items())}

    def _rename(self, names: dict[str, _File], times: int) -> None:
        for path, file in self._renamed[:times]:
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file


def _keeps(loss: Loss, chance: random.Random) -> Callable[[Act], Iterable[Act]]:
    """Return what is kept of an act that was not durable."""
    if loss is Loss.NOTHING:
        return lambda act: (act,)
    if loss is Loss.ALL:
        return lambda _act: ()
    if loss is Loss.SOME:
        return lambda act: (act,) if chance.getrandbits(1) else ()
    return lambda act: (each for each in _sectors(act) if chance.getrandbits(1))


def _sectors(act: Act) -> Iterator[Act]:
    """Yield a write sector by sector; anything else as it is."""
    if act.kind != "write":
        yield act
        return
    at, end = act.at, act.at + len(act.data)
    while at < end:
        until = min(end, (at // SECTOR + 1) * SECTOR)
        yield Act("write", act.path, at, act.data[at - act.at : until - act.at])
        at = until
