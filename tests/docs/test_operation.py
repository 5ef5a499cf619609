"""The install guide and the unit: commands that exist, settings that are read, sandboxing that the service can live in."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer

from contact_point import cli, settings

if TYPE_CHECKING:
    import click

DOCS = Path(__file__).parents[2] / "docs" / "operation"
GUIDE = (DOCS / "install.md").read_text(encoding="utf-8")
UNIT = DOCS / "pcsc.service"


def commands() -> list[list[str]]:
    """Return the words of every `pcsc` command in the guide, in its blocks and in its sentences."""
    joined = GUIDE.replace("\\\n", " ")
    blocks = re.findall(r"^ {4}(?:[$#] )?(pcsc [^#\n|]*)", joined, re.MULTILINE)
    sentences = re.findall(r"`(pcsc [^`]*)`", joined)
    return [shlex.split(each.split(" > ")[0]) for each in (*blocks, *sentences)]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_guide_exists_with_its_options(words: list[str]) -> None:
    found: click.Command = typer.main.get_command(cli.app)
    given = words[1:]
    while given and isinstance(found, typer.core.TyperGroup) and given[0] in found.commands:
        found = found.commands[given.pop(0)]
    assert found.name is not None
    assert found.name != "pcsc", words
    known = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in given if word.startswith("--")} <= known


def test_the_guide_has_commands_of_every_step() -> None:
    assert {" ".join(each[:2]) for each in commands()} >= {
        *("pcsc init", "pcsc designate", "pcsc doctor", "pcsc clock", "pcsc reach", "pcsc record", "pcsc drill")
    }


def test_what_the_guide_writes_into_the_settings_is_read() -> None:
    block = GUIDE.split("installation.toml <<END\n")[1].split("    END")[0]
    said: dict[str, Any] = tomllib.loads(re.sub(r"^ {4}", "", block, flags=re.MULTILINE))
    assert said == {"log": {"format": "json"}, "operation": {"port": 9464}}
    assert settings.Operation(**said["operation"]).port == 9464


# The unit


def unit() -> dict[str, list[str]]:
    """Return what the unit says, by name."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_keeps_the_service_in() -> None:
    said = unit()
    wanted = {
        "Type": "notify",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "PrivateTmp": "yes",
        "LimitCORE": "0",
        "CapabilityBoundingSet": "",
        "Restart": "on-failure",
        "UMask": "0077",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    }
    assert {name: said[name][-1] for name in wanted} == wanted
    assert int(said["WatchdogSec"][0]) > 2 * 15  # contact_point.main.ALIVE


def systemd_analyze(*arguments: str) -> str:
    """Return what systemd-analyze says; the test is skipped where there is none."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("there is no systemd-analyze here")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_the_unit_is_one(tmp_path: Path) -> None:
    here = tmp_path / "pcsc.service"
    here.write_text(
        UNIT.read_text(encoding="utf-8").replace("/opt/pcsc/.venv/bin/pcsc serve", "/bin/true"), encoding="utf-8"
    )
    said = systemd_analyze("verify", str(here))
    assert "pcsc.service" not in said, said


def test_the_unit_exposes_little() -> None:
    said = systemd_analyze("security", "--offline=true", str(UNIT))
    exposure = re.search(r"Overall exposure level for pcsc.service: ([0-9.]+)", said)
    assert exposure is not None, said
    assert float(exposure[1]) < 2.0


def allowed() -> set[str]:
    """Return the system calls that the unit lets the service make: of its filters what comes later counts."""
    found: set[str] = set()
    for line in unit()["SystemCallFilter"]:
        forbids = line.startswith("~")
        calls = {call for word in line.removeprefix("~").split() for call in _calls(word)}
        found = found - calls if forbids else found | calls
    return found


def _calls(word: str) -> set[str]:
    if not word.startswith("@"):
        return {word}
    lines = [line.strip() for line in systemd_analyze("syscall-filter", word).splitlines()[1:]]
    return {call for line in lines if line and not line.startswith("#") for call in _calls(line)}


CALLS = """
accept4 access adjtimex arch_prctl bind brk chmod clock_adjtime clock_gettime clock_nanosleep clone clone3 close
close_range connect dup2 epoll_create1 epoll_ctl epoll_pwait eventfd2 execve exit_group fadvise64 fcntl fdatasync
flock fstat fsync ftruncate futex getcwd getdents64 geteuid getpeername getpid getppid getrandom getsockname
getsockopt gettid getuid io_uring_enter io_uring_setup ioctl kill listen lseek madvise mbind mkdir mmap mprotect
mremap munmap newfstatat openat pipe2 poll prctl pread64 prlimit64 pwrite64 read readlink recvfrom recvmsg rename
rmdir rseq rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sendmsg sendto set_robust_list set_tid_address
setsockopt sigaltstack socket socketpair stat statfs statx sysinfo tgkill umask uname unlink unlinkat utimensat vfork
wait4 write
"""
"""What strace saw of a demonstration: both services start, compile, answer and read in their jails; and the look at the clock.

Not fchown(2), which SQLite calls where it is root, and does without where it is refused.
"""


def test_the_service_can_live_in_the_unit(permitted: set[str]) -> None:
    assert set(CALLS.split()) - permitted == set()


@pytest.fixture(scope="module")
def permitted() -> set[str]:
    return allowed()


@pytest.mark.parametrize(
    "call", ["mount", "ptrace", "bpf", "init_module", "kexec_load", "settimeofday", "setuid", "process_vm_readv"]
)
def test_9_what_would_reach_out_of_the_service_is_not_allowed(call: str, permitted: set[str]) -> None:
    assert call not in permitted
