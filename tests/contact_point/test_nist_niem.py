"""XML transactions: both editions as fields of the traditional encoding, and documents that mean harm."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from contact_point.nist import minutiae, niem, traditional
from contact_point.nist.niem import read
from contact_point.nist.transaction import (
    MAX_BYTES,
    OPAQUE,
    Encoding,
    Field,
    FieldError,
    LimitError,
    MalformedError,
    NistError,
    Record,
    Transaction,
    UnsupportedError,
)

if TYPE_CHECKING:
    from pathlib import Path

ITL = "http://biometrics.nist.gov/standard/2011"
BIOM = "http://niem.gov/niem/biometrics/1.0"
NC = "http://niem.gov/niem/niem-core/2.0"
HEAD = """<itl:PackageInformationRecord><b:RecordCategoryCode>01</b:RecordCategoryCode><b:Transaction>
    <b:TransactionMajorVersionValue>05</b:TransactionMajorVersionValue>
    <b:TransactionMinorVersionValue>2</b:TransactionMinorVersionValue>
    <b:TransactionContentSummary>
        <b:ContentFirstRecordCategoryCode>01</b:ContentFirstRecordCategoryCode>
        <b:ContentRecordQuantity>1</b:ContentRecordQuantity>
        <b:ContentRecordSummary><b:ImageReferenceIdentification><nc:IdentificationID>1</nc:IdentificationID>
        </b:ImageReferenceIdentification><b:RecordCategoryCode>14</b:RecordCategoryCode></b:ContentRecordSummary>
    </b:TransactionContentSummary>
    </b:Transaction></itl:PackageInformationRecord>"""


TAKEN_AT = (
    "<b:ImageCaptureDetail><b:CaptureUTCDateTime><nc:DateTime>{}</nc:DateTime>"
    "</b:CaptureUTCDateTime></b:ImageCaptureDetail>"
)


def document(*records: str, head: str = HEAD, prologue: str = "", encoding: str = "UTF-8") -> str:
    """Return a document that holds the Type-1 record and these."""
    names = f'xmlns:itl="{ITL}" xmlns:b="{BIOM}" xmlns:nc="{NC}" xmlns:x="urn:example:own"'
    root = f"<itl:{niem._ROOT} {names}>{head}{''.join(records)}</itl:{niem._ROOT}>"  # the one name of it
    return f'<?xml version="1.0" encoding="{encoding}"?>{prologue}{root}'


def finger(inside: str = "", *, kind: int = 14, idc: str = "1") -> str:
    """Return a record of an image with these elements in its image."""
    designation = f"<b:ImageReferenceIdentification><nc:IdentificationID>{idc}</nc:IdentificationID>"
    return (
        f"<itl:PackageFingerprintImageRecord><b:RecordCategoryCode>{kind}</b:RecordCategoryCode>{designation}"
        f"</b:ImageReferenceIdentification><b:FingerImpressionImage>{inside}</b:FingerImpressionImage>"
        "</itl:PackageFingerprintImageRecord>"
    )


def shown(record: Record) -> dict[int, str]:
    """Return a record's text with | for RS and , for US."""
    return {
        each.number: each.value.decode("latin-1").replace("\x1e", "|").replace("\x1f", ",") for each in record.fields
    }


def codes(transaction: Transaction) -> list[tuple[int, str]]:
    """Return record and code of each deviation."""
    return [(each.record, each.code) for each in transaction.deviations]


def example(shared_data: Path, name: str) -> bytes:
    """Return one of the two reference documents."""
    return (shared_data / "ansi_nist" / name).read_bytes()


EDITION_2008 = "nbis_an2k/All-Supported-Records-test-comp.xml"
EDITION_2011 = "mosip_xml/AllFields.xml"


def test_every_record_of_the_edition_of_2008_is_read(shared_data: Path) -> None:
    transaction = read(example(shared_data, EDITION_2008))
    types = [1, 2, 3, 4, 5, 6, 7, 8, 8, 9, 9, 10, 10, 13, 13, 13, 14, 14, 14, 15, 16, 17, 99]
    assert [record.type for record in transaction.records] == types
    assert (transaction.encoding, transaction.charset) == (Encoding.XML, "ascii")
    assert codes(transaction) == [(place, "record-not-mapped") for place in (7, 8, 9, 12, 13, 21, 22, 23)]
    assert shown(transaction.records[0]) == {
        2: "0400",
        3: "1,22|2,00|3,01|4,02|5,03|6,04|7,05|8,06|8,06|9,07|9,07|10,08|10,08|13,09|13,09|13,09|14,10|14,11|14,12|15,13"
        "|16,14|17,15|99,16",
        4: "CAR",
        5: "20070706",
        6: "5",
        7: "WI013415Y",
        8: "WI013415Y",
        9: "56839",
        10: "29385",
        11: "19.69",
        12: "19.69",
        13: "NORAM,7.02",
        14: "20051105052500Z",
        15: "000,ASCII 7-bit English,000",
    }
    for place, grey in ((3, "0"), (4, "1"), (5, "1"), (6, "1")):
        header = shown(transaction.records[place - 1])
        assert header[4] == "2|3|255|255|255|255"
        assert [header[number] for number in (3, 5, 6, 7, 8)] == ["3", "1", "80", "65", grey]


def test_minutiae_of_the_edition_of_2008_are_those_of_the_traditional_fields(shared_data: Path) -> None:
    finger_, palm = (record for record in read(example(shared_data, EDITION_2008)).records if record.type == 9)
    assert shown(finger_) == {
        2: "07",
        3: "4",
        4: "S",
        5: "Universal Latent Workstation,E,AA",
        6: "5|6",
        7: "T,PW",
        8: "00350045|00380048",
        9: "01581948",
        10: "2",
        11: "1",
        12: "001,04862839048,1,B,002,06,008,03|001,48590473256,63,A,014,04",
    }
    assert shown(palm)[6] == "22"
    assert shown(palm)[12] == "001,0048602839048,1,B,002,06,008,03|001,0485900473256,63,A,014,04"
    (found,) = minutiae.read(finger_).sets
    assert (found.positions, found.template.position, len(found.template)) == ((5, 6), 0, 2)


def test_m1_minutiae_in_xml_are_those_of_the_traditional_record(shared_data: Path) -> None:
    path = shared_data / "ansi_nist" / "nist_csr" / "type-9-13-9-14-m1.an2"
    original = next(record for record in traditional.read(path.read_bytes()).records if record.type == 9)
    values = shown(original)
    image = (
        ("ImageHorizontalLineLengthPixelQuantity", 128), ("ImageHorizontalPixelDensityValue", 131),
        ("ImageScaleUnitsCode", 130),
        ("ImageVerticalLineLengthPixelQuantity", 129), ("ImageVerticalPixelDensityValue", 132), ("FingerPositionCode", 134),
    )  # fmt: skip
    leaves = "".join(f"<b:{name}>{values[number]}</b:{name}>" for name, number in image)
    minutia = (
        "<b:INCITSMinutia><b:MinutiaIdentification><nc:IdentificationID>{}</nc:IdentificationID></b:MinutiaIdentification>"
        "<b:INCITSMinutiaLocation><b:PositionHorizontalCoordinateValue>{}</b:PositionHorizontalCoordinateValue>"
        "<b:PositionVerticalCoordinateValue>{}</b:PositionVerticalCoordinateValue><b:ImageLocationThetaAngleMeasure>{}"
        "</b:ImageLocationThetaAngleMeasure></b:INCITSMinutiaLocation><b:INCITSMinutiaCategoryCode>{}"
        "</b:INCITSMinutiaCategoryCode><b:MinutiaQualityValue>{}</b:MinutiaQualityValue></b:INCITSMinutia>"
    )
    rows = "".join(minutia.format(*row.split(",")) for row in values[137].split("|"))
    record = (
        "<itl:PackageMinutiaeRecord><b:RecordCategoryCode>9</b:RecordCategoryCode><b:INCITSMinutiae>"
        f"<b:FingerImpressionImage>{leaves}</b:FingerImpressionImage>{rows}</b:INCITSMinutiae>"
        "</itl:PackageMinutiaeRecord>"
    )
    older = (
        record.replace("<b:INCITSMinutiaLocation>", "").replace("</b:INCITSMinutiaLocation>", "")
        .replace("ImageLocationTheta", "PositionTheta").replace("FingerImpressionImage", "NISTImage")
        .replace("b:INCITSMinutiae>", "m:Minutiae>").replace("b:INCITSMinutia>", "m:MinutiaDetail>")
    )  # fmt: skip
    (expected,) = minutiae.read(original).sets
    for xml in (
        record,
        older.replace("<m:Minutiae>", "<m:Minutiae xmlns:m='http://niem.gov/niem/ansi-nist_incits/2.0'>"),
    ):
        mapped = read(document(xml).encode()).records[1]
        assert {number: shown(mapped)[number] for number in (*range(128, 133), 134, 137)} == {
            number: values[number] for number in (*range(128, 133), 134, 137)
        }
        (found,) = minutiae.read(mapped).sets
        assert (found.template.x == expected.template.x).all()
        assert (found.template.direction == expected.template.direction).all()


def test_images_of_the_edition_of_2008_have_their_fields(shared_data: Path) -> None:
    transaction = read(example(shared_data, EDITION_2008))
    images = [record for record in transaction.records if record.type in {13, 14, 15}]
    for image in images:
        data = image.get(999)
        assert data is not None
        assert (len(data), data[:4].hex()) == (114, "9ab1db3d")
    common = {4: "WI013415Y", 5: "19530423", 6: "80", 7: "65", 8: "1", 9: "1200", 10: "1200", 11: "JPEGB", 12: "8"}
    for image in images:
        assert common.items() <= shown(image).items()
    latent, palm_latent, joint, finger_, slap, major, palm = map(shown, images)
    assert (latent[3], latent[13], latent[24]) == ("4", "4|5", "4,100,FFF0,28495")
    assert (palm_latent[3], palm_latent[13], palm_latent[24]) == ("12", "29|23", "29,100,FFF0,28495")
    assert (joint[14], joint[15]) == ("8,EJI", "FV1,DST,115,188,55,85|FV1,MED,115,188,92,126")
    assert (finger_[13], finger_[22], finger_[30], finger_[20]) == ("8", "8,1", "ASSISTED", "Comment")
    assert (slap[18], slap[21]) == ("10,XX|9,XX", "8,100,150,15,85|7,160,200,15,85")
    assert slap[23] == "8,100,FFF0,28495|7,100,FFF0,28495"
    assert slap[25] == "8,4,100,15,150,15,150,85,100,85|7,4,160,15,200,15,200,85,160,85"
    assert major[14] == "8,EJI"
    assert (palm[2], palm[13], palm[24]) == ("13", "28", "28,100,FFF0,28495")


def test_every_record_of_the_edition_of_2011_is_read(shared_data: Path) -> None:
    transaction = read(example(shared_data, EDITION_2011))
    types = [1, 2, 4, 7, 8, 9, 9, 9, 10, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 20, 20, 21, 21, 22, 98, 99]
    assert [record.type for record in transaction.records] == types
    opaque = [place for place, record in enumerate(transaction.records, 1) if record.get(OPAQUE) is not None]
    assert opaque == [place for place, kind in enumerate(types, 1) if kind not in {1, 2, 4, 9, 13, 14, 15}]
    others = [(place, code) for place, code in codes(transaction) if code != "record-not-mapped"]
    assert others == [(1, "content-count"), (1, "record-unlisted"), (8, "not-mapped"), (13, "not-mapped")]
    assert [each.text for each in transaction.deviations if each.code == "not-mapped"] == [
        "Elements or attributes have no field here and were left out. Here: 1, FrictionRidgeSkeletonizedImageBinaryObject.",
        "Elements or attributes have no field here and were left out. Here: 1, StandardFingerprintFormNumberText.",
    ]
    head = shown(transaction.records[0])
    assert (head[2], head[3], head[5]) == ("0501", "1,2|2,00", "20070101")
    assert (head[13], head[16], head[18]) == ("NORAM,EBTS 10.0", "DoD,EBTS,3.0", "ISO")
    assert shown(transaction.records[1]) == {2: "00"}
    assert shown(transaction.records[2])[4] == "2|255|255|255|255|255"


def test_images_of_the_edition_of_2011_have_their_fields(shared_data: Path) -> None:
    transaction = read(example(shared_data, EDITION_2011))
    latent, finger_, palm = (shown(record) for record in transaction.records if record.type in {13, 14, 15})
    assert (latent[2], latent[3], latent[4], latent[5], latent[13]) == ("22", "7", "45", "20011204", "36")
    assert (latent[19], latent[24], latent[46]) == ("RULER,23,IN,12,55,45,65", "15,45,55,55", "X,1,1")
    assert (latent[902], latent[903], latent[995], latent[997]) == ("20111114121212Z", "M4", "12,12", "23,324")
    assert latent[996].startswith("5108B86727517A02D8A28AEC62E67E05")
    assert latent[998] == "20141214121212Z,13,56,47,58,22,12,456,AIRY,55,56,12"
    assert (finger_[18], finger_[26], finger_[30], finger_[31]) == ("5,UP", "333", "ASSISTED", "50")
    assert 27 not in finger_  # the image is not stitched
    assert (palm[18], palm[21], palm[24]) == ("33,UP", "24,55,45,41,12", "33,77,22,22")


def test_minutiae_of_the_edition_of_2011_have_their_fields(shared_data: Path) -> None:
    legacy, annotated, full = (
        record for record in read(example(shared_data, EDITION_2011)).records if record.type == 9
    )
    assert shown(legacy)[12] == "001,12551002048,1,A,001,12"
    assert shown(annotated)[901] == "ULW Annotation A|ULW Annotation B"
    values = shown(full)
    efs = [300, 301, 302, 303, *range(307, 318), *range(320, 325), *range(331, 334), 335, *range(340, 344), 345, 350]
    efs += [*range(352, 358), *range(360, 364), 373, 380, 381]
    assert sorted(values) == [*range(2, 13), *range(126, 142), *efs, 901, 902, 903]
    assert [values[number] for number in range(126, 142)] == [
        "0027,513,RG88", "APPF,SCANR88", "2", "5", "0", "4", "6", "4", "5", "6,FFF0,a", "5", "a,45,89,234,1,2",
        "0,0,0|s,345,5", "45,56,179", "45,89,26", "56,88",
    ]  # fmt: skip
    assert (values[300], values[302]) == ("2540,2540,4,2,12,45-12,45-12,45", "5,UNK,T,12,45-12,45-12,45")
    assert (values[320], values[321]) == ("23,56,1,2,2", "123,345,34,45,23,I00,12,33,34,56")
    assert (values[331], values[333], values[335]) == ("123,55,248,B,56,22", "22,34,33,0,0", "33,22,22,55,A,22")
    assert values[350] == "9.340,9.341,9.343,MAN,444,456,,,ABC,20141211121212Z"
    assert (values[353], values[373]) == ("VALUE,,,SDF,20141212045555Z,,COMPLEX", "55,92-55,92")
    (found,) = minutiae.read(full, image_size=minutiae.ImageSize(500, 500, 500)).sets[1:]
    assert found.kind is minutiae.Kind.EFS
    assert found.template.position == 5


def test_what_was_mapped_is_written_in_the_traditional_encoding_and_read_again(shared_data: Path) -> None:
    for name in (EDITION_2008, EDITION_2011):
        transaction = read(example(shared_data, name))
        mapped = tuple(record for record in transaction.records if record.get(OPAQUE) is None)
        again = traditional.read(traditional.write(Transaction(mapped, transaction.charset)))
        assert len(again.records) == len(mapped)
        for old, new in zip(mapped[1:], again.records[1:], strict=True):
            assert (new.type, {field.number: field.value for field in new.fields}) == (
                old.type,
                {field.number: field.value for field in old.fields},
            )


def test_a_record_of_another_type_is_kept_as_its_own_xml(shared_data: Path) -> None:
    data = example(shared_data, EDITION_2008)
    for record in read(data).records:
        xml = record.get(OPAQUE)
        if xml is not None:
            assert xml in data
            assert re.fullmatch(rb"<itl:(Package\w+Record)>.*</itl:\1>", xml, re.DOTALL)
            assert b"<ansi-nist:RecordCategoryCode>%02d<" % record.type in xml


def test_prefixes_and_versions_of_namespaces_do_not_matter() -> None:
    plain = document(finger("<b:ImageCommentText>seen</b:ImageCommentText>"))
    expected = read(plain.encode())
    assert shown(expected.records[1]) == {2: "01", 20: "seen"}
    assert expected.deviations == ()
    other = (
        plain.replace("b:", "q:")
        .replace(":b=", ":q=")
        .replace("itl:", "p.")
        .replace(":itl=", ":p=")
        .replace("p.", "p:")
    )
    assert read(other.encode()) == expected
    for new in ("http://release.niem.gov/niem/domains/biometrics/3.0/", "http://niem.gov/niem/ansi-nist/2.0"):
        assert read(plain.replace(BIOM, new).encode()) == expected
    edition = plain.replace(ITL, "http://biometrics.nist.gov/standard/2-2008").replace(
        "FingerImpression", "Fingerprint"
    )
    assert read(edition.encode()) == expected


def test_every_codec_is_loaded_with_the_module_for_the_jail_opens_no_files() -> None:
    code = "import sys, contact_point.nist.niem; print({'encodings.utf_16_le', 'encodings.utf_16_be'} <= sys.modules.keys())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "True\n"


def test_any_encoding_of_unicode_gives_the_same_transaction() -> None:
    text = document(finger("<b:ImageCommentText>指紋　右\n      示指</b:ImageCommentText>"), encoding="{}")
    expected = read(text.format("utf-8").encode())
    assert expected.charset == "utf-8"
    assert expected.records[1].get(20) == "指紋　右 示指".encode()
    assert read(b"\xef\xbb\xbf" + text.format("UTF-8").encode()) == expected
    for codec in ("utf-16", "utf-16-le", "utf-16-be"):
        assert read(text.format("UTF-16").encode(codec)) == expected
    latin = document(finger("<b:ImageCommentText>Zür</b:ImageCommentText>"), encoding="ISO-8859-1").encode("latin-1")
    assert read(latin).records[1].get(20) == "Zür".encode()


def test_what_has_no_field_is_named_and_its_value_is_not_shown() -> None:
    inside = "<b:NewElement at='1'>secret</b:NewElement><x:ImageCommentText>secret</x:ImageCommentText>"
    transaction = read(document(finger(inside)).replace("<b:Transaction>", "<b:Transaction b:ref='secret'>").encode())
    assert codes(transaction) == [(1, "not-mapped"), (2, "not-mapped")]
    assert [each.text.partition("Here: ")[2] for each in transaction.deviations] == [
        "1, @ref.",
        "3, @at, NewElement, ImageCommentText.",
    ]
    many = "".join(f"<b:E{number}>secret</b:E{number}>" for number in range(40)) + f"<b:{'指' * 9}>x</b:{'指' * 9}>"
    text = read(document(finger(many)).encode()).deviations[0].text
    assert text.endswith("Here: 41, E0, E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, E11 and others.")
    odd = read(document(finger("<b:指>x</b:指>")).encode()).deviations[0].text
    assert odd.endswith("Here: 1, a name of other characters.")
    assert "secret" not in text


def test_names_and_text_in_type_1_may_be_non_ascii_and_are_named() -> None:
    outer = "b:TransactionDestinationOrganization"
    name = f"<{outer}><nc:OrganizationName>警察庁</nc:OrganizationName></{outer}>"
    transaction = read(
        document(finger(), head=HEAD.replace("<b:TransactionMajor", name + "<b:TransactionMajor")).encode()
    )
    assert transaction.records[0].get(17) == "警察庁".encode()
    assert codes(transaction) == [(1, "type-1-not-ascii")]


@pytest.mark.parametrize(
    ("element", "field", "value"),
    [
        ("<b:FingerprintImageStitchedIndicator> true </b:FingerprintImageStitchedIndicator>", 27, b"Y"),
        ("<b:ImageCommentText>a<![CDATA[<&>]]>b &#169;</b:ImageCommentText>", 20, "a<&>b ©".encode()),
        ("<nc:BinaryBase64Object>\n  AAEC\n  Aw==\n</nc:BinaryBase64Object>", 999, b"\x00\x01\x02\x03"),
        (
            "<b:ImageCaptureDetail><b:CaptureDate><nc:Date>2024-02-29+09:00</nc:Date></b:CaptureDate></b:ImageCaptureDetail>",
            5,
            b"20240229",
        ),
        (
            TAKEN_AT.format("2024-03-01T08:00:00.5+09:00"),
            998,
            b"20240229230000Z",
        ),
        ("<b:ImageCommentText></b:ImageCommentText>", 20, None),
        ("<b:FingerprintImageStitchedIndicator>0</b:FingerprintImageStitchedIndicator>", 27, None),
    ],
)
def test_values_are_brought_to_the_form_of_their_field(element: str, field: int, value: bytes | None) -> None:
    transaction = read(document(finger(element)).encode())
    assert transaction.records[1].get(field) == value
    assert transaction.deviations == ()


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (
            "<nc:BinaryBase64Object>AAE!</nc:BinaryBase64Object>",
            "record 2 (Type-14), 14.999, FingerprintImage/BinaryBase64Object: expected an image in base64 (RFC 4648,",
        ),
        (
            "<nc:BinaryBase64Object>AAE</nc:BinaryBase64Object>",
            "base64 (RFC 4648, section 4), got something else: correct the",
        ),
        ("<nc:BinaryBase64Object>AA==AAAA</nc:BinaryBase64Object>", "expected an image in base64"),
        ("<nc:BinaryBase64Object>指紋右手</nc:BinaryBase64Object>", "expected an image in base64"),
        (
            "<b:ImageCaptureDetail><b:CaptureDate><nc:Date>2023-02-29</nc:Date></b:CaptureDate></b:ImageCaptureDetail>",
            "14.005, FingerprintImage/ImageCaptureDetail/CaptureDate: expected a date YYYY-MM-DD, got something else",
        ),
        (
            TAKEN_AT.format("0001-01-01T00:00:00+09:00"),
            "14.998, FingerprintImage/ImageCaptureDetail: expected a time YYYY-MM-DDThh:mm:ssZ, got something else",
        ),
        (
            "<b:FingerprintImageStitchedIndicator>yes</b:FingerprintImageStitchedIndicator>",
            "14.027, FingerprintImage/FingerprintImageStitchedIndicator: expected true or false, got something else",
        ),
        (
            "<b:ImageCommentText>a</b:ImageCommentText><b:ImageCommentText>b</b:ImageCommentText>",
            "14.020, FingerprintImage/ImageCommentText: expected the element once, got it again: send one value",
        ),
    ],
)
def test_values_that_a_field_cannot_hold_are_refused(element: str, message: str) -> None:
    with pytest.raises(FieldError, match=re.escape(message)):
        read(document(finger(element)).encode())


@pytest.mark.parametrize(
    "prologue",
    [
        "<!DOCTYPE x>",
        '<!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
        '<!DOCTYPE x SYSTEM "http://localhost:1/x.dtd">',
        '<!DOCTYPE x [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY % all SYSTEM "file:///etc/passwd"> %all;]>',
        '<!DOCTYPE x [<!ATTLIST x y CDATA "z">]>',
    ],
)
def test_a_document_type_declaration_is_refused_whatever_it_declares(prologue: str) -> None:
    data = document(finger("<b:ImageCommentText>&file;&b;</b:ImageCommentText>"), prologue=prologue).encode()
    message = (
        "the document: expected no document type declaration, which could define entities (ANSI/NIST-ITL 1-2011, Annex C, uses "
        "schemas), got one: leave it out"
    )
    for encoded in (data, data.decode().encode("utf-16")):
        with pytest.raises(UnsupportedError, match=re.escape(message)):
            read(encoded)


def test_an_entity_that_nobody_defined_is_no_text() -> None:
    with pytest.raises(
        MalformedError, match=r"expected well-formed XML, got undefined entity in line 1\d: send all of it"
    ):
        read(document(finger("<b:ImageCommentText>&file;</b:ImageCommentText>")).encode())


def test_depth_elements_attributes_records_and_bytes_are_limited() -> None:
    assert read(document(finger("<b:a>" * 61 + "x" + "</b:a>" * 61)).encode()).deviations[0].code == "not-mapped"
    attributes = " ".join(f'a{number}="1"' for number in range(33))
    for inside, got in (
        ("<b:a>" * 62 + "</b:a>" * 62, "in level 65 with 0"),
        ("<b:a/>" * 100_000, "100001 in level 4 with 0"),
        (f"<b:a {attributes}/>", "in level 4 with 33"),
    ):
        with pytest.raises(LimitError, match=rf"at most 100000 elements in 64 levels, 32 attributes each, got .*{got}"):
            read(document(finger(inside)).encode())
    with pytest.raises(
        LimitError, match="the transaction: expected at most 64 records, got 65: divide the transaction"
    ):
        read(document(*[finger()] * 64).encode())
    with pytest.raises(LimitError, match="the transaction: expected at most 10000000 bytes, got 10000001: divide the"):
        read(b" " * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", MalformedError, "expected well-formed XML, got no element found in line 1"),
        (b"<a", MalformedError, "expected well-formed XML, got unclosed token in line 1"),
        (b"<a/>", UnsupportedError, "expected the root element NISTBiometricInformationExchangePackage of http://bio"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a/>', UnsupportedError, "ISO-8859-1, got UTF-7: use UTF-8"),
        (b'<?xml version="1.0" encoding="zlib"?><a/>', UnsupportedError, "ISO-8859-1, got zlib: use UTF-8"),
        (b"<a>\xff</a>", MalformedError, "expected utf-8 text, got other bytes at byte 3: declare its encoding"),
        (b"\xff\xfe<\x00a\x00\x00", MalformedError, "expected utf-16 text, got other bytes at byte 6"),
        (b"\xff\xfe\x00\x00<\x00\x00\x00", MalformedError, "expected well-formed XML"),
        (document(head="").encode(), MalformedError, "expected a Type-1 record first (section 8.1), got no records"),
        (
            document(finger(), head="").encode(),
            MalformedError,
            "record 1: expected Type-1 first (section 8.1), got Type-14",
        ),
        (document(HEAD).encode(), MalformedError, "record 2: expected one Type-1 record (section 8.1), got Type-1"),
        (
            document("<itl:X/>").encode(),
            FieldError,
            "record 2: expected RecordCategoryCode, a number of 1 to 99, got none",
        ),
        (
            document(finger(kind=0)).encode(),
            FieldError,
            "a number of 1 to 99, got something else: state the record's type",
        ),
        (document(finger(kind=100)).encode(), FieldError, "a number of 1 to 99, got something else"),
    ],
)
def test_a_document_of_another_kind_is_refused(data: bytes, error: type[NistError], message: str) -> None:
    with pytest.raises(error, match=re.escape(message)):
        read(data)


def test_a_document_cut_anywhere_is_refused(shared_data: Path) -> None:
    data = example(shared_data, EDITION_2008)
    for end in range(0, len(data.rstrip()), 997):
        with pytest.raises(NistError):
            read(data[:end])


def test_damage_anywhere_gives_a_transaction_or_a_refusal(shared_data: Path) -> None:
    random_ = random.Random(14)  # noqa: S311  # repeatable damage, no secret
    outcomes: dict[str, int] = {}
    sources = (
        example(shared_data, EDITION_2008),
        document(finger("<b:ImageCommentText>x</b:ImageCommentText>")).encode(),
    )
    pieces = [
        b"<",
        b"&",
        b"\x00",
        b"\xff",
        b"<!--",
        b"&#xFFFE;",
        *[b"", b"1", b" ", b"x", b"\n", b"<?x?>", b"\xc3\xbc", b'"'] * 3,
    ]
    for _ in range(300):
        data = bytearray(random_.choice(sources))
        for _ in range(random_.randrange(1, 3)):
            at = random_.randrange(len(data))
            data[at : at + random_.randrange(3)] = random_.choice(pieces)
        try:
            outcome = read(bytes(data)).encoding.name
        except NistError as error:
            outcome = type(error).__name__
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert set(outcomes) == {"XML", "MalformedError", "UnsupportedError", "FieldError"}
    assert outcomes["XML"] > 30


def test_long_names_in_deep_places_cost_no_more_than_their_bytes() -> None:
    name = "n" * 30_000
    deep = f"<b:{name}>" * 60 + "<b:a/>" * 20_000 + f"</b:{name}>" * 60
    transaction = read(document(finger(deep)).encode())
    assert transaction.records[1].fields == (Field(2, b"01"),)


def test_a_namespace_of_a_long_name_is_refused_before_it_is_copied_for_each_element() -> None:
    document = b'<a xmlns="' + b"x" * 257 + b'">' + b"<b/>" * 1000 + b"</a>"
    with pytest.raises(
        LimitError, match="expected namespaces of at most 256 characters, got 257: name them as the standard"
    ):
        niem.read(document)
