"""Reading hostile files in a jail: child processes with no rights, because decoders are written in C.

Of 110,000 damaged WSQ files one in 160 killed the process that decoded it. So a :class:`Jail` keeps a small process that has
loaded the decoders and nothing of the server (:mod:`matcher._jailed`), and that process keeps children waiting which have
given up files, network, processes, time and memory. What a child may do is a task, by its name: :meth:`Jail.ask`; the one to
begin with is :meth:`Jail.decode`. What comes back is held to a length and otherwise believed to be no more than JSON and bytes.

A child that has run a decoder in C serves one request and dies, so that nothing of one person's file is there when the next
one's comes. A fork, and the end of a process, cost more than most files do; so a child that has run nothing but memory-safe
code, which no file can take over, is kept for the next request of that kind, up to :data:`MAX_SERVED`. Which tasks those are,
their modules declare before there is any file, and this side decides by the task's name, never by what a child says.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import math
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from matcher.jail_terms import ANSWER, CPU_SECONDS, END, LENGTHS, MAX_CONTENT, SPENT, STATUS, TOKEN_BYTES

PROGRAM: Final = "from matcher import _jailed; _jailed.main()"
MODULES: Final = ("matcher._decoding",)
WALL_SECONDS: Final = 20.0
"""From the moment a child is handed over; CPU time ends it before, unless the machine is very busy."""

MAX_SERVED: Final = 32
"""Requests that a child serves in its life, of tasks that it may do again."""

MAX_SPENT: Final = 0.5
"""CPU seconds after which a child serves no more."""

PLAIN: Final = frozenset({"WSQ", "PGM", "BMP", "TIFF"})
"""The codecs of which some or all files need no decoder in C: the task "plain" is tried before "decode"."""

OTHER: Final = "C"
"""The letter with which "plain" leaves a file to "decode"."""

_HERE: Final = f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})"
_START_SECONDS: Final = 60.0
# The server's environment may hold secrets; the last three say that memory is overwritten when it is given back.
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "PATH", "MALLOC_PERTURB_", "GLIBC_TUNABLES", "PYTHONMALLOC")
_SET: Final = {"OPENBLAS_NUM_THREADS": "1"}  # a thread would not survive the fork
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class JailError(RuntimeError):
    """The jail itself does not work; it says nothing about the file."""


class RefusedError(ValueError):
    """The task was not done, because of its data; ``letter`` tells why.

    For pictures: T too large or small, D damaged, U a kind not read, K killed (:class:`KilledError`), C (:data:`OTHER`).
    """

    def __init__(self, letter: str, reason: str) -> None:
        super().__init__(reason)
        self.letter = letter


class KilledError(RefusedError):
    """The child went beyond what it may use or do: CPU time, memory, the clock, system calls; or it crashed."""

    def __init__(self, reason: str) -> None:
        super().__init__("K", reason)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a header may state before anything is decoded, in pixels."""

    min_side: int
    max_side: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Decoded:
    """Grey values row by row, 0 black to 255 white, and the file's own resolution across and down in dpi, 0 if none."""

    width: int
    height: int
    dpi: tuple[float, float]
    pixels: bytes


class _GarbledError(RefusedError):
    """What a child said is no answer."""

    def __init__(self, reason: str) -> None:
        super().__init__("D", reason)


class _GoneError(Exception):
    """A child ended and nobody said how: the jail has ended, too."""


@dataclass(slots=True, eq=False)
class _Child:
    """A child that is ours to ask: our end of its socket, the token that its last word begins with, and whose child it is."""

    connection: socket.socket
    token: bytes
    parent: subprocess.Popen[bytes] | None
    served: int = 0
    spent: float = 0.0  # CPU seconds, as it says


class Jail:
    """A place to do tasks in; thread-safe. The process starts with the first task and again whenever it is gone.

    ``places`` is how many tasks may run at once, each in up to 512 MiB of memory and 2 seconds of CPU time, and how many
    children are kept at most that may serve again; ``warm`` is how many new ones wait, as many if not given; ``wall_seconds``
    is when an answer is given up; ``modules`` name the modules of tasks (:mod:`matcher._jailed` says what they offer);
    ``program`` is what runs inside, as Python text.
    """

    def __init__(
        self,
        *,
        places: int = 4,
        warm: int | None = None,
        wall_seconds: float = WALL_SECONDS,
        modules: tuple[str, ...] = MODULES,
        program: str = PROGRAM,
    ) -> None:
        self._wall_seconds = wall_seconds
        self._modules = modules
        waiting = places if warm is None else warm
        self._command = [sys.executable, "-I", "-c", f"{_HERE}\n{program}", str(waiting), *modules]
        self._most_kept = places
        self._places = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._confinement = ""
        self._tasks: frozenset[str] = frozenset()
        self._again: frozenset[str] = frozenset()
        self._kept: list[_Child] = []
        atexit.register(self.close)

    @property
    def confinement(self) -> str:
        """What holds the children in; "resource limits only" where the system has no system call filter.

        Raises:
            JailError: the jail does not start.

        """
        with self._lock:
            self._started()
        return self._confinement

    def ask(self, task: str, arguments: Any, data: bytes, *, most: int) -> tuple[Any, bytes]:
        """Do a task in a child; return what it gives: a value as JSON has them, and at most so many bytes.

        The child is new, and is ended afterwards, unless the task's module declares that it may be done again. Nothing in
        the answer is to be trusted: whoever wrote the data may have taken the child over and written it. Costs some
        milliseconds of CPU time beside the task itself with a new child, a fraction of one with another, and memory for the
        answer twice.

        Raises:
            RefusedError: the task refused the data, or answered with more or with something else.
            KilledError: the child was killed at it.
            JailError: the jail does not start, has no such task, or ended twice while it worked.

        """
        question = json.dumps([task, arguments]).encode()
        request = LENGTHS.pack(len(question), len(data)) + question + data
        with self._places:
            try:
                return self._done(task, request, most)
            except TimeoutError:
                raise KilledError(f"no answer in {self._wall_seconds:g} seconds") from None

    def decode(self, codec: str, data: bytes, limits: Limits) -> Decoded:
        """Decode a file in a child; ``codec`` is one of WSQ, JP2, JPEG, TIFF, PNG, BMP, PGM.

        The task "plain" is asked where it may do and the jail has it, "decode" for all that it leaves.

        Raises:
            RefusedError: the decoder refused the file, or was killed at it.
            JailError: the jail does not start, or ended while it worked.

        """
        if codec in PLAIN and self._has("plain"):
            try:
                return self._decoded("plain", codec, data, limits)
            except RefusedError as refusal:
                if refusal.letter != OTHER:
                    raise
        return self._decoded("decode", codec, data, limits)

    def spent(self) -> float:
        """Return the CPU seconds that the jail's process and its children have used; those that wait where the system tells.

        Raises:
            JailError: the jail does not start, or does not answer.

        """
        with self._lock:
            control = self._started()
            try:
                control.sendall(b"?")
                (seconds,) = SPENT.unpack(control.recv(SPENT.size))
            except (OSError, struct.error) as error:
                self._end()
                raise JailError(f"the jail does not answer: {error}") from error
        return float(seconds)

    def children(self) -> int:
        """Return how many processes wait or work in the jail: none before it starts, or where the system does not tell."""
        process = self._process
        if process is None:
            return 0
        try:
            return len(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split())
        except OSError:
            return 0

    def close(self) -> None:
        """End the jail's process; a later call starts a new one."""
        with self._lock:
            self._end()

    def _has(self, task: str) -> bool:
        with self._lock:
            self._started()
            return task in self._tasks

    def _decoded(self, task: str, codec: str, data: bytes, limits: Limits) -> Decoded:
        content, pixels = self.ask(task, {"codec": codec, **asdict(limits)}, data, most=limits.max_pixels)
        if not _is_header(content, limits) or len(pixels) != content[0] * content[1]:
            raise RefusedError("D", "the decoder answered with something else than a picture within the limits")
        width, height, across, down = content
        return Decoded(width, height, (float(across), float(down)), pixels)

    def _done(self, task: str, request: bytes, most: int) -> tuple[Any, bytes]:
        """Have a request done by a child that was kept, where there is one and it may; else, or if it dies, by a new one."""
        child = self._kept_one(task)
        if child is not None:
            # What others' files left it of its time and memory may have been too little; or it was dead already. Only of
            # a child that has served nobody else is it certain that what goes wrong comes of this file.
            with contextlib.suppress(_GoneError, KilledError, _GarbledError):
                return self._answered(child, task, request, most)
        for _ in range(2):  # somebody may end the jail, which no child can do: start another
            with contextlib.suppress(_GoneError):
                return self._answered(self._new_one(task), task, request, most)
        raise JailError("the jail ended before it answered; the next file starts it again")

    def _answered(self, child: _Child, task: str, request: bytes, most: int) -> tuple[Any, bytes]:
        """Have a child do a request; keep it where it may serve again, else hang up, which ends it.

        Raises:
            RefusedError: as in :meth:`ask`.
            TimeoutError: it did not answer in time.
            _GoneError: there is no answer, and no word on why.

        """
        keep = False
        try:
            deadline = time.monotonic() + self._wall_seconds
            child.connection.settimeout(self._wall_seconds)
            with contextlib.suppress(ConnectionError):  # a child that died unread has left its status to read
                child.connection.sendall(request)
            letter, content, data = _read(*_received(child, most, deadline))
            keep = letter != "K" and task in self._again and child.served < MAX_SERVED and child.spent < MAX_SPENT
        finally:
            if not keep or not self._keep(child):
                child.connection.close()
        if letter == "O":
            return content, data
        raise KilledError(_plain(content)) if letter == "K" else RefusedError(letter, _plain(content))

    def _keep(self, child: _Child) -> bool:
        """Keep a child for the next request, if there is a place and the jail is still the one that it is of."""
        with self._lock:
            kept = child.parent is self._process and len(self._kept) < self._most_kept
            if kept:
                self._kept.append(child)
            return kept

    def _kept_one(self, task: str) -> _Child | None:
        """Return the child kept last that is alive, where the task is one to be done again."""
        with self._lock:
            while task in self._again and self._kept:
                child = self._kept.pop()
                if _is_silent(child.connection):
                    return child
                child.connection.close()
        return None

    def _new_one(self, task: str) -> _Child:
        """Return a child that has served nobody, starting the jail where need be."""
        with self._lock:
            for _ in range(2):
                control = self._started()
                if task not in self._tasks:
                    raise JailError(f"the jail has no task {task!r}; it has {', '.join(sorted(self._tasks))}")
                token, descriptors = _handed_up(control)
                if descriptors:
                    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptors[0])
                    return _Child(connection, token, self._process)
                if token:
                    raise JailError("the system grants no process to decode in; try again later")
                self._end()
        raise JailError("the jail takes no files: its process ends when it is asked")

    def _started(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._end()
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                self._command,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment | _SET,
            )
        self._control = ours
        word, _, rest = _first_line(ours).partition(" ")
        if word != "ready":
            self._end()
            raise JailError(
                f"the jail does not start: {rest or 'its process ended'}; try {sys.executable} -c "
                f"'import {', '.join(self._modules)}'"
            )
        told = json.loads(rest)
        self._confinement = told["confinement"]
        self._tasks, self._again = frozenset(told["tasks"]), frozenset(told["again"])
        return ours

    def _end(self) -> None:
        while self._kept:
            self._kept.pop().connection.close()
        if self._control is not None:
            self._control.close()  # the process ends when it reads the end
        if self._process is not None:
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


SHARED: Final = Jail()
"""The jail that :func:`matcher.images.read` uses where it is given no other."""


def _first_line(control: socket.socket) -> str:
    control.settimeout(_START_SECONDS)
    line = b""
    with contextlib.suppress(OSError):
        while not line.endswith(b"\n") and (part := control.recv(1)):
            line += part
    control.settimeout(WALL_SECONDS)
    return line.decode(errors="replace").strip()


def _handed_up(control: socket.socket) -> tuple[bytes, list[int]]:
    """Ask for a child; return its token and the descriptor of its socket, neither where the jail is gone."""
    try:
        control.sendall(b"+")
        token, descriptors, _flags, _address = socket.recv_fds(control, TOKEN_BYTES, 1, _CLOSE_ON_EXEC)
    except OSError:
        return b"", []
    return token, descriptors


def _is_silent(connection: socket.socket) -> bool:
    """Tell whether nothing came from a child since its answer: neither more of it, nor word of its end."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _received(child: _Child, most: int, deadline: float) -> tuple[bytes, bytes]:
    """Read an answer: as long as it says that it is, no longer than it can be, and not beyond the deadline.

    Raises:
        RefusedError: it is no answer, or too long.
        KilledError: the child ended with a status.
        TimeoutError: the deadline came first.
        _GoneError: the child ended without.

    """
    child.served += 1
    received = bytearray()
    content = end = ANSWER.size  # until the answer tells
    while len(received) < end:
        child.connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            part = child.connection.recv(min(end - len(received), 1 << 20))
        except ConnectionError:
            part = b""
        if not part:
            raise _last_word(child, received)
        received += part
        if end == ANSWER.size == len(received):
            content, end = _ends(child, received, most)
    if not received.endswith(END):
        raise _no_answer()
    with memoryview(received) as view:
        return bytes(view[ANSWER.size : content]), bytes(view[content : -len(END)])


def _ends(child: _Child, received: bytearray, most: int) -> tuple[int, int]:
    """Return where, by an answer's first word, its JSON and itself end; note what the child has spent."""
    number, content, data, spent = ANSWER.unpack_from(received)
    if content > MAX_CONTENT or data > most:
        raise _GarbledError("the answer is longer than it can be")
    if number != child.served or content == 0 or not spent >= 0.0:
        raise _no_answer()
    child.spent = spent
    return ANSWER.size + content, ANSWER.size + content + data + len(END)


def _last_word(child: _Child, received: bytearray) -> Exception:
    """Return what to raise for a child that ended before its answer did."""
    word = received[-STATUS.size :]
    if word[:TOKEN_BYTES] != child.token or len(word) < STATUS.size:
        return _GoneError()
    status = STATUS.unpack(word)[1]
    return KilledError(_how_it_died(status)) if status else _no_answer()


def _no_answer() -> _GarbledError:
    return _GarbledError("the answer is not one that the task gives")


def _how_it_died(status: int) -> str:
    if status > 0:
        return f"it ended with exit code {status} and no answer"
    reasons: dict[int, str] = {
        signal.SIGSYS: "a system call that decoding does not need",
        signal.SIGXCPU: f"more than {CPU_SECONDS} seconds of CPU time",
        signal.SIGKILL: f"killed: more than {CPU_SECONDS} seconds of CPU time, or the system was out of memory",
    }
    name = signal.Signals(-status).name if -status in {s.value for s in signal.Signals} else f"signal {-status}"
    return f"{reasons.get(-status, 'the decoder crashed')} ({name})"


def _read(line: bytes, data: bytes) -> tuple[str, Any, bytes]:
    """Read a child's answer, trusting nothing: whoever damaged the child may have written it.

    Raises:
        RefusedError: it is none.

    """
    letter = chr(line[0])
    try:
        content = json.loads(line[1:], parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise _no_answer() from None
    if letter == "O" or ("A" <= letter <= "Z" and isinstance(content, str)):
        return letter, content, data
    raise _no_answer()


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _is_header(content: object, limits: Limits) -> bool:
    """Tell whether it is width, height and two resolutions, the size within the limits."""
    if not isinstance(content, list) or len(content) != 4:
        return False
    width, height, across, down = content
    return (
        all(type(side) is int and limits.min_side <= side <= limits.max_side for side in (width, height))
        and width * height <= limits.max_pixels
        and all(type(dpi) is float and 0.0 <= dpi < math.inf for dpi in (across, down))
    )


def _plain(text: str) -> str:
    return "".join(c for c in text[:300] if c.isprintable())
