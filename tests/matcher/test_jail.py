"""What holds inside the jail, and what reaches the server when it does not hold still."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from typing import TYPE_CHECKING

import pytest

from matcher import jail
from matcher.jail import Jail, JailError, Limits, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMITS = Limits(1, 5000, 16_000_000)
PGM = b"P5 4 2 255\n" + bytes(range(8))

# A jail whose decoder has been taken over: the codec's name says what it then tries.
HOSTILE = """
import ctypes, importlib.util, os, socket, sys
spec = importlib.util.spec_from_file_location("jailed", {program!r})
jailed = importlib.util.module_from_spec(spec)
spec.loader.exec_module(jailed)
jailed.CPU_SECONDS = 1

def crash(): ctypes.string_at(0)
def loop():
    while True: pass
def allocate(): bytearray(600 << 20)
def leave(): os._exit(7)
def half(): return b"O[4, 2, 0.0, 0.0]\\n" + bytes(7)
def huge(): return b"O[5000, 3200, 0.0, 0.0]\\n" + bytes(17_000_000)
def infinite(): return b"O[4, 2, 0.0, Infinity]\\n" + bytes(8)
def noise(): return bytes(range(256))
def silence(): return b""
def long_story(): return b"D" + jailed._line("\\x1b[2J" + "a" * 10_000)
def descriptors(): return b"D" + jailed._line(str([fd for fd in range(64) if is_open(fd)]))
def is_open(fd):
    try: os.read(fd, 0)
    except OSError: return False
    return True
def environment(): return b"D" + jailed._line(str(sorted(os.environ)))

deeds = {{
    "open": lambda: open("/etc/hostname"), "socket": socket.socket, "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]), "kill": lambda: os.kill(os.getppid(), 9),
    "executable": lambda: __import__("mmap").mmap(-1, 4096, prot=7), "crash": crash, "abort": os.abort, "loop": loop,
    "allocate": allocate, "leave": leave, "half": half, "huge": huge, "infinite": infinite, "noise": noise,
    "silence": silence, "long_story": long_story, "descriptors": descriptors, "environment": environment,
}}
honest = jailed._answer

def answer(request):
    deed = deeds.get(request.partition(b"\\n")[0].decode())
    if deed is None: return honest(request)
    try: return deed()
    except MemoryError: return b"D" + jailed._line("refused the memory")

jailed._answer = answer
jailed.main()
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    program = tmp_path_factory.mktemp("hostile") / "jailed.py"
    program.write_text(textwrap.dedent(HOSTILE.format(program=str(jail.PROGRAM))))
    place = Jail(program=program)
    yield place
    assert place.decode("PGM", PGM, LIMITS).pixels == bytes(range(8)), "the jail did not survive"
    place.close()


@pytest.fixture
def place() -> Iterator[Jail]:
    place = Jail()
    yield place
    place.close()


@pytest.fixture
def filtered(hostile: Jail) -> Jail:
    if "system call filter (" not in hostile.confinement:
        pytest.skip(f"needs a system call filter: {hostile.confinement}")
    return hostile


def test_a_picture_comes_back_as_its_grey_values(place: Jail) -> None:
    decoded = place.decode("PGM", PGM, LIMITS)
    assert (decoded.width, decoded.height, decoded.dpi) == (4, 2, (0.0, 0.0))
    assert decoded.pixels == bytes(range(8))


def test_the_jail_says_what_confines_it(place: Jail) -> None:
    assert place.confinement.startswith("resource limits")


@pytest.mark.parametrize("deed", ["open", "socket", "fork", "exec", "kill", "executable", "abort"])
def test_a_system_call_that_decoding_does_not_need_ends_the_child(filtered: Jail, deed: str) -> None:
    with pytest.raises(RefusedError, match=r"system call that decoding does not need \(SIGSYS\)") as caught:
        filtered.decode(deed, b"", LIMITS)
    assert caught.value.letter == "K"


def test_a_child_has_no_more_than_512_mib(hostile: Jail) -> None:
    with pytest.raises(RefusedError, match="refused the memory"):
        hostile.decode("allocate", b"", LIMITS)


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("loop", r"more than its CPU time \(SIGXCPU\)"),
        ("crash", r"the decoder crashed \(SIGSEGV\)"),
        ("leave", "exit code 7"),
        ("half", "something else than a picture"),
        ("huge", "answered with more than a picture"),
        ("infinite", "something else than a picture"),
        ("noise", "something else than a picture"),
        ("silence", "something else than a picture"),
        ("descriptors", r"^\[0, 1, 2, 3\]$"),
    ],
)
def test_a_decoder_taken_over_harms_only_its_own_file(hostile: Jail, deed: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        hostile.decode(deed, b"", LIMITS)


def test_a_decoder_taken_over_cannot_write_to_the_terminal_through_its_message(hostile: Jail) -> None:
    with pytest.raises(RefusedError) as caught:
        hostile.decode("long_story", b"", LIMITS)
    assert str(caught.value) == "[2J" + "a" * 296


def test_the_servers_environment_stays_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "pin")
    program = tmp_path / "jailed.py"
    program.write_text(HOSTILE.format(program=str(jail.PROGRAM)))
    place = Jail(program=program)
    with pytest.raises(RefusedError) as caught:
        place.decode("environment", b"", LIMITS)
    place.close()
    assert "SECRET" not in str(caught.value)


def test_many_threads_are_served_at_once_and_each_gets_its_own_answer(hostile: Jail) -> None:
    answers: dict[int, bytes] = {}

    def ask(number: int) -> None:
        try:
            answers[number] = hostile.decode("PGM", b"P5 4 2 255\n" + bytes([number] * 8), LIMITS).pixels
        except RefusedError:
            answers[number] = b"refused"

    def crash() -> None:
        with pytest.raises(RefusedError):
            hostile.decode("crash", b"", LIMITS)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    threads += [threading.Thread(target=crash) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: bytes([number] * 8) for number in range(12)}


def test_a_killed_jail_is_started_again(place: Jail) -> None:
    place.decode("PGM", PGM, LIMITS)
    assert place._process is not None
    place._process.kill()
    place._process.wait()
    assert place.decode("PGM", PGM, LIMITS).width == 4


def test_a_closed_jail_leaves_no_process_and_opens_again(place: Jail) -> None:
    place.decode("PGM", PGM, LIMITS)
    process = place._process
    assert process is not None
    place.close()
    assert process.returncode == 0
    assert place.decode("PGM", PGM, LIMITS).width == 4


def test_the_jail_ends_with_the_server_that_started_it() -> None:
    script = (
        "import os, signal; from matcher.jail import *; place = Jail();"
        f"place.decode('PGM', {PGM!r}, Limits(1, 9, 99)); print(place._process.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    server = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert server.returncode == -signal.SIGKILL, server.stderr
    pid = int(server.stdout)
    for _ in range(200):
        if not _alive(pid):
            return
        time.sleep(0.05)
    pytest.fail("the jail outlived its server")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that has ended stays a zombie where nothing collects it.
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:  # noqa: PTH123  it may vanish in between
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("body", ["raise SystemExit", "print('hello')", "import no_such_module"])
def test_a_program_that_does_not_start_is_the_jails_fault_not_the_files(tmp_path: Path, body: str) -> None:
    program = tmp_path / "broken.py"
    program.write_text(body)
    with pytest.raises(JailError, match="the jail does not start: its process ended"):
        Jail(program=program).decode("PGM", PGM, LIMITS)


def test_a_jail_that_ends_amid_a_file_is_not_the_files_fault(tmp_path: Path) -> None:
    program = tmp_path / "brief.py"
    program.write_text(
        "import socket\n"
        "control = socket.socket(fileno=0)\n"
        "control.sendall(b'ready for one\\n')\n"
        "socket.recv_fds(control, 1, 1)\n"
    )
    place = Jail(program=program)
    with pytest.raises(JailError, match="ended before it answered"):
        place.decode("PGM", PGM, LIMITS)
    place.close()


def test_the_reason_why_a_jail_does_not_start_is_told(tmp_path: Path) -> None:
    program = tmp_path / "failing.py"
    program.write_text("import socket\nsocket.socket(fileno=0).sendall(b'failed ImportError: no decoder\\n')\n")
    with pytest.raises(JailError, match="the jail does not start: ImportError: no decoder"):
        Jail(program=program).confinement  # noqa: B018  reading it starts the jail


def test_without_a_system_call_filter_the_other_limits_hold_and_it_says_so(tmp_path: Path) -> None:
    program = tmp_path / "unfiltered.py"
    program.write_text(
        HOSTILE.format(program=str(jail.PROGRAM)).replace("jailed.main()", "jailed._SYSTEM_CALLS = {}\njailed.main()")
    )
    place = Jail(program=program)
    assert place.confinement.startswith("resource limits only; no system call filter:")
    assert place.decode("PGM", PGM, LIMITS).width == 4
    with pytest.raises(RefusedError, match="refused the memory"):
        place.decode("allocate", b"", LIMITS)
    with pytest.raises(RefusedError, match=r"Too many open files|exit code 1"):
        place.decode("open", b"", LIMITS)
    place.close()
