"""Transactions read in the jail: what comes out is what the readers say, and a reader taken over is believed nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from contact_point import peer
from contact_point.nist import niem, reading, traditional
from contact_point.nist.jailed import LETTERS, looks_like_xml
from contact_point.nist.reading import KilledError
from contact_point.nist.transaction import (
    MAX_BYTES,
    MAX_RECORDS,
    Field,
    LimitError,
    MalformedError,
    NistError,
    Record,
    Transaction,
    UnsupportedError,
)
from matcher import images
from matcher.images import DecoderKilledError
from matcher.jail import Jail, JailError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = {2: b"0502", 4: b"CPS", 5: b"20260304", 7: b"US/FBI", 8: b"JP/NPA", 9: b"1", 11: b"00.00", 12: b"00.00"}

# A reader that somebody took over: the "transaction" that it is given says what it does.
HOSTILE = """
import json
from matcher.jail_terms import RefusalError

def read(_arguments, data):
    deed = json.loads(data)
    if deed == "loop":
        while True: pass
    if deed == "memory":
        bytearray(600 << 20)
    if "refuse" in deed:
        raise RefusalError(deed["refuse"], "not today")
    return deed["content"], bytes.fromhex(deed["values"])

def decode(arguments, data):
    while True: pass

TASKS = {"traditional": read, "xml": read, "decode": decode}
"""
QUICK = "from matcher import _jailed; _jailed.CPU_SECONDS = 1; _jailed.main()"

SOUND: dict[str, Any] = {
    "encoding": "traditional",
    "charset": "utf-8",
    "deviations": [[1, 2, "version-older", "An edition."]],
    "records": [[1, [[2, 4], [4, 3]]], [2, [[2, 2]]]],
}
VALUES = b"0502CPS00"


def transaction(*records: Record) -> bytes:
    head = Record(1, tuple(Field(number, value) for number, value in HEAD.items()))
    return traditional.write(Transaction((head, *records)))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jail]:
    folder = tmp_path_factory.mktemp("hostile")
    folder.joinpath("hostile_reader.py").write_text(HOSTILE)
    place = Jail(
        places=1, modules=("hostile_reader",), program=f"import sys; sys.path.append({str(folder)!r}); {QUICK}"
    )
    yield place
    place.close()


def answered(place: Jail, content: object, values: bytes = VALUES) -> Transaction:
    return reading.read(json.dumps({"content": content, "values": values.hex()}).encode(), place=place)


# --- what comes out


def test_every_reference_transaction_is_read_as_its_reader_reads_it(shared_data: Path) -> None:
    paths = [path for path in sorted((shared_data / "ansi_nist").rglob("*")) if path.is_file()]
    assert len(paths) > 40
    for path in paths:
        data = path.read_bytes()
        here = niem.read(data) if looks_like_xml(data) else traditional.read(data)
        assert reading.read(data) == here, path


def test_a_value_of_any_bytes_comes_out_as_it_is() -> None:
    fields = (Field(2, b"1"), Field(999, bytes(range(256)) * 40))
    read = reading.read(transaction(Record(14, fields)))
    assert read.records[1] == Record(14, fields)
    assert read.deviations == ()


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"1.001:", MalformedError, "record 1"),
        (b"", MalformedError, "expected the tag 1.001"),
        (b"<?xml version='1.0'?><a/>", NistError, "expected"),
        (
            transaction() + b"".join(b"2.001:020\x1d2.002:%02d\x1c" % number for number in range(MAX_RECORDS)),
            LimitError,
            "expected at most 64 records, got another one",
        ),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', UnsupportedError, "expected no document type declaration"),
    ],
)
def test_what_the_reader_refuses_is_refused_as_it_says(data: bytes, error: type[NistError], says: str) -> None:
    with pytest.raises(error, match=says):
        reading.read(data)


def test_every_refusal_of_a_reader_has_a_letter_that_is_told_back() -> None:
    assert {reading._ERRORS[letter] for letter in LETTERS.values()} == set(LETTERS)


def test_more_bytes_than_a_transaction_has_never_reach_the_jail() -> None:
    nowhere = Jail(program="raise SystemExit")
    with pytest.raises(LimitError, match=r"expected at most 10000000 bytes, got 10000001: divide the transaction"):
        reading.read(bytes(MAX_BYTES + 1), place=nowhere)
    with pytest.raises(JailError, match="does not start"):
        reading.read(bytes(MAX_BYTES), place=nowhere)


def test_a_jail_that_does_not_work_is_not_the_senders_fault() -> None:
    with pytest.raises(JailError) as caught:
        reading.read(transaction(), place=Jail(program="raise SystemExit"))
    problem = peer.problem_of(caught.value)
    assert (problem.status, problem.code) == (503, "4-4.TECH")
    assert problem.detail == peer.TECHNICAL


# --- a reader taken over


def test_an_answer_of_the_right_shape_is_taken(hostile: Jail) -> None:
    read = answered(hostile, SOUND)
    assert [(record.type, record.fields) for record in read.records] == [
        (1, (Field(2, b"0502"), Field(4, b"CPS"))),
        (2, (Field(2, b"00"),)),
    ]
    assert (read.charset, read.deviations[0].code) == ("utf-8", "version-older")


@pytest.mark.parametrize(
    "content",
    [
        None,
        7,
        [],
        "records",
        {},
        {key: value for key, value in SOUND.items() if key != "records"},
        SOUND | {"encoding": "braille"},
        SOUND | {"charset": None},
        SOUND | {"deviations": [[1, 2, "code"]]},
        SOUND | {"deviations": [[-1, 2, "code", "text"]]},
        SOUND | {"records": [[1, [[2, -4], [4, 11]]]]},
        SOUND | {"records": [[-1, [[2, 9]]]]},
        SOUND | {"records": [[1, [[2, 9.5]]]]},
        SOUND | {"records": [[1, [["2", None]]]]},
        SOUND | {"records": [[1, [[2, 9, 0]]]]},
        SOUND | {"records": [[1]]},
        SOUND | {"records": {"1": []}},
        SOUND | {"records": []},
        SOUND | {"records": [[1, []]] * 65},
        SOUND | {"records": [[1, [[2, 0]] * 501]]},
    ],
)
def test_an_answer_of_another_shape_is_a_reader_broken(hostile: Jail, content: object) -> None:
    with pytest.raises(KilledError, match="broke its reader, which answered with something else than records"):
        answered(hostile, content)


@pytest.mark.parametrize("values", [b"", VALUES[:-1], VALUES + b"0", bytes(5000)])
def test_an_answer_with_other_values_than_it_describes_is_a_reader_broken(hostile: Jail, values: bytes) -> None:
    with pytest.raises(KilledError, match="which answered with other values than it described"):
        answered(hostile, SOUND, values)


def test_an_answer_that_does_not_begin_with_type_1_is_a_reader_broken(hostile: Jail) -> None:
    with pytest.raises(KilledError, match="answered with records of which the first is no Type-1"):
        answered(hostile, SOUND | {"records": [[4, [[2, 9]]]]})


def test_lengths_beyond_all_memory_cost_nothing(hostile: Jail) -> None:
    with pytest.raises(KilledError, match="other values than it described"):
        answered(hostile, SOUND | {"records": [[1, [[2, 10**18], [3, 10**18]]]]})


def test_a_refusal_under_a_letter_that_nobody_knows_is_still_one(hostile: Jail) -> None:
    with pytest.raises(NistError, match="not today") as caught:
        reading.read(b'{"refuse": "Z"}', place=hostile)
    assert type(caught.value) is NistError


@pytest.mark.parametrize(
    ("deed", "says"),
    [(b'"loop"', r"more than 2 seconds of CPU time \(SIGXCPU\)"), (b'"memory"', "more than 512 MiB of memory")],
)
def test_a_reader_that_is_killed_is_told_to_the_sender_as_its_transactions_fault(
    hostile: Jail, deed: bytes, says: str
) -> None:
    with pytest.raises(KilledError, match=says) as caught:
        reading.read(deed, place=hostile)
    problem = peer.problem_of(caught.value)
    assert (problem.status, problem.article, problem.code) == (422, "4(7)", "4-7.KILLED")
    assert problem.detail == str(caught.value)


def test_a_decoder_that_is_killed_is_told_to_the_sender_as_its_images_fault(hostile: Jail) -> None:
    with pytest.raises(DecoderKilledError, match=r"PGM: more than 2 seconds of CPU time \(SIGXCPU\)") as caught:
        images.read(b"P5 40 40 255\n" + bytes(1600), place=hostile)
    problem = peer.problem_of(caught.value)
    assert (problem.status, problem.article, problem.code) == (422, "4(7)", "4-7.KILLED")
    assert problem.detail == str(caught.value)


def test_a_document_that_multiplies_a_long_name_costs_no_more_than_its_child() -> None:
    # Each of the elements is told with the whole name of its namespace: 570 kB become 8 GB.
    root = b'<itl:NISTBiometricInformationExchangePackage xmlns:itl="http://biometrics.nist.gov/standard/2011">'
    data = root + b'<q xmlns="' + b"u" * 400_000 + b'">' + b"<q/>" * 20_000 + b"</q></itl:NIST"
    place = Jail(places=1, modules=reading.JAIL._modules, program=QUICK)
    with pytest.raises(NistError) as caught:
        reading.read(data, place=place)
    assert peer.problem_of(caught.value).status == 422
    assert reading.read(transaction(), place=place).records[0].type == 1
    place.close()
