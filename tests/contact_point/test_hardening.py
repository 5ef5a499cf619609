"""A process that may hold a print keeps it to itself: no dump, no file for others, no content in a log or a traceback."""

from __future__ import annotations

import base64
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import contact_point
from contact_point.hardening import WIPING, discreet, said, told, without_content
from contact_point.keys import KeySlotsError
from pcsc.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

MARKER = bytes.fromhex("8f1c") + b"MINUTIAE-of-somebody-7Qx2" + bytes(range(0x90, 0xA8))
"""What stands for a print: its text may show as text, its bytes as escapes."""

ROOT = str(Path(contact_point.__file__).parents[1])


def traces(text: str) -> list[str]:
    """Return every piece of the marker in a text: as it is, as Python writes it, in hexadecimal, in base64 at any offset."""
    forms = [MARKER.hex(), *(base64.b64encode(bytes(offset) + MARKER)[4:].decode() for offset in range(3))]
    forms += [MARKER.hex(" "), MARKER.hex(":"), repr(MARKER)[2:-1], MARKER.decode("latin-1")]
    forms += [" ".join(map(str, MARKER)), ", ".join(map(str, MARKER))]
    found = [form[at : at + 12] for form in forms for at in range(len(form) - 12) if form[at : at + 12] in text]
    return found + ["MINUTIAE"] * ("MINUTIAE" in text)


def test_the_search_finds_the_marker_in_each_of_its_forms() -> None:
    for shown in (
        repr(MARKER),
        MARKER.hex(),
        base64.b64encode(b"x" + MARKER).decode(),
        str(list(MARKER)),
        f"{MARKER!r}",
    ):
        assert traces(f"before {shown} after"), shown
    assert not traces("a message without any")


# What may be said


@pytest.mark.parametrize(
    "text",
    [
        f"got {MARKER!r}",
        f"got {bytearray(MARKER)!r} and {MARKER!r}",
        f"cut short: {repr(MARKER)[:40]}",
        "[parameters: {'sealed': <memory at 0x7f>, 'template': " + repr(MARKER) + "}]",
        f"value {base64.b64encode(MARKER * 2).decode()}",
        f"value {(MARKER * 2).hex()}",
        f"pixels {np.frombuffer(MARKER, np.uint8)!r}",
        "value " + "".join(f"\\x{byte:02x}" for byte in MARKER),
        "x " * 995 + repr(MARKER),
        f"got the bytes {MARKER[:8].hex(' ')}; send",
        f"got {MARKER.hex(':')}",
        f"got {list(MARKER)} and {' '.join(map(str, MARKER))}",
    ],
)
def test_what_looks_like_content_is_taken_out_of_a_text(text: str) -> None:
    assert not traces(without_content(text))
    assert "characters>" in without_content(text)


@pytest.mark.parametrize(
    "text",
    [
        "Art. 8: the key in slot 7540035693049806849 of exchange.slots was destroyed; what it sealed is deleted",
        "at 2026-11-22T17:07:09Z the control number JP-20261122-000001-3f2a, key 0123456789abcdef, digest " + "0f" * 32,
        "Bob's file /var/lib/pcsc/jp/exchange.slots has mode 0640",
    ],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert without_content(text) == text


@given(st.binary(min_size=4, max_size=300))
def test_no_bytes_survive_as_python_writes_them(content: bytes) -> None:
    cleaned = without_content(f"expected a header; got {content!r}: refused")
    assert repr(content) not in cleaned
    assert cleaned.startswith("expected a header; got <")
    assert cleaned.endswith(": refused")


def test_control_characters_cannot_write_a_line_of_their_own() -> None:
    assert without_content("a\x1b[2Jb\rc\x00d") == "a\ufffd[2Jb\ufffdc\ufffdd"


def caught(act: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as found:
        act()
    return found.value


def test_of_others_exceptions_only_the_class_is_said() -> None:
    assert said(caught(lambda: int(MARKER))) == "ValueError"
    assert said(caught(MARKER.decode)) == "UnicodeDecodeError"
    assert said(caught(lambda: {}[MARKER])) == "KeyError"  # type: ignore[index]
    assert said(caught(Path("/nonexistent/MINUTIAE").read_bytes)) == (
        "FileNotFoundError: [Errno 2] No such file or directory"
    )
    assert said(SystemExit(3)) == "SystemExit: 3"
    assert said(SystemExit("MINUTIAE")) == "SystemExit"
    assert said(subprocess.CalledProcessError(1, "MINUTIAE")) == "subprocess.CalledProcessError"


def test_our_exceptions_say_what_they_were_written_to_say() -> None:
    assert said(KeySlotsError("prints.kek holds no whole wrapping key")) == (
        "KeySlotsError: prints.kek holds no whole wrapping key"
    )
    assert said(RecordError(f"got {MARKER!r}")).startswith("RecordError: Art. 11")
    assert not traces(said(RecordError(f"got {MARKER!r}")))


def test_a_traceback_tells_the_way_and_its_causes_without_values() -> None:
    def fail() -> None:
        probe = MARKER  # noqa: F841 - a traceback that shows locals would show it
        try:
            int(MARKER)
        except ValueError as error:
            raise KeySlotsError("cannot store a key") from error

    text = told(caught(fail))
    assert text is not None
    assert not traces(text)
    lines = text.splitlines()
    assert lines[0] == "Traceback:"
    assert f'"{__file__}"' in lines[1]
    assert lines.index("ValueError") < lines.index("KeySlotsError: cannot store a key")
    assert any(line.endswith("in fail") for line in lines)


def test_groups_and_endless_chains_are_told_to_an_end() -> None:
    group = ExceptionGroup("MINUTIAE", [ValueError(MARKER), OSError(28, "MINUTIAE"), KeySlotsError("ours")])
    text = told(group)
    assert text is not None
    assert not traces(text)
    assert {"ValueError", "OSError: [Errno 28] No space left on device", "KeySlotsError: ours"} <= set(
        text.splitlines()
    )
    one, other = ValueError(1), ValueError(2)
    one.__cause__, other.__cause__ = other, one
    assert told(one) == "ValueError\nValueError"
    error: Exception = ValueError(0)
    for _ in range(100):
        after = ValueError(0)
        after.__cause__ = error
        error = after
    assert str(told(error)).count("ValueError") == 8
    assert told(None) is None


# Log records


def record(name: str, message: object, *args: object, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, info)


@pytest.mark.parametrize(
    ("message", "args"),
    [
        ("got %s", (MARKER,)),
        ("got %r", (MARKER,)),
        ("got %s", (np.frombuffer(MARKER, np.uint8),)),
        ("got %s", (memoryview(MARKER),)),
        ("got %s", (ValueError(MARKER),)),
        ("got %s", ({"probe": MARKER},)),
        ("got %(probe)s", ({"probe": MARKER},)),
        ("got %s", ([MARKER, MARKER.hex() * 2],)),
        (f"got {MARKER!r}", ()),
        (ValueError(MARKER), ()),
        (MARKER, ()),
    ],
)
@pytest.mark.parametrize("name", ["contact_point.peer", "sqlalchemy.engine", "root"])
def test_no_argument_brings_content_into_a_record(name: str, message: object, args: tuple[object, ...]) -> None:
    assert traces(record(name, message, *args).getMessage()) or isinstance(args[:1], tuple)
    assert not traces(logging.Formatter().format(discreet(record(name, message, *args))))


def test_a_record_of_ours_reads_as_before() -> None:
    made = discreet(record("contact_point", "%s holds %d persons and %.1f MB at %r", "JP", np.int64(3), 2.5, "here"))
    assert made.getMessage() == "JP holds 3 persons and 2.5 MB at 'here'"


def test_of_others_loggers_only_the_first_line_is_kept() -> None:
    made = discreet(record("asyncio", "Task exception was never retrieved\nfuture: <Task %s>", "MINUTIAE"))
    assert made.getMessage() == "Task exception was never retrieved"
    assert (
        discreet(record("uvicorn.error", "one %s too few: %s %s", "argument")).getMessage() == "one %s too few: %s %s"
    )


def test_an_exception_in_a_record_is_told_without_content() -> None:
    error = caught(lambda: int(MARKER))
    made = discreet(record("contact_point.peer", "trace %s: %s", "1f2e", type(error).__name__, error=error))
    text = logging.Formatter().format(made)
    assert text.startswith("trace 1f2e: ValueError\nTraceback:\n")
    assert text.endswith("\nValueError")
    assert not traces(text)


def test_what_cannot_even_be_written_does_not_stop_the_record() -> None:
    class Unwritable:
        def __str__(self) -> str:
            raise ValueError(MARKER)

    made = discreet(record("contact_point", "got %s", Unwritable()))
    assert made.getMessage() == "got <Unwritable, which raised ValueError>"


# A hardened process: each in one of its own, for harden() changes it

START = """
import ctypes, logging, os, resource, signal, stat, sys, threading, warnings
from pathlib import Path
from contact_point.hardening import harden
MARKER = bytes.fromhex(sys.argv[1])
folder = Path(sys.argv[2])
logging.basicConfig(level=logging.DEBUG)
remarks = harden()
"""


def run(script: str, folder: Path, *, code: int = 0) -> str:
    """Run a script in a hardened process and return all that it said."""
    done = subprocess.run(
        [sys.executable, "-c", START + script, MARKER.hex(), str(folder)],
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stdout.decode()
    return done.stdout.decode()


def test_a_hardened_process_is_not_dumped_and_its_files_are_its_owners(tmp_path: Path) -> None:
    script = """
harden()  # a second time changes nothing
(folder / "made").write_text("")
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3), oct(stat.S_IMODE((folder / "made").stat().st_mode)))
print(all(remark.endswith(".") for remark in remarks))
"""
    assert run(script, tmp_path).split("\n")[:2] == ["(0, 0) 0 0o600", "True"]


def test_a_hardened_process_that_crashes_leaves_no_core(tmp_path: Path) -> None:
    script = "held = MARKER\nsys.stderr.flush()\nos.kill(os.getpid(), signal.SIGSEGV)"
    said = run(script, tmp_path, code=-signal.SIGSEGV)
    assert "Segmentation fault" in said  # where, by faulthandler
    assert not traces(said)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("int(MARKER)", "ValueError"),
        ("held = MARKER\nraise RuntimeError(held) from KeyError(held)", "RuntimeError"),
        ("{}[MARKER.decode('latin-1')]", "KeyError"),
        ("import asyncio\nasync def fail():\n    raise ValueError(MARKER)\nasyncio.run(fail())", "ValueError"),
    ],
)
def test_what_ends_a_hardened_process_is_told_without_content(tmp_path: Path, script: str, expected: str) -> None:
    said = run(script, tmp_path, code=1)
    assert not traces(said)
    assert said.rstrip().endswith(expected)
    assert 'File "<string>"' in said


NOBODY_CAUGHT = """
def fail():
    raise ValueError(MARKER)
thread = threading.Thread(target=fail, name="duties")
thread.start()
thread.join()
class Taken:
    def __del__(self):
        raise ValueError(MARKER)
    def __repr__(self):
        return repr(MARKER)
taken = Taken()
del taken
warnings.warn(repr(MARKER))
import asyncio
async def forgotten():
    task = asyncio.ensure_future(deep())
    await asyncio.sleep(0)
    del task
async def deep():
    raise ValueError(MARKER)
asyncio.run(forgotten())
logging.getLogger("contact_point").exception("failed", exc_info=ValueError(MARKER))
logging.getLogger("httpcore").debug("sent %r", MARKER)
"""


def test_what_nobody_caught_is_told_without_content(tmp_path: Path) -> None:
    said = run(NOBODY_CAUGHT, tmp_path)
    assert not traces(said)
    for expected in (
        "in the thread duties:\nTraceback:",
        "while something was taken apart:\nTraceback:",
        "WARNING:py.warnings:",
        "ERROR:asyncio:Task exception was never retrieved",
        "ERROR:contact_point:failed\nValueError",
        "DEBUG:httpcore:sent",
    ):
        assert expected in said


# Through every layer: each is given the marker for a print, in a form that it refuses, and says why.

LAYERS = {
    "wire, bytes that are no message": "wire.decode(MARKER, messages.Query)",
    "wire, a print in the wrong field": """wire.decode(json.dumps({"message": "query", "prints": MARKER.hex(),
        "control_number": MARKER.decode("latin-1"), "x" + MARKER.hex(): encoded}).encode(), messages.Query)""",
    "sealed content": "keys.unseal(keys.new_key(), MARKER, bound_to='probe')",
    "the jail, an image": "images.read(bytes.fromhex('89504e470d0a1a0a') + MARKER)",
    "the jail, a transaction": "reading.read(MARKER)",
    "the jail, a transaction that begins well": "reading.read(b'1.001:300\\x1d1.002:' + MARKER + b'\\x1c')",
    "the matcher, an image of no kind": "images.read(MARKER)",
    "the matcher, raw values": "images.read_raw(MARKER, 999, 999, 500.0)",
    "the prints": "prints.PrintReader(threads=1).read(MARKER)",
    "the store, a constraint": """fails_on("note", lambda tx: tx.keep_note("origin", 1, MARKER.hex()))""",
    "the store, a content": """fails_on("content", lambda tx: tx.hold("JP-1", Content.PROBE, MARKER))""",
    "the store, a table that is gone": """fails_on("note", lambda tx: tx.keep_note("o", 1, encoded), "DROP TABLE note")""",
}

THROUGH = """
import base64, json, sqlite3
from contact_point import keys, prints, wire
from contact_point.nist import reading
from contact_point.store import Store
from matcher import images
from pcsc import messages
from pcsc.duties import Content
def fails_on(table, act, statement=None):
    slots = [keys.KeySlots.create(folder / f"{name}.slots", capacity=8) for name in "abc"]
    store = Store(folder / "a.sqlite", *slots)
    with sqlite3.connect(folder / "a.sqlite") as other:
        other.execute(statement or f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END")
    other.close()
    with store.transaction() as tx:
        act(tx)
encoded = base64.b64encode(MARKER).decode()
for number, (name, layer) in enumerate(LAYERS.items()):
    print("LAYER", name, flush=True)
    folder = Path(sys.argv[2], str(number))
    folder.mkdir()
    try:
        exec(layer)
    except Exception as error:
        print("raised", type(error).__name__, flush=True)
        log = logging.getLogger("contact_point.peer")
        log.exception("trace %s: %s", "1f2e", error)
        logging.getLogger("uvicorn.error").error("Exception in ASGI application\\n%s", error, exc_info=error)
        sys.excepthook(*sys.exc_info())
"""


@pytest.fixture(scope="module")
def told_by_layer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return what a hardened process reports of each layer's refusal."""
    said = run(f"LAYERS = {LAYERS!r}\n{THROUGH}", tmp_path_factory.mktemp("layers"))
    parts = [part.partition("\n") for part in said.split("LAYER ")[1:]]
    return {name: report for name, _, report in parts}


@pytest.mark.parametrize("layer", LAYERS)
def test_no_layer_brings_a_print_into_a_log_or_a_traceback(told_by_layer: dict[str, str], layer: str) -> None:
    said = told_by_layer[layer]
    assert "\nraised " in f"\n{said}", said
    assert not any(refused in said for refused in ("raised NameError", "raised AttributeError", "raised TypeError")), (
        said
    )
    assert "ERROR:contact_point.peer:trace 1f2e: " in said
    assert traces(said) == []


def test_a_library_that_put_its_own_hook_in_place_is_put_right_by_hardening_again(tmp_path: Path) -> None:
    script = "sys.excepthook = sys.__excepthook__\nharden()\nraise RuntimeError(MARKER)"
    said = run(script, tmp_path, code=1)
    assert said.endswith("RuntimeError\n")
    assert traces(said) == []


COMMANDS = """
from contact_point.cli import main
(folder / "print.an2").write_bytes(b"1.001:300\\x1d1.002:" + MARKER + b"\\x1c")
(folder / "print.png").write_bytes(bytes.fromhex("89504e470d0a1a0a") + MARKER)
for arguments in (["nist", "show", "print.an2"], ["nist", "check", "print.an2"], ["nist", "show", "print.png"]):
    sys.argv = ["pcsc", *arguments]
    try:
        main()
    except SystemExit as ended:
        print("ended", ended.code)
"""


def test_the_command_line_refuses_a_file_without_repeating_it(tmp_path: Path) -> None:
    said = run(COMMANDS, tmp_path)
    assert said.count("ended 1") == 3, said
    assert traces(said) == []


def test_9_memory_that_is_free_is_given_back_to_the_system() -> None:
    """A small piece in use at the end of many that were freed: without being told, the library would keep them all."""
    script = """
from pathlib import Path
from contact_point.hardening import give_back

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) << 10

pieces = [bytearray(50_000) for _ in range(1_000)]
del pieces[:-1]
before = private()
give_back()
print(before - private())
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT)
    assert int(done.stdout) > 30_000_000


def test_9_threads_share_their_memory_so_that_what_is_free_does_not_grow_with_each() -> None:
    script = """
import ctypes, threading
from pathlib import Path
import tempfile

def take():
    held = [bytearray(size) for size in range(10, 5_000)]
    together.wait()

together = threading.Barrier(4)
threads = [threading.Thread(target=take) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    stream = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(Path(told.name).read_text().count("<heap nr="))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | WIPING,
    )
    assert int(done.stdout) == 1
