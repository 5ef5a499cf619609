"""Decoding in a jail: a child process with no rights, one for each file, because decoders are written in C.

Of 110,000 damaged WSQ files one in 160 killed the process that decoded it. So a :class:`Jail` keeps a small process
that has loaded the decoders and nothing of the server (:mod:`matcher._jailed`); for each file that process forks a child,
and the child gives up files, network, processes, time and memory before it reads the first byte of the picture. What it
sends back is checked for length and otherwise believed to be no more than grey values.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM: Final = Path(__file__).with_name("_jailed.py")
_START_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 25.0  # more than a child's own wall clock limit
_STATUS: Final = struct.Struct("<i")
_HEADER_ROOM: Final = 4096
_PASSED_ON: Final = ("LD_LIBRARY_PATH", "PATH")  # the server's environment may hold secrets


class JailError(RuntimeError):
    """The jail itself does not work; it says nothing about the file."""


class RefusedError(ValueError):
    """The file was not decoded; ``letter`` tells why: T too large or small, D damaged, U a kind not read, K killed."""

    def __init__(self, letter: str, reason: str) -> None:
        super().__init__(reason)
        self.letter = letter


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
    """A place to decode files in; thread-safe. The process starts with the first file and again whenever it is gone.

    ``places`` is how many files may be decoded at once, each in up to 512 MiB of memory and 4 seconds of CPU time;
    ``program`` is what runs inside.
    """

    def __init__(self, *, places: int = 4, program: Path = PROGRAM) -> None:
        self._program = program
        self._places = threading.BoundedSemaphore(places)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._confinement = ""
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

    def decode(self, codec: str, data: bytes, limits: Limits) -> Decoded:
        """Decode a file in a child of its own; ``codec`` is one of WSQ, JP2, TIFF, PNG, BMP, PGM.

        Raises:
            RefusedError: the decoder refused the file, or was killed at it.
            JailError: the jail does not start, or ended while it worked.

        """
        stated = {"min_side": limits.min_side, "max_side": limits.max_side, "max_pixels": limits.max_pixels}
        request = b"\n".join((codec.encode(), json.dumps(stated).encode(), data))
        with self._places:
            received = self._ask(request, limits.max_pixels + _HEADER_ROOM)
        if len(received) < _STATUS.size:
            raise JailError("the jail ended before it answered; the next file starts it again")
        status = _STATUS.unpack(received[-_STATUS.size :])[0]
        if status != 0:
            raise RefusedError("K", _how_it_died(status))
        return _read(received[: -_STATUS.size], limits)

    def close(self) -> None:
        """End the jail's process; a later call starts a new one."""
        with self._lock:
            self._end()

    def _ask(self, request: bytes, most: int) -> bytes:
        """Return all that comes back for a request: the child's answer and its exit status."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._hand_over(theirs)
            deadline = time.monotonic() + _ANSWER_SECONDS
            ours.settimeout(_ANSWER_SECONDS)
            with contextlib.suppress(ConnectionError):  # a child that died unread has left its status to read
                ours.sendall(request)
                ours.shutdown(socket.SHUT_WR)
            return _receive(ours, most, deadline)

    def _hand_over(self, connection: socket.socket) -> None:
        """Pass one end of a request's socket to the process, starting it where need be."""
        with self._lock:
            for last in (False, True):
                control = self._started()
                try:
                    socket.send_fds(control, [b"+"], [connection.fileno()])
                except OSError as error:
                    self._end()
                    if last:
                        raise JailError(f"the jail takes no files: {error}") from error
                else:
                    return

    def _started(self) -> socket.socket:
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._end()
        ours, theirs = socket.socketpair()
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(self._program)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        self._control = ours
        word, _, rest = _first_line(ours).partition(" ")
        if word != "ready":
            self._end()
            raise JailError(
                f"the jail does not start: {rest or 'its process ended'}; try {sys.executable} {self._program}"
            )
        self._confinement = rest
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
    control.settimeout(None)
    return line.decode(errors="replace").strip()


def _receive(connection: socket.socket, most: int, deadline: float) -> bytes:
    """Read to the end, but no more than ``most`` bytes and not beyond the deadline."""
    received = bytearray()
    while len(received) <= most:
        connection.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            part = connection.recv(1 << 20)
        except TimeoutError:
            raise RefusedError("K", f"decoding gave no answer in {_ANSWER_SECONDS:g} seconds") from None
        except ConnectionError:
            break
        if not part:
            break
        received += part
    if len(received) > most:
        raise RefusedError("D", "the decoder answered with more than a picture")
    return bytes(received)


def _how_it_died(status: int) -> str:
    if status > 0:
        return f"decoding ended with exit code {status} and no answer"
    reasons: dict[int, str] = {
        signal.SIGSYS: "the decoder made a system call that decoding does not need",
        signal.SIGXCPU: "decoding took more than its CPU time",
        signal.SIGKILL: "decoding was killed: over its CPU time, or the system was out of memory",
        signal.SIGALRM: "decoding took too long by the clock",
    }
    name = signal.Signals(-status).name if -status in {s.value for s in signal.Signals} else f"signal {-status}"
    return f"{reasons.get(-status, 'the decoder crashed')} ({name})"


def _read(answer: bytes, limits: Limits) -> Decoded:
    """Read a child's answer, trusting nothing: whoever damaged the child may have written it."""
    letter, (line, _, pixels) = answer[:1].decode("latin-1"), answer[1:].partition(b"\n")
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if letter in {"T", "D", "U"} and isinstance(content, str):
        raise RefusedError(letter, _plain(content))
    if letter != "O" or not _is_header(content, limits) or len(pixels) != content[0] * content[1]:
        raise RefusedError("D", "the decoder answered with something else than a picture within the limits")
    width, height, across, down = content
    return Decoded(width, height, (float(across), float(down)), pixels)


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
