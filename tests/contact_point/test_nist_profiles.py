"""The tables of fields, and in what a transaction differs from them: every rule, and every file that others wrote."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contact_point.nist import niem, profiles, traditional
from contact_point.nist.profiles import Finding, Severity, check, load, name_of, profile_for
from contact_point.nist.rules import NAMES, Item, Need
from contact_point.nist.transaction import Field, FieldError, Record, Transaction

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 60, 40
FILES = [
    "eft-viewer/nist-type-4-14-flats.eft",
    "jet/empty_image.eft",
    "jet/sample.eft",
    "jet/testEbts.eft",
    "libbiomeval/type9-13.an2k",
    "libbiomeval/type9-efs.an2k",
    "libbiomeval/type9.an2k",
    "mosip_xml/AllFields.xml",
    "nbis_an2k/All-Supported-Records-test-comp.xml",
    "nbis_an2k/valid1.1.an2",
    "nbis_an2k/valid1.10.an2",
    "nbis_an2k/valid1.11.an2",
    "nbis_an2k/valid1.13.an2",
    "nbis_an2k/valid1.14.an2",
    "nbis_an2k/valid1.15.an2",
    "nbis_an2k/valid1.16.an2",
    "nbis_an2k/valid1.2.an2",
    "nbis_an2k/valid1.4.an2",
    "nbis_an2k/valid1.5.an2",
    "nbis_an2k/valid1.6.an2",
    "nbis_an2k/valid1.7.an2",
    "nbis_an2k/valid1.8.an2",
    "nist-fingerprint/sample.eft",
    "nist_csr/rec01_rec02_rec16.nst.an2",
    "nist_csr/type-13-14-latent-match.an2",
    "nist_csr/type-13-tip-eji-wsq.an2",
    "nist_csr/type-14-amp-nqm-utf8.an2",
    "nist_csr/type-14-tpcard-nqm.an2",
    "nist_csr/type-3.an2",
    "nist_csr/type-4-14-slaps.an2",
    "nist_csr/type-4-slaps.an2",
    "nist_csr/type-4-tpcard.an2",
    "nist_csr/type-5.an2",
    "nist_csr/type-6.an2",
    "nist_csr/type-7-latent.an2",
    "nist_csr/type-8-sig-fax.an2",
    "nist_csr/type-8-sig-raw.an2",
    "nist_csr/type-9-13-9-14-m1.an2",
    "nist_csr/type-9-13-std.an2",
    "nist_csr/type-9-14-std.an2",
    "nist_csr/type-9-4-iafis.an2",
    "openebts/NISTFile.ebts",
    "openebts/NISTFile2.ebts",
]


def read(file: Path) -> Transaction:
    data = file.read_bytes()
    return niem.read(data) if file.suffix == ".xml" else traditional.read(data)


def png() -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((HEIGHT, WIDTH), 200, np.uint8)).save(file, "PNG")
    return file.getvalue()


PNG = png()
HEAD = {
    2: b"0502", 3: b"1\x1f2\x1e2\x1f00\x1e14\x1f01", 4: b"CPS", 5: b"20261122", 7: b"JP/NPA", 8: b"US/FBI", 9: b"7",
    11: b"19.69", 12: b"19.69",
}  # fmt: skip
PRINT = {
    2: b"01", 3: b"1", 4: b"US/FBI", 5: b"20261122", 6: b"60", 7: b"40", 8: b"1", 9: b"500", 10: b"500", 11: b"PNG",
    12: b"8", 13: b"2", 999: PNG,
}  # fmt: skip


def record(kind: int, fields: dict[int, bytes]) -> Record:
    return Record(kind, tuple(Field(*each) for each in fields.items()))


def sound(
    *, head: dict[int, bytes] | None = None, text: dict[int, bytes] | None = None, image: dict[int, bytes] | None = None
) -> Transaction:
    """Return a search with one print that keeps to the standard, with other fields put in."""
    records = (
        record(1, HEAD | (head or {})),
        record(2, {2: b"00"} | (text or {})),
        record(14, PRINT | (image or {})),
    )
    return Transaction(records)


def found(transaction: Transaction, name: str = "itl") -> list[tuple[int, int, str]]:
    return [(each.type, each.field, each.code) for each in check(transaction, load(name))]


# --- the tables


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_table_can_be_used(name: str) -> None:
    profile = load(name)
    for table in profile.records.values():
        assert table.name
        rules = [*table.fields.values(), *(rule for _, _, rule in table.ranges)]
        for rule in rules:
            assert rule.mnemonic
            assert rule.name
            for item in rule.items:
                assert item.kind in {"A", "N", "AN", "ANS", "NS", "H", "U", "B", "DATE", "TIME", "RATE"}, rule.name
                assert not item.codes or item.codes in profile.codes
                assert item.most is None or item.least <= item.most
        assert not [
            1 for first, last, _ in table.ranges if any(first <= number <= last for number in table.fields)
        ] or (name == "ebts")


@pytest.mark.parametrize("name", NAMES)
def test_the_codes_of_a_field_keep_to_its_lengths(name: str) -> None:
    profile = load(name)
    for kind, table in profile.records.items():
        for number, rule in table.fields.items():
            for item in (each for each in rule.items if each.codes):
                lengths = {len(code) for code in profile.codes[item.codes].meanings}
                assert max(lengths) <= (item.most or 99), (kind, number)


@pytest.mark.parametrize("name", ["ebts", "int_i"])
def test_what_a_type_of_transaction_must_have_is_a_field_of_the_domain(name: str) -> None:
    profile = load(name)
    assert profile.transactions
    for purpose in profile.transactions.values():
        assert purpose.name
        assert set(purpose.fields) <= profile.records[2].fields.keys()


def test_a_table_is_loaded_once_and_a_hyphen_is_an_underscore() -> None:
    assert load("itl") is load("itl")
    assert load("int-i").key == "int_i"


def test_a_table_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        FieldError, match=r"the profile: expected one of itl, int_i, ebts, got 'nist'; name one of them"
    ):
        load("nist")


@pytest.mark.parametrize(
    ("profile", "kind", "number", "expected"),
    [
        ("itl", 1, 9, ("TCN", "Transaction control number")),
        ("itl", 2, 18, ("UDF", "User-defined field")),
        ("ebts", 2, 18, ("NAM", "Name")),
        ("int_i", 2, 10, ("CRN", "Criminal reference number")),
        ("int_i", 2, 92, ("EXP", "Expiry date")),
        ("itl", 9, 12, ("MRC", "Minutiae and ridge count data")),
        ("itl", 9, 40, ("COGENT", "Cogent feature set")),
        ("itl", 9, 331, ("MIN", "EFS: minutiae")),
        ("ebts", 14, 13, ("FGP", "Friction ridge generalized position")),
        ("itl", 14, 199, ("", "")),
        ("itl", 97, 3, ("", "")),
        ("itl", 22, 0, ("-", "Content that was not taken apart")),
    ],
)
def test_a_field_has_its_name(profile: str, kind: int, number: int, expected: tuple[str, str]) -> None:
    assert name_of(load(profile), kind, number) == expected


def test_a_rule_says_what_the_standard_says() -> None:
    rule = load("itl").rule(14, 11)
    assert rule is not None
    assert rule.need is Need.WITH_IMAGE
    assert rule.items == (Item("AN", 3, 5, "compression"),)
    assert load("itl").codes["compression"].meanings.keys() == {"NONE", "WSQ20", "JPEGB", "JPEGL", "JP2", "JP2L", "PNG"}
    assert load("itl").number_of(14, "CGA") == 11
    assert load("itl").number_of(14, "NAM") is None


def test_an_older_edition_has_its_own_rules() -> None:
    rule = load("itl").rule(10, 9, "0400")
    assert rule is not None
    assert rule.mnemonic == "HPS"
    assert found(sound(head={2: b"0400"}, image={13: b"2\x1e3"})) == []
    assert found(sound(head={2: b"0500"}, image={13: b"2\x1e3"})) == [(14, 13, "occurrences")]


# --- which table


@pytest.mark.parametrize(
    ("domain", "purpose", "expected"),
    [
        (b"NORAM\x1f7.02", b"AMN", "ebts"),
        (b"EBTS-IRIS\x1f1.2", b"MAP", "ebts"),
        (b"INT-I\x1f4.22", b"CPS", "int_i"),
        (b"Interpol", b"CPS", "int_i"),
        (b"PCSC-JP-US\x1f1.0", b"CAR", "itl"),
        (None, b"CAR", "ebts"),
        (None, b"CPS", "itl"),
        (b"\xff\xfe", b"CAR", "itl"),
        (b"", b"", "itl"),
    ],
)
def test_the_domain_chooses_the_table_and_without_one_the_type_of_transaction(
    domain: bytes | None, purpose: bytes, expected: str
) -> None:
    fields = {4: purpose} | ({} if domain is None else {13: domain})
    assert profile_for(Transaction((record(1, fields),))).key == expected


def test_a_transaction_without_records_is_read_by_the_standard() -> None:
    assert profile_for(Transaction(())).key == "itl"
    assert check(Transaction(()), load("ebts")) == ()


# --- each rule


def test_a_sound_transaction_has_no_findings() -> None:
    assert check(sound(), load("itl")) == ()


@pytest.mark.parametrize(
    ("image", "expected", "text"),
    [
        ({4: b""}, (4, "missing", Severity.ERROR), "14.004 SRC: expected a value, the field is mandatory"),
        ({11: b"WSQ"}, (11, "code", Severity.ERROR), "14.011 CGA: expected a code of its table (Table 15): NONE, WSQ20"),
        ({11: b"WSQ"}, (11, "code", Severity.ERROR), "got 'WSQ'; use a code of the table"),
        ({13: b"93"}, (13, "code", Severity.ERROR), "expected a code of its table (Table 8): 0, 1, 2,"),
        ({13: b"x"}, (13, "characters", Severity.ERROR), "expected digits, got something else (1 characters)"),
        ({5: b"20261322"}, (5, "date", Severity.ERROR), "14.005 FCD: expected a date YYYYMMDD, got '20261322'"),
        ({5: b"22.11.2026"}, (5, "date", Severity.ERROR), "expected a date YYYYMMDD"),
        ({6: b"0000060"}, (6, "length", Severity.WARNING), "14.006 HLL: expected 2-5 characters, got 7"),
        ({13: b"2\x1e3"}, (13, "occurrences", Severity.WARNING), "expected 1 of its subfields, got 2"),
        ({13: b"2\x1f3"}, (13, "items", Severity.ERROR), "expected 1 items in a subfield, got 2"),
        ({199: b"1"}, (199, "unknown-field", Severity.WARNING), "14.199: expected a field that ANSI/NIST-ITL 1-2011"),
        ({9: b"197", 10: b"197"}, (9, "resolution", Severity.WARNING), "expected 500 or 1000 pixels per inch"),
        ({8: b"2"}, (9, "resolution", Severity.WARNING), "got 1270 by SLC 2; state the resolution of the image"),
        ({10: b"480"}, (9, "resolution", Severity.WARNING), "expected as many pixels across as down with a scale (SLC 1)"),
        ({6: b"61"}, (6, "image-size", Severity.ERROR), "the size of the image, 60 x 40 by its own header, got 61 x 40"),
        ({11: b"JP2"}, (999, "image-compression", Severity.ERROR), "a JP2 image, as 14.011 CGA says, got bytes of PNG"),
        ({11: b"NONE"}, (999, "image-compression", Severity.ERROR), "expected pixels, as no compression is named, got"),
        ({11: b"NONE", 999: b"abc"}, (999, "image-bytes", Severity.ERROR), "2400 bytes, 60 x 40 pixels of 8 bits, got 3"),
        ({999: b""}, (999, "image-empty", Severity.ERROR), "14.999 DATA: expected an image, got no bytes"),
        ({18: b"2\x1fXY"}, (18, "code", Severity.ERROR), "a code of its table (Table 85): XX, UP, SR; got 'XY'"),
        ({21: b"2\x1f1\x1f2\x1f3"}, (21, "items", Severity.ERROR), "14.021 SEG: expected 5 items in a subfield, got 4"),
        ({902: b"x\x1fa\x1fb\x1fc"}, (902, "date", Severity.ERROR), "14.902 ANN: expected a time YYYYMMDDHHMMSSZ in UTC"),
    ],
)  # fmt: skip
def test_a_field_that_differs_from_its_rule_is_found(
    image: dict[int, bytes], expected: tuple[int, str, Severity], text: str
) -> None:
    findings = check(sound(image=image), load("itl"))
    assert [(each.field, each.code, each.severity) for each in findings] == [expected]
    assert findings[0].text.startswith(f"record 3 (Type-14) 14.{expected[0]:03}")
    assert text in findings[0].text


@pytest.mark.parametrize(
    ("head", "code", "text"),
    [
        ({2: b"0600"}, "code", "1.002 VER: expected a code of its table (field 1.002): 0200, 0201"),
        ({11: b"640"}, "characters", "1.011 NSR: expected pixels per millimetre as NN.NN, got '640'"),
        ({14: b"20261122250000Z"}, "date", "1.014 GMT: expected a time YYYYMMDDHHMMSSZ in UTC, got '20261122250000Z'"),
        ({14: b"20261122"}, "date", "1.014 GMT: expected a time YYYYMMDDHHMMSSZ in UTC"),
        ({6: b"0"}, "code", "1.006 PRY: expected a code of its table"),
        ({9: b""}, "missing", "1.009 TCN: expected a value, the field is mandatory"),
        (
            {7: "京都".encode()},
            "characters",
            "1.007 DAI: expected printable ASCII characters, got something else (6 char",
        ),
    ],
)
def test_a_field_of_type_1_that_differs_from_its_rule_is_found(head: dict[int, bytes], code: str, text: str) -> None:
    (finding,) = check(sound(head=head), load("itl"))
    assert finding.code == code
    assert text in finding.text


@pytest.mark.parametrize("day", [b"20261100", b"20260000", b"00000000", b"20240229"])
def test_a_date_may_leave_out_what_is_not_known(day: bytes) -> None:
    assert found(sound(image={5: day})) == []


@pytest.mark.parametrize("day", [b"20260031", b"20230229", b"2026112", b"2026-1-1"])
def test_a_day_that_is_none_is_found(day: bytes) -> None:
    assert (14, 5, "date") in found(sound(image={5: day}))


def test_fields_of_an_image_stand_with_an_image_only() -> None:
    without = {number: value for number, value in PRINT.items() if number != 999}
    transaction = Transaction((record(1, HEAD), record(14, without)))
    assert set(found(transaction)) == {(14, number, "without-image") for number in (3, 6, 7, 8, 9, 10, 11, 12)}
    (first, *_) = check(transaction, load("itl"))
    assert "14.003 IMP: expected none, the record has no image" in first.text
    external = Transaction((record(1, HEAD), record(14, without | {994: b"prints/1.png"})))
    assert found(external) == []


def test_an_image_without_its_fields_misses_them() -> None:
    few = {number: PRINT[number] for number in (2, 4, 5, 13, 999)}
    assert [each for each in found(Transaction((record(1, HEAD), record(14, few)))) if each[2] == "missing"] == [
        (14, number, "missing") for number in (3, 6, 7, 8, 9, 10, 11, 12)
    ]


def test_two_images_with_one_designation_are_found() -> None:
    twice = Transaction(
        (record(1, HEAD), record(14, PRINT), record(14, PRINT), record(9, {2: b"01", 3: b"1", 4: b"U"}))
    )
    (finding,) = check(twice, load("itl"))
    assert (finding.record, finding.field, finding.code) == (3, 2, "designation-repeated")
    assert "expected another IDC than that of a Type-14 record before it, got 01 again (section 7.3.1)" in finding.text


def test_a_record_of_fixed_layout_is_checked_as_the_others() -> None:
    fields = {2: b"1", 3: b"1", 4: b"2" + b"\x1e255" * 5, 5: b"0", 6: b"60", 7: b"40", 8: b"0", 9: bytes(2400)}
    assert found(Transaction((record(1, HEAD), record(4, fields)))) == []
    assert found(Transaction((record(1, HEAD), record(4, fields | {8: b"1"})))) == [(4, 9, "image-compression")]
    assert found(Transaction((record(1, HEAD), record(6, fields)))) == [(6, 9, "image-bytes")]
    assert found(Transaction((record(1, HEAD), record(6, fields | {9: bytes(320)})))) == []


def test_a_lossless_jpeg_2000_may_be_called_a_jpeg_2000() -> None:
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((HEIGHT, WIDTH), 200, np.uint8)).save(file, "JPEG2000", irreversible=False)
    assert found(sound(image={11: b"JP2", 999: file.getvalue()})) == []
    file = io.BytesIO()
    PIL.Image.fromarray(np.full((HEIGHT, WIDTH), 200, np.uint8)).save(file, "JPEG2000", irreversible=True)
    assert found(sound(image={11: b"JP2L", 999: file.getvalue()})) == [(14, 999, "image-compression")]


def test_a_record_type_that_is_not_known_and_one_kept_whole() -> None:
    transaction = Transaction((record(1, HEAD), record(77, {2: b"1"}), record(22, {0: b"<x/>"})))
    (finding,) = check(transaction, load("itl"))
    assert finding.code == "unknown-record"
    assert "expected a record type that ANSI/NIST-ITL 1-2011 Update 2015 has, got Type-77; leave it out" in finding.text


# --- the domains


def test_interpol_asks_for_priority_domain_and_time_and_its_type_2_is_open() -> None:
    assert found(sound(), "int_i") == [(1, 6, "missing"), (1, 13, "missing"), (1, 14, "missing")]
    head = {6: b"4", 13: b"INT-I\x1f4.22", 14: b"20261122120000Z"}
    assert found(sound(head=head, text={3: b"0422", 555: b"?"}), "int_i") == []
    assert found(sound(head=head, text={92: b"2026"}), "int_i") == [(2, 92, "date")]


def test_the_fbi_asks_of_each_type_of_transaction_its_fields() -> None:
    head = {4: b"CAR", 7: b"WVFBI0000", 8: b"JPNPA0000", 9: b"0123456789"}
    findings = check(sound(head=head), load("ebts"))
    assert {(each.field, each.code) for each in findings} == {
        (number, "missing-for-purpose") for number in (5, 18, 20, 22, 24, 25, 27, 29, 31, 32, 45, 47, 73)
    }
    text = "record 2 (Type-2) 2.018 NAM: expected a value, mandatory for Criminal tenprint, answer required (FBI EBTS)"
    assert any(each.text.startswith(text) for each in findings)
    test = check(sound(head=head | {4: b"CART"}), load("ebts"))
    assert len(test) == len(findings)


def test_a_type_of_transaction_that_the_domain_has_not_is_found() -> None:
    head = {6: b"4", 13: b"INT-I", 14: b"20261122120000Z", 4: b"CAR"}
    (finding,) = check(sound(head=head), load("int_i"))
    assert finding.code == "transaction-type"
    assert "1.004 TOT: expected a type of transaction that INTERPOL INT-I has, got another" in finding.text


def test_a_transaction_of_the_fbi_without_type_2_is_found() -> None:
    head = HEAD | {4: b"FIS", 7: b"WVFBI0000", 8: b"JPNPA0000", 9: b"0123456789"}
    (finding,) = check(Transaction((record(1, head), record(14, PRINT))), load("ebts"))
    assert "1.003 CNT: expected a Type-2 record, mandatory for Fingerprint image submission" in finding.text


# --- what is of a person, and what is hostile


PRIVATE = "MARMALADE"


@pytest.mark.parametrize("name", NAMES)
def test_no_finding_shows_a_value_of_type_2(name: str) -> None:
    fields = dict.fromkeys(range(2, 400), PRIVATE.encode())
    findings = check(sound(head={4: b"CAR"}, text=fields), load(name))
    assert findings
    assert not [each for each in findings if PRIVATE in each.text]


@given(st.sampled_from([1, 9, 10, 13, 14, 15, 16, 17, 19, 99]), st.integers(2, 999))
def test_no_finding_shows_a_name_wherever_it_stands(kind: int, number: int) -> None:
    transaction = Transaction((record(1, HEAD), record(kind, {number: PRIVATE.encode(), 2: b"01"})))
    for name in NAMES:
        assert not [each for each in check(transaction, load(name)) if PRIVATE in each.text]


@pytest.mark.parametrize("name", NAMES)
def test_all_of_type_2_is_private_and_the_technical_fields_are_not(name: str) -> None:
    profile = load(name)
    assert all(profile.is_private(2, number) for number in range(3, 3000))
    assert profile.is_private(14, 20)
    assert profile.is_private(14, 199)
    assert not profile.is_private(2, 2)
    assert not profile.is_private(14, 13)


VALUES = st.binary(max_size=40) | st.lists(
    st.sampled_from([b"1", b"255", b"20261122", b"WSQ20", b"\x1e", b"\x1f", b"\xff\xa0\xff\xa2"]), max_size=12
).map(b"".join)
RECORDS = st.builds(
    Record,
    st.integers(-1, 100),
    st.lists(st.builds(Field, st.integers(0, 1000) | st.just(999), VALUES), max_size=8).map(tuple),
)


@given(
    st.builds(
        Transaction,
        st.lists(RECORDS, max_size=5).map(tuple),
        st.sampled_from(["ascii", "utf-8", "latin-1", "utf-16", "idna", "hex", "nonsense", "\0"]),
    ),
    st.sampled_from(NAMES),
)
def test_nothing_is_raised_whatever_the_fields_hold(transaction: Transaction, name: str) -> None:
    assert profile_for(transaction).key in NAMES
    for finding in check(transaction, load(name)):
        assert isinstance(finding, Finding)
        assert 1 <= finding.record <= max(len(transaction.records), 1)
    for each in transaction.records:
        profiles.picture_of(load(name), each)


def test_each_field_has_one_finding_of_a_code_and_what_is_endless_is_left() -> None:
    many = b"\x1e".join([b"x"] * 50_000)
    assert found(sound(image={13: many})) == [(14, 13, "occurrences"), (14, 13, "characters")]
    endless = Transaction((record(1, HEAD), record(9, {2: b"01", 3: b"1", 4: b"U", 333: b"\x1e" * 400_000})))
    (finding,) = check(endless, load("itl"))
    assert finding.code == "too-many-items"
    assert "expected at most 300000 items to look at, got 400005 up to here; divide the transaction" in finding.text


# --- files that others wrote


@pytest.mark.parametrize("name", FILES)
def test_every_field_of_the_reference_files_has_a_name(shared_data: Path, name: str) -> None:
    transaction = read(shared_data / "ansi_nist" / name)
    profile = profile_for(transaction)
    for each in transaction.records:
        for field in each.fields:
            assert all(name_of(profile, each.type, field.number)), (each.type, field.number)


@pytest.mark.parametrize("name", FILES)
def test_every_reference_file_can_be_checked_with_every_table(shared_data: Path, name: str) -> None:
    transaction = read(shared_data / "ansi_nist" / name)
    private = {
        value
        for _, each in transaction.of_type(2)
        for field in each.fields
        if field.number > 2
        for value in field.value.decode("latin-1").replace("\x1f", "\x1e").split("\x1e")
        if len(value) > 4
    }
    for table in NAMES:
        for finding in check(transaction, load(table)):
            assert not [value for value in private if f"'{value}'" in finding.text]


def test_the_reference_files_of_nist_keep_to_the_standard_in_every_record_with_a_print(shared_data: Path) -> None:
    files = [name for name in FILES if name.startswith("nist_csr/type-")]
    assert len(files) == 17
    for name in files:
        findings = check(read(shared_data / "ansi_nist" / name), load("itl"))
        assert [each.text for each in findings if each.type > 2] == [], name


KNOWN: list[tuple[str, set[tuple[int, int, int, str]]]] = [
    ("nbis_an2k/valid1.8.an2", {(3, 14, 6, "image-size"), (4, 14, 6, "image-size"), (5, 14, 6, "image-size")}),
    ("nbis_an2k/valid1.11.an2", {(6, 14, 11, "code"), (7, 15, 13, "code"), (5, 13, 9, "resolution")}),
    ("nbis_an2k/valid1.2.an2", {(4, 6, 9, "image-bytes")}),
    ("nbis_an2k/valid1.6.an2", {(3, 13, 9, "resolution"), (3, 13, 999, "image-compression")}),
    ("jet/sample.eft", {(3, 4, 6, "image-size")}),
    ("jet/empty_image.eft", {(3, 10, 999, "image-empty"), (1, 1, 11, "missing"), (1, 1, 12, "missing")}),
    ("jet/testEbts.eft", {(3, 4, 9, "image-compression"), (5, 14, 4, "missing"), (5, 14, 11, "missing")}),
    ("nist-fingerprint/sample.eft", {(1, 1, 11, "characters"), (1, 1, 12, "characters")}),
    ("libbiomeval/type9-13.an2k", {(4, 13, 24, "length")}),
]


@pytest.mark.parametrize(("name", "expected"), KNOWN)
def test_the_known_defects_of_the_reference_files_are_found(
    shared_data: Path, name: str, expected: set[tuple[int, int, int, str]]
) -> None:
    transaction = read(shared_data / "ansi_nist" / name)
    findings = check(transaction, profile_for(transaction))
    assert expected <= {(each.record, each.type, each.field, each.code) for each in findings}


def test_what_a_header_claims_is_set_against_what_the_image_is(shared_data: Path) -> None:
    transaction = read(shared_data / "ansi_nist" / "jet" / "sample.eft")
    wrong = [each for each in check(transaction, profile_for(transaction)) if each.code == "image-size"]
    assert len(wrong) == 1
    assert "4.006 HLL: expected the size of the image, 368 x 368 by its own header, got 800 x 750" in wrong[0].text
    picture = profiles.picture_of(load("ebts"), transaction.records[2])
    assert picture is not None
    assert (picture.compression, picture.width, picture.height, picture.depth) == ("WSQ20", 800, 750, 8)


def test_a_transaction_written_from_what_was_read_has_the_same_findings(shared_data: Path) -> None:
    transaction = read(shared_data / "ansi_nist" / "nist_csr" / "type-14-tpcard-nqm.an2")
    again = traditional.read(traditional.write(transaction))
    assert check(again, load("ebts")) == check(replace(transaction, deviations=()), load("ebts"))


def test_the_names_of_the_files_are_all_of_them(shared_data: Path) -> None:
    folder = shared_data / "ansi_nist"
    there: set[Any] = {str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()}
    assert there == set(FILES)
