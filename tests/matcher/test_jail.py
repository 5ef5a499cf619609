"""What holds inside the jail, and what reaches the server when it does not hold still."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from matcher import jail_terms
from matcher.jail import MODULES, PROGRAM, Jail, JailError, KilledError, Limits, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

LIMITS = Limits(1, 5000, 16_000_000)
PGM = b"P5 4 2 255\n" + bytes(range(8))

# Tasks of a decoder that has been taken over. What goes past its caller is written by the task itself, as it could.
HOSTILE = """
import ctypes, json, os, socket, struct, time
from matcher.jail_terms import ANSWER, END, RefusalError

served = 0
name = None

def write(answer):
    view = memoryview(answer)
    while view: view = view[os.write(3, view):]
def say(answer, number=1, content=None, more=0, cpu=0.0, then=lambda: os._exit(0)):
    end = answer.find(b"\\n") + 1 or len(answer)
    write(ANSWER.pack(number, end if content is None else content, len(answer) - end + more, cpu) + answer + END)
    then()
def who():
    global name
    name = name or os.urandom(8).hex()
    return [name, b""]
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end: pass
    return who()

def refuse(text): raise RefusalError("D", text)
def loop():
    while True: pass
def memory():
    bytearray(600 << 20)
def some_memory(): return [len(bytearray(300 << 20)), b""]
def is_open(fd):
    try: os.read(fd, 0)
    except OSError: return False
    return True
def count():
    global served
    served += 1
    return [served, b""]
def wait():
    while True: os.sched_yield() if os.read(3, 1) else None
def forge():
    say(b'O"done"\\n' + bytes(8) + (0).to_bytes(4, "little"))
def leave():
    os.write(3, ANSWER.pack(1, 10, 10, 0.0) + b'O"half')
    os._exit(7)
def forge_end():
    os.write(3, ANSWER.pack(1, 8, 50, 0.0) + b'O"done"\\n' + bytes(12))
    os._exit(7)
def learn():
    global AGAIN
    AGAIN = frozenset({"deed"})
    from matcher import _jailed
    import gc
    for each in gc.get_objects():
        if isinstance(each, _jailed._Pool): each._again = AGAIN
    return who()

DEEDS = {
    "open": lambda: open("/etc/hostname"), "socket": socket.socket, "fork": os.fork,
    "exec": lambda: os.execv("/bin/true", ["true"]), "kill": lambda: os.kill(os.getppid(), 9),
    "executable": lambda: __import__("mmap").mmap(-1, 4096, prot=7), "abort": os.abort, "sleep": lambda: time.sleep(60),
    "crash": lambda: ctypes.string_at(0), "loop": loop, "memory": memory, "leave": leave, "wait": wait, "count": count,
    "some memory": some_memory,
    "fault": lambda: 1 // 0, "recurse": lambda: json.dumps(deep(100_000)),
    "half": lambda: say(b"O[4, 2"), "noise": lambda: [write(bytes(range(256))), os._exit(0)], "who": who, "learn": learn,
    "silence": lambda: os._exit(0), "nothing": lambda: say(b""), "some time": lambda: burn(0.3), "forge end": forge_end,
    "most time": lambda: burn(1.8),
    "extra": lambda: say(b"O1\\n" + END + bytes(50), more=-58, then=lambda: None),
    "unended": lambda: say(b"O1\\n", more=8),
    "missing": lambda: say(b"O1\\n" + bytes(90), more=10), "other": lambda: say(b"O1\\n", number=2),
    "lines": lambda: say(b"O1\\n", content=1 << 31), "no line": lambda: say(b"O1\\n", content=0, more=3),
    "no time": lambda: say(b"O1\\n", cpu=-1.0), "never": lambda: say(b"O1\\n", cpu=float("nan")),
    "late": lambda: say(b'O"late"\\n', then=lambda: write(b"O" * 30)),
    "letter": lambda: say(b'o"?"\\n'), "kind": lambda: say(b"D7\\n"), "endless": lambda: say(b"O" + bytes(3_000_000)),
    "flood": lambda: say(b"O1\\n" + bytes(20_000_000)), "long": lambda: say(b"O1\\n" + bytes(101)),
    "nested": lambda: say(b"O" + b"[" * 500_000 + b"\\n"), "digits": lambda: say(b"O" + b"7" * 900_000 + b"\\n"),
    "infinite": lambda: say(b"O[4, 2, 0.0, Infinity]\\n" + bytes(8)), "forge": forge,
    "refusal": lambda: say(b'Z"' + b"\\\\u001b[2J" + b"a" * 10_000 + b'"\\n'),
    "descriptors": lambda: [[fd for fd in range(64) if is_open(fd)], b""],
    "environment": lambda: [sorted(os.environ), b""],
}

def deed(name, data):
    return DEEDS[name]()

def echo(arguments, data):
    return arguments, data

TASKS = {"deed": deed, "echo": echo, "again": deed, "echo again": echo}
AGAIN = frozenset({"again", "echo again"})
"""

QUICK = "from matcher import _jailed; _jailed.CPU_SECONDS = 1; _jailed.main()"


def jail(folder: Path, program: str = PROGRAM, **options: Any) -> Jail:
    """A jail with the hostile tasks besides its own."""
    folder.joinpath("hostile.py").write_text(HOSTILE)
    return Jail(modules=(*MODULES, "hostile"), program=f"sys.path.append({str(folder)!r}); {program}", **options)


def do(place: Jail, deed: str, task: str = "deed") -> Any:
    return place.ask(task, deed, b"", most=100)[0]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    place = jail(tmp_path_factory.mktemp("hostile"), QUICK)
    yield place
    assert place.decode("PGM", PGM, LIMITS).pixels == bytes(range(8)), "the jail did not survive"
    place.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Jail]:
    place = jail(tmp_path)
    yield place
    place.close()


@pytest.fixture
def filtered(hostile: Jail) -> Jail:
    if "system call filter (" not in hostile.confinement:
        pytest.skip(f"needs a system call filter: {hostile.confinement}")
    return hostile


# --- what goes in and comes out --------------------------------------------------------------------------------------


def test_a_picture_comes_back_as_its_grey_values(place: Jail) -> None:
    decoded = place.decode("PGM", PGM, LIMITS)
    assert (decoded.width, decoded.height, decoded.dpi) == (4, 2, (0.0, 0.0))
    assert decoded.pixels == bytes(range(8))


def test_the_jail_says_what_confines_it(place: Jail) -> None:
    assert place.confinement.startswith("resource limits")


@pytest.mark.parametrize("size", [0, 1, 100_000, 1_000_000, 10_000_000])
def test_a_task_is_given_arguments_and_data_and_gives_the_same_two(place: Jail, size: int) -> None:
    arguments = {"a": [1, 2.5, None, True, "指紋"], "b": {}}
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    assert place.ask("echo", arguments, data, most=size) == (arguments, data)


def test_an_answer_is_no_longer_than_asked_for(place: Jail) -> None:
    with pytest.raises(RefusedError, match="the answer is longer than it can be") as caught:
        place.ask("echo", None, bytes(101), most=100)
    assert caught.value.letter == "D"


def test_a_task_that_the_jail_has_not_is_the_askers_fault(place: Jail) -> None:
    with pytest.raises(
        JailError, match="the jail has no task 'encode'; it has again, decode, deed, echo, echo again, plain"
    ):
        place.ask("encode", None, b"", most=0)


def test_two_modules_with_one_task_do_not_start(tmp_path: Path) -> None:
    for name in ("one", "other"):
        tmp_path.joinpath(f"{name}.py").write_text("TASKS = {'task': None}")
    place = Jail(modules=("one", "other"), program=f"sys.path.append({str(tmp_path)!r}); {PROGRAM}")
    with pytest.raises(JailError, match=r"ValueError: a task has one module; \['task'\] of other are there already"):
        place.confinement  # noqa: B018  reading it starts the jail


def test_a_module_is_made_warm_before_it_serves(tmp_path: Path) -> None:
    tmp_path.joinpath("cold.py").write_text(
        "def warm():\n    global colorsys\n    import colorsys\nTASKS = {'task': lambda a, d: (colorsys.__name__, d)}\n"
    )
    place = Jail(modules=("cold",), program=f"sys.path.append({str(tmp_path)!r}); {PROGRAM}")
    assert place.ask("task", None, b"", most=0) == ("colorsys", b"")
    place.close()


def test_a_task_refuses_with_a_letter_of_its_own(tmp_path: Path) -> None:
    tmp_path.joinpath("strict.py").write_text(
        "from matcher.jail_terms import RefusalError\n"
        "def task(arguments, data): raise RefusalError(arguments, 'not today')\n"
        "TASKS = {'task': task}\n"
    )
    place = Jail(modules=("strict",), program=f"sys.path.append({str(tmp_path)!r}); {PROGRAM}")
    for letter, kind in (("Z", RefusedError), ("K", KilledError)):
        with pytest.raises(kind, match="not today") as caught:
            place.ask("task", letter, b"", most=0)
        assert caught.value.letter == letter
    place.close()


def test_an_exception_in_a_task_is_damage_to_its_data(hostile: Jail) -> None:
    with pytest.raises(RefusedError, match="ZeroDivisionError: integer division") as caught:
        do(hostile, "fault")
    assert caught.value.letter == "D"


# --- a decoder taken over --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["open", "socket", "fork", "exec", "kill", "executable", "abort", "sleep"])
def test_a_system_call_that_decoding_does_not_need_ends_the_child(filtered: Jail, deed: str) -> None:
    with pytest.raises(KilledError, match=r"a system call that decoding does not need \(SIGSYS\)") as caught:
        do(filtered, deed)
    assert caught.value.letter == "K"


def test_a_child_has_no_more_than_512_mib(hostile: Jail) -> None:
    assert jail_terms.ADDRESS_SPACE == 512 << 20
    assert do(hostile, "some memory") == 300 << 20
    with pytest.raises(KilledError, match="it takes more than 512 MiB of memory"):
        do(hostile, "memory")


def test_a_child_has_two_seconds_of_cpu_time() -> None:
    assert jail_terms.CPU_SECONDS == 2


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("loop", r"more than 2 seconds of CPU time \(SIGXCPU\)"),
        ("crash", r"the decoder crashed \(SIGSEGV\)"),
        ("leave", "it ended with exit code 7 and no answer"),
    ],
)
def test_a_decoder_that_is_killed_is_told_from_one_that_refuses(hostile: Jail, deed: str, message: str) -> None:
    with pytest.raises(KilledError, match=message):
        do(hostile, deed)


@pytest.mark.parametrize(
    ("deed", "message"),
    [
        ("half", "not one that the task gives"),
        ("silence", "not one that the task gives"),
        ("nothing", "not one that the task gives"),
        ("missing", "not one that the task gives"),
        ("unended", "not one that the task gives"),
        ("other", "not one that the task gives"),
        ("no line", "not one that the task gives"),
        ("no time", "not one that the task gives"),
        ("never", "not one that the task gives"),
        ("letter", "not one that the task gives"),
        ("kind", "not one that the task gives"),
        ("nested", "not one that the task gives"),
        ("digits", "not one that the task gives"),
        ("infinite", "not one that the task gives"),
        ("long", "longer than it can be"),
        ("lines", "longer than it can be"),
        ("noise", "longer than it can be"),
        ("endless", "longer than it can be"),
        ("flood", "longer than it can be"),
    ],
)
def test_a_decoder_taken_over_harms_only_its_own_file(hostile: Jail, deed: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message) as caught:
        do(hostile, deed)
    assert caught.value.letter == "D"


def test_a_decoder_taken_over_cannot_forge_its_last_word(hostile: Jail) -> None:
    # It wrote a token and a status: that is data, and where it does not answer to the end, the real ones count.
    assert hostile.ask("deed", "forge", b"", most=100) == ("done", bytes(12))
    with pytest.raises(KilledError, match="it ended with exit code 7 and no answer"):
        do(hostile, "forge end")


def test_a_child_that_dies_amid_the_last_bytes_of_its_answer_gave_none(hostile: Jail) -> None:
    # The status that follows is as long as what is missing.
    for _ in range(20):
        with pytest.raises(RefusedError, match="not one that the task gives"):
            do(hostile, "missing")


def test_a_decoder_taken_over_has_its_own_socket_and_nothing_else_open(hostile: Jail) -> None:
    assert do(hostile, "descriptors") == [0, 1, 2, 3]


def test_a_decoder_taken_over_cannot_write_to_the_terminal_through_its_message(hostile: Jail) -> None:
    with pytest.raises(RefusedError) as caught:
        do(hostile, "refusal")
    assert (caught.value.letter, str(caught.value)) == ("Z", "[2J" + "a" * 296)


@pytest.mark.parametrize(
    "content",
    [
        None,
        [4, 2, 0.0],
        [4, 2, 0.0, 0.0, 0.0],
        [4.0, 2, 0.0, 0.0],
        [True, 8, 0.0, 0.0],
        [-4, -2, 0.0, 0.0],
        [4, 3, 0.0, 0.0],
        [8, 1, 0, 0.0],
        [8, 1, -1.0, 0.0],
        ["8", 1, 0.0, 0.0],
        {"8": 1},
    ],
)
def test_what_is_no_picture_within_the_limits_is_not_taken_for_one(tmp_path: Path, content: Any) -> None:
    tmp_path.joinpath("liar.py").write_text(
        f"import json\nTASKS = {{'decode': lambda a, d: (json.loads({json.dumps(json.dumps(content))}), bytes(8))}}\n"
    )
    place = Jail(modules=("liar",), program=f"sys.path.append({str(tmp_path)!r}); {PROGRAM}")
    with pytest.raises(RefusedError, match="something else than a picture within the limits"):
        place.decode("PGM", PGM, LIMITS)
    place.close()


def test_the_servers_environment_stays_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "pin")
    place = jail(tmp_path)
    assert set(do(place, "environment")) <= {"PATH", "LD_LIBRARY_PATH", "OPENBLAS_NUM_THREADS", "LC_CTYPE"}
    place.close()


# --- children and their keeper ---------------------------------------------------------------------------------------


def test_a_child_serves_one_request_only(hostile: Jail) -> None:
    assert [do(hostile, "count") for _ in range(12)] == [1] * 12


def test_two_hundred_requests_of_sixteen_threads_get_each_its_own_answer(hostile: Jail) -> None:
    def ask(number: int) -> tuple[Any, bytes] | str:
        try:
            if number % 10 == 0:
                return do(hostile, "crash"), b""
            return hostile.ask("echo", number, number.to_bytes(2) * 30_000, most=60_000)
        except KilledError:
            return "killed"

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, range(200)))
    for number, answer in enumerate(answers):
        assert answer == ("killed" if number % 10 == 0 else (number, number.to_bytes(2) * 30_000))


def test_a_child_of_memory_safe_tasks_serves_again(place: Jail) -> None:
    assert [do(place, "count", "again") for _ in range(4)] == [1, 2, 3, 4]
    assert len({do(place, "who", "again") for _ in range(4)}) == 1
    assert place.ask("echo again", 7, b"seven", most=5) == (7, b"seven")
    assert do(place, "count", "again") == 5


def test_a_task_that_is_done_once_shares_no_child_with_any_other(place: Jail) -> None:
    names = [do(place, "who", task) for task in ("deed", "again", "deed", "again", "deed", "again", "deed")]
    assert names[1] == names[3] == names[5]
    assert len(set(names)) == 5


def test_a_child_has_no_say_in_which_tasks_are_done_again(place: Jail) -> None:
    names = [do(place, "learn"), do(place, "who"), do(place, "learn", "again"), do(place, "who"), do(place, "who")]
    assert len(set(names)) == 5


def test_a_module_declares_only_its_own_tasks(tmp_path: Path) -> None:
    tmp_path.joinpath("boastful.py").write_text("TASKS = {'task': None}\nAGAIN = frozenset({'decode'})")
    place = Jail(modules=(*MODULES, "boastful"), program=f"sys.path.append({str(tmp_path)!r}); {PROGRAM}")
    with pytest.raises(JailError, match=r"AGAIN names tasks of its module; \['decode'\] of boastful are none"):
        place.confinement  # noqa: B018  reading it starts the jail


def test_only_what_runs_no_decoder_or_parser_in_c_is_done_again() -> None:
    place = Jail(modules=(*MODULES, "contact_point.nist.jailed"), warm=0)
    place.confinement  # noqa: B018  reading it starts the jail
    assert place._tasks - place._again == {"decode", "xml"}
    assert place._again == {"plain", "traditional"}
    place.close()


def test_a_child_serves_thirty_two_requests_at_most(place: Jail) -> None:
    assert [do(place, "count", "again") for _ in range(70)] == [*range(1, 33), *range(1, 33), *range(1, 7)]
    assert until(lambda: len(children_of(keeper(place))) == 5), "four wait, one is kept"


def test_a_child_that_has_spent_half_a_second_serves_no_more(place: Jail) -> None:
    names = [do(place, "some time", "again") for _ in range(4)]
    assert names[0] == names[1] != names[2] == names[3]


def test_what_others_left_of_a_childs_time_is_no_reason_to_refuse(place: Jail) -> None:
    kept = do(place, "some time", "again")
    assert do(place, "most time", "again") != kept


def test_a_child_killed_at_its_second_request_is_replaced_and_nobody_learns_of_it(place: Jail) -> None:
    kept = do(place, "who", "again")
    child = only_kept(place)
    os.kill(child, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(do, place, "who", "again")
        until(lambda: not place._kept)
        os.kill(child, signal.SIGKILL)
        assert asked.result() != kept


def test_a_deed_that_kills_a_kept_child_kills_a_new_one_too_and_is_told(place: Jail) -> None:
    for deed, message in (("loop", "CPU time"), ("crash", "crashed"), ("memory", "512 MiB")):
        kept = do(place, "who", "again")
        with pytest.raises(KilledError, match=message):
            do(place, deed, "again")
        assert do(place, "who", "again") != kept


@pytest.mark.parametrize("deed", ["half", "noise", "letter", "missing", "unended", "other", "endless", "infinite"])
def test_a_child_that_answers_with_something_else_is_never_used_again(place: Jail, deed: str) -> None:
    with pytest.raises(RefusedError):
        do(place, deed, "again")
    assert place._kept == []
    assert do(place, "count", "again") == 1


@pytest.mark.parametrize("deed", ["extra", "late"])
def test_a_child_that_says_more_than_its_answer_is_never_used_again(place: Jail, deed: str) -> None:
    answers = {"extra": 1, "late": "late"}
    kept = do(place, "who", "again")
    assert do(place, deed, "again") != kept  # its first answer counts as the second only where it is a new child's
    for _ in range(3):
        assert do(place, deed, "again") == answers[deed]
        assert do(place, "count", "again") == 1
        assert do(place, "count", "again") == 2


def test_a_refusal_is_no_reason_to_end_a_child(place: Jail) -> None:
    kept = do(place, "who", "again")
    with pytest.raises(RefusedError, match="ZeroDivisionError"):
        do(place, "fault", "again")
    assert do(place, "who", "again") == kept


def test_a_kept_child_that_was_killed_is_replaced_and_nobody_learns_of_it(place: Jail) -> None:
    for _ in range(3):
        kept = do(place, "who", "again")
        child = only_kept(place)
        os.kill(child, signal.SIGKILL)
        assert until(partial(dead, child))
        assert do(place, "who", "again") != kept
    assert len(place._kept) == 1


def test_no_more_children_are_kept_than_there_are_places(place: Jail) -> None:
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: do(place, "who", "again"), range(200)))
    assert 1 <= len(place._kept) <= 4
    kept = len(place._kept)
    assert until(lambda: len(children_of(keeper(place))) == 4 + kept)


def test_two_hundred_mixed_requests_of_sixteen_threads_get_each_its_own_answer(place: Jail) -> None:
    def ask(number: int) -> tuple[Any, bytes] | str:
        try:
            if number % 17 == 0:
                return do(place, "crash", "again" if number % 2 else "deed"), b""
            data = number.to_bytes(2) * (1 + number * 150)
            return place.ask("echo" if number % 3 == 0 else "echo again", number, data, most=60_400)
        except KilledError:
            return "killed"

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, range(200)))
    for number, answer in enumerate(answers):
        assert answer == ("killed" if number % 17 == 0 else (number, number.to_bytes(2) * (1 + number * 150)))


def test_kept_children_end_with_their_jail_and_leave_nothing_open(place: Jail) -> None:
    place.confinement  # noqa: B018  reading it starts the jail
    place.close()
    before = len(open_files(os.getpid()))
    for _ in range(3):
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: do(place, "who", "again"), range(20)))
        children = children_of(keeper(place))
        place.close()
        assert place._kept == []
        assert not any(alive(child) for child in children)
    assert len(open_files(os.getpid())) == before


def test_a_kept_child_whose_jail_was_killed_is_not_asked(place: Jail) -> None:
    kept = do(place, "who", "again")
    child = only_kept(place)
    os.kill(keeper(place), signal.SIGKILL)
    assert until(partial(dead, child))
    assert do(place, "who", "again") != kept
    assert len(place._kept) == 1


def test_a_picture_that_needs_no_decoder_is_read_by_a_kept_child_and_another_is_not(place: Jail) -> None:
    place.decode("PGM", PGM, LIMITS)
    assert len(place._kept) == 1
    kept = place._kept[0]
    assert place.decode("PGM", b"P5 4 2 128\n" + bytes(8), LIMITS).pixels == bytes(8)  # white is 128: Pillow's to read
    assert place._kept == [kept]
    assert kept.served == 2


def test_children_wait_confined_and_idle(place: Jail) -> None:
    children = waiting(place)
    assert len(children) == 4
    for child in children:
        status = facts(child)
        assert status["Seccomp"] == ("2" if "system call filter (" in place.confinement else "0")
        assert open_files(child) == {"0", "1", "2", "3"}
        limits = Path(f"/proc/{child}/limits").read_text()
        assert all(
            line in " ".join(limits.split())
            for line in ("Max cpu time 2 3", "Max address space 536870912 536870912", "Max open files 0 0")
        )
    before = [(cpu_ticks(child), facts(child)["voluntary_ctxt_switches"]) for child in children]
    time.sleep(0.5)
    assert before == [(cpu_ticks(child), facts(child)["voluntary_ctxt_switches"]) for child in children]


def test_a_jail_without_warm_children_forks_when_asked(tmp_path: Path) -> None:
    place = jail(tmp_path, warm=0)
    assert do(place, "count") == 1
    assert waiting(place, 0) == []
    place.close()


def test_children_that_die_while_they_wait_are_replaced(place: Jail) -> None:
    for _ in range(2):
        children = waiting(place)
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            assert until(partial(dead, child))
        assert do(place, "count") == 1
        assert not set(waiting(place)) & set(children)


def test_a_child_that_dies_at_a_request_says_so_even_if_the_system_killed_it(place: Jail) -> None:
    children = waiting(place)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(do, place, "loop")
        os.kill(until(lambda: working(children))[0], signal.SIGKILL)
        with pytest.raises(KilledError, match=r"killed: more than 2 seconds of CPU time, or the system .* \(SIGKILL\)"):
            asked.result()


def test_a_child_whose_asker_has_gone_is_killed(place: Jail) -> None:
    waiting(place)
    connection = place._new_one("deed").connection
    question = json.dumps(["deed", "wait"]).encode()
    connection.sendall(jail_terms.LENGTHS.pack(len(question), 0) + question)
    assert until(lambda: len(children_of(keeper(place))) == 5)
    connection.close()
    assert until(lambda: len(children_of(keeper(place))) == 4)


def test_a_decoder_that_neither_answers_nor_works_is_given_up(tmp_path: Path) -> None:
    place = jail(tmp_path, wall_seconds=0.5)
    waiting(place)
    with pytest.raises(KilledError, match=r"no answer in 0\.5 seconds"):
        do(place, "wait")
    assert until(lambda: len(children_of(keeper(place))) == 4)
    place.close()


def test_nothing_is_left_behind_by_five_hundred_requests(hostile: Jail) -> None:
    def held() -> list[int]:
        return [len(open_files(pid)) for pid in (os.getpid(), keeper(hostile))]

    hostile.close()  # with whom it keeps
    waiting(hostile)
    before = held()
    for number in range(500):
        if number % 50 == 0:
            with pytest.raises(KilledError):
                do(hostile, "crash")
        assert do(hostile, "count") == 1
    assert len(waiting(hostile)) == 4
    assert until(lambda: held() == before)
    assert all(alive(child) for child in children_of(keeper(hostile)))


def test_a_killed_jail_is_started_again(place: Jail) -> None:
    place.decode("PGM", PGM, LIMITS)
    children = waiting(place, 5)
    os.kill(keeper(place), signal.SIGKILL)
    assert place.decode("PGM", PGM, LIMITS).width == 4
    assert until(lambda: not any(alive(child) for child in children))


def test_a_jail_killed_amid_a_request_is_started_again_and_does_it(place: Jail) -> None:
    children = waiting(place)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(do, place, "loop")
        until(lambda: working(children))
        os.kill(keeper(place), signal.SIGKILL)
        with pytest.raises(KilledError, match="CPU time"):
            asked.result()


def test_a_closed_jail_leaves_no_process_and_opens_again(place: Jail) -> None:
    place.decode("PGM", PGM, LIMITS)
    process = place._process
    assert process is not None
    children = waiting(place, 5)
    place.close()
    assert process.returncode == 0
    assert not any(alive(child) for child in children)
    assert place.decode("PGM", PGM, LIMITS).width == 4


def test_the_jail_tells_what_it_has_spent(place: Jail) -> None:
    before = place.spent()
    with pytest.raises(KilledError):
        do(place, "loop")
    assert place.spent() >= before + 1.0


def test_the_jail_ends_with_the_server_that_started_it() -> None:
    script = (
        "import os, signal; from matcher.jail import *; place = Jail();"
        f"place.decode('PGM', {PGM!r}, Limits(1, 9, 99)); print(place._process.pid, flush=True);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    server = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert server.returncode == -signal.SIGKILL, server.stderr
    assert until(lambda: not alive(int(server.stdout))), "the jail outlived its server"


def keeper(place: Jail) -> int:
    assert place._process is not None
    return place._process.pid


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def waiting(place: Jail, count: int = 4) -> list[int]:
    """The children that wait, confined, for a request: as many as there should be."""
    place.confinement  # noqa: B018  reading it starts the jail

    def idle() -> list[int]:
        return [child for child in children_of(keeper(place)) if is_idle(child)]

    until(lambda: len(idle()) == count)
    return idle()


def only_kept(place: Jail) -> int:
    """The process id of the one child that is kept: the oldest, where four wait and nobody else is asked."""
    assert len(place._kept) == 1
    until(lambda: len(children_of(keeper(place))) == 5)
    return children_of(keeper(place))[0]


def working(children: list[int]) -> list[int]:
    return [child for child in children if alive(child) and int(cpu_ticks(child)[0]) > 9]


def is_idle(child: int) -> bool:
    try:
        return facts(child)["State"][0] == "S" and open_files(child) == {"0", "1", "2", "3"}
    except OSError:
        return False


def open_files(pid: int) -> set[str]:
    return {path.name for path in Path(f"/proc/{pid}/fd").iterdir()}


def until(fact: Callable[[], T]) -> T:
    """Wait for something to be so; return what it then is."""
    for _ in range(400):
        if found := fact():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to be")


def facts(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def cpu_ticks(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]


def dead(pid: int) -> bool:
    return not alive(pid)


def alive(pid: int) -> bool:
    try:
        # An orphan that has ended stays a zombie where nothing collects it.
        return facts(pid)["State"][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before its file was opened, or read
        return False


# --- jails that do not work ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["raise SystemExit", "print('hello')", "import no_such_module"])
def test_a_program_that_does_not_start_is_the_jails_fault_not_the_files(body: str) -> None:
    with pytest.raises(JailError, match=r"the jail does not start: its process ended; try .*'import matcher"):
        Jail(program=body).decode("PGM", PGM, LIMITS)


def test_a_module_that_cannot_be_loaded_is_told() -> None:
    with pytest.raises(JailError, match="does not start: ModuleNotFoundError: No module named 'no_such_module'"):
        Jail(modules=("no_such_module",)).decode("PGM", PGM, LIMITS)


BRIEF = """
import socket
control = socket.socket(fileno=0)
control.sendall(b'ready {"confinement": "none", "tasks": ["decode"], "again": []}\\n')
control.recv(1)
"""


def test_a_jail_that_ends_when_asked_is_not_the_files_fault() -> None:
    place = Jail(program=BRIEF)
    with pytest.raises(JailError, match="takes no files: its process ends when it is asked"):
        place.decode("PGM", PGM, LIMITS)
    place.close()


def test_a_jail_that_ends_amid_a_file_twice_is_not_the_files_fault() -> None:
    place = Jail(
        program=BRIEF + "ours, theirs = socket.socketpair()\nsocket.send_fds(control, [bytes(8)], [theirs.fileno()])"
    )
    with pytest.raises(JailError, match="ended before it answered"):
        place.decode("PGM", PGM, LIMITS)
    place.close()


def test_a_jail_that_gets_no_process_says_so() -> None:
    place = Jail(program=BRIEF + "control.sendall(bytes(8))\ncontrol.recv(1)")
    with pytest.raises(JailError, match="grants no process to decode in; try again later"):
        place.decode("PGM", PGM, LIMITS)
    place.close()


def test_a_jail_that_cannot_tell_what_it_spent_says_so() -> None:
    place = Jail(program=BRIEF)
    with pytest.raises(JailError, match="the jail does not answer"):
        place.spent()


def test_the_reason_why_a_jail_does_not_start_is_told() -> None:
    program = "import socket; socket.socket(fileno=0).sendall(b'failed ImportError: no decoder\\n')"
    with pytest.raises(JailError, match="the jail does not start: ImportError: no decoder"):
        Jail(program=program).confinement  # noqa: B018  reading it starts the jail


def test_without_a_system_call_filter_the_other_limits_hold_and_it_says_so(tmp_path: Path) -> None:
    place = jail(tmp_path, "from matcher import _jailed; _jailed._SYSTEM_CALLS = {}; _jailed.main()")
    assert place.confinement == "resource limits only; no system call filter: no system call table for linux on " + (
        os.uname().machine
    )
    assert place.decode("PGM", PGM, LIMITS).width == 4
    with pytest.raises(KilledError, match="it takes more than 512 MiB"):
        do(place, "memory")
    with pytest.raises(RefusedError, match=r"Too many open files|exit code 1"):
        do(place, "open")
    place.close()


def test_where_the_system_forbids_the_filter_the_other_limits_hold_and_it_says_so(tmp_path: Path) -> None:
    forbid = "_jailed._SECCOMP_MODE_FILTER = 99"  # the kernel answers EINVAL, as one without seccomp does
    place = jail(tmp_path, f"from matcher import _jailed; {forbid}; _jailed.main()")
    assert place.confinement == "resource limits only; no system call filter: Invalid argument"
    assert place.decode("PGM", PGM, LIMITS).width == 4
    place.close()
