"""A small kit of faults that befall a disk or a database, each a block in which it lasts.

What cannot be made on this machine raises :class:`Unavailable` with the reason, before anything was changed. A full disk is
a small tmpfs, filled; a lock is a second connection that holds it; errors and hangs are strace's, attached to the process
that shall meet them and let go at the end of the block, so they begin and end without a restart and need no compiler.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WRITES: Final = ("pwrite64", "write", "ftruncate", "fallocate")
"""The calls by which SQLite and a slot file change a file."""

SYNCS: Final = ("fdatasync", "fsync")

_BALLAST: Final = "ballast"
_WAIT: Final = 30.0  # seconds for strace to take hold of every thread


class Unavailable(Exception):  # noqa: N818 - a state of the machine, not a failure of what is shown
    """This fault cannot be made here, and why."""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount a tmpfs of so many megabytes at ``folder``, which is made, until the end of the block.

    Raises:
        Unavailable: this process may not mount.

    """
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        raise Unavailable("a small disk is a tmpfs, and to mount one takes root")
    folder.mkdir(mode=0o700)
    options = f"size={megabytes}m,mode=700"
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", options, "pcsc-proof", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        folder.rmdir()
        raise Unavailable(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        # Lazily: what is still open, such as the shell of somebody who looks, does not keep it.
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


@contextmanager
def full(folder: Path, *, but: int = 0) -> Iterator[None]:
    """Fill the disk of ``folder`` until ``but`` bytes are free, and make room again at the end of the block."""
    ballast = folder / _BALLAST
    try:
        _fill(ballast, but)
        yield
    finally:
        ballast.unlink(missing_ok=True)


def _fill(ballast: Path, but: int) -> None:
    disk = os.statvfs(ballast.parent)
    wanted = disk.f_bavail * disk.f_frsize - but
    if wanted > 2**30:
        raise Unavailable(f"a disk is filled where it is small: a GB at most; {wanted} bytes are free here")
    file = os.open(ballast, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if wanted > 0:
            os.posix_fallocate(file, 0, wanted)
    except OSError:
        if but:
            raise
    finally:
        os.close(file)


def empty_log(database: Path) -> None:
    """Move all that SQLite has in its write-ahead log into the database and cut the log off: what is written next grows it.

    A log that was begun anew from its start has room for the next transactions, on a full disk too.

    Raises:
        Unavailable: somebody reads all the time.

    """
    deadline = time.monotonic() + _WAIT
    with closing(sqlite3.connect(database, isolation_level=None, timeout=_WAIT)) as connection:
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            if time.monotonic() > deadline:
                raise Unavailable(f"the log of {database.name} cannot be emptied: somebody reads in it")
            time.sleep(0.01)


@contextmanager
def write_lock(database: Path) -> Iterator[None]:
    """Hold the write lock of an SQLite database until the end of the block, as another process might."""
    with closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Let a process and all that it started stand still until the end of the block."""
    stopped = [pid]
    os.kill(pid, signal.SIGSTOP)  # the first: nothing is started by it from here on
    try:
        for child in _children(pid):
            os.kill(child, signal.SIGSTOP)
            stopped.append(child)
        yield
    finally:
        for each in reversed(stopped):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def _children(pid: int) -> list[int]:
    """Return the processes that a process started, from any of its threads."""
    listed = [task / "children" for task in Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for path in listed for child in path.read_text(encoding="ascii").split()]


@contextmanager
def failing(pid: int, files: Sequence[Path], calls: Sequence[str], error: str, *, after: int = 0) -> Iterator[None]:
    """Let system calls of a process on files fail with an error, such as EIO, until the end of the block.

    The first ``after`` of them in each thread still succeed.
    """
    with _traced(pid, files, calls, f"error={error}", after):
        yield


@contextmanager
def hanging(pid: int, files: Sequence[Path], calls: Sequence[str], *, after: int = 0) -> Iterator[None]:
    """Let system calls of a process on files not return, until the end of the block, when they are made after all."""
    with _traced(pid, files, calls, f"delay_enter={3600 * 10**6}", after):
        yield


@contextmanager
def _traced(pid: int, files: Sequence[Path], calls: Sequence[str], what: str, after: int) -> Iterator[None]:
    strace = shutil.which("strace")
    if strace is None:
        raise Unavailable("errors and hangs of system calls are made with strace, which is not installed")
    among = ",".join(calls)
    command = [strace, "-f", "-qq", "-o", os.devnull, "-e", f"trace={among}"]
    command += ["-e", f"inject={among}:{what}:when={after + 1}+"]
    command += [part for file in files for part in ("-P", str(file))]
    with subprocess.Popen(
        [*command, "-p", str(pid)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as tracer:
        try:
            _await_hold(pid, tracer)
            yield
        finally:
            tracer.send_signal(signal.SIGTERM)  # it lets go of every thread, also of one in a call that hangs
            try:
                tracer.wait(_WAIT)
            except subprocess.TimeoutExpired:
                tracer.kill()


def _await_hold(pid: int, tracer: subprocess.Popen[str]) -> None:
    """Return when strace has hold of every thread of a process."""
    deadline = time.monotonic() + _WAIT
    while time.monotonic() < deadline:
        if tracer.poll() is not None:
            said = "" if tracer.stderr is None else tracer.stderr.read().strip()
            raise Unavailable(f"strace cannot attach to a process here, which takes root or ptrace_scope 0: {said}")
        if all(_tracer(task) == tracer.pid for task in Path(f"/proc/{pid}/task").iterdir()):
            return
        time.sleep(0.01)
    raise Unavailable(f"strace did not take hold of process {pid} in {_WAIT:g} s")


def _tracer(task: Path) -> int:
    """Return the process that traces a thread, 0 for none."""
    try:
        status = (task / "status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0  # it has ended meanwhile
    return int(status.partition("TracerPid:")[2].split(maxsplit=1)[0])
