"""A process that has loaded everything once and plays each act in a fork of itself: an act costs no start.

It reads one line of JSON for each act, forks, tells the child's number, and lets the child begin when it is told to: until
then a tracer can take hold of it. Then it tells how the child ended and what it returned.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class StageError(Exception):
    """An act did not end as it should, with nobody killing it."""


class Stage:
    """The other end: the process that has everything loaded. For one thread."""

    def __init__(self, work: Path) -> None:
        """Start it; what it says on standard error goes to a file in the folder ``work``."""
        self._minutiae = work / "minutiae.json"
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-m", __spec__.name, str(self._minutiae)]
        self._errors = work / "stage.err"
        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                text=True,
                bufsize=1,
            )

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(30)

    def begin(self, act: str, *arguments: Any) -> int:
        """Fork a child for an act and return its number; it waits for :meth:`go`."""
        self._tell(json.dumps([act, *arguments], default=str))
        return int(self._hear()["pid"])

    def go(self) -> tuple[int, Any]:
        """Let the child go; return how it ended (0, or minus the signal) and what it returned.

        Raises:
            StageError: it failed of its own.

        """
        self.release()
        return self.ended()

    def release(self) -> None:
        """Let the child go, and do not wait for its end."""
        self._tell("go")

    def ended(self) -> tuple[int, Any]:
        """Wait for the end of a child that was let go; return how it ended and what it returned.

        Raises:
            StageError: it failed of its own.

        """
        told = self._hear()
        if "failed" in told:
            raise StageError(told["failed"])
        return told["status"], told["returned"]

    def call(self, act: str, *arguments: Any) -> Any:
        """Do an act to its end, untraced, and return what it returns."""
        self.begin(act, *arguments)
        status, returned = self.go()
        if status != 0:
            raise StageError(f"{act} ended with {status}")
        return returned

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise StageError(f"the stage ended: {self._errors.read_text(errors='replace')[-2000:]}")
        told: dict[str, Any] = json.loads(line)
        return told


# Inside the process


def _child(play: Callable[..., Any], arguments: list[Any], go: int, out: int) -> None:
    """Wait, play, and return what came of it through a pipe; never come back."""
    try:
        os.read(go, 1)
        told = {"returned": play(*arguments)}
    except BaseException:  # noqa: BLE001 - whatever it was, the other end tells it
        told = {"failed": traceback.format_exc()}
    with os.fdopen(out, "w") as pipe:
        json.dump(told, pipe)
    os._exit(0)


def _perform(play: Callable[..., Any], arguments: list[Any]) -> None:
    go, (heard, out) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go[1])
        os.close(heard)
        _child(play, arguments, go[0], out)
    os.close(go[0])
    os.close(out)
    print(json.dumps({"pid": child}), flush=True)
    sys.stdin.readline()
    os.write(go[1], b"g")
    with os.fdopen(heard) as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    os.close(go[1])
    ended = os.waitstatus_to_exitcode(status)
    told = json.loads(said) if said else {"returned": None}
    print(json.dumps({"status": ended} | told), flush=True)


def _apart(act: Callable[[], None]) -> None:
    """Do something in a process of its own."""
    child = os.fork()
    if child == 0:
        act()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise StageError("the prints of the life could not be read")


def _warm(plays: dict[str, Callable[..., Any]]) -> None:
    """Play the beginning of a life, so that a fork finds compiled and loaded what every act needs."""
    with tempfile.TemporaryDirectory() as folder:
        root, journal = Path(folder) / "both", Path(folder) / "journal"
        plays["make"](str(root), {})
        plays["play"](str(root), str(journal), "query", "")
        plays["ask"](str(root), str(journal), "query", {"JP": [], "US": []}, "")


def main() -> None:
    """Load everything, then perform acts until the input ends."""
    from benchmarks.proof import _asked, _life  # noqa: PLC0415 - the other end needs none of it

    minutiae = Path(sys.argv[1])
    if not minutiae.exists():
        _apart(lambda: _life.render(minutiae))  # the network's threads would not survive a fork
    reader = _life.Reader(minutiae)
    _life.without_jail()
    plays = _asked.plays(reader)
    _warm(plays)
    for line in iter(sys.stdin.readline, ""):
        act, *arguments = json.loads(line)
        _perform(plays[act], arguments)


if __name__ == "__main__":
    main()
