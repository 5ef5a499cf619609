"""A process that may hold a print keeps it to itself: Article 9.

:func:`harden` comes first in every such process. It forbids core dumps and reading its memory, makes new files the owner's
alone, and has whatever is reported go through :func:`discreet` and :func:`told`: log records, warnings of threads, and
tracebacks hold where something went wrong, never what it went wrong with. It returns what it cannot mend: swap in clear.

What may be said is decided by who says it. Messages of our own exceptions are written to hold no content (CONTRIBUTING.md);
they are said, after anything that looks like content was taken out. Of exceptions of others only the class is said, and of an
OSError what the system says of its number: a ValueError, a UnicodeDecodeError, a database's or a validator's error may each
repeat the very bytes that it refused.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import os
import re
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any, Final

from contact_point.keys import unencrypted_swap

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from fastapi.telemetry import TelemetryConfig

OURS: Final = ("annex", "contact_point", "matcher", "pcsc")
"""The packages whose exceptions and log messages are said."""

TELLS_NOBODY: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""For the web framework: by itself it would export exceptions with their words wherever a variable of the environment says."""

_SET_DUMPABLE: Final = 4  # prctl(2), linux/prctl.h
_CHAIN: Final = 8  # exceptions of one chain or group that are told, each with the last frames before it
_FRAMES: Final = 24
_LONGEST: Final = 2000

# What is taken out of any text: bytes and arrays as Python writes them, and runs that only encoded content has. Digests of
# 64 digits, key identifiers, control numbers and paths stay.
_BYTES: Final = re.compile(
    r"""(?:bytearray\(|memoryview\()?\bb(?:'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?)\)?""", re.DOTALL
)
_ESCAPES: Final = re.compile(r"(?:\\x[0-9a-fA-F]{2}[^\\]{0,4}){2,}")
_ARRAY: Final = re.compile(r"\b(?:array|tensor)\(.*", re.DOTALL)
_RUN: Final = re.compile(r"[A-Za-z0-9+/=_-]{65,}")
_PAIRS: Final = re.compile(r"\b(?:[0-9a-fA-F]{2}[ :,]){4,}[0-9a-fA-F]{2}\b")
_NUMBERS: Final = re.compile(r"(?:\b\d{1,3}\b[, ]+){8,}\d{1,3}\b")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]+")


def harden() -> list[str]:
    """Keep what this process holds out of files, other processes and reports; return a sentence for what stays open.

    Changes the process: RLIMIT_CORE, whether it is dumpable (then neither a debugger of the same user nor a core handler gets
    its memory), umask, the hooks for exceptions nobody caught, and the factory of log records. Forked children inherit all of
    it; a program that is started has to harden itself. Calling it again changes nothing.
    """
    remarks = [*_forbid_dumps(), *_swap_remarks()]
    os.umask(0o077)
    if sys.__stderr__ is not None:  # closed, there is nowhere to tell anything
        faulthandler.enable(sys.__stderr__)  # names files, lines and functions, no values
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    logging.captureWarnings(capture=True)
    if not isinstance(logging.getLogRecordFactory(), _Discretion):
        logging.setLogRecordFactory(_Discretion(logging.getLogRecordFactory()))
    return remarks


WIPING: Final = {
    "MALLOC_PERTURB_": "85",
    "GLIBC_TUNABLES": ":".join(
        f"glibc.malloc.{told}" for told in ("perturb=85", "tcache_count=0", "mxfast=0", "arena_max=1")
    ),
    "PYTHONMALLOC": "malloc",
}
"""What glibc and Python are told at their start, so that memory which is given back is overwritten at once (mallopt(3)).

No thread has blocks or an arena of its own: pieces that are in use between pieces that are free would keep ever more memory,
each thread its own, and it could not be given back (:func:`give_back`).
"""


_BEGUN: Final = "PCSC_WIPING"
"""Says that the program was started again: whatever became of the settings, it is not done twice."""


def begin_wiping() -> None:
    """Start this program again in the same process, with memory that is overwritten when it is given back; once.

    Elsewhere than on glibc this changes little. For the command that serves: nothing may be open or begun yet. What the
    operator told glibc otherwise stays.
    """
    if _BEGUN not in os.environ:
        told = {name: value for name, value in WIPING.items() if name not in os.environ}
        arguments = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, arguments, os.environ | told | {_BEGUN: "1"})  # noqa: S606 - itself


def forget(error: BaseException) -> None:
    """Let go of what an error that was dealt with still holds: the variables of every function that it came through."""
    for each in _chain(error):
        if each.__traceback__ is not None:
            traceback.clear_frames(each.__traceback__)
            each.__traceback__ = None


def give_back() -> None:
    """Give the memory that is free back to the system. Costs some milliseconds; elsewhere than on glibc nothing happens.

    Between pieces in use the C library keeps what was freed, more with every hour of service, and once it was overwritten
    (:data:`WIPING`) nothing asks for so much of it again.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _forbid_dumps() -> Iterator[str]:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A handler behind a pipe (core(5), core_pattern) is given the memory whatever the limit; not that of who is not dumpable.
    try:
        refused = ctypes.CDLL(None, use_errno=True).prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, AttributeError):
        refused = -1
    if refused:
        yield "This system does not let a process forbid that its memory is dumped (Art. 9): switch core dumps off."


def _swap_remarks() -> Iterator[str]:
    for swap in unencrypted_swap():
        yield (
            f"Memory that holds a print may be swapped out to {swap}, in clear as far as can be seen (Art. 9): encrypt the "
            "swap or switch it off."
        )


class _Discretion:
    """A factory of log records that hold nothing of a print: made by ``before``, then by :func:`discreet`."""

    def __init__(self, before: Callable[..., logging.LogRecord]) -> None:
        self._before = before

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        return discreet(self._before(*args, **kwargs))


def discreet(record: logging.LogRecord) -> logging.LogRecord:
    """Take out of a log record whatever may be content: from its message, its arguments and its traceback.

    Bytes, arrays and long runs of encoded text become their size, exceptions what :func:`told` and :func:`said` make of them.
    Of a logger of others only the first line of a message stays: what follows is theirs to quote, and often a traceback.
    """
    if record.exc_info:
        record.exc_text = told(record.exc_info[1]) if isinstance(record.exc_info, tuple) else None
        record.exc_info = None
    if isinstance(record.args, Mapping):
        record.args = {name: _argument(value) for name, value in record.args.items()}
    elif record.args:
        record.args = tuple(_argument(value) for value in record.args)
    record.msg = without_content(record.msg) if isinstance(record.msg, str) else str(_argument(record.msg))
    if not _is_ours(record.name):
        record.msg, record.args = _first_line(record), None
    return record


def _first_line(record: logging.LogRecord) -> str:
    try:
        return without_content(record.getMessage().partition("\n")[0])
    except (TypeError, ValueError, KeyError):  # the arguments do not fit the message
        return str(record.msg).partition("\n")[0]


def _argument(value: object) -> object:
    """Return what may stand for an argument of a log message; numbers as they are, for a %d."""
    if value is None or isinstance(value, Number):
        return value
    if isinstance(value, BaseException):
        return said(value)
    if isinstance(value, bytes | bytearray | memoryview) or hasattr(value, "__array_interface__"):
        return f"<{type(value).__name__}, {len(value) if hasattr(value, '__len__') else 'size unknown'}>"
    try:
        return without_content(str(value))
    except Exception as error:  # noqa: BLE001 - whatever its own __str__ raises, the record is written
        return f"<{type(value).__name__}, which raised {type(error).__name__}>"


def without_content(text: str) -> str:
    """Return the text with bytes, arrays, long runs of encoded text and control characters replaced by their lengths."""
    cut = text[:_LONGEST]
    for pattern in (_BYTES, _ARRAY, _ESCAPES, _RUN, _PAIRS, _NUMBERS):
        cut = pattern.sub(lambda found: f"<{len(found[0])} characters>", cut)
    cut = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", cut)
    return cut if len(text) <= _LONGEST else f"{cut} <{len(text) - _LONGEST} more characters>"


def said(error: BaseException) -> str:
    """Return what may be said of an exception: its class, and its message where we wrote it."""
    name = type(error).__qualname__
    if _is_ours(type(error).__module__):
        return f"{name}: {without_content(str(error))}"
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name}: [Errno {error.errno}] {os.strerror(error.errno)}"
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return f"{name}: {error.code}"
    return f"{type(error).__module__}.{name}" if type(error).__module__ != "builtins" else name


def told(error: BaseException | None) -> str | None:
    """Return where an exception came from and what may be said of it, its causes first: a traceback without content."""
    if error is None:
        return None
    return "\n".join(line for each in _chain(error) for line in (*_frames(each.__traceback__), said(each)))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an exception and those behind it, the first cause first; of a group its first members."""
    found: list[BaseException] = []
    waiting = [error]
    while waiting and len(found) < _CHAIN:
        each = waiting.pop(0)
        if each in found:
            continue
        found.append(each)
        behind = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        members = each.exceptions[:_CHAIN] if isinstance(each, BaseExceptionGroup) else ()
        waiting += [*members, *([behind] if behind is not None else [])]
    return found[::-1]


def _frames(traceback: TracebackType | None) -> list[str]:
    lines: list[str] = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        lines.append(f'  File "{code.co_filename}", line {traceback.tb_lineno}, in {code.co_name}')
        traceback = traceback.tb_next
    left_out = len(lines) - _FRAMES
    return (
        ["Traceback:", *([f"  {left_out} frames left out"] if left_out > 0 else []), *lines[-_FRAMES:]] if lines else []
    )


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Report what ended the process."""
    if issubclass(kind, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        return
    _report(told(error.with_traceback(traceback)))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        _report(f"in the thread {args.thread.name if args.thread else 'that ended'}:\n{told(args.exc_value)}")


def _unraisable(unraisable: Any) -> None:
    # Neither the object nor its name: the repr of what is being taken apart may be its content.
    _report(f"while something was taken apart:\n{told(unraisable.exc_value)}")


_TOLD_BY: list[Callable[[str], None]] = []  # one, or none


def tell_by(report: Callable[[str], None] | None) -> None:
    """Let what nobody caught be told by a function, which is given the discreet text; by standard error where it is None."""
    _TOLD_BY[:] = [] if report is None else [report]


def _report(text: str | None) -> None:
    if text is None:
        return
    if _TOLD_BY:
        _TOLD_BY[0](text)
    elif sys.stderr is not None:
        sys.stderr.write(text + "\n")
