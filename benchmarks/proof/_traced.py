"""What a process changes, call by call: strace takes hold of it, tells every mutating system call, and kills it at one.

strace counts the calls of each name from the moment it has taken hold, and ``inject=NAME:signal=KILL:when=N`` kills at the
entry of the Nth: the call is not made, and everything before it is. So a kill at each call in turn leaves every state that
a killed process can leave, but for a call cut in half.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.proof._stage import Stage

WRITES: Final = ("pwrite64", "pwritev", "write", "writev")
SYNCS: Final = ("fdatasync", "fsync")
NAMES: Final = (
    *WRITES, *SYNCS, "ftruncate", "truncate", "fallocate", "unlink", "unlinkat", "rename", "renameat", "renameat2",
    "link", "linkat", "mkdir", "mkdirat", "open", "openat", "creat",
)  # fmt: skip
"""Every system call that changes a file or a folder, or makes a change durable."""

SENDS: Final = ("sendto", "sendmsg")
"""Those that tell something to the database's server, where there is one."""

_LINE: Final = re.compile(r"(?:(?P<thread>\d+) +)?(?P<name>\w+)\((?P<rest>.*)$")
_ON: Final = re.compile(r"(?P<number>\d+)<(?P<path>[^>]*)>")
_TEXT: Final = re.compile(r'"(?P<text>[^"]*)"(?P<cut>\.\.\.)?')


class TraceError(Exception):
    """strace cannot take hold of a process here, or told what was not expected."""


class Call(NamedTuple):
    """One mutating system call."""

    name: str
    occurrence: int
    """Of this name in its thread since strace took hold, from 1: what ``when`` counts."""
    path: str
    rest: str
    """Everything after the name, as strace tells it."""

    @property
    def what(self) -> str:
        """Return the call's name and the file's: the same in another run of the same act."""
        return f"{self.name} {'database' if self.name in SENDS else Path(self.path).name}"


def missing() -> str:
    """Return why nothing can be traced here; empty where it can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child,
    ):
        try:
            with held(child.pid, Path(folder) / "log", kill=None):
                child.kill()
        except TraceError as error:
            return str(error)
    return ""


def traced(
    stage: Stage,
    act: str,
    *arguments: Any,
    log: Path,
    kill: tuple[str, int] | None = None,
    names: tuple[str, ...] = NAMES,
    whole: bool = False,
) -> tuple[int, Any]:
    """Do an act on a stage with strace holding it; return how it ended and what it returned.

    ``kill`` names the call to die at and the occurrence of it; ``whole`` has the bytes of every write in the log.

    Raises:
        TraceError: strace does not start, or may not take hold of the process.
        StageError: the act failed of its own.

    """
    with held(stage.begin(act, *arguments), log, kill=kill, names=names, whole=whole):
        return stage.go()


@contextmanager
def held(
    child: int,
    log: Path,
    *,
    kill: tuple[str, int] | None,
    names: tuple[str, ...] = NAMES,
    whole: bool = False,
    threads: bool = False,
) -> Iterator[None]:
    """Let strace hold a process, with the threads that it begins, while the block runs; the rest as in :func:`traced`.

    Raises:
        TraceError: strace does not start, or may not take hold of the process; after the block, so that nobody is left waiting.

    """
    command = ["strace", "-p", str(child), "-o", str(log), "-y", "-e", "trace=" + ",".join(names)]
    command += ["-xx", "-s", str(1 << 24)] if whole else ["-s", "0"]
    command += ["-f"] if threads else []
    command += [] if kill is None else ["-e", f"inject={kill[0]}:signal=KILL:when={kill[1]}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        said = strace.stderr.readline()
        yield
        strace.stderr.read()
    if "attached" not in said:
        raise TraceError(f"strace cannot take hold of a process here: {said.strip()}")


def calls(log: Path, *below: Path) -> Iterator[Call]:
    """Yield the calls of a log that are about something in these folders, done or cut short."""
    counted: dict[tuple[str, str], int] = {}
    with log.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if (found := _LINE.match(line)) is None or "resumed>" in line[:40]:
                continue
            thread, name, rest = found["thread"] or "", found["name"], found["rest"]
            counted[thread, name] = counted.get((thread, name), 0) + 1
            path = _path(name, rest)
            if path.startswith(tuple(map(str, below))) or name in SENDS:
                yield Call(name, counted[thread, name], path, rest)


def _path(name: str, rest: str) -> str:
    """Return the file or folder that a call is about."""
    if name in {*WRITES, *SYNCS, "ftruncate", "fallocate", *SENDS}:
        on = _ON.match(rest)
        return plain(on["path"]) if on else ""
    text = _TEXT.search(rest)
    return plain(text["text"]) if text else ""


def written(call: Call) -> bytes:
    """Return the bytes that a call wrote; of a whole log alone."""
    text = _TEXT.search(call.rest)
    if text is None or text["cut"]:
        raise TraceError(f"strace told no whole bytes of {call.what}")
    return bytes.fromhex(text["text"].replace("\\x", ""))


def plain(text: str) -> str:
    """Return a path that strace told, with ``-xx`` or without."""
    return bytes(text, "latin-1").decode("unicode_escape") if "\\x" in text else text


def mutating(found: Iterator[Call], existing: set[str]) -> list[Call]:
    """Return the calls that change something, given the files that were there: opening what is there is none."""
    there, changing = set(existing), []
    for call in found:
        if call.name in {"open", "openat", "creat"}:
            empties = "O_TRUNC" in call.rest
            if not empties and ("O_CREAT" not in call.rest or call.path in there):
                continue
            there.add(call.path)
        elif call.name in {"unlink", "unlinkat"}:
            there.discard(call.path)
        changing.append(call)
    return changing


def files(folder: Path) -> set[str]:
    """Return the path of every file in a folder."""
    return {str(each) for each in folder.rglob("*")}
