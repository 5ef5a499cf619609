"""Whether an installation, and the machine that it stands on, are as they are to be; and for each thing what to do.

What can be seen from inside is :mod:`contact_point.health`'s. Here is what an operator set up around it: files and who may
read them, where keys lie, what the kernel does with memory and crashes, what a service is granted. Nothing is changed, apart
from the row that :func:`contact_point.health.examine` writes as it is.
"""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contact_point import hardening, health, reachability
from contact_point.health import Finding, Level
from contact_point.keys import KeysError, check_erasure, unencrypted_swap
from contact_point.store import Store, StoreError
from contact_point.tls import TlsError
from contact_point.transport import ClientError
from contact_point.wire import MAX_AGE, WireError
from pcsc.errors import TreatyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from contact_point.service import Installation
    from contact_point.settings import Settings

LEAST_FILES: Final = 1024
"""Files that a service may have open: connections, slots, and three for each child of the jail."""

_ROOT: Final = Path("/")
_SECRET: Final = frozenset({".kek", ".slots", ".key", ".sqlite", ".sqlite-wal", ".pin"})
_KEYS: Final = frozenset({"key", "next-key", "signing"})
"""What others may not even read: by the ends of their names, and by their names without an end."""

_OPEN_TO_ALL: Final = frozenset({"card.json"})
"""What is public, and may be read by anybody who may enter the folder."""


def around(found: Settings, system: Path = _ROOT) -> list[Finding]:
    """Look at what an installation lies on and runs on, which can be seen also where it cannot be opened.

    ``system`` is where ``/proc`` lies.
    """
    return [*_files(found), *_erasure(found), *_memory(system), *_limits()]


def inside(here: Installation, now: datetime, *, reach: bool = False) -> list[Finding]:
    """Look at an installation that was opened, and with ``reach`` at the other contact point too."""
    found = [*_database(here.store), *health.examine(here, now, served=False)]
    return [*found, *(_reach(here, now) if reach else ())]


def _files(found: Settings) -> Iterator[Finding]:
    """Article 9: the folder and what is in it are this account's alone."""
    root, wrong = found.folder.root, 0
    for path in (root, *sorted(root.rglob("*")), *_keys_apart(found)):
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode) or path.name in _OPEN_TO_ALL:
            continue
        mode, secret = stat.S_IMODE(state.st_mode), path.suffix in _SECRET or path.stem in _KEYS
        open_to = mode & (0o077 if secret or path == root else 0o022)
        if open_to:
            wrong += 1
            what = "read" if open_to & 0o044 else "changed" if open_to & 0o022 else "entered"
            yield Finding(
                "files", Level.FAILING, f"{path} may be {what} by others (mode {mode:04o}): chmod go= {path} (Art. 9)"
            )
        if state.st_uid != root.stat().st_uid:
            wrong += 1
            said = f"{path} belongs to another account than {root}: chown it, and run `pcsc` as that account"
            yield Finding("files", Level.FAILING, said)
    if root.stat().st_uid != os.geteuid():
        wrong += 1
        yield Finding("files", Level.WARNING, f"{root} is another account's: run `pcsc` as it (sudo -u)")
    if not wrong:
        yield Finding("files", Level.OK, f"{root} and what is in it are this account's alone")


def _keys_apart(found: Settings) -> list[Path]:
    """Return the files of keys that lie outside of the installation's folder."""
    paths = [path for slots in found.folder.slots for path in (slots, slots.with_suffix(".kek"))]
    return [path for path in paths if not path.is_relative_to(found.folder.root)]


def _erasure(found: Settings) -> Iterator[Finding]:
    try:
        remarks = check_erasure(found.folder.slots, token=found.keys.token is not None)
    except KeysError as error:
        yield Finding("erasure", Level.FAILING, str(error))
        return
    for remark in remarks:
        yield Finding("erasure", Level.WARNING, remark)
    if not remarks:
        yield Finding("erasure", Level.OK, "a key that is overwritten where it lies is gone (Art. 8)")


def _database(store: Store) -> Iterator[Finding]:
    try:
        remarks = store.warnings()
    except (TreatyError, StoreError) as error:
        yield Finding("database", Level.FAILING, str(error))
        return
    for remark in remarks:
        yield Finding("database", Level.WARNING, remark)
    if not remarks:
        yield Finding("database", Level.OK, "the database answers, and its settings give nothing away")


def _memory(system: Path) -> Iterator[Finding]:
    """Article 9: what is in memory stays there."""
    clear = unencrypted_swap(system)
    if clear:
        said = f"memory may be written to {', '.join(clear)} in clear (Art. 9): swapoff, or encrypt it"
        yield Finding("swap", Level.WARNING, said)
    else:
        yield Finding("swap", Level.OK, "no memory is swapped to a disk in clear")
    pattern = _text(system / "proc/sys/kernel/core_pattern")
    if pattern.startswith("|"):
        said = f"crashes are handed to {pattern.split()[0][1:]}: a hardened service gives it nothing, others do"
        yield Finding("cores", Level.OK, said)
    else:
        yield Finding("cores", Level.OK, "a service that is hardened leaves no core (Art. 9)")
    if (scope := _text(system / "proc/sys/kernel/yama/ptrace_scope")) == "0":
        said = "any process of an account may read another's memory: sysctl kernel.yama.ptrace_scope=1 (Art. 9)"
        yield Finding("debuggers", Level.WARNING, said)
    elif scope:
        yield Finding("debuggers", Level.OK, f"kernel.yama.ptrace_scope is {scope}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def _limits() -> Iterator[Finding]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files < LEAST_FILES:
        said = f"{files} files may be open at once here, and {LEAST_FILES} are wanted: LimitNOFILE= in the unit, or ulimit -n"
        yield Finding("limits", Level.WARNING, said)
    else:
        yield Finding("limits", Level.OK, f"{files} files may be open at once")


def _reach(here: Installation, now: datetime) -> Iterator[Finding]:
    try:
        found = reachability.reach(here, now)
    except (TreatyError, ClientError, TlsError, WireError) as error:
        yield Finding("other contact point", Level.FAILING, hardening.said(error))
        return
    apart = abs(found.ahead)
    level = Level.WARNING if apart > MAX_AGE / 2 else Level.OK
    said = f"it answered in {found.round_trip.total_seconds():.2f} s, its clock {apart.total_seconds():.1f} s from ours"
    yield Finding("other contact point", level, said)
