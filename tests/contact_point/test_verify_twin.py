"""`pcsc-verify` and the program whose records it verifies: what one refuses the other does not let pass, whatever is bent.

Records are bent at random, by whoever has the file alone and by the holder of the key, who signs anew. The two read them by
different code. `pcsc-verify` is the stricter: :data:`STRICTER` lists in which words.
"""

from __future__ import annotations

import io
import json
import random
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest

from benchmarks.proof import tamper
from contact_point import archive, verify
from contact_point.keys import SignatureError
from pcsc import records
from pcsc.errors import RecordError
from pcsc.exchange import State
from tests.builders import exchange

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pcsc.records import Recorded

ENTRIES: Final = 24
NOW: Final = datetime(2026, 11, 30, 12, tzinfo=UTC)
JP: Final = "urn:pcsc:ncp:jp"

STRICTER: Final = (
    "is not of the record of",  # the other Party, in an entry: the program does not look
    "expected each checkpoint after those of fewer leaves",  # of checkpoints the program takes any order
    "line 1, the header: .* the card given is that of",  # the Party of a record is told by its URI there
    "line 1, the header: expected a public key",  # the key of a header is for convenience there
    "line 1, the header: it names key",
    "line 1, the header: it names a key of the other contact point, and no checkpoint",  # cosignatures too
    "checkpoint [0-9]+: its cosignature was not made with",
    "checkpoint [0-9]+: it is cosigned, and the header names no key",
    "checkpoint [0-9]+: expected the signature of",
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tamper.Scene:
    return tamper.play(ENTRIES, tmp_path_factory.mktemp("keys"))


def any_of(draw: random.Random, places: list[Recorded]) -> int:
    return draw.randrange(len(places))


def bend_place(draw: random.Random, _header: dict[str, Any], places: list[Recorded]) -> None:
    """Change one thing in a place."""
    at = any_of(draw, places)
    fields: dict[str, Callable[[Any], Any]] = {
        "number": lambda old: draw.choice((old - 1, old + 1, -1, 10**30)),
        "tree": lambda _old: draw.choice(("2024-09", "2026-11", "2026-12", "2024-9", "0000-01", "2026-13", "")),
        "body": lambda old: draw.choice((None, "", "{}", f"{old} ")),
        "salt": lambda old: draw.choice((None, "", "00" * 32, (old or "AB").upper())),
        "leaf": lambda old: draw.choice(("00" * 32, old.upper(), old[:-1], old + "\n", "")),
    }
    name = draw.choice(list(fields))
    places[at] = replace(places[at], **{name: fields[name](getattr(places[at], name))})


def bend_entry(draw: random.Random, _header: dict[str, Any], places: list[Recorded]) -> None:
    """Change one thing in an entry, and write its leaf anew."""
    at = draw.choice([number for number, place in enumerate(places) if place.body and place.salt] or [0])
    place = replace(places[at], body=places[at].body or "{}", salt=places[at].salt or "00" * 32)
    assert place.body is not None
    assert place.salt is not None
    said = json.loads(place.body)
    name = draw.choice([*said, "more"])
    others: tuple[Any, ...] = (
        None,
        1,
        True,
        -0.0,
        float("nan"),
        "",
        "JP",
        "US",
        [],
        {},
        "\N{FULLWIDTH DIGIT ONE}",
        "\0",
    )
    times = (
        "2026-11-01",
        "2026-11-01T00:00:00",
        "2026-11-01T00:30:00+01:00",
        "2026-11-01T00:00:00Z",
        "20261101T000000Z",
    )
    said[name] = draw.choice(
        (*times, "2026-W45-1T00:00:00+00:00", "0001-01-01T00:00:00+14:00") if name == "at" else others
    )
    if draw.randrange(4) == 0:
        del said[name]
    body = json.dumps(said, ensure_ascii=False, sort_keys=draw.randrange(9) > 0, separators=(",", ":"))
    places[at] = replace(place, body=body, leaf=records.commitment(place.salt, body.encode()))


def bend_order(draw: random.Random, _header: dict[str, Any], places: list[Recorded]) -> None:
    """Leave a place out, give it twice, exchange two, number them anew, or empty some."""
    one, two = any_of(draw, places), any_of(draw, places)
    match draw.randrange(6):
        case 0:
            del places[one]
        case 1:
            places.insert(two, places[one])
        case 2:
            places[one], places[two] = places[two], places[one]
        case 3:
            places[:] = [replace(place, number=at) for at, place in enumerate(places)]
        case 4:
            places[one:] = map(records.expire, places[one:])
        case _:
            del places[one:]


def bend_header(draw: random.Random, header: dict[str, Any], _places: list[Recorded]) -> None:
    """Change one thing in the header."""
    notes = header["checkpoints"]
    at = draw.randrange(len(notes)) if notes else 0
    match draw.randrange(7):
        case 0:
            header["party"] = draw.choice(("JP", "US", "XX", None))
        case 1:
            header["uri"] = draw.choice(("urn:pcsc:ncp:us", "", 1))
        case 2:
            header["made_at"] = draw.choice(("2026-11-30T12:00:01Z", "", "2026-11-30T12:00:00+00:00"))
        case 3:
            header["key"], header["other_key"] = header["other_key"], header["key"]
        case 4:
            del notes[at : at + 1]
        case 5:
            notes[at:at] = notes[:1]
        case _:
            notes.reverse()


BENDS: Final = (bend_place, bend_entry, bend_order, bend_header)
TEXTS: Final[tuple[Callable[[random.Random, bytes], bytes], ...]] = (
    lambda draw, data: data[: draw.randrange(len(data))],
    lambda draw, data: flipped(data, draw.randrange(8 * len(data))),
    lambda _draw, data: b"\xef\xbb\xbf" + data,
    lambda _draw, data: data.replace(b"\n", b"\r\n"),
    lambda _draw, data: data + b"\n",
    lambda _draw, data: data.replace(b'"tree"', b' "tree"', 1),
    lambda _draw, data: data.replace(b'{"number":3,', b'{"number":3,"number":3,'),
    lambda draw, data: b"".join(data.splitlines(keepends=True)[: draw.randrange(ENTRIES)]),
)


def flipped(data: bytes, bit: int) -> bytes:
    return data[: bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1 :]


def bent(scene: tamper.Scene, base: archive.Header, draw: random.Random) -> bytes:
    """Return an exported record in which one thing or two were changed; signed anew, one time in two."""
    places = list(scene.rested)
    header = asdict(base)
    header["checkpoints"] = list(header["checkpoints"])
    anew = draw.randrange(2)
    for _ in range(draw.choice((1, 1, 1, 2))):
        bend = draw.choice(BENDS[:3] if anew else BENDS)
        if places:
            bend(draw, header, places)
    if anew:
        try:
            alone = replace(scene.signer, other_uri=None, other_key=None)
            header = asdict(archive.header(alone, tamper._heads(places), [], NOW))
        except (RecordError, ValueError):
            pass  # of these nobody can sign a head
    lines = [{"format": archive.FORMAT, **header}, *map(asdict, places)]
    data = b"".join(archive._line(each) for each in lines)
    return draw.choice(TEXTS)(draw, data) if draw.randrange(8) == 0 else data


def json_header(data: bytes) -> archive.Header:
    said = json.loads(data[: data.index(b"\n")])
    del said["format"]
    return archive.Header(**said | {"checkpoints": tuple(said["checkpoints"])})


def refused_by_the_program(scene: tamper.Scene, path: Path) -> str:
    """Return why the program refuses a record, as `pcsc record verify` asks it; empty where all of it is covered."""
    try:
        header = archive.read_header(path)
        signed = archive.signed(header, JP, scene.signer.key.verifying)
        places = list(archive.read(path))
        found = records.verify(places, checkpoints=signed)
        list(archive.entries(places))
    except (RecordError, SignatureError) as error:
        return str(error)
    uncovered = found.entries + found.expired - found.covered
    return f"{uncovered} places after the last checkpoint" if uncovered else ""


def refused_by_the_verifier(key: verify.Key, data: bytes) -> str:
    """Return why `pcsc-verify` refuses a record; empty where it holds."""
    try:
        verify.check_record(io.BytesIO(data), key=key)
    except verify.VerificationError as error:
        return str(error)
    return ""


def compare(scene: tamper.Scene, path: Path, seed: int, count: int) -> set[tuple[bool, bool]]:
    """Bend a record in ``count`` ways, and return the verdicts that were given: that of the program, of the verifier."""
    draw = random.Random(seed)  # noqa: S311 - which way to bend
    key = replace(verify.read_key(scene.signer.key.public_pem.decode(), "it"), party="JP", uri=JP)
    base, verdicts = json_header(tamper.exported(scene)), set()
    for number in range(count):
        data = bent(scene, base, draw)
        path.write_bytes(data)
        program, verifier = refused_by_the_program(scene, path), refused_by_the_verifier(key, data)
        verdicts.add((not program, not verifier))
        if not any(re.search(reason, verifier) for reason in STRICTER):
            assert (not program) == (not verifier), (number, program, verifier)
    return verdicts


def test_what_is_bent_at_random_both_refuse_or_both_let_pass(scene: tamper.Scene, tmp_path: Path) -> None:
    assert compare(scene, tmp_path / "record.jsonl", seed=26, count=400) == {
        (True, True),
        (True, False),
        (False, False),
    }


@pytest.mark.long
def test_what_is_bent_at_random_both_refuse_or_both_let_pass_at_length(scene: tamper.Scene, tmp_path: Path) -> None:
    assert (False, True) not in compare(scene, tmp_path / "record.jsonl", seed=27, count=20_000)


def test_11_3_both_tell_the_same_places_that_were_emptied_before_their_term(scene: tamper.Scene) -> None:
    draw = random.Random(11)  # noqa: S311 - which clock was ahead, and what was emptied
    key = replace(verify.read_key(scene.signer.key.public_pem.decode(), "it"), party="JP", uri=JP)
    verdicts = set()
    for _ in range(150):
        days = sorted(draw.sample(range(800), 12))
        places: list[Recorded] = []
        for number, day in enumerate(days):
            at = NOW + timedelta(days=day + draw.choice((0, 0, 0, 40)))  # a clock that is ahead now and then
            act = records.of_act(number, exchange(State.MATCH), "examination", article="4(5)", note="", now=at)
            places.append(records.append(places[-1] if places else None, act, f"{number:064x}"))
        header = archive.header(scene.signer, records.verify(places).heads, [], at)
        emptied = [records.expire(each) if draw.random() < 0.3 else each for each in places]
        file = io.BytesIO()
        archive.write(file, header, emptied)
        since = NOW + timedelta(days=draw.randrange(800))
        told = [_first(r"entry ([0-9]+) of the record was emptied", partial(records.verify, emptied, kept_since=since))]
        file.seek(0)
        told.append(
            _first(r"entry ([0-9]+) was emptied", partial(verify.check_record, file, key=key, kept_since=since))
        )
        assert told[0] == told[1]
        verdicts.add(told[0] == "")
    assert verdicts == {True, False}


def _first(said: str, check: Callable[[], object]) -> str:
    """Return the number of the entry that a check refuses in these words; empty where it holds."""
    try:
        check()
    except (RecordError, verify.DifferenceError) as error:
        found = re.search(said, str(error))
        return str(error) if found is None else found[1]
    return ""
