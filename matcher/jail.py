"""Reading hostile files in a jail: a child process with no rights, one for each file, because decoders are written in C.

Of 110,000 damaged WSQ files one in 160 killed the process that decoded it. So a :class:`Jail` keeps a small process that has
loaded the decoders and nothing of the server (:mod:`matcher._jailed`), and that process keeps children waiting which have
given up files, network, processes, time and memory. Each serves one request and dies, so that nothing of one person's file
is there when the next one's comes. What it may do is a task, by its name: :meth:`Jail.ask`; the one to begin with is
:meth:`Jail.decode`. What comes back is held to a length and otherwise believed to be no more than JSON and bytes.
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

from matcher.jail_terms import CPU_SECONDS, LENGTHS, MAX_CONTENT, SPENT, STATUS, TOKEN_BYTES

PROGRAM: Final = "from matcher import _jailed; _jailed.main()"
MODULES: Final = ("matcher._decoding",)
WALL_SECONDS: Final = 20.0
"""From the moment a child is handed over; CPU time ends it before, unless the machine is very busy."""

_HERE: Final = f"import sys; sys.path.insert(0, {str(Path(__file__).parent.parent)!r})"
_START_SECONDS: Final = 60.0
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "PATH")  # the server's environment may hold secrets
_SET: Final = {"OPENBLAS_NUM_THREADS": "1"}  # a thread would not survive the fork
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class JailError(RuntimeError):
    """The jail itself does not work; it says nothing about the file."""


class RefusedError(ValueError):
    """The task was not done, because of its data; ``letter`` tells why.

    For pictures: T too large or small, D damaged, U a kind not read, K killed (:class:`KilledError`).
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


class Jail:
    """A place to do tasks in; thread-safe. The process starts with the first task and again whenever it is gone.

    ``places`` is how many tasks may run at once, each in up to 512 MiB of memory and 2 seconds of CPU time; ``warm`` is how
    many children wait for one, as many if not given; ``wall_seconds`` is when an answer is given up; ``modules`` name the
    modules of tasks (:mod:`matcher._jailed` says what they offer); ``program`` is what runs inside, as Python text.
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
        self._places = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._confinement = ""
        self._tasks: frozenset[str] = frozenset()
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
        """Do a task in a child of its own; return what it gives: a value as JSON has them, and at most so many bytes.

        Nothing in it is to be trusted: whoever wrote the data may have taken the child over and written the answer.
        Costs about a hundredth of a second beside the task itself, and memory for the answer twice.

        Raises:
            RefusedError: the task refused the data, or answered with more or with something else.
            KilledError: the child was killed at it.
            JailError: the jail does not start, has no such task, or ended twice while it worked.

        """
        question = json.dumps([task, arguments]).encode()
        request = LENGTHS.pack(len(question), len(data)) + question + data
        with self._places:
            answer = self._answer(task, request, most)
            if answer is None:  # somebody ended the jail, which no child can do: start another
                answer = self._answer(task, request, most)
        if answer is None:
            raise JailError("the jail ended before it answered; the next file starts it again")
        return _read(answer, most)

    def decode(self, codec: str, data: bytes, limits: Limits) -> Decoded:
        """Decode a file in a child of its own; ``codec`` is one of WSQ, JP2, JPEG, TIFF, PNG, BMP, PGM.

        Raises:
            RefusedError: the decoder refused the file, or was killed at it.
            JailError: the jail does not start, or ended while it worked.

        """
        content, pixels = self.ask("decode", {"codec": codec, **asdict(limits)}, data, most=limits.max_pixels)
        if not _is_header(content, limits) or len(pixels) != content[0] * content[1]:
            raise RefusedError("D", "the decoder answered with something else than a picture within the limits")
        width, height, across, down = content
        return Decoded(width, height, (float(across), float(down)), pixels)

    def spent(self) -> float:
        """Return the CPU seconds that the jail's process and its children that have ended have used.

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

    def close(self) -> None:
        """End the jail's process; a later call starts a new one."""
        with self._lock:
            self._end()

    def _answer(self, task: str, request: bytes, most: int) -> bytearray | None:
        """Return a child's answer to a request, None where the jail ended before there was one."""
        connection, token = self._child(task)
        with connection:
            deadline = time.monotonic() + self._wall_seconds
            connection.settimeout(self._wall_seconds)
            try:
                with contextlib.suppress(ConnectionError):  # a child that died unread has left its status to read
                    connection.sendall(request)
                received = _received(connection, token, most, deadline)
            except TimeoutError:
                raise KilledError(f"no answer in {self._wall_seconds:g} seconds") from None
        if received[-STATUS.size : -STATUS.size + TOKEN_BYTES] != token:
            return None
        status = STATUS.unpack_from(received, len(received) - STATUS.size)[1]
        if status != 0:
            raise KilledError(_how_it_died(status))
        del received[-STATUS.size :]
        return received

    def _child(self, task: str) -> tuple[socket.socket, bytes]:
        """Return our end of a child's socket and the token that will end its answer, starting the jail where need be."""
        with self._lock:
            for _ in range(2):
                control = self._started()
                if task not in self._tasks:
                    raise JailError(f"the jail has no task {task!r}; it has {', '.join(sorted(self._tasks))}")
                token, descriptors = _handed_up(control)
                if descriptors:
                    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptors[0]), token
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
        self._confinement, self._tasks = told["confinement"], frozenset(told["tasks"])
        return ours

    def _end(self) -> None:
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


def _received(connection: socket.socket, token: bytes, most: int, deadline: float) -> bytearray:
    """Read to the token and the status behind it, or to the end; no more than fits and not beyond the deadline."""
    most += MAX_CONTENT + STATUS.size
    received = bytearray()
    while received[-STATUS.size : -STATUS.size + TOKEN_BYTES] != token:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            part = connection.recv(1 << 20)
        except ConnectionError:
            break
        if not part:
            break
        received += part
        if len(received) > most:
            raise RefusedError("D", "the answer is longer than it can be")
    return received


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


def _read(answer: bytearray, most: int) -> tuple[Any, bytes]:
    """Read a child's answer, trusting nothing: whoever damaged the child may have written it."""
    end = answer.find(b"\n", 1, MAX_CONTENT)
    letter, data = chr(answer[0]) if end > 0 else "", bytes(memoryview(answer)[end + 1 :])
    try:
        content = json.loads(answer[1:end], parse_constant=_no_number) if end > 0 else None
    except (ValueError, RecursionError):
        letter, content = "", None
    if letter == "O" and len(data) <= most:
        return content, data
    if letter == "K" and isinstance(content, str):
        raise KilledError(_plain(content))
    if "A" <= letter <= "Z" and letter != "O" and isinstance(content, str):
        raise RefusedError(letter, _plain(content))
    raise RefusedError("D", "the answer is not one that the task gives")


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
