"""The program inside the jail: it loads the tasks once and keeps children waiting, each confined already.

It runs with ``python -I`` and loads nothing of the server but the task modules that its arguments name. The parent end is
:mod:`matcher.jail`, what the two agree on :mod:`matcher.jail_terms`; they talk over file descriptor 0, a Unix socket. This
program first says "ready", how children are confined, which tasks there are and which of them a child may do again, or "failed"
and why. Then each "+" that comes down is answered with a token and the descriptor of a socket to a waiting child, and another
child is forked in its place; each "?" with the CPU seconds used so far by this program and by its children.

A child is forked, closes what is not its own, confines itself, and only then begins to read its socket. It reads one request
to its end and answers; then it exits, or, where the task is one of those, waits for the next. When the parent hangs up, the
child is killed: so it is the parent that keeps the time, and that says which child serves again. This program kept the child's
end of the socket too: when the child is dead it adds the token and the exit status, negative for a signal. The token was drawn
after the child was forked, so that no child can forge that last word. This program ends when the parent does, and its children
with it.

A task module offers ``TASKS``, functions by their names, each taking arguments (whatever JSON has) and data (bytes) and
giving the same two; and, where a task loads or builds something when it is first used, ``warm()``, which does that, since
a child can open no file. A task refuses by raising :class:`~matcher.jail_terms.RefusalError`; any other exception is
answered as damage to the data. The answer is a letter, a line of JSON and data, with their lengths before them: O with what
the task gave, any other with the reason for refusing.

``AGAIN``, where a module has it, names those of its tasks that run nothing but memory-safe code on arguments and data: Python,
and what numpy and Python's own modules do within the bounds of their arrays; no decoder or parser in C. No file can take over
the child that did one, so it is the same child as before, and may do another. What the last one's sender sent lies at most in
freed memory then, which memory-safe code does not read before it has written it, and a child has no way out but its answers.
The modules are read before there is any file, so that no file has a say in what they declare.

What a request costs beside its task is the fork, and the memory pages that the child writes to, each copied or new. So what
a child does is prepared before, and it makes few copies of anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import json
import os
import platform
import resource
import select
import signal
import socket
import struct
import sys
import time
import warnings
from collections import deque
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from matcher.jail_terms import (
    ADDRESS_SPACE,
    ANSWER,
    CPU_SECONDS,
    END,
    LENGTHS,
    SPENT,
    STATUS,
    TOKEN_BYTES,
    RefusalError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType

    from matcher.jail_terms import Task

Filter = ctypes.Array[ctypes.c_char]
"""The memory of a struct sock_fprog: the system calls that are allowed."""

_PAUSE: Final = 0.1
"""Seconds until the next fork, where a child died while it waited or could not be forked."""
_CHILD_SOCKET: Final = 3
_JSON: Final = json.JSONDecoder()


def main() -> None:
    """Serve until the parent closes its end; the arguments are the number of waiting children, and module names."""
    control = socket.socket(fileno=0)
    try:
        warnings.simplefilter("ignore")  # to print one, Python would open the source file
        tasks, again = _loaded(sys.argv[2:])
        confinement, seccomp = _prepare()
    except Exception as error:  # noqa: BLE001  whatever it is, only this line can tell the parent
        control.sendall(f"failed {type(error).__name__}: {error}\n".encode())
        return
    pool = _Pool(control, tasks, again, seccomp=seccomp, warm=int(sys.argv[1]))
    told = {"confinement": confinement, "tasks": sorted(tasks), "again": sorted(again)}
    control.sendall(b"ready " + _line(told))
    pool.serve()


def _loaded(modules: list[str]) -> tuple[dict[str, Task], frozenset[str]]:
    """Import the task modules; return their tasks by name, and the names of those that a child may do again."""
    # What modules do after a fork is renew the locks of threads, of which there are none; it costs each child 90 pages.
    os.register_at_fork = _nothing_after_forks
    tasks: dict[str, Task] = {}
    again: set[str] = set()
    for name in modules:
        module = importlib.import_module(name)
        offered: Mapping[str, Task] = module.TASKS
        if twice := tasks.keys() & offered.keys():
            raise ValueError(f"a task has one module; {sorted(twice)} of {name} are there already")
        tasks.update(offered)
        safe: frozenset[str] = getattr(module, "AGAIN", frozenset())
        if strange := safe - offered.keys():
            raise ValueError(f"AGAIN names tasks of its module; {sorted(strange)} of {name} are none")
        again |= safe
        getattr(module, "warm", lambda: None)()
    # A collection in a child would touch, and so copy, every page that it shares with this process; and each page that
    # this process holds, even of freed memory, costs each fork.
    gc.collect()
    gc.disable()
    gc.freeze()
    if hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)
    return tasks, frozenset(again)


def _nothing_after_forks(**_functions: object) -> None:
    """Stand in for :func:`os.register_at_fork`."""


# --- the children that wait ------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Child:
    """A child and both ends of its socket: its own, kept to say how it died, and the parent's until it is handed up."""

    pid: int
    own: socket.socket
    parents: socket.socket
    token: bytes = b""  # none while it waits
    status: int | None = None  # none while it lives


class _Pool:
    """Children that wait, children that work, and the loop that looks after both."""

    def __init__(
        self,
        control: socket.socket,
        tasks: Mapping[str, Task],
        again: frozenset[str],
        *,
        seccomp: Filter | None,
        warm: int,
    ) -> None:
        self._control = control
        self._tasks = tasks
        self._again = again
        self._seccomp = seccomp
        self._warm = warm
        self._waiting: deque[_Child] = deque()
        self._alive: dict[int, _Child] = {}  # by process id
        self._working: dict[int, _Child] = {}  # by the descriptor of the child's own end
        self._not_before = 0.0
        self._wake, waker = os.pipe()
        os.set_blocking(waker, False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the server to act on
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(waker)
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)

    def serve(self) -> None:
        """Serve until the parent closes its end, then leave no child behind."""
        while self._turn():
            pass
        for pid in self._alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def _turn(self) -> bool:
        """Do what there is to do, and fork where there is nothing else; tell whether the parent is still there."""
        events = self._poll.poll(self._patience())
        for descriptor, _ in events:
            if descriptor == self._wake:
                os.read(descriptor, 4096)
                self._reap()
            elif descriptor in self._working:
                self._part(self._working[descriptor])
        if any(descriptor == self._control.fileno() for descriptor, _ in events):
            return self._asked()
        if not events and self._patience() == 0:
            self._refill()
        return True

    def _patience(self) -> float | None:
        """Return for how many milliseconds to wait for others, none for without end."""
        if len(self._waiting) >= self._warm:
            return None
        return max(0.0, self._not_before - time.monotonic()) * 1000.0

    def _asked(self) -> bool:
        question = self._control.recv(1)
        if question == b"+":
            self._hand_up()
        elif question == b"?":
            self._control.sendall(SPENT.pack(_spent(self._alive)))
        return question != b""

    def _hand_up(self) -> None:
        """Give the parent its end of a child's socket; a token without one says that no process is to be had."""
        try:
            child = self._waiting.popleft() if self._waiting else self._start()
        except OSError:
            self._control.sendall(bytes(TOKEN_BYTES))
            return
        child.token = os.urandom(TOKEN_BYTES)
        self._working[child.own.fileno()] = child
        self._poll.register(child.own, 0)  # only that the parent hangs up
        socket.send_fds(self._control, [child.token], [child.parents.fileno()])
        child.parents.close()

    def _refill(self) -> None:
        try:
            self._waiting.append(self._start())
        except OSError:
            self._not_before = time.monotonic() + _PAUSE

    def _reap(self) -> None:
        """Take note of every child that has died."""
        while self._alive:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = self._alive.pop(pid)
            child.status = os.waitstatus_to_exitcode(status)
            if child in self._waiting:
                self._waiting.remove(child)
                child.own.close()
                child.parents.close()
                self._not_before = time.monotonic() + _PAUSE
            elif child.own.fileno() in self._working:
                self._part(child)

    def _part(self, child: _Child) -> None:
        """Say how a dead child ended, as soon as there is room to; end a living one, since its parent has hung up."""
        with contextlib.suppress(OSError):  # the parent may have hung up from a dead one, too
            if child.status is None:
                os.kill(child.pid, signal.SIGKILL)
            else:
                try:
                    child.own.send(STATUS.pack(child.token, child.status), socket.MSG_DONTWAIT)
                except BlockingIOError:
                    self._poll.modify(child.own, select.POLLOUT)
                    return
        self._poll.unregister(child.own)
        del self._working[child.own.fileno()]
        child.own.close()

    def _start(self) -> _Child:
        """Fork a child.

        Raises:
            OSError: the system grants no more processes or files.

        """
        own, parents = socket.socketpair()
        this = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            own.close()
            parents.close()
            raise
        if pid == 0:
            try:
                self._live(own.fileno(), this)
            finally:
                os._exit(1)
        child = self._alive[pid] = _Child(pid, own, parents)
        return child

    def _live(self, descriptor: int, parent: int) -> None:
        """Confine this child and answer requests until one is of a task that is done once, or there are no more."""
        os.dup2(descriptor, _CHILD_SOCKET)
        os.dup2(1, 0)
        os.closerange(_CHILD_SOCKET + 1, 1 << 16)
        signal.set_wakeup_fd(-1)
        _die_with(parent)
        confine(seccomp=self._seccomp)
        for number in count(1):
            if not self._served(number):
                os._exit(0)
            gc.collect()  # of this request only: what was there before the fork is frozen

    def _served(self, number: int) -> bool:
        """Answer a request and let go of all that came with it; tell whether its task is one to be done again."""
        lengths = LENGTHS.unpack(_read(LENGTHS.size))
        question, data = (_read(length) for length in lengths)
        content, produced = answer(self._tasks, question, data)
        _write(ANSWER.pack(number, len(content), len(produced), time.process_time()) + content)
        _write(produced)
        _write(END)
        return _JSON.raw_decode(question.decode())[0][0] in self._again


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor tell."""


def _spent(alive: Iterable[int]) -> float:
    """Return the CPU seconds of this process and of its children, the living ones by their process ids."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    seconds = sum(one.ru_utime + one.ru_stime for one in used)
    for pid in alive:
        with contextlib.suppress(OSError):  # one that dies at this moment, or a system without such clocks
            seconds += time.clock_gettime(~pid << 3 | 2)  # Linux's clock of a process's CPU time (clock_getcpuclockid)
    return seconds


# --- what a child does -----------------------------------------------------------------------------------------------


def answer(tasks: Mapping[str, Task], question: bytes, data: bytes) -> tuple[bytes, bytes]:
    """Do what a request asks; return a letter with a line of JSON, and data."""
    try:
        name, arguments = _JSON.raw_decode(question.decode())[0]
        content, produced = tasks[name](arguments, data)
    except RefusalError as refusal:
        return refusal.letter.encode() + _line(str(refusal)), b""
    except MemoryError:
        return b"K" + _line(f"it takes more than {ADDRESS_SPACE >> 20} MiB of memory"), b""
    except Exception as error:  # noqa: BLE001  decoders raise anything; every kind means the same to the caller
        return b"D" + _line(f"{type(error).__name__}: {error}"), b""
    return b"O" + _line(content), produced


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _read(length: int) -> bytes:
    """Read so many bytes of the request; a parent that hangs up before has this child killed."""
    parts = []
    while length:
        parts.append(os.read(_CHILD_SOCKET, length))
        length -= len(parts[-1]) or length
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(_CHILD_SOCKET, view) :]


# --- what a child may do ---------------------------------------------------------------------------------------------

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_KILL_PROCESS: Final = 0x80000000
_ALLOW: Final = 0x7FFF0000
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF: ld abs word, jeq, jset, ret
_PROT_EXEC: Final = 4

# What a decoder needs: memory, its one socket, randomness and time for Python's own sake, and to end.
_SYSTEM_CALLS: Final = {
    "x86_64": {
        "architecture": 0xC000003E,
        "memory": (9, 10),  # mmap, mprotect: never executable
        # read write close fstat lseek munmap brk rt_sigreturn sched_yield mremap madvise
        # exit gettimeofday futex clock_gettime exit_group getrandom
        "plain": (0, 1, 3, 5, 8, 11, 12, 15, 24, 25, 28, 60, 96, 202, 228, 231, 318),
    },
    "aarch64": {
        "architecture": 0xC00000B7,
        "memory": (222, 226),
        "plain": (63, 64, 57, 80, 62, 215, 214, 139, 124, 216, 233, 93, 169, 98, 113, 94, 278),
    },
}


def confine(*, seccomp: Filter | None) -> None:
    """Give up for good, in this process: time, files, other processes and all system calls but a few.

    ``seccomp`` is the filter of system calls, None where there is none. Memory was given up by :func:`_prepare`.

    Raises:
        OSError: the system does not grant the filter.

    """
    _limit("RLIMIT_CPU", CPU_SECONDS, CPU_SECONDS + 1)
    _limit("RLIMIT_NOFILE", 0, 0)
    _limit("RLIMIT_NPROC", 0, 0)
    if seccomp is not None:
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(seccomp))


def _limit(name: str, soft: int, hard: int) -> None:
    with contextlib.suppress(AttributeError, ValueError, OSError):  # not every system has each
        resource.setrlimit(getattr(resource, name), (soft, hard))


def _prepare() -> tuple[str, Filter | None]:
    """Give up what this process and its children need no more; try the rest on a child.

    Return what confines the children, in words, and the filter of system calls, if the system has one.
    """
    _limit("RLIMIT_AS", ADDRESS_SPACE, ADDRESS_SPACE)
    _limit("RLIMIT_FSIZE", 0, 0)
    _limit("RLIMIT_CORE", 0, 0)
    try:
        seccomp = _filter()
        _try(seccomp)
    except OSError as error:
        return f"resource limits only; no system call filter: {error.strerror}", None
    return f"resource limits, no new privileges, system call filter ({platform.machine()})", seccomp


def _try(seccomp: Filter) -> None:
    """Confine a child.

    Raises:
        OSError: that does not work, and why.

    """
    pid = os.fork()
    if pid == 0:
        try:
            confine(seccomp=seccomp)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code != 0:
        raise OSError(code, os.strerror(code) if code > 0 else f"signal {-code}")


def _filter() -> Filter:
    """Return the filter as the kernel takes it, after giving up the right to new privileges, which it asks for.

    Raises:
        OSError: there is none for this system.

    """
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _SYSTEM_CALLS:
        raise OSError(errno.ENOSYS, f"no system call table for {sys.platform} on {machine}")
    program = _program(_SYSTEM_CALLS[machine])
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count of instructions and a pointer, with the compiler's padding between
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    header.code = code  # type: ignore[attr-defined]  # it lives as long as what points to it
    _prctl(_PR_SET_NO_NEW_PRIVS, 1, 0)
    return header


def _program(calls: dict[str, Any]) -> bytes:
    """Return the filter: of struct seccomp_data it reads the call's number at 0, the architecture at 4, prot at 32."""
    kill, allow = (_RETURN, 0, 0, _KILL_PROCESS), (_RETURN, 0, 0, _ALLOW)
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, calls["architecture"]), kill, (_LOAD, 0, 0, 0)]
    for number in calls["plain"]:
        code += [(_EQUAL, 0, 1, number), allow]
    for number in calls["memory"]:
        code += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, 32), (_ANY_BIT, 0, 1, _PROT_EXEC), kill, allow]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in (*code, kill))


def _prctl(option: int, first: int, second: int) -> None:
    if _LIBC.prctl(option, first, second, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _die_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0)
        if os.getppid() != parent:
            os._exit(1)


_LIBC: Final = ctypes.CDLL(None, use_errno=True)
if sys.platform.startswith("linux"):
    _LIBC.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
