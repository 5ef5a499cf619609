"""One line that says on what machine a figure was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

_VECTORS = ("avx512_vnni", "avx512f", "avx2")


def describe() -> str:
    """Return processor, usable cores, widest vector extension, system, and the versions that decide speed."""
    facts = _processor()
    flags = facts.get("flags", "").split()
    vectors = next((name for name in _VECTORS if name in flags), "no vector extension known")
    return (
        f"{facts.get('model name', platform.processor() or platform.machine())}, {_cores()} cores, {vectors}, "
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"numpy {version('numpy')}, numba {version('numba')}"
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> dict[str, str]:
    """Return what Linux says of its first processor, nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = path.read_text(encoding="ascii", errors="replace").split("\n\n")[0].splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
