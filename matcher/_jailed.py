"""The program inside the jail: started once, it forks a child for each image, and the child gives up its rights first.

It is run by its path, with ``python -I``, so that it loads nothing of the server. The parent end is :mod:`matcher.jail`;
the two talk over file descriptor 0, a Unix socket. After one line that says "ready" and how children will be confined, or
"failed" and why, every byte sent down carries the descriptor of a fresh socket: a request. The forked child reads the
request to its end, confines itself, answers and exits; this program then adds the child's exit status, negative for a
signal, as four bytes. It ends when the parent does, and its children with it.

A request is the codec's name, a line feed, the limits as JSON, a line feed and the file. The answer is one letter, a line
of JSON and the pixels: O for a picture, T for too large, D for damaged, U for a kind of picture that is not read here.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import importlib
import importlib.util
import io
import json
import os
import platform
import resource
import select
import signal
import socket
import struct
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

if TYPE_CHECKING:
    from types import FrameType, ModuleType

CPU_SECONDS: Final = 4
WALL_SECONDS: Final = 20
ADDRESS_SPACE: Final = 512 << 20
STATUS: Final = struct.Struct("<i")

_PILLOW: Final = {"TIFF": "TIFF", "PNG": "PNG", "BMP": "BMP", "JP2": "JPEG2000", "PGM": "PPM"}
_TIFF_COMPRESSIONS: Final = {"raw", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate"}
_MAX_TILES: Final = 64
_PHOTOMETRIC: Final = 262  # TIFF tag PhotometricInterpretation


class RefusalError(Exception):
    """A request is answered with a letter and a reason instead of a picture."""

    def __init__(self, letter: bytes, reason: str) -> None:
        super().__init__(reason)
        self.letter = letter


def main() -> None:
    """Serve until the parent closes its end."""
    control = socket.socket(fileno=0)
    try:
        _warm()
        confinement, seccomp = _confinement()
    except Exception as error:  # noqa: BLE001  whatever it is, only this line can tell the parent
        control.sendall(f"failed {type(error).__name__}: {error}\n".encode())
        return
    control.sendall(f"ready {confinement}\n".encode())
    _serve(control, seccomp=seccomp)


def _serve(control: socket.socket, *, seccomp: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt at the terminal is for the server to act on
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGCHLD, _nothing)
    signal.set_wakeup_fd(waker)
    running: dict[int, socket.socket] = {}
    while True:
        ready = select.select([control.fileno(), wake], [], [])[0]
        if wake in ready:
            os.read(wake, 4096)
            _reap(running)
        if control.fileno() in ready:
            message, descriptors, _flags, _address = socket.recv_fds(control, 1, 1)
            if not message:
                break
            connection = socket.socket(fileno=descriptors[0])
            with contextlib.suppress(OSError):  # no process to be had: the parent sees the request end unanswered
                running[_start(connection, seccomp=seccomp)] = connection
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _nothing(_signal: int, _frame: FrameType | None) -> None:
    """Let the wake-up descriptor tell."""


def _reap(running: dict[int, socket.socket]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        with running.pop(pid) as connection, contextlib.suppress(OSError):  # the parent may have given up
            connection.settimeout(1.0)
            connection.sendall(STATUS.pack(os.waitstatus_to_exitcode(status)))


def _start(connection: socket.socket, *, seccomp: bool) -> int:
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _child(connection.fileno(), parent, seccomp=seccomp)
        finally:
            os._exit(1)
    return pid


def _child(descriptor: int, parent: int, *, seccomp: bool) -> None:
    """Answer one request and exit; nothing of other requests stays open."""
    os.dup2(descriptor, 3)
    os.dup2(1, 0)
    os.closerange(4, 1024)
    signal.set_wakeup_fd(-1)
    _die_with(parent)
    signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
    request = _read_all(3)
    confine(seccomp=seccomp, cpu_seconds=CPU_SECONDS)
    _write_all(3, _answer(request))
    os._exit(0)


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


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


def confine(*, seccomp: bool, cpu_seconds: int) -> None:
    """Give up for good, in this process: time, memory, files, other processes and all system calls but a few.

    Raises:
        OSError: ``seccomp`` is asked for and the system does not grant it.

    """
    limits = {
        "RLIMIT_CPU": (cpu_seconds, cpu_seconds + 1),
        "RLIMIT_AS": (ADDRESS_SPACE, ADDRESS_SPACE),
        "RLIMIT_NOFILE": (0, 0),
        "RLIMIT_NPROC": (0, 0),
        "RLIMIT_FSIZE": (0, 0),
        "RLIMIT_CORE": (0, 0),
    }
    for name, limit in limits.items():
        with contextlib.suppress(AttributeError, ValueError, OSError):  # not every system has each
            resource.setrlimit(getattr(resource, name), limit)
    if seccomp:
        _filter_system_calls()


def _filter_system_calls() -> None:
    machine = platform.machine()
    if not sys.platform.startswith("linux") or machine not in _SYSTEM_CALLS:
        raise OSError(errno.ENOSYS, f"no system call table for {sys.platform} on {machine}")
    program = _program(_SYSTEM_CALLS[machine])
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: a count of instructions and a pointer, with the compiler's padding between
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program) // 8, ctypes.addressof(code)))
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(header))


def _program(calls: dict[str, Any]) -> bytes:
    """Return the filter: of struct seccomp_data it reads the call's number at 0, the architecture at 4, prot at 32."""
    kill, allow = (_RETURN, 0, 0, _KILL_PROCESS), (_RETURN, 0, 0, _ALLOW)
    code = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, calls["architecture"]), kill, (_LOAD, 0, 0, 0)]
    for number in calls["plain"]:
        code += [(_EQUAL, 0, 1, number), allow]
    for number in calls["memory"]:
        code += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, 32), (_ANY_BIT, 0, 1, _PROT_EXEC), kill, allow]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in (*code, kill))


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if libc.prctl(ctypes.c_int(option), *padded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _die_with(parent: int) -> None:
    if sys.platform.startswith("linux"):
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _confinement() -> tuple[str, bool]:
    """Try the confinement on a child and say what there is of it."""
    pid = os.fork()
    if pid == 0:
        try:
            confine(seccomp=True, cpu_seconds=CPU_SECONDS)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code == 0:
        return f"resource limits, no new privileges, system call filter ({platform.machine()})", True
    reason = os.strerror(code) if code > 0 else f"signal {-code}"
    return f"resource limits only; no system call filter: {reason}", False


# --- what a child does -----------------------------------------------------------------------------------------------


def _answer(request: bytes) -> bytes:
    try:
        codec, limits, data = request.split(b"\n", 2)
        size, dpi, pixels = _decoded(codec.decode(), data, json.loads(limits))
    except RefusalError as refusal:
        return refusal.letter + _line(str(refusal))
    except UnidentifiedImageError:
        return b"D" + _line("the header is damaged, or of a variant that is not read")
    except MemoryError:
        return b"D" + _line(f"decoding it takes more than {ADDRESS_SPACE >> 20} MiB of memory")
    except Exception as error:  # noqa: BLE001  decoders raise anything; every kind means the same to the caller
        return b"D" + _line(f"{type(error).__name__}: {error}")
    return b"O" + _line([*size, *dpi]) + pixels


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _decoded(codec: str, data: bytes, limits: dict[str, int]) -> tuple[tuple[int, int], tuple[float, float], bytes]:
    """Return width and height, the file's own resolution across and down in dpi (0 if none), and the grey pixels."""
    if codec == "WSQ":
        return _decoded_wsq(data, limits)
    if codec == "JP2":
        _check_codestream(data)
    with Image.open(io.BytesIO(data), formats=[_PILLOW[codec]]) as image:
        _check_size(image.size, limits)
        _check_kind(image)
        image.load()
        across, down = image.info.get("dpi", (0.0, 0.0))
        return image.size, (float(across), float(down)), _grey(image)


def _decoded_wsq(data: bytes, limits: dict[str, int]) -> tuple[tuple[int, int], tuple[float, float], bytes]:
    try:
        size = wsq_grammar.size(data)
        _check_size(size, limits)
        if size[0] * size[1] > wsq_grammar.MAX_PIXELS_PER_BYTE * len(data):
            raise RefusalError(
                b"T",
                f"{size[0]} x {size[1]} pixels from {len(data)} bytes: WSQ gives at most "
                f"{wsq_grammar.MAX_PIXELS_PER_BYTE} pixels a byte",
            )
        wsq_grammar.check(data)
    except wsq_grammar.WsqError as error:
        raise RefusalError(b"D", str(error)) from error
    pixels, width, height, dpi = wsq_codec.decompress(data)
    if (width, height) != size or len(pixels) != width * height:
        raise RefusalError(b"D", f"the header states {size[0]} x {size[1]} pixels; {width} x {height} were decoded")
    return size, (float(max(dpi, 0)),) * 2, bytes(pixels)


def _check_size(size: tuple[int, int], limits: dict[str, int]) -> None:
    width, height = size
    smallest, largest, pixels = limits["min_side"], limits["max_side"], limits["max_pixels"]
    if not (smallest <= width <= largest and smallest <= height <= largest and width * height <= pixels):
        raise RefusalError(
            b"T",
            f"a side has {smallest} to {largest} pixels and a picture at most {pixels}; the header states "
            f"{width} x {height}",
        )


def _check_codestream(data: bytes) -> None:
    """Check what JPEG 2000 says beyond Pillow's header: tiles, components, subsampling, and that it ends."""
    code = _codestream(data)
    if code[:4] != b"\xff\x4f\xff\x51" or len(code) < 42:
        raise RefusalError(b"D", "a JPEG 2000 codestream begins with SOC and SIZ; this one does not")
    if not code.rstrip(b"\x00").endswith(b"\xff\xd9"):
        raise RefusalError(b"D", "a JPEG 2000 codestream ends with FFD9 (EOC); this one is cut short")
    x1, y1, _x0, _y0, tile_x, tile_y, tile_x0, tile_y0, components = struct.unpack_from(">8IH", code, 8)
    if not (tile_x and tile_y) or -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y) > _MAX_TILES:
        raise RefusalError(b"T", f"a JPEG 2000 picture has at most {_MAX_TILES} tiles; this one has more")
    steps = code[42 : 42 + 3 * components]
    if components not in {1, 3} or len(steps) < 3 * components or set(steps[1::3] + steps[2::3]) != {1}:
        raise RefusalError(b"U", "a JPEG 2000 print has one component, or three of full size; this one has not")


def _codestream(data: bytes) -> bytes:
    """Return the contiguous codestream of a JP2 file, or the data if they are one already."""
    if data[:2] == b"\xff\x4f":
        return data
    at = 0
    while at + 8 <= len(data):
        length, header = int.from_bytes(data[at : at + 4]), 8
        if length == 1:
            length, header = int.from_bytes(data[at + 8 : at + 16]), 16
        elif length == 0:
            length = len(data) - at
        if length < header or at + length > len(data):
            break
        if data[at + 4 : at + 8] == b"jp2c":
            return data[at + header : at + length]
        at += length
    raise RefusalError(b"D", "a JP2 file holds a codestream box (jp2c); this one has none that is whole")


def _check_kind(image: ImageFile.ImageFile) -> None:
    if getattr(image, "n_frames", 1) != 1:
        raise RefusalError(b"U", f"a file holds one picture; this one has {getattr(image, 'n_frames', 1)}")
    compression = image.info.get("compression", "raw")
    if image.format == "TIFF" and compression not in _TIFF_COMPRESSIONS:
        raise RefusalError(b"U", f"a TIFF here is uncompressed, packbits, LZW or deflate; this one is {compression}")
    from_white = isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == 0
    if from_white and image.mode.startswith("I;16"):  # Pillow turns 8-bit pictures round, but not these
        raise RefusalError(b"U", "a 16-bit TIFF here counts up from black; this one counts up from white")


def _grey(image: Image.Image) -> bytes:
    """Return 8-bit grey pixels, 0 black, where there is one way to read them."""
    if image.mode.startswith("I;16"):
        high = 0 if image.mode.endswith("B") else 1
        return image.tobytes()[high::2]
    if image.mode in {"LA", "RGBA"}:
        if image.getchannel("A").getextrema() != (255, 255):
            raise RefusalError(b"U", "a print is opaque; this picture has transparent pixels")
        image = image.convert(image.mode[:-1])
    if image.mode not in {"1", "L", "P", "RGB"} or "transparency" in image.info:
        raise RefusalError(b"U", f"a print is grey, colour or 16-bit grey; this picture is {image.mode}")
    return image.convert("L").tobytes()


def _warm() -> None:
    """Load every module that decoding loads, since a confined child can open no file."""
    warnings.simplefilter("ignore")  # to print one, Python would open the source file
    Image.preinit()
    Image.MAX_IMAGE_PIXELS = None  # the request's own limits hold, and are lower
    limits = {"min_side": 1, "max_side": 64, "max_pixels": 4096}
    for codec, name in _PILLOW.items():
        for mode in ("L", "RGB"):
            file = io.BytesIO()
            Image.new(mode, (32, 32)).save(file, name)
            _answer(f"{codec}\n{json.dumps(limits)}\n".encode() + file.getvalue())
    gc.freeze()


def _load(name: str) -> ModuleType:
    """Load a module beside this file; the package it belongs to would bring the server's libraries along."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


wsq_grammar: Any = _load("_wsq_grammar")
wsq_codec: Any = importlib.import_module("_wsq")  # not the package wsq, which would add itself to Pillow

if __name__ == "__main__":
    main()
