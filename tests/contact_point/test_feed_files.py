"""Files of events: what is read, what is refused line by line, and what is no feed at all."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annex.parameters import Party
from contact_point import feed_files
from contact_point.dispositions import Event, Kind
from contact_point.feed_files import COLUMNS, FeedError, FeedFile, read_feed, write_rejects

if TYPE_CHECKING:
    from collections.abc import Mapping

TODAY: Final = date(2026, 11, 22)
HEADER: Final = ",".join(COLUMNS)
ACQUITTED: Final = "417,NPA,person-1,2026-11-20,acquitted,Tokyo 2026 (wa) 123,2026-02-03,,"
EVENT: Final = Event(
    "NPA", "417", "person-1", date(2026, 11, 20), Kind.ACQUITTED, "Tokyo 2026 (wa) 123", date(2026, 2, 3)
)
NAMED: Final[Mapping[str, str]] = dict(zip(COLUMNS, ACQUITTED.split(","), strict=True))


def read(data: str | bytes, party: Party = Party.JP) -> FeedFile:
    return read_feed(data.encode() if isinstance(data, str) else data, party, TODAY)


def told(data: str | bytes, party: Party = Party.JP) -> list[tuple[int, str]]:
    """Return the faults of a file with their lines."""
    return [(line.number, line.fault) for line in read(data, party).lines if line.event is None]


def events(data: str | bytes) -> list[Event | None]:
    return [line.event for line in read(data).lines]


SAME: Final[Mapping[str, str | bytes]] = {
    "RFC 4180": f"{HEADER}\r\n{ACQUITTED}\r\n",
    "line feeds, no last one": f"{HEADER}\n{ACQUITTED}",
    "quotes": f'{HEADER}\r\n"417",NPA,person-1,2026-11-20,acquitted,"Tokyo 2026 (wa) 123",2026-02-03,,\r\n',
    "columns in another order, fewer": "subject,number,source,date,event,arrested_on,case\n"
    "person-1,417,NPA,2026-11-20,acquitted,2026-02-03,Tokyo 2026 (wa) 123\n",
    "JSON Lines": json.dumps(NAMED) + "\n\n",
    "JSON Lines without what is empty": json.dumps({name: each for name, each in NAMED.items() if each}),
    "JSON null": json.dumps(NAMED | {"born_on": None}),
    "JSON array": json.dumps([NAMED], indent=2),
    "as it was rejected": f"line,reason,{HEADER}\n7,case: wrong,{ACQUITTED}\n",
}


@pytest.mark.parametrize("data", SAME.values(), ids=SAME)
def test_a_feed_is_csv_or_json_and_says_the_same_in_each(data: str | bytes) -> None:
    assert events(data) == [EVENT]
    assert read(data).notes == ()


def test_what_a_spreadsheet_writes_around_the_values_is_read_with_a_word_about_it() -> None:
    told_of = {
        f"\ufeff{HEADER}\n{ACQUITTED}\n": "the file begins with a byte order mark",
        f"{HEADER}\n{ACQUITTED}\n".replace(",", ";"): "values are separated by semicolons, not by commas (RFC 4180)",
        f"{HEADER}\n{ACQUITTED}\n".replace(",", "\t"): "values are separated by tabs",
        f"{HEADER}\n{',' * 8}\n{ACQUITTED}\n\n": "lines without any value, passed over: 2",
    }
    for data, note in told_of.items():
        assert events(data) == [EVENT]
        (said,) = read(data).notes
        assert said.startswith(note)


NO_FEED: Final[Mapping[str, tuple[str | bytes, str]]] = {
    "nothing": ("", "a feed has a header, and a line for each event; this file is empty"),
    "UTF-16": (f"{HEADER}\n".encode("utf-16"), "this file is in UTF-16: save it as 'CSV UTF-8'"),
    "Shift_JIS": (f"{HEADER}\n{ACQUITTED}\n人物".encode("shift_jis"), "line 3 of this file is not (Shift_JIS"),
    "NUL": (f"{HEADER}\n\0{ACQUITTED}", "line 2 of this file has a NUL: it is damaged, or something else"),
    "sep=": (f"sep=,\n{HEADER}\n", "line 1 is 'sep=', which only a spreadsheet reads (RFC 4180): delete the line"),
    "no header": (ACQUITTED, f"line 1: expected a header of {', '.join(COLUMNS)}"),
    "a column missing": ("number,source,subject,date\n", "missing: event; unknown: 0; repeated: 0"),
    "an unknown column": (f"{HEADER},name\n", "missing: none; unknown: 1; repeated: 0"),
    "a column twice": (f"{HEADER},case\n", "missing: none; unknown: 0; repeated: 1"),
    "an open quote": (f'{HEADER}\n"417,NPA\n', "line 2: this is not CSV (RFC 4180): unexpected end of data"),
    "a quote in a value": (f'{HEADER}\n{ACQUITTED}\n"4"17,\n', "line 3: this is not CSV (RFC 4180)"),
    "an array that ends early": (f"[{json.dumps(NAMED)},\n", "line 2: this is not JSON: correct the file"),
    "an array without commas": (f"[{json.dumps(NAMED)}\n{{}}]", "line 2: expected a comma or the end of the array"),
    "more after an array": ("[] []", "expected nothing after the array; there is more"),
    "brackets without end": ("[" * 200_000, "line 1: this is not JSON"),
}


@pytest.mark.parametrize(("data", "says"), NO_FEED.values(), ids=NO_FEED)
def test_what_is_no_feed_is_refused_as_a_whole(data: str | bytes, says: str) -> None:
    with pytest.raises(FeedError) as caught:
        read(data)
    assert says in str(caught.value)


def test_a_feed_is_no_longer_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_files, "MAX_EVENTS", 2)
    assert len(read(f"{HEADER}\n" + f"{ACQUITTED}\n" * 2).lines) == 2
    with pytest.raises(FeedError, match="at most 2 events; line 4 has one more: give it in parts"):
        read(f"{HEADER}\n" + f"{ACQUITTED}\n" * 3)
    monkeypatch.setattr(feed_files, "MAX_BYTES", 10)
    with pytest.raises(FeedError, match="at most 10 bytes; this file has 11: give it in parts"):
        read("x" * 11)


WRONG: Final[Mapping[str, tuple[dict[str, Any], str]]] = {
    "number": ({"number": ""}, "number: expected a value; there is none"),
    "several": ({"number": "", "source": "", "subject": ""}, "number, source, subject: expected a value"),
    "date": ({"date": "2026/11/20"}, "date: expected a day as YYYY-MM-DD"),
    "no day": ({"date": "2026-02-30"}, "date: expected a day as YYYY-MM-DD"),
    "other digits": ({"date": "２０２６-11-20"}, "date: expected a day as YYYY-MM-DD"),  # noqa: RUF001 - wide digits
    "future": ({"date": "2026-11-24"}, "date: expected a day that has come"),
    "event": ({"event": "innocent"}, "event: expected one of arrested, pending, "),
    "the other Party's": ({"event": "terrorist"}, "event: terrorist is in no category of Annex II 1"),
    "no case": ({"case": ""}, "case: expected the number of the case, which acquitted is about (Annex II 1(1)(b))"),
    "a case of the person": ({"event": "wanted"}, "case, arrested_on: expected none, as wanted is about the person"),
    "arrested after": ({"arrested_on": "2026-11-21"}, "arrested_on: expected the day of the arrest, on or before"),
    "an arrest on another day": ({"event": "arrested"}, "arrested_on: expected the day of the arrest"),
    "born": ({"born_on": "1980-05-01"}, "born_on: expected a day before the event, of an event born alone"),
    "withdraws": ({"withdraws": "1"}, "withdraws: expected the number of another event, of an event withdrawn alone"),
    "space": ({"subject": "person-1 "}, "subject: expected no spaces before or after the value"),
    "control": ({"subject": "person\n1"}, "subject: expected characters that can be seen"),
    "unseen": ({"subject": "person\u200b1"}, "subject: expected characters that can be seen"),
    "decomposed": ({"subject": "Ame\u0301lie"}, "subject: expected composed characters (NFC)"),
    "formula": ({"subject": "=A1"}, "subject: this is a formula or a rounded number of a spreadsheet"),
    "rounded": ({"number": "2.02612E+11"}, "number: this is a formula or a rounded number of a spreadsheet"),
    "long": ({"case": "x" * 201}, "case: expected at most 200 characters; got 201"),
    "a number": ({"number": 417}, "number: expected a text"),
    "another name": ({"remark": "Jane Doe"}, "expected names among number, source,"),
}


@pytest.mark.parametrize(("changes", "says"), WRONG.values(), ids=WRONG)
def test_a_line_that_says_no_event_has_its_reason_and_no_value(changes: dict[str, Any], says: str) -> None:
    ((line, fault),) = told(json.dumps(NAMED) + "\n" + json.dumps(NAMED | {"number": "418"} | changes))
    assert line == 2
    assert fault.startswith(says)
    assert "person" not in fault.replace("about the person", "")
    assert "Jane" not in fault


def test_annex_2_1_an_event_by_japanese_law_is_none_of_the_united_states() -> None:
    ((_, fault),) = told(json.dumps(NAMED | {"event": "petty"}), Party.US)
    assert fault.startswith(
        "event: petty is in no category of Annex II 2, by which the prints of US are made available"
    )


def test_every_fault_of_a_file_is_told_with_the_line_it_begins_on() -> None:
    bad = ACQUITTED.replace("acquitted", "x")
    data = f'{HEADER}\n{bad}\n{ACQUITTED}\n"4\n17"{ACQUITTED[3:]}\n{bad},more\n1,2\n'
    assert [line for line, _ in told(data)] == [2, 4, 6, 7]
    array = f"[{json.dumps(NAMED)},\n\n{json.dumps(NAMED | {'event': 'x'})},\n7]"
    assert [line for line, _ in told(array)] == [3, 4]
    lines = f'{json.dumps(NAMED)}\n{{\n[]\n{{"number": "1", "number": "2"}}\n'
    assert [each[1] for each in told(lines)] == [
        "this is not JSON",
        "expected an object for each event",
        "a name stands twice in an object",
    ]


def test_rejects_are_a_feed_again_once_they_are_corrected() -> None:
    wrong, whole = ACQUITTED.replace("2026-11-20", "20.11.2026"), ACQUITTED.replace("person-1", '"a, b"')
    data = f"{HEADER}\n{wrong}\n{whole}\n"
    rejects = write_rejects([line for line in read(data).lines if line.event is None])
    ((line, reason, *values),) = list(csv.reader(io.StringIO(rejects)))[1:]
    assert (line, reason.partition(":")[0], values[2]) == ("2", "date", "person-1")
    assert events(rejects.replace("20.11.2026", "2026-11-20")) == [EVENT]


@given(st.one_of(st.binary(max_size=300), st.text(max_size=200).map(lambda each: f"{HEADER}\n{each}".encode())))
def test_whatever_a_file_holds_it_is_read_or_refused_with_a_reason(data: bytes) -> None:
    with suppress(FeedError):
        assert all((line.event is None) is bool(line.fault) for line in read(data).lines)
