"""How the loops of the search engine are compiled, and how their machine code is kept: what speaks to numba.

A :func:`kernel` releases the interpreter lock and checks every index, because templates come from outside. A
:func:`bare_kernel` does not check; whoever calls it has checked what it is given. Neither starts a thread, and neither uses
``fastmath``: results do not depend on the machine. The rest of this module is about their machine code.

A kernel is compiled when it is first called with arguments of some types. For all that a search calls, that takes half a
minute of CPU time, so the machine code is kept in files: in :data:`INSTALLED`, beside this module, where ``python -m
matcher.warm`` puts it when the program is installed, or else in the user's cache folder. numba's own cache is not used. It
reads from no folder that it could not write to, and raises where there is none; it believes whoever may write there; it
ends with an error on a damaged file; and it does not notice that a kernel, or a type, of another module has changed. Here:

*Nothing is read that somebody else could have written.* Such a file holds Python objects, so whoever writes it can do
whatever this process can. Folder and file must belong to this user, to root, or to the owner of this source file, who could
as well change the source, and nobody else may be able to write to them.

*Nothing is used that does not fit.* A file's name stands for the kernel, the types, the processor with all its extensions,
and the versions of Python and numba. The file begins with two digests, of the sources that the code comes from
(:func:`_stamp`; when they were changed does not matter) and of the content. Files are put in place whole, so several
processes may start at once.

*What cannot be read is compiled; what cannot be kept is compiled in memory.* Neither is an error; :data:`remarks` holds why.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import re
import secrets
import stat
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numba
from numba.core import compiler, config, serialize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INSTALLED: Final = Path(__file__).parent / "__pycache__" / "kernels"
"""Where machine code is looked for first, and kept if it may be."""

FORMAT: Final = 1
"""Of the files."""

LARGEST: Final = 1 << 26
"""Bytes of a file that is read; the largest kernel takes half a million."""

every: Final[list[Any]] = []
"""The kernels, in the order of their definitions."""

remarks: Final[dict[str, None]] = {}
"""Why machine code was not read, or not kept, in this process; each remark once."""

_DIGEST: Final = 32
_SETTINGS: Final = ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "LOOP_VECTORIZE", "SLP_VECTORIZE")
_results: Any = compiler.CompileResult
_settings: Any = config
_dumps: Any = serialize.dumps  # numba's own, because types may be named by classes of any module
_IMPORT: Final = re.compile(
    rf"^\s*from {__package__}\b([\w.]*) import (\([^)]*\)|.*)|^\s*import {__package__}\b([\w.]*)", re.MULTILINE
)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called; it releases the interpreter lock and checks every index."""
    return _made(function, boundscheck=True)


def bare_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function when it is first called; it releases the interpreter lock and checks no index."""
    return _made(function, boundscheck=False)


def _made(function: Callable[..., Any], *, boundscheck: bool) -> Any:
    dispatcher: Any = numba.njit(nogil=True, boundscheck=boundscheck, error_model="numpy")(function)
    if function.__module__.startswith(f"{__package__}.") and "<locals>" not in function.__qualname__:
        dispatcher._cache = Kept(function, boundscheck=boundscheck)  # noqa: SLF001 - njit knows numba's own cache only
        every.append(dispatcher)
    return dispatcher


class Kept:
    """The machine code of one kernel, in files; numba asks it while it holds its one lock of compilation.

    ``loaded``, ``compiled`` and ``kept`` count what was read, what was compiled for want of it, and what of that was written.
    """

    cache_path = str(INSTALLED)

    def __init__(self, function: Callable[..., Any], *, boundscheck: bool) -> None:
        self._module = function.__module__
        self._name = function.__qualname__
        self._line = function.__code__.co_firstlineno  # one of several functions may bear the name
        self._boundscheck = boundscheck
        self._stamp = _stamp(self._module)  # now, not when it is compiled: the source may be edited in between
        self.loaded = self.compiled = self.kept = 0

    def load_overload(self, types: Any, target: Any) -> Any:
        """Return the compiled kernel for these types, None where it has to be compiled."""
        target.refresh()
        name = self._file(types, target.codegen())
        for folder in self._folders():
            payload = _read(folder, name, self._stamp)
            if payload is None:
                continue
            what, parts = pickle.loads(payload)  # noqa: S301 - _read has looked at who may have written it
            if what == (self._line, types):
                self.loaded += 1
                return _results._rebuild(target, *parts)  # noqa: SLF001 - as numba's own cache does
        return None

    def save_overload(self, types: Any, result: Any) -> None:
        """Keep a compiled kernel in the first folder that takes it."""
        self.compiled += 1
        if result.library.has_dynamic_globals or any(not each.can_cache for each in result.lifted):
            _remark(f"{self._module}.{self._name} is not kept: its machine code holds addresses of this process")
        elif self._stamp != _stamp.__wrapped__(self._module):
            _remark(f"{self._module}.{self._name} is not kept: its source has changed since this process began")
        else:
            payload = _dumps(((self._line, types), result._reduce()))  # noqa: SLF001 - as numba's own cache does
            content = self._stamp + hashlib.sha256(payload).digest() + payload
            name = self._file(types, result.library.codegen)
            self.kept += any(_write(folder, name, content) for folder in self._folders())

    def _folders(self) -> list[Path]:
        return _folders() if self._stamp else []

    def _file(self, types: Any, codegen: Any) -> str:
        """Return the name of the file for these types on this processor."""
        versions = sys.implementation.cache_tag, numba.__version__
        what = self._module, self._name, self._boundscheck, str(types), codegen.magic_tuple(), versions
        return f"{self._module}.{self._name}-{hashlib.sha256(repr(what).encode()).hexdigest()[:32]}"

    def enable(self) -> None:
        """Keep on: numba asks for it, nobody does."""

    def disable(self) -> None:
        """Keep on, likewise."""

    def flush(self) -> None:
        """Keep on, likewise: what is compiled again replaces its file."""


# --- what machine code comes from ------------------------------------------------------------------------------------


@functools.cache
def _stamp(module: str) -> bytes:
    """Return a digest of what else the code of this module's kernels depends on; nothing where there is no source to read.

    Their module's source and that of every module of this package that it imports, directly or not; what compiles it; and
    what the environment has told numba about compiling.
    """
    digest = hashlib.sha256(repr((FORMAT, version("llvmlite"), sys.hexversion)).encode())
    digest.update(repr([getattr(_settings, name) for name in _SETTINGS]).encode())
    here = Path(__file__)
    waiting = [Path(getattr(sys.modules[module], "__file__", None) or ""), here]
    seen: dict[Path, None] = {}
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        if path.suffix != ".py" or not path.is_file():  # inside an archive, or compiled by Python and left behind
            return b""
        seen[path] = None
        source = path.read_bytes()
        digest.update(hashlib.sha256(source).digest())
        waiting.extend(_imported(source.decode(errors="replace"), here.parent))
    return digest.digest()


def _imported(source: str, package: Path) -> Iterator[Path]:
    """Yield the files of this package that a source imports from."""
    for found in _IMPORT.finditer(source):
        inner, names, whole = found.groups()
        folder = package.joinpath(*(inner or whole or "").split("."))
        for path in (folder, *(folder / name for name in re.findall(r"\w+", names or ""))):
            if path.with_suffix(".py").is_file():
                yield path.with_suffix(".py")


# --- files -----------------------------------------------------------------------------------------------------------


def _folders() -> list[Path]:
    """Return where machine code may be, the first to be asked first."""
    cache = os.environ.get("XDG_CACHE_HOME") or ""
    if not cache:
        with contextlib.suppress(RuntimeError):  # this user has no home
            home = Path.home()
            cache = str(home / ".cache") if home.is_dir() else ""
    return [INSTALLED, Path(cache, "pcsc", "kernels")] if Path(cache).is_absolute() else [INSTALLED]


def _read(folder: Path, name: str, stamp: bytes) -> bytes | None:
    """Return what was kept under a name, None where there is nothing or it may not be believed."""
    try:
        with _opened(folder) as place:
            handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place)
            with open(handle, "rb") as file:  # noqa: PTH123 - a descriptor, not a path
                _check(os.fstat(handle), folder / name)
                content = file.read(LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        _remark(f"machine code of the search is not read from {folder}: {error.strerror or error}")
        return None
    payload = content[2 * _DIGEST :]
    if content[:_DIGEST] != stamp:
        return None  # of another version of this program
    if content[_DIGEST : 2 * _DIGEST] != hashlib.sha256(payload).digest():
        _remark(f"machine code of the search is not read from {folder / name}: the file is damaged")
        return None
    return payload


def _write(folder: Path, name: str, content: bytes) -> bool:
    """Keep something under a name, whole or not at all; return whether it was kept."""
    part = f"{name}.{secrets.token_hex(8)}"
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        with _opened(folder) as place:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            try:
                with open(os.open(part, flags, 0o644, dir_fd=place), "wb") as file:  # noqa: PTH123 - likewise
                    file.write(content)
                os.replace(part, name, src_dir_fd=place, dst_dir_fd=place)
            except OSError:
                with contextlib.suppress(OSError):
                    os.unlink(part, dir_fd=place)
                raise
    except OSError as error:
        _remark(f"machine code of the search is not kept in {folder}: {error.strerror or error}")
        return False
    return True


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """Open a folder that nobody else may write to.

    Raises:
        OSError: there is none, or somebody else may.

    """
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check(os.fstat(place), folder)
        yield place
    finally:
        os.close(place)


def _check(found: os.stat_result, path: Path) -> None:
    """Raise unless a folder or file can have been written only by who may run code here anyway."""
    trusted = {0, os.geteuid(), Path(__file__).stat().st_uid}
    if found.st_uid not in trusted:
        raise PermissionError(
            f"{path} belongs to user {found.st_uid}, who could put any code into it; it has to belong to the user of this "
            "process, to root or to the owner of the program"
        )
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"{path} may be written by others (mode {stat.S_IMODE(found.st_mode):o}), who could put any "
            "code into it: chmod go-w"
        )
    if not (stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)):
        raise PermissionError(f"{path} is neither a file nor a folder")


def _remark(text: str) -> None:
    remarks[text] = None
