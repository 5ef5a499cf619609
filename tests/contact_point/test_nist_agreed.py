"""The transactions that carry prints between the Parties: what is written, what is read, what is refused."""

from __future__ import annotations

import datetime as dt
import io
import re
import sys
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nistitl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from contact_point import prints
from contact_point.nist import agreed, headers, traditional
from contact_point.nist.agreed import Compression, FingerImage, Transaction
from matcher.images import Image as Picture
from matcher.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TOKYO = dt.timezone(dt.timedelta(hours=9))
FS, GS, RS, US = b"\x1c", b"\x1d", b"\x1e", b"\x1f"


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


def png(width: int, height: int, *data: bytes, extra: bytes = b"") -> bytes:
    """Return a PNG of grey pixels; ``data`` are its IDAT chunks, which are not decoded here, ``extra`` stands before them."""
    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\0\0\0\0"
    chunks = (chunk(b"IHDR", header), extra, *(chunk(b"IDAT", each) for each in data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PLAIN = FingerImage(2, png(20, 20, b"pixels"), Compression.PNG, 20, 20, 500)
ROLLED = FingerImage(7, png(800, 750, FS + GS + b"14.999:" + FS), Compression.PNG, 800, 750, 500, impression=3)

SEARCH = Transaction(
    type_of_transaction="CPS",
    control_number="2600000000001A",
    originator="JP/NPA",
    destination="US/FBI",
    date=dt.date(2026, 3, 4),
    images=(PLAIN, ROLLED),
    delete_by=dt.date(2026, 6, 1),
    made_at=dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC),
)

RESULT = Transaction(
    type_of_transaction="SRE",
    control_number="US-0000000001",
    originator="US/FBI",
    destination="JP/NPA",
    date=dt.date(2026, 3, 3),
    images=(ROLLED,),
    control_reference="2600000000001A",
)


def with_lengths(*records: bytes) -> bytes:
    """Join records whose LEN is written as @, with the length that they have."""
    joined = b""
    for record in records:
        length = len(record)
        while length != len(record) - 1 + len(str(length)):
            length = len(record) - 1 + len(str(length))
        joined += record.replace(b"@", str(length).encode(), 1)
    return joined


def read(data: bytes) -> Transaction:
    """Read as the service does, but in this process, since the jail has tests of its own."""
    return agreed.keep_to_domain(traditional.read(data))


def parts(data: bytes) -> list[bytes]:
    """Take apart what write made, LEN replaced by @, so that a test can change a record."""
    found = []
    while data:
        header = re.match(rb"(\d+\.001:)(\d+)", data)
        assert header is not None
        found.append(header[1] + b"@" + data[header.end() : int(header[2])])
        data = data[int(header[2]) :]
    return found


def changed(old: bytes, new: bytes, transaction: Transaction = SEARCH) -> bytes:
    """Return the transaction with one text replaced by another in every record, lengths counted anew."""
    records = parts(agreed.write(transaction))
    assert any(old in record for record in records)
    return with_lengths(*(record.replace(old, new) for record in records))


# --- what is written


def test_a_search_is_written_as_the_standard_lays_it_out() -> None:
    type_1, type_2, plain, rolled = parts(agreed.write(SEARCH))
    assert type_1 == (
        b"1.001:@\x1d1.002:0502\x1d1.003:1\x1f3\x1e2\x1f00\x1e14\x1f01\x1e14\x1f02\x1d1.004:CPS\x1d1.005:20260304\x1d"
        b"1.007:US/FBI\x1d1.008:JP/NPA\x1d1.009:2600000000001A\x1d1.011:00.00\x1d1.012:00.00\x1d"
        b"1.013:PCSC-JP-US\x1f1.0\x1d1.014:20260304050607Z\x1d1.015:003\x1fUTF-8\x1c"
    )
    assert type_2 == b"2.001:@\x1d2.002:00\x1d2.092:20260601\x1c"
    assert plain == (
        b"14.001:@\x1d14.002:01\x1d14.003:0\x1d14.004:JP/NPA\x1d14.005:00000000\x1d14.006:20\x1d14.007:20\x1d14.008:1\x1d"
        b"14.009:500\x1d14.010:500\x1d14.011:PNG\x1d14.012:8\x1d14.013:2\x1d14.999:" + PLAIN.data + FS
    )
    assert rolled.startswith(b"14.001:@\x1d14.002:02\x1d14.003:3\x1d")
    assert rolled.endswith(b"14.011:PNG\x1d14.012:8\x1d14.013:7\x1d14.999:" + ROLLED.data + FS)


def test_a_result_names_the_search_it_answers_and_optional_fields_are_left_out() -> None:
    type_1, type_2, _ = parts(agreed.write(RESULT))
    assert GS + b"1.010:2600000000001A" + GS in type_1
    assert b"1.014" not in type_1
    assert type_2 == b"2.001:@\x1d2.002:00\x1c"


def test_a_result_without_a_match_has_no_image() -> None:
    no_match = replace(RESULT, images=())
    assert b"1.003:1\x1f1\x1e2\x1f00\x1d" in agreed.write(no_match)
    assert read(agreed.write(no_match)) == no_match


def test_no_record_has_a_field_for_a_name() -> None:
    fields = set(re.findall(rb"(?:^|[\x1c\x1d])(\d+\.\d+):", agreed.write(replace(SEARCH, images=()))))
    assert fields == {b"1.%03d" % n for n in (1, 2, 3, 4, 5, 7, 8, 9, 11, 12, 13, 14, 15)} | {
        b"2.001",
        b"2.002",
        b"2.092",
    }


def test_an_image_tells_neither_when_nor_by_whom_the_print_was_taken() -> None:
    record = parts(agreed.write(SEARCH))[2]
    assert b"14.004:JP/NPA\x1d14.005:00000000" in record


def test_what_our_own_service_sends_is_taken_byte_for_byte() -> None:
    rng = np.random.default_rng(3)
    for dpi in (250, 499.6, 500, 1000, 1300):
        picture = Picture(rng.integers(0, 256, (700, 500), dtype=np.uint8), float(dpi))
        marked = Template.of([3], [4], [0.5], width=500, height=700)
        latent = prints.finger_image(picture, 0, impression=4, marked=marked if dpi == 500 else None)
        for kind, answers in ((prints.SEARCH, None), (prints.RESULT, "JP261122-ABCDEFGHIJKLMNOP")):
            sent = prints.transaction(
                [prints.finger_image(picture, 7), latent],
                kind=kind,
                control_number="US261122-ABCDEFGHIJ234567",
                answers=answers,
                originator="US/NCP",
                destination="JP/NCP",
                delete_by=dt.date(2026, 12, 1),
                now=dt.datetime(2026, 11, 22, 1, 2, 3, 4, tzinfo=dt.UTC),
            )
            assert agreed.write(read(sent)) == sent


# --- round trips


@pytest.mark.parametrize("transaction", [SEARCH, RESULT], ids=["search", "result"])
def test_what_is_written_is_read_again(transaction: Transaction) -> None:
    data = agreed.write(transaction)
    assert read(data) == transaction
    assert agreed.write(read(data)) == data


def test_a_time_is_kept_in_whole_seconds() -> None:
    assert SEARCH.made_at is not None
    assert replace(SEARCH, made_at=SEARCH.made_at.replace(microsecond=999_999)) == SEARCH


def test_separators_and_tags_inside_an_image_are_pixels() -> None:
    data = (FS + GS + RS + US + b"14.001:99\x1d14.999:") * 16
    image = replace(PLAIN, data=png(20, 20, data))
    assert read(agreed.write(replace(SEARCH, images=(image, image)))).images == (image, image)


DAYS = st.dates()
AGENCIES = st.from_regex(r"[A-Za-z0-9/.-]{1,32}", fullmatch=True)
NUMBERS = st.from_regex(r"[A-Z0-9/-]{1,36}", fullmatch=True)
RESOLUTIONS = st.sampled_from([b"", chunk(b"pHYs", (19685).to_bytes(4) * 2 + b"\x01")])


@st.composite
def finger_images(draw: st.DrawFn) -> FingerImage:
    width, height = draw(st.integers(10, 40)), draw(st.integers(10, 40))
    data = draw(st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=3))
    return FingerImage(
        position=draw(st.integers(0, 10)),
        data=png(width, height, *data, extra=draw(RESOLUTIONS)),
        compression=Compression.PNG,
        width=width,
        height=height,
        dpi=draw(st.integers(agreed.MIN_DPI, agreed.MAX_DPI)),
        impression=draw(st.sampled_from(sorted(agreed.IMPRESSIONS))),
    )


@st.composite
def transactions(draw: st.DrawFn) -> Transaction:
    return Transaction(
        type_of_transaction=draw(st.sampled_from([agreed.SEARCH, agreed.RESULT])),
        control_number=draw(NUMBERS),
        originator=draw(AGENCIES),
        destination=draw(AGENCIES),
        date=draw(DAYS),
        images=tuple(draw(st.lists(finger_images(), max_size=4))),
        control_reference=draw(st.none() | NUMBERS),
        delete_by=draw(st.none() | DAYS),
        made_at=draw(st.none() | st.datetimes(timezones=st.just(dt.UTC))),
    )


@settings(max_examples=150, deadline=None, derandomize=True)
@given(transactions())
def test_any_transaction_survives_writing_and_reading(transaction: Transaction) -> None:
    data = agreed.write(transaction)
    assert read(data) == transaction
    assert agreed.write(read(data)) == data


# --- an independent reader sees the same


def seen_by_nistitl(data: bytes) -> list[dict[int, Any]]:
    message = nistitl.Message()
    message.parse(data)
    return [{field.tag: field.value for field in record._fields} for record in message]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(transactions())
def test_nistitl_reads_the_same_fields(transaction: Transaction) -> None:
    head, description, *images = seen_by_nistitl(agreed.write(transaction))
    assert head[2] == "0502"
    assert head[4] == transaction.type_of_transaction
    assert head[5] == transaction.date.isoformat().replace("-", "")
    assert (head[7], head[8], head[9]) == (
        transaction.destination,
        transaction.originator,
        transaction.control_number,
    )
    assert head.get(10) == transaction.control_reference
    assert (14 in head) == (transaction.made_at is not None)
    assert int(description[2]) == 0
    assert (92 in description) == (transaction.delete_by is not None)
    assert len(images) == len(transaction.images)
    for idc, (seen, image) in enumerate(zip(images, transaction.images, strict=True), start=1):
        assert (int(seen[2]), int(seen[3]), int(seen[13])) == (idc, image.impression, image.position)
        assert (int(seen[6]), int(seen[7]), int(seen[9])) == (image.width, image.height, image.dpi)
        assert seen[4] == transaction.originator
        assert seen[11] == image.compression
        assert seen[999] == image.data


# --- transactions of other systems


REAL = ("type-14-amp-nqm-utf8.an2", "type-14-tpcard-nqm.an2")


def records_of(data: bytes) -> list[bytes]:
    found = []
    while data:
        header = re.match(rb"\d+\.\d+:(\d+)\x1d", data)
        assert header is not None
        found.append(data[: int(header[1])])
        data = data[int(header[1]) :]
    return found


def test_the_reference_card_is_refused_since_between_the_parties_images_are_png(shared_data: Path) -> None:
    # NIST's Type-14 records, byte for byte, in our domain's envelope; they tell the agency and the day too.
    card = (shared_data / "ansi_nist" / "nist_csr" / "type-14-tpcard-nqm.an2").read_bytes()
    fingers = records_of(card)[2:12]
    content = RS.join([b"1\x1f11", b"2\x1f00", *(b"14\x1f%02d" % idc for idc in range(1, 11))])
    head = parts(agreed.write(replace(SEARCH, images=())))[0].replace(b"1\x1f1\x1e2\x1f00", content)
    told = with_lengths(head, b"2.001:@\x1d2.002:00\x1c") + b"".join(fingers)
    refused(
        agreed.FieldError, r"record 3 \(Type-14\), 14\.004 SRC: expected the originator, 1\.008 ORI, got another", told
    )
    with pytest.raises(agreed.FieldError) as caught:
        read(told)
    assert "MDNIST" not in str(caught.value)
    silent = [re.sub(rb"14\.001:\d+", b"14.001:@", each) for each in fingers]
    silent = [each.replace(b"MDNISTIMG", b"JP/NPA").replace(b":20010808", b":00000000") for each in silent]
    silent_card = with_lengths(head, b"2.001:@\x1d2.002:00\x1c", *silent)
    refused(
        agreed.UnsupportedError,
        r"record 3 \(Type-14\), 14\.011 CGA: expected PNG, got 'WSQ20': send 8-bit",
        silent_card,
    )


@pytest.mark.parametrize("name", REAL)
def test_reference_files_of_another_edition_are_refused_by_its_number(shared_data: Path, name: str) -> None:
    data = (shared_data / "ansi_nist" / "nist_csr" / name).read_bytes()
    with pytest.raises(agreed.UnsupportedError, match=r"record 1 \(Type-1\), 1\.002 VER: expected 0502.*got '0400'"):
        read(data)


def test_reference_files_of_our_edition_are_refused_by_their_domain(shared_data: Path) -> None:
    data = (shared_data / "ansi_nist" / "nist_csr" / REAL[0]).read_bytes().replace(b"1.002:0400", b"1.002:0502")
    with pytest.raises(agreed.UnsupportedError, match=r"1\.013 DOM: expected 'PCSC-JP-US\\x1f1\.0', got another: user"):
        read(data)


@pytest.mark.parametrize(
    ("name", "kind", "place"),
    [
        ("nist_csr/type-4-tpcard.an2", 4, 3),
        ("nbis_an2k/valid1.10.an2", 17, 3),
        ("nbis_an2k/valid1.16.an2", 4, 3),
        ("jet/empty_image.eft", 10, 3),
    ],
)
def test_other_record_types_are_refused_by_their_number(shared_data: Path, name: str, kind: int, place: int) -> None:
    data = (shared_data / "ansi_nist" / name).read_bytes()
    refusal = rf"expected records of Type-2, Type-9, Type-13 and Type-14, got Type-{kind} as record {place}: send"
    with pytest.raises(agreed.UnsupportedError, match=refusal):
        read(data)


def test_every_reference_file_is_read_or_refused(shared_data: Path) -> None:
    files = [path for path in sorted((shared_data / "ansi_nist").rglob("*.*")) if path.suffix != ".xml"]
    assert len(files) > 30
    for path in files:
        with pytest.raises(agreed.NistError):
            read(path.read_bytes())


# --- a tolerant reader


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1.003:1\x1f3\x1e2\x1f00\x1e14\x1f01", b"1.003:01\x1f003\x1e02\x1f0\x1e14\x1f1"),
        (b"14.006:20\x1d", b"14.006:00020\x1d"),
        (b"14.006:", b"14.6:"),
        (b"\x1d1.004:", b"\x1d1.04:"),
        (b"1.002:0502", b"1.002:0500"),
        (b"1.011:00.00", b"1.011:19.69"),
        (b"\x1d1.005:", b"\x1d1.006:4\x1d1.005:"),
        (b"\x1d14.012:8", b"\x1d14.022:2\x1f5\x1e3\x1f5\x1d14.031:40\x1d14.012:8"),
        (b"\x1d14.012:8", b"\x1d14.016:500\x1d14.017:19685\x1d14.023:2\x1f100\x1f0FFF\x1f2345\x1d14.012:8"),
        (b"\x1d14.012:8", b"\x1d14.024:10\x1f255\x1f000F\x1f2567\x1e2\x1f99\x1f000F\x1f1\x1d14.012:8"),
        (b"14.008:1\x1d14.009:500\x1d14.010:500", b"14.008:2\x1d14.009:197\x1d14.010:197"),
        (b"1.015:003\x1fUTF-8", b"1.015:3\x1fUTF-8\x1f4.0"),
        (b"1.015:003\x1fUTF-8", b"1.015:003\x1futf8\x1f15.1.0"),
        (b"1.015:003\x1fUTF-8", b"1.015:03"),
        (b"1.015:003\x1fUTF-8", b"1.015:000\x1fASCII"),
        (b"\x1d1.015:003\x1fUTF-8", b""),
        (b"14.012:8\x1d14.013:2", b"14.013:2\x1d14.012:8"),
    ],
    ids=[
        "leading zeros in the content",
        "leading zeros in a number",
        "a short tag",
        "a two-digit tag",
        "the edition before",
        "a scanning resolution",
        "a priority",
        "quality metrics",
        "a scanner's resolution and a metric of segmentation",
        "two metrics of quality",
        "pixels per centimetre",
        "a version of UTF-8",
        "another spelling of UTF-8",
        "UTF-8 by its index alone",
        "ASCII",
        "no character set",
        "another order",
    ],
)
def test_harmless_ways_to_say_the_same_are_read(old: bytes, new: bytes) -> None:
    assert read(changed(old, new)) == SEARCH


# --- refusals


def refused(error: type[agreed.NistError], message: str, data: bytes) -> None:
    with pytest.raises(error) as caught:
        read(data)
    assert type(caught.value) is error
    assert re.search(message, str(caught.value)), str(caught.value)
    assert str(caught.value).isascii()
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        (b"14.013:2", b"14.013:13", agreed.FieldError, r"record 3 \(Type-14\), 14\.013 FGP: expected 0-10, got 13: send each"),
        (b"14.013:2", b"14.013:-2", agreed.FieldError, r"14\.013 FGP: expected 1-2 digits, got '-2'"),
        (b"14.013:2", b"14.013:2222222222", agreed.FieldError, r"14\.013 FGP: expected 1-2 digits, got 10 other characters"),
        (b"14.013:2", "14.013:\uff12".encode(), agreed.FieldError, r"14\.013 FGP: expected 1-2 digits, got 1 other characters"),
        (b"14.013:2", b"14.013:2\x1e3", agreed.FieldError, r"14\.013 FGP: expected 1-2 digits, got 3 other characters"),
        (b"14.003:0", b"14.003:4", agreed.FieldError, r"14\.003 IMP: expected the impression of a known finger .*got 4"),
        (b"14.006:20", b"14.006:9", agreed.FieldError, r"14\.006 HLL: expected 10-5000, got 9"),
        (b"14.007:750", b"14.007:5001", agreed.FieldError, r"14\.007 VLL: expected 10-5000, got 5001"),
        (b"14.009:500", b"14.009:499", agreed.FieldError, r"14\.010 TVPS: expected the 499 of 14\.009 THPS, got 500"),
        (b"14.008:1", b"14.008:0", agreed.FieldError, r"14\.008 SLC: expected 1 \(per inch\) or 2 .*got 0"),
        (b"14.012:8", b"14.012:16", agreed.FieldError, r"14\.012 BPX: expected 8 bits a pixel, got 16"),
        (b"14.011:PNG", b"14.011:WSQ20", agreed.UnsupportedError, r"14\.011 CGA: expected PNG, got 'WSQ20': send"),
        (b"14.005:00000000", b"14.005:20260230", agreed.FieldError, r"14\.005 FCD: expected no date, 00000000, got something"),
        (b"14.004:JP/NPA", b"14.004:", agreed.MalformedError, "record 3: A field has no value"),
        (b"14.002:02", b"14.002:03", agreed.MalformedError, "record 4: The record has another IDC"),
        (b"2.092:20260601", b"2.092:1 June", agreed.FieldError, r"record 2 \(Type-2\), 2\.092 EXP: expected a date"),
        (b"1.004:CPS", b"1.004:C1", agreed.FieldError, r"record 1 \(Type-1\), 1\.004 TOT: expected CPS .*got 2 other"),
        (b"1.005:2026", b"1.005:0000", agreed.FieldError, r"1\.005 DAT: expected a date YYYYMMDD, got 8 other characters"),
        (b"JP/NPA", b" JP", agreed.FieldError, r"1\.008 ORI: expected 1-32 letters, digits"),
        (b"1.009:2", b"1.009:" + b"x" * 10_000, agreed.FieldError, r"1\.009 TCN: expected 1-36 capital letters"),
        (b"2.002:00", b"2.002:00\x1d2.001:9", agreed.MalformedError, r"record 2 \(Type-2\): expected LEN once"),
        (b"1.009:2", b"1.009:\x1f", agreed.FieldError, r"1\.009 TCN: expected 1-36 capital letters"),
        (b"1.011:00.00", b"1.011:500", agreed.FieldError, r"1\.011 NSR: expected 00\.00, 19\.69 or 39\.37 .*got '500'"),
        (b"1.002:0502", b"1.002:0300", agreed.UnsupportedError, r"1\.002 VER: expected 0502, .*got '0300'"),
        (b"PCSC-JP-US", b"INT-I", agreed.UnsupportedError, r"1\.013 DOM: expected 'PCSC-JP-US.*got another"),
        (b"1.015:003", b"1.015:002", agreed.UnsupportedError, r"1\.015 DCS: expected 000 .*got 002 \(UTF-16\)"),
        (b"050607Z", b"050607", agreed.FieldError, r"1\.014 GMT: expected a time in UTC, YYYYMMDDHHMMSSZ"),
        (b"050607Z", b"256199Z", agreed.FieldError, r"1\.014 GMT: expected a time in UTC, YYYYMMDDHHMMSSZ"),
        (b"\x1d1.009:2600000000001A", b"", agreed.FieldError, r"1\.009 TCN: expected a value, the field is mandatory"),
        (b"1.005:20260304", b"1.004:CPS", agreed.FieldError, r"record 1 \(Type-1\), 1\.004 TOT: expected the field once"),
        (b"1.004:CPS", b"2.004:CPS", agreed.MalformedError, "record 1: A tag names another record type"),
        (b"1.004:CPS", b"1.004:C\x1cS", agreed.MalformedError, r"record 1 \(Type-1\): expected FS where LEN says"),
        (b"1\x1f3", b"1\x1f4", agreed.MalformedError, "record 1: 1.003 CNT states another count"),
        (b"1\x1f3", b"1", agreed.MalformedError, "record 1: 1.003 CNT is absent or cannot be read"),
        (b"2\x1f00\x1e14\x1f01", b"14\x1f01\x1e2\x1f00", agreed.MalformedError, "record 1: The records stand in another order"),
        (b"2\x1f00\x1e14", b"2\x1f00\x1e2", agreed.MalformedError, "record 1: 1.003 CNT lists a record that is not there"),
        (b"2\x1f00\x1e14", b"2\x1f00\x1e99", agreed.MalformedError, "record 1: 1.003 CNT lists a record that is not there"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_by_record_number_and_mnemonic(
    old: bytes, new: bytes, error: type[agreed.NistError], message: str
) -> None:
    refused(error, message, changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "number"),
    [
        (b"2.002:00", b"2.002:00\x1d2.018:YAMADA,TARO", r"2\.018"),
        (b"1.004:CPS", b"1.004:CPS\x1d1.017:YAMADA,TARO", r"1\.017"),
        (b"14.012:8", b"14.012:8\x1d14.020:YAMADA,TARO", r"14\.020"),
        (b"14.012:8", b"14.012:8\x1d14.022:YAMADA,TARO", r"14\.022"),
    ],
)
def test_a_field_outside_the_domain_is_refused_and_its_content_kept_out_of_the_message(
    old: bytes, new: bytes, number: str
) -> None:
    with pytest.raises(
        agreed.FieldError, match=rf"{number}( NQM)?: expected (only fields of domain|at most 10 fingers)"
    ) as caught:
        read(changed(old, new))
    assert "YAMADA" not in str(caught.value)


def test_two_images_must_not_share_a_designation() -> None:
    data = changed(b"14\x1f02", b"14\x1f01").replace(b"14.002:02", b"14.002:01")
    refused(agreed.FieldError, r"record 4 \(Type-14\), 14\.002 IDC: expected a number of its own, got 1", data)


def test_type_1_is_ascii_whatever_the_character_set_says() -> None:
    data = changed(b"JP/NPA", "警察庁".encode())
    refused(agreed.FieldError, r"record 1 \(Type-1\), 1\.008 ORI: expected ascii text, got the byte e8", data)
    with pytest.raises(agreed.FieldError, match=r"1\.008 ORI: expected 1-32 letters, digits and / . -, got 3 other"):
        replace(SEARCH, originator="警察庁")


def test_a_type_14_record_without_an_image_is_refused() -> None:
    head, description, image, _ = parts(agreed.write(SEARCH))
    head = head.replace(b"1\x1f3", b"1\x1f2").replace(b"\x1e14\x1f02", b"")
    data = with_lengths(head, description, image[: image.index(b"\x1d14.999:")] + FS)
    refused(agreed.FieldError, r"record 3 \(Type-14\), 14\.999 DATA: expected an image as the last field", data)


def test_an_image_may_be_the_only_field_of_its_record_but_then_others_are_missing() -> None:
    head = envelope(b"1\x1f2\x1e2\x1f00\x1e14\x1f01")
    data = with_lengths(head, b"2.001:@\x1d2.002:00\x1c", b"14.001:@\x1d14.999:\xff\xa0\xff\x1c")
    refused(agreed.MalformedError, "record 3: The record has no IDC", data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (agreed.write(SEARCH)[:-1] + GS, "record 4: No FS ends the record"),
        (agreed.write(SEARCH)[:-1], "record 4: No FS ends the record"),
        (agreed.write(SEARCH) + FS, "record 5: expected a tag"),
        (agreed.write(SEARCH) + b"\0", "the transaction: NUL, line ends or spaces follow"),
        (b"2.001:18\x1d2.002:00\x1c", "record 1: expected the tag 1.001"),
        (b"", "record 1: expected the tag 1.001"),
        (b"PK\x03\x04", "record 1: expected the tag 1.001"),
    ],
)
def test_what_a_tolerant_reader_forgives_is_refused_between_the_parties(data: bytes, message: str) -> None:
    refused(agreed.MalformedError, message, data)


def test_the_xml_encoding_was_not_agreed(shared_data: Path) -> None:
    data = (shared_data / "ansi_nist/nbis_an2k/All-Supported-Records-test-comp.xml").read_bytes()
    with pytest.raises(
        agreed.UnsupportedError, match=r"the transaction: expected the traditional encoding \(Annex B\), got xml"
    ):
        agreed.read(data)


def test_a_transaction_is_taken_apart_in_the_jail() -> None:
    assert agreed.read(agreed.write(RESULT)) == RESULT
    with pytest.raises(agreed.MalformedError, match=r"record 1: expected the tag 1\.001"):
        agreed.read(b"PK\x03\x04")


LATENT = FingerImage(0, png(20, 20, b"pixels"), Compression.PNG, 20, 20, 500, impression=4)


def test_a_latent_print_is_a_type_13_record() -> None:
    data = agreed.write(replace(SEARCH, images=(LATENT,)))
    assert b"13\x1f01" in parts(data)[0]
    assert parts(data)[2].startswith(b"13.001:@\x1d13.002:01\x1d13.003:4\x1d")
    assert read(data).images == (LATENT,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            b"13.003:4",
            b"13.003:0",
            r"13\.003 IMP: expected a latent impression \(4-7\), got 0: send a latent as Type-13",
        ),
        (b"13.005:00000000", b"13.005:2026", r"13\.005 LCD: expected no date"),
        (b"13.012:8", b"13.012:8\x1d13.022:1", r"13\.022: expected only fields of domain"),
    ],
)
def test_a_latent_record_keeps_to_its_fields(old: bytes, new: bytes, message: str) -> None:
    refused(agreed.FieldError, message, changed(old, new, replace(SEARCH, images=(LATENT,))))


MARKED = Template.of([3, 10], [4, 12], [0.5, 3.0], quality=[90, 60], width=20, height=20)


def test_the_minutiae_that_an_examiner_marked_go_with_their_latent_print() -> None:
    data = agreed.write(replace(SEARCH, images=(LATENT, replace(LATENT, marked=MARKED))))
    assert [part[:5] for part in parts(data)] == [b"1.001", b"2.001", b"13.00", b"13.00", b"9.001"]
    transaction = read(data)
    assert transaction.images[0].marked is None
    found = transaction.images[1].marked
    assert found is not None
    assert found.x.tolist() == [3, 10]
    assert found.direction.tolist() == pytest.approx([0.5, 3.0], abs=0.02)
    assert agreed.write(transaction) == data


def test_minutiae_are_marked_on_latent_prints_only() -> None:
    with pytest.raises(agreed.FieldError, match="Type-9: expected minutiae marked on a latent print, got impression 3"):
        replace(ROLLED, marked=MARKED)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"9.002:01", b"9.002:02", "record 4: The record has another IDC"),
        (
            b"9.136:2",
            b"9.136:3",
            r"record 4 \(Type-9\): expected the minutiae of its image at 500 dpi .*, and nothing else",
        ),
        (b"9.127:NONE", b"9.127:YAMADA", r"record 4 \(Type-9\): expected the minutiae"),
        (b"9.130:1", b"9.130:1\x1d9.302:1", r"record 4 \(Type-9\): expected the minutiae"),
    ],
)
def test_a_record_of_minutiae_says_nothing_else(old: bytes, new: bytes, message: str) -> None:
    data = changed(old, new, replace(SEARCH, images=(replace(LATENT, marked=MARKED),)))
    with pytest.raises(agreed.NistError, match=message) as caught:
        read(data)
    assert "YAMADA" not in str(caught.value)


# --- what a field of the domain could carry of a person

YAMADA = "YAMADA Taro 1970-01-01"
WORDS = re.compile(r"YAMADA|Taro|TARO|1970|\\u|59414D|19700101")


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        (b"003\x1fUTF-8", f"003\x1fUTF-8\x1f{YAMADA}", "1.015 DCS"),
        (b"003\x1fUTF-8", f"003\x1f{YAMADA}", "1.015 DCS"),
        (b"003\x1fUTF-8", f"003\x1fUTF-8\x1f4.0\x1f{YAMADA}", "1.015 DCS"),
        (b"003\x1fUTF-8", f"003\x1fUTF-8\x1e000\x1f{YAMADA}", "1.015 DCS"),
        (b"003\x1fUTF-8", "003\x1fUTF-8\x1f19700101", "1.015 DCS"),
        (b"PCSC-JP-US\x1f1.0", f"PCSC-JP-US\x1f1.0\x1f{YAMADA}", "1.013 DOM"),
        (b"PCSC-JP-US\x1f1.0", YAMADA, "1.013 DOM"),
        (b"1.002:0502", f"1.002:{YAMADA}", "1.002 VER"),
        (b"1.004:CPS", "1.004:YAMADATARO", "1.004 TOT"),
        (b"1.004:CPS", "1.004:TARO", "1.004 TOT"),
        (b"1.005:20260304", f"1.005:{YAMADA}", "1.005 DAT"),
        (b"1.007:US/FBI", f"1.007:{YAMADA}", "1.007 DAI"),
        (b"JP/NPA", YAMADA, "1.008 ORI"),
        (b"1.009:2600000000001A", f"1.009:{YAMADA}", "1.009 TCN"),
        (b"1.009:2600000000001A", f"1.009:1\x1d1.010:{YAMADA}", "1.010 TCR"),
        (b"1.011:00.00", "1.011:19.70", "1.011 NSR"),
        (b"1.012:00.00", f"1.012:{YAMADA}", "1.012 NTR"),
        (b"1.004:CPS", "1.004:CPS\x1d1.006:19700101", "1.006 PRY"),
        (b"1.014:20260304050607Z", f"1.014:{YAMADA}", "1.014 GMT"),
        (b"2.092:20260601", f"2.092:{YAMADA}", "2.092 EXP"),
        (b"14.004:JP/NPA", "14.004:大阪府警 山田太郎 1970-01-01", "14.004 SRC"),
        (b"14.004:JP/NPA", f"14.004:{YAMADA}", "14.004 SRC"),
        (b"14.005:00000000", "14.005:19700101", "14.005 FCD"),
        (b"14.006:20\x1d", "14.006:19700101\x1d", "14.006 HLL"),
        (b"14.007:20\x1d", f"14.007:{YAMADA}\x1d", "14.007 VLL"),
        (b"14.009:500", "14.009:19700101", "14.009 THPS"),
        (b"14.011:PNG", f"14.011:{YAMADA}", "14.011 CGA"),
        (b"14.012:8", "14.012:19700101", "14.012 BPX"),
        (b"14.013:2", "14.013:19700101", "14.013 FGP"),
        (b"14.012:8", "14.012:8\x1d14.016:19700101", "14.016 SHPS"),
        (b"14.012:8", "14.012:8\x1d14.017:19700101", "14.017 SVPS"),
        (b"14.012:8", f"14.012:8\x1d14.022:{YAMADA.encode().hex().upper()}", "14.022 NQM"),
        (b"14.012:8", "14.012:8\x1d14.022:2\x1f19", "14.022 NQM"),
        (b"14.012:8", "14.012:8\x1d14.022:" + "\x1e".join(["2\x1f5"] * 11), "14.022 NQM"),
        (b"14.012:8", f"14.012:8\x1d14.023:2\x1f100\x1f{YAMADA.encode().hex().upper()}\x1f1", "14.023 SQM"),
        (b"14.012:8", "14.012:8\x1d14.024:2\x1f100\x1f0001\x1f19700101", "14.024 FQM"),
        (b"14.012:8", "14.012:8\x1d14.031:19700101", "14.031 FAP"),
    ],
)
def test_what_could_be_told_of_a_person_in_a_field_is_refused_and_not_shown(old: bytes, new: str, name: str) -> None:
    with pytest.raises(agreed.NistError, match=re.escape(f"{name}: expected")) as caught:
        read(changed(old, new.encode()))
    assert not WORDS.search(str(caught.value))


def test_a_designation_has_two_digits() -> None:
    records = list(traditional.read(agreed.write(SEARCH)).records)
    fields = tuple(replace(each, value=b"197001012") if each.number == 2 else each for each in records[3].fields)
    data = traditional.write(
        replace(traditional.read(agreed.write(SEARCH)), records=(*records[:3], replace(records[3], fields=fields)))
    )
    with pytest.raises(agreed.NistError, match=r"record 4 \(Type-14\), 14\.002 IDC: expected 1-2 digits") as caught:
        read(data)
    assert not WORDS.search(str(caught.value))


SAID = b"Name\0" + YAMADA.encode()
RESOLUTION = (19685).to_bytes(4) * 2 + b"\x01"
EMPTY = chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "got"),
    [
        *[
            (png(20, 20, b"pixels", extra=chunk(kind, SAID)), f"got a chunk {kind.decode()}: leave out comments")
            for kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP", b"gAMA", b"prVt")
        ],
        (png(20, 20, b"pixels", extra=chunk(b"Ta\0o", SAID)), "got a chunk of no type: leave"),
        (png(20, 20, b"pixels") + SAID, "got 27 bytes behind IEND: leave"),
        (png(20, 20, b"pixels") + b"\0", "got 1 bytes behind IEND: leave"),
        (png(20, 20, b"pixels")[:-12] + chunk(b"tEXt", SAID) + EMPTY, "got a chunk tEXt: leave"),
        (png(20, 20, b"pixels")[:-12] + chunk(b"IEND", SAID), "got a chunk IEND with other content"),
        (png(20, 20, b"pixels")[:-4] + b"TARO", "got a chunk IEND with a wrong check sum: send"),
        (png(20, 20, b"pixels", b""), "got a chunk IDAT with other content"),
        (png(20, 20), "got a chunk IEND: leave"),
        (png(20, 20, b"pixels", extra=chunk(b"pHYs", RESOLUTION) * 2), "got a chunk pHYs: leave"),
        (png(20, 20, b"pixels")[:-12] + chunk(b"pHYs", RESOLUTION) + EMPTY, "got a chunk pHYs: leave"),
        (png(20, 20, b"pixels", extra=chunk(b"pHYs", b"YAMADA T1")), "got a chunk pHYs with other content"),
        (png(20, 20, b"pixels", extra=chunk(b"pHYs", b"TAROTARO\x01")), "got a chunk pHYs with other content"),
        (png(20, 20, b"pixels", extra=chunk(b"pHYs", RESOLUTION + SAID)), "got a chunk pHYs with other content"),
        (png(20, 20, b"pixels").replace(b"\x08\0\0\0\0", b"\x08\2\0\0\0"), "got a chunk IHDR with other content"),
        (png(20, 20, b"pixels")[:8] + png(20, 20, b"pixels")[33:], "got a chunk IDAT: leave"),
        (png(20, 20, b"pixels")[:-12], "got a chunk that is cut short: send the whole file"),
        (png(20, 20, b"pixels")[:-1], "got a chunk that is cut short: send the whole file"),
        (png(20, 20, b"pixels")[:8], "got a chunk that is cut short: send the whole file"),
    ],
)  # fmt: skip
def test_a_png_says_its_pixels_and_their_resolution_and_nothing_else(data: bytes, got: str) -> None:
    with pytest.raises(agreed.FieldError, match=re.escape("14.999 DATA: expected the chunks IHDR, pHYs")) as caught:
        replace(PLAIN, data=data)
    assert got in str(caught.value)
    assert not WORDS.search(str(caught.value))
    with pytest.raises(agreed.FieldError, match=r"record 3 \(Type-14\), 14\.999 DATA: ") as caught:
        read(changed(PLAIN.data, data))
    assert not WORDS.search(str(caught.value))


@pytest.mark.parametrize(
    ("data", "compression"),
    [
        (b"\xff\xa0\xff\xa8\0\x18" + YAMADA.encode(), Compression.WSQ),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x1exml " + YAMADA.encode(), Compression.JP2),
        (bytes(400), Compression.NONE),
    ],
)
def test_other_codecs_have_room_for_comments_and_are_not_agreed(data: bytes, compression: Compression) -> None:
    with pytest.raises(
        agreed.UnsupportedError, match=rf"14\.011 CGA: expected PNG, got '{compression}': send 8-bit grey"
    ):
        replace(PLAIN, data=data, compression=compression)
    with pytest.raises(agreed.FieldError, match=r"14\.999 DATA: expected a PNG image"):
        replace(PLAIN, data=data)


def test_a_png_of_too_many_chunks_is_refused() -> None:
    with pytest.raises(agreed.LimitError, match=r"14\.999 DATA: expected at most 2000 chunks, got more"):
        replace(PLAIN, data=png(20, 20, *[b"x"] * 2_000))


# --- limits


def envelope(content: bytes) -> bytes:
    return parts(agreed.write(replace(SEARCH, images=())))[0].replace(b"1\x1f1\x1e2\x1f00", content)


def test_more_bytes_records_fields_or_images_than_agreed_are_refused() -> None:
    refused(agreed.LimitError, r"expected at most 10000000 bytes, got 10000001; divide", b"1" * 10_000_001)
    images = RS.join([b"1\x1f22", b"2\x1f00", *([b"14\x1f%02d" % at for at in range(1, 22)])])
    pieces = [b"14.001:@\x1d14.002:%02d\x1d14.999:x\x1c" % at for at in range(1, 22)]
    crowd = with_lengths(envelope(images), b"2.001:@\x1d2.002:00\x1c", *pieces)
    refused(agreed.LimitError, "the transaction: expected at most 20 images, got 21", crowd)
    fields = b"1.001:@" + b"".join(b"\x1d1.%03d:0" % number for number in range(2, 504)) + FS
    refused(agreed.LimitError, r"record 1 \(Type-1\): expected at most 500 fields, got 502", with_lengths(fields))


def test_more_images_pixels_or_bytes_than_agreed_are_not_written() -> None:
    with pytest.raises(agreed.LimitError, match=r"1\.003 CNT: expected at most 20 images, got 21: divide"):
        replace(SEARCH, images=(PLAIN,) * 21)
    with pytest.raises(agreed.LimitError, match=r"14\.007 VLL: expected at most 16000000 pixels, got 4001 x 4000"):
        replace(ROLLED, width=4001, height=4000)
    large = replace(ROLLED, data=png(800, 750, bytes(3_400_000)))
    with pytest.raises(agreed.LimitError, match="expected at most 10000000 bytes, got 1020"):
        agreed.write(replace(SEARCH, images=(large,) * 3))
    assert len(agreed.write(replace(SEARCH, images=(PLAIN,) * 20))) < 10_000_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"position": 11}, r"14\.013 FGP: expected 0-10, got 11: send each finger"),
        ({"dpi": 199}, r"14\.009 THPS: expected 200-1300, got 199"),
        ({"impression": 12}, r"14\.003 IMP: expected the impression of a finger \(table 7\), got 12"),
        (
            {"data": b"GIF89a"},
            r"14\.999 DATA: expected a PNG image \(CGA is PNG\), got 6 bytes that begin 47494638: send",
        ),
        ({"data": b""}, r"14\.999 DATA: expected a PNG image .*got 0 bytes"),
    ],
)
def test_an_image_that_no_record_may_hold_cannot_be_made(change: dict[str, Any], message: str) -> None:
    with pytest.raises(agreed.FieldError, match=message):
        replace(ROLLED, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type_of_transaction": ""}, r"1\.004 TOT: expected CPS \(a search\) or SRE \(its result\), got 0 other"),
        ({"control_number": "x" * 256}, r"1\.009 TCN: expected 1-36 capital letters"),
        ({"control_reference": "a\x1cb"}, r"1\.010 TCR: expected 1-36 capital .*got 3 other"),
        ({"date": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)}, r"1\.005 DAT: expected a date without a time"),
        ({"made_at": dt.datetime(2026, 1, 1)}, r"1\.014 GMT: expected a time in UTC"),  # noqa: DTZ001 - the point
        ({"made_at": dt.datetime(2026, 1, 1, tzinfo=TOKYO)}, r"1\.014 GMT: expected a time in UTC"),
    ],
)  # fmt: skip
def test_a_transaction_that_no_record_may_hold_cannot_be_made(change: dict[str, Any], message: str) -> None:
    with pytest.raises(agreed.FieldError, match=message):
        replace(SEARCH, **change)


# --- hostile bytes


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """Valid bytes, cut, overwritten, with pieces repeated or taken out, rather near the separators."""
    data = bytearray(agreed.write(draw(st.sampled_from([SEARCH, RESULT]))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        piece = draw(
            st.sampled_from([b"", FS, GS, RS, US, b"0", b"9", b"-", b".", b":", b"\xff", b"14.999:", b"999999999"])
        )
        span = draw(st.sampled_from([0, 1, 2, 9, 40]))
        data[at : at + span] = piece + (bytes(data[at : at + span]) if draw(st.booleans()) else b"")
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@settings(max_examples=1_500, deadline=None, derandomize=True)
@given(mutations())
def test_damaged_bytes_are_refused_with_an_error_of_this_module_or_read(data: bytes) -> None:
    try:
        transaction = read(data)
    except agreed.NistError as error:
        message = str(error)
    else:
        message = ""
        assert read(agreed.write(transaction)) == transaction
    assert message.isascii()
    assert len(message) < 400


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(agreed.NistError):
        read(data)


def test_every_cut_of_a_transaction_is_refused() -> None:
    data = agreed.write(RESULT)
    for length in range(len(data)):
        with pytest.raises(agreed.NistError):
            read(data[:length])


def long_search(images: int) -> bytes:
    return agreed.write(replace(SEARCH, images=(PLAIN,) * images))


def many_fields(count: int) -> bytes:
    return with_lengths(b"1.001:@" + b"".join(b"\x1d1.%03d:" % n for n in range(2, count + 2)) + FS)


def many_separators(count: int) -> bytes:
    return with_lengths(b"1.001:@\x1d1.003:" + RS * 1_000 * count + FS)


def an_image_full_of_tags(count: int) -> bytes:
    return agreed.write(
        replace(SEARCH, images=(replace(PLAIN, data=png(20, 20, b"\x1d14.999:\x1c1" * 1_000 * count)),))
    )


def many_chunks(count: int) -> bytes:
    return agreed.write(replace(SEARCH, images=(replace(PLAIN, data=png(20, 20, *[b"x"] * 20 * count)),)))


def no_image_to_be_found(count: int) -> bytes:
    head = envelope(b"1\x1f2\x1e2\x1f00\x1e14\x1f01")
    return with_lengths(head, b"2.001:@\x1d2.002:00\x1c", b"14.001:@\x1d14.002:01" + b"\x1d14.99:" * 1_000 * count + FS)


@pytest.mark.parametrize(
    "hostile", [long_search, many_fields, many_separators, an_image_full_of_tags, many_chunks, no_image_to_be_found]
)
def test_twice_the_bytes_take_at_most_twice_the_calls(hostile: Callable[[int], bytes]) -> None:
    assert calls_to_read(hostile(20)) <= 2 * calls_to_read(hostile(10))


def calls_to_read(data: bytes) -> int:
    """Count the calls, of Python and of C functions, that reading takes: a measure of work that has no clock."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        read(data)
    except agreed.NistError:
        pass
    finally:
        sys.setprofile(before)
    return calls


# --- signatures of images


def encoded(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("L", (64, 48), 128).save(out, kind, **options)
    return out.getvalue()


def test_the_compression_is_told_by_the_first_bytes() -> None:
    assert headers.compression_of(encoded("PNG")) is Compression.PNG
    assert headers.compression_of(encoded("JPEG2000")) is Compression.JP2L
    assert headers.compression_of(encoded("JPEG2000", irreversible=True)) is Compression.JP2
    assert headers.compression_of(encoded("JPEG2000", irreversible=True, no_jp2=True)) is Compression.JP2
    assert headers.compression_of(encoded("JPEG2000", no_jp2=True)) is Compression.JP2L
    assert headers.compression_of(encoded("JPEG")) is Compression.NONE
    assert headers.compression_of(b"") is Compression.NONE


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.sampled_from([encoded("JPEG2000"), encoded("JPEG2000", no_jp2=True)]), st.integers(0, 300), st.binary(max_size=8)
)
def test_a_damaged_jpeg_2000_header_still_gets_an_answer(data: bytes, at: int, piece: bytes) -> None:
    assert headers.compression_of(data[:at] + piece) in set(Compression)


def test_the_reference_images_show_their_compression(shared_data: Path) -> None:
    for folder, allowed in (("wsq", {"WSQ20"}), ("jp2", {"JP2", "JP2L"})):
        files = sorted((shared_data / folder).glob(f"*.{folder}"))
        assert files
        assert {headers.compression_of(path.read_bytes()) for path in files} <= allowed
