"""What a process finds of the machine code that an earlier one made: all of it that fits, none that others may have made."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import matcher
from matcher import _compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = Path(matcher.__file__).parent
SOMEBODY: Final = 12_345

# Root writes where it may not; without this capability (CAP_DAC_OVERRIDE, by PR_CAPBSET_DROP) it is bound as others are.
BOUND: Final = """
import ctypes, os, sys
if os.geteuid() == 0 and ctypes.CDLL(None).prctl(24, 1, 0, 0, 0):
    sys.exit("this root cannot be bound by permissions")
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""

SMALL: Final = {
    "__init__": "",
    "_steps": "STEP = 40\n",
    "_inner": "from matcher._compiled import kernel\nfrom matcher._steps import STEP\n\n"
    "@kernel\ndef stepped(n):\n    return n + STEP\n",
    "_outer": "from matcher import _compiled\nfrom matcher import _inner\n\nstepped = _inner.stepped\n\n"
    "@_compiled.kernel\ndef answer(n):\n    return stepped(n) + 1\n",
    "apart": "",
}
CALL: Final = """
import json
from matcher import _compiled, _outer
kept = lambda what: sum(getattr(each._cache, what) for each in _compiled.every)
print(json.dumps([_outer.answer(1), kept("loaded"), kept("compiled"), kept("kept"), list(_compiled.remarks)]))
"""

SEARCH: Final = """
import json, sys
from dataclasses import replace
from numba.core import event

class Compiled(event.Listener):
    names = []
    def on_start(self, event): self.names.append(event.data["dispatcher"].py_func.__qualname__)
    def on_end(self, event): pass

event.register("numba:compile", Compiled())

import numpy as np
from matcher import Gallery, Policy, Template, compare
from matcher.synthesis import Finger, population
from matcher.template import Origin

def cut(t, n):
    return Template.of(t.x[5:n], t.y[5:n], t.direction[5:n], width=t.width, height=t.height, origin=Origin.MARKED)

policy = Policy(false_positive_identification_rate=1e-3, limit=3)
gallery = Gallery(threads=int(sys.argv[1]))
gallery.add_many((str(n), prints) for n, prints in enumerate(population(7, 40)))
gallery.add("nowhere", [replace(Finger(7, 99, 1).template(), position=0)])
ten = [Finger(7, 3, position).template(1) for position in range(1, 11)]
found = [[candidate.subject for candidate in gallery.search(probe, mask=view, policy=policy)]
    for probe in (ten[:1], [replace(ten[4], position=0)], ten, ten[2:7:2], [cut(ten[1], 21)], [replace(ten[2], origin=0)])
    for view in (None, np.arange(41) % 2 == 1)]
compare(ten[0], ten[1])
print(json.dumps({"compiled": Compiled.names, "found": found[0]}))
"""


@dataclass(frozen=True, slots=True)
class Site:
    """An installation: a folder with the package in it, and a user's home beside."""

    folder: Path

    @property
    def package(self) -> Path:
        return self.folder / "site" / "matcher"

    @property
    def kernels(self) -> Path:
        return self.package / "__pycache__" / "kernels"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def command(self, *arguments: str) -> dict[str, Any]:
        return {"args": [sys.executable, "-c", BOUND, *arguments], "cwd": self.folder, "text": True}

    def run(self, *arguments: str, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            **self.command(*arguments), env=self.environment(**environment), check=False, capture_output=True
        )
        if "cannot be bound" in done.stderr:
            pytest.skip(done.stderr.strip())
        assert not check or (done.returncode, done.stderr) == (0, "")
        return done

    def environment(self, **more: str) -> dict[str, str]:
        fixed = {"PATH": os.defpath, "PYTHONPATH": str(self.package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        return fixed | {"HOME": str(self.home)} | more

    def call(self, **environment: str) -> tuple[Any, ...]:
        """Return, of a process that calls a kernel: the answer; kernels loaded, compiled, kept; what was remarked."""
        return tuple(json.loads(self.run("-W", "error", "-c", CALL, check=True, **environment).stdout))

    def freeze(self) -> None:
        """Let nobody write to the package."""
        for path in (self.package.parent, self.package, *self.package.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)

    def only_file(self, of: str = "_outer.answer") -> Path:
        [path] = self.kernels.glob(f"matcher.{of}-*")
        return path


@pytest.fixture
def empty() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        made = Site(Path(folder))
        yield made
        for path in (made.package.parent, *made.package.parent.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755)


def installed(site: Site) -> Site:
    site.package.mkdir(parents=True)
    site.home.mkdir()
    for name, source in SMALL.items():
        site.package.joinpath(f"{name}.py").write_text(source)
    shutil.copy(PACKAGE / "_compiled.py", site.package)
    return site


@pytest.fixture
def small(empty: Site) -> Site:
    """An installation of two kernels, one of which calls the other, that nobody has run yet."""
    return installed(empty)


@pytest.fixture(scope="module")
def warmed_once() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        made = installed(Site(Path(folder)))
        assert made.call() == (42, 0, 2, 2, [])
        yield made


@pytest.fixture
def warmed(empty: Site, warmed_once: Site) -> Site:
    """The same, after the first run."""
    shutil.copytree(warmed_once.folder, empty.folder, dirs_exist_ok=True)
    return empty


# --- the search itself


@pytest.fixture(scope="module")
def command() -> None:
    """What whoever installs the program runs."""
    subprocess.run([sys.executable, "-m", "matcher.warm"], check=True, capture_output=True, cwd=PACKAGE.parent)


@pytest.fixture
def whole(empty: Site, command: None) -> Site:
    """The package as it is, warmed by its own command and made read-only; its user has no home."""
    shutil.copytree(PACKAGE, empty.package, ignore=shutil.ignore_patterns("*.pyc", "*.nb?"))
    empty.freeze()
    return empty


@pytest.mark.parametrize("threads", ["1", "3"])
def test_the_first_search_of_a_read_only_installation_compiles_nothing(whole: Site, threads: str) -> None:
    done = whole.run("-W", "error", "-c", SEARCH, threads)
    assert json.loads(done.stdout) == {"compiled": [], "found": ["3"]}
    assert not whole.home.exists()


def test_the_command_says_that_all_is_there(whole: Site) -> None:
    done = whole.run("-m", "matcher.warm")
    assert " 0 compiled" in done.stdout
    assert " 0 were read" not in done.stdout


@pytest.mark.long
def test_the_command_reaches_every_kernel_and_fails_where_it_compiles_in_vain(whole: Site) -> None:
    for path in (whole.package, whole.kernels.parent, whole.kernels):
        path.chmod(0o755)
    shutil.rmtree(whole.kernels)
    whole.freeze()
    code = """
import sys
from matcher import _compiled, warm
status = warm.main()
for each in _compiled.every:
    if not each._cache.compiled: print("unreached", each.py_func.__module__, each.py_func.__qualname__)
sys.exit(status)
"""
    done = whole.run("-c", code, check=False)
    assert done.returncode == 1
    assert "of the kernels of the search 0 were read" in done.stdout
    assert f"is not kept in {whole.kernels}: Permission denied" in done.stderr
    assert not whole.home.exists()
    unreached = {line for line in done.stdout.splitlines() if line.startswith("unreached")}
    of_training = {"unreached matcher._describe cylinders"}
    # Of stage one there is a form for each kind of processor.
    assert {line for line in unreached if not line.startswith("unreached matcher._sift ")} == of_training


def test_importing_the_package_loads_neither_compiler_nor_arrays() -> None:
    code = "import sys, matcher; assert not {'numba', 'numpy', 'llvmlite'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_the_gallery_neither_compiles_nor_reads_machine_code() -> None:
    counted = "sum(each._cache.loaded + each._cache.compiled for each in _compiled.every)"
    code = f"from matcher import Gallery, _compiled; assert _compiled.every and not {counted}"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- where machine code is kept


def test_what_one_process_compiles_the_next_one_reads(warmed: Site) -> None:
    assert warmed.call() == (42, 1, 0, 0, [])
    assert sorted(path.name.partition("-")[0] for path in warmed.kernels.iterdir()) == [
        "matcher._inner.stepped",
        "matcher._outer.answer",
    ]


def test_it_is_read_from_where_nothing_can_be_written(warmed: Site) -> None:
    warmed.freeze()
    warmed.home.rmdir()
    assert warmed.call() == (42, 1, 0, 0, [])
    assert not warmed.home.exists()


def test_it_does_not_matter_when_files_were_written_or_where_they_lie(warmed: Site) -> None:
    for path in warmed.package.rglob("*"):
        os.utime(path, (0, 0))
    moved = Site(warmed.folder / "elsewhere")
    shutil.copytree(warmed.package, moved.package)
    assert moved.call() == (42, 1, 0, 0, [])


def test_a_user_who_may_not_write_to_the_installation_keeps_it_at_home(small: Site) -> None:
    small.freeze()
    cannot = [f"machine code of the search is not kept in {small.kernels}: Permission denied"]
    assert small.call() == (42, 0, 2, 2, cannot)
    assert small.call() == (42, 1, 0, 0, [])
    assert len(list((small.home / ".cache" / "pcsc" / "kernels").iterdir())) == 2
    elsewhere = str(small.folder / "cache")
    assert small.call(XDG_CACHE_HOME=elsewhere) == (42, 0, 2, 2, cannot)
    assert small.call(XDG_CACHE_HOME=elsewhere) == (42, 1, 0, 0, [])


def test_who_may_write_nowhere_compiles_in_memory_and_is_told(small: Site) -> None:
    small.freeze()
    small.home.chmod(0o555)
    answer, loaded, compiled, kept, remarks = small.call()
    assert (answer, loaded, compiled, kept) == (42, 0, 2, 0)
    assert remarks == [
        f"machine code of the search is not kept in {folder}: Permission denied"
        for folder in (small.kernels, small.home / ".cache" / "pcsc" / "kernels")
    ]


def test_a_relative_cache_folder_is_not_used(small: Site) -> None:
    small.freeze()
    _, _, compiled, kept, _ = small.call(XDG_CACHE_HOME="cache")
    assert (compiled, kept) == (2, 0)
    assert not small.folder.joinpath("cache").exists()


def test_several_processes_may_start_at_once(small: Site) -> None:
    command = small.command("-c", CALL)
    started = [
        subprocess.Popen(**command, env=small.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in started:
        out, errors = process.communicate()
        if "cannot be bound" in errors:
            pytest.skip(errors.strip())
        assert errors == ""
        assert json.loads(out)[0] == 42
    assert len(list(small.kernels.iterdir())) == 2
    assert small.call() == (42, 1, 0, 0, [])


# --- what does not fit is not used


def test_another_processor_compiles_for_itself(warmed: Site) -> None:
    assert warmed.call(NUMBA_CPU_NAME="generic") == (42, 0, 2, 2, [])
    assert warmed.call(NUMBA_CPU_NAME="generic") == (42, 1, 0, 0, [])
    assert warmed.call() == (42, 1, 0, 0, [])
    warmed.freeze()
    warmed.home.chmod(0o555)
    answer, loaded, compiled, kept, _ = warmed.call(NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="+sse3")
    assert (answer, loaded, compiled, kept) == (42, 0, 2, 0)


def test_one_function_may_be_two_kernels(small: Site) -> None:
    small.package.joinpath("_both.py").write_text(
        "from matcher._compiled import bare_kernel, kernel\n\n"
        "def third(values):\n    return values[2]\n\n"
        "checked, bare = kernel(third), bare_kernel(third)\n"
    )
    code = """
import json, numpy as np
from matcher import _both
three = np.arange(3)
got = [int(_both.checked(three)), int(_both.bare(three)), int(_both.bare(three[:2]))]
try: _both.checked(three[:2])
except IndexError: got.append("refused")
print(json.dumps([got, [k._cache.loaded for k in (_both.checked, _both.bare)]]))
"""
    assert json.loads(small.run("-c", code).stdout) == [[2, 2, 2, "refused"], [0, 0]]
    assert json.loads(small.run("-c", code).stdout) == [[2, 2, 2, "refused"], [1, 1]]


def test_other_settings_of_the_compiler_compile_for_themselves(warmed: Site) -> None:
    assert warmed.call(NUMBA_OPT="1") == (42, 0, 2, 2, [])


def test_a_kernel_is_compiled_again_when_a_module_that_it_reaches_has_changed(warmed: Site) -> None:
    steps = warmed.package / "_steps.py"
    was = steps.stat()
    steps.write_text("STEP = 50\n")
    os.utime(steps, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert warmed.call() == (52, 0, 2, 2, [])
    assert len(list(warmed.kernels.iterdir())) == 2


def test_a_kernel_whose_source_is_edited_before_it_is_compiled_is_not_kept(small: Site) -> None:
    edit = f"open({str(small.package / '_steps.py')!r}, 'a').write('# edited')"
    done = json.loads(small.run("-c", CALL.replace("print", f"{edit}\nprint", 1)).stdout)
    assert done[:4] == [42, 0, 2, 0]
    assert done[4][0] == "matcher._inner.stepped is not kept: its source has changed since this process began"


def test_a_kernel_without_source_is_compiled_in_memory(small: Site) -> None:
    archive = shutil.make_archive(str(small.folder / "archive"), "zip", small.package.parent)
    assert small.call(PYTHONPATH=archive) == (42, 0, 2, 0, [])


def test_a_kernel_is_not_compiled_again_when_another_module_has_changed(warmed: Site) -> None:
    warmed.package.joinpath("apart.py").write_text("import matcher._outer\n")
    assert warmed.call() == (42, 1, 0, 0, [])


def test_a_damaged_file_is_compiled_again_and_replaced(warmed: Site) -> None:
    path = warmed.only_file()
    content = bytearray(path.read_bytes())
    content[5000] ^= 4
    path.write_bytes(content)
    remark = f"machine code of the search is not read from {path}: the file is damaged"
    assert warmed.call() == (42, 1, 1, 1, [remark])  # the other kernel was read
    assert warmed.call() == (42, 1, 0, 0, [])


def test_a_file_of_other_types_under_this_name_is_compiled_again(warmed: Site) -> None:
    path = warmed.only_file()
    payload = pickle.dumps(((), ()))
    path.write_bytes(path.read_bytes()[:32] + hashlib.sha256(payload).digest() + payload)
    assert warmed.call() == (42, 1, 1, 1, [])


STAMP: Final = bytes(range(32))
NAME: Final = "matcher._outer.answer-0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one kept file."""
    made = tmp_path / "cache" / "kernels"
    assert _compiled._write(made, NAME, STAMP + hashlib.sha256(b"code").digest() + b"code")
    return made


def read(folder: Path) -> tuple[bytes | None, list[str]]:
    """Return what is read, and what is remarked about it."""
    before = set(_compiled.remarks)
    return _compiled._read(folder, NAME, STAMP), [each for each in _compiled.remarks if each not in before]


def test_what_is_kept_is_read_and_nobody_else_may_write_it(folder: Path) -> None:
    assert read(folder) == (b"code", [])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / NAME).stat().st_mode) == 0o644
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_nothing_is_remarked_where_nothing_was_kept(folder: Path) -> None:
    assert read(folder.parent / "other") == (None, [])
    folder.joinpath(NAME).unlink()
    assert read(folder) == (None, [])


@pytest.mark.parametrize("length", [0, 31])
def test_a_file_without_its_stamp_is_of_another_version(folder: Path, length: int) -> None:
    folder.joinpath(NAME).write_bytes(folder.joinpath(NAME).read_bytes()[:length])
    assert read(folder) == (None, [])


@pytest.mark.parametrize("length", [32, 63, 64, 67])
def test_a_file_cut_short_is_not_read(folder: Path, length: int) -> None:
    folder.joinpath(NAME).write_bytes(folder.joinpath(NAME).read_bytes()[:length])
    assert read(folder) == (
        None,
        [f"machine code of the search is not read from {folder / NAME}: the file is damaged"],
    )


@pytest.mark.parametrize("place", range(0, 68, 3))
def test_a_file_with_a_wrong_bit_is_not_read(folder: Path, place: int) -> None:
    content = bytearray(folder.joinpath(NAME).read_bytes())
    content[place] ^= 4
    folder.joinpath(NAME).write_bytes(content)
    assert read(folder)[0] is None


# --- what others may have written is not read


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o1777])
def test_a_folder_that_others_may_write_to_is_not_read_or_written(folder: Path, mode: int) -> None:
    folder.chmod(mode)
    why = f"{folder} may be written by others (mode {mode:o}), who could put any code into it: chmod go-w"
    assert read(folder) == (None, [f"machine code of the search is not read from {folder}: {why}"])
    assert not _compiled._write(folder, NAME, b"")
    assert f"machine code of the search is not kept in {folder}: {why}" in _compiled.remarks


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_that_others_may_write_to_is_not_read(folder: Path, mode: int) -> None:
    folder.joinpath(NAME).chmod(mode)
    why = f"{folder / NAME} may be written by others (mode {mode:o}), who could put any code into it: chmod go-w"
    assert read(folder) == (None, [f"machine code of the search is not read from {folder}: {why}"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
@pytest.mark.parametrize("which", [".", NAME])
def test_a_folder_or_file_of_somebody_else_is_not_read(folder: Path, which: str) -> None:
    os.chown(folder / which, SOMEBODY, SOMEBODY)
    why = (
        f"{folder / which} belongs to user {SOMEBODY}, who could put any code into it; it has to belong to the user of this "
        "process, to root or to the owner of the program"
    )
    assert read(folder) == (None, [f"machine code of the search is not read from {folder}: {why}"])


def test_links_and_pipes_are_not_read(folder: Path) -> None:
    path = folder / NAME
    path.symlink_to(path.rename(folder / "aside"))
    assert read(folder)[0] is None
    path.unlink()
    os.mkfifo(path, 0o600)
    assert read(folder)[0] is None
    path.unlink()
    path.mkdir()
    assert read(folder)[0] is None
    path.rmdir()
    folder.joinpath("aside").rename(path)
    assert read(folder)[0] == b"code"
    folder.symlink_to(folder.rename(folder.parent / "aside"))
    assert read(folder)[0] is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give files away")
def test_whoever_owns_the_program_may_have_warmed_it(warmed: Site) -> None:
    for path in (warmed.package, *warmed.package.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
    assert warmed.call() == (42, 1, 0, 0, [])


class Deed:
    """What somebody else would put there: it makes a folder when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("believed", [True, False])
def test_what_is_planted_runs_only_where_its_place_is_believed(warmed: Site, *, believed: bool) -> None:
    path, mark = warmed.only_file(), warmed.folder / "mark"
    payload = pickle.dumps(Deed(mark))
    path.write_bytes(path.read_bytes()[:32] + hashlib.sha256(payload).digest() + payload)
    if not believed:
        warmed.kernels.chmod(0o777)
    done = warmed.run("-c", CALL, check=False)
    assert mark.exists() == believed
    assert believed or json.loads(done.stdout)[:4] == [42, 0, 2, 2]
