"""Reports signed inside, beside `pcsc-verify`, which reads them from the formats alone."""

from __future__ import annotations

import io
import random
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from pypdf import PdfReader

from contact_point import cms, verify
from contact_point.documents import DocumentError, setting, signing
from contact_point.documents.parts import Document, Paragraphs
from contact_point.keys import SigningKey
from contact_point.keys.signing import Algorithm
from pcsc.traces.terms import Term

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 23, 4, 5, 6, tzinfo=UTC)
URI = "urn:pcsc:ncp:jp"


@pytest.fixture(scope="module")
def pdf() -> bytes:
    said = Paragraphs(Term("Said", "記載"), ("a report",))
    return setting.pdf(Document(Term("A report", "報告"), "JP-1", date(2026, 11, 22), (said,)))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("keys") / "signing.pem")


@pytest.fixture(scope="module")
def signed(pdf: bytes, signer: SigningKey) -> bytes:
    return signing.sign(pdf, signer, URI, NOW)


@pytest.fixture(scope="module")
def key(signer: SigningKey) -> verify.Key:
    return verify.read_key(signer.public_pem.decode(), "the key")


def test_a_signed_report_is_verified_with_the_time_that_it_says(signed: bytes, key: verify.Key) -> None:
    assert verify.check_report(signed, key) == "2026-11-23T04:05:06Z"


def test_what_was_signed_is_there_as_it_was_up_to_its_first_end(pdf: bytes, signed: bytes) -> None:
    assert signed.startswith(pdf)


def test_a_reader_of_pdf_finds_the_pages_and_the_signature(pdf: bytes, signed: bytes) -> None:
    reader, before = PdfReader(io.BytesIO(signed), strict=True), PdfReader(io.BytesIO(pdf))
    assert [each.extract_text() for each in reader.pages] == [each.extract_text() for each in before.pages]
    root: Any = reader.trailer["/Root"]
    assert root["/AcroForm"]["/SigFlags"] == 3
    value = root["/AcroForm"]["/Fields"][0].get_object()["/V"]
    assert (value["/SubFilter"], value["/Name"]) == ("/ETSI.CAdES.detached", URI)
    start, end, at, length = value["/ByteRange"]
    assert (start, at + length) == (0, len(signed))
    content = signed[:end] + signed[at:]
    block = bytes(value["/Contents"].original_bytes)
    read = cms.read(block[: verify._size(block)])
    assert read.is_over(content)
    assert read.is_by(read.certificates[0].public_key())
    assert read.names(read.certificates[0])


def test_9_no_bit_of_a_signed_report_can_be_turned_over(signed: bytes, key: verify.Key) -> None:
    rng = random.Random(36)  # noqa: S311 - places to break, not keys
    gap = signed.rfind(b"/Contents<")
    places = [rng.randrange(len(signed)) for _ in range(200)] + [
        rng.randrange(gap - 60, gap + 2400) for _ in range(400)
    ]
    for place in [*places, gap + 2 * signing.ROOM, len(signed) - 1]:
        turned = bytearray(signed)
        turned[place] ^= 1 << rng.randrange(8)
        with pytest.raises(verify.VerificationError, match="the report: "):
            verify.check_report(bytes(turned), key)


def test_9_nothing_can_be_added_to_a_signed_report_or_cut_off(signed: bytes, key: verify.Key) -> None:
    for other in (signed + b"\n", signed + signed, signed[:-1]):
        with pytest.raises(verify.DifferenceError, match="not over the whole file: something was added, or cut off"):
            verify.check_report(other, key)


def test_a_report_of_another_key_is_refused(pdf: bytes, signed: bytes, key: verify.Key, tmp_path: Path) -> None:
    other = signing.sign(pdf, SigningKey.create(tmp_path / "other.pem"), URI, NOW)
    with pytest.raises(verify.DifferenceError, match="its signature is not of key"):
        verify.check_report(other, key)


def test_only_the_twin_of_the_signature_is_as_good(signed: bytes, key: verify.Key) -> None:
    """Whoever has (r, s) can write (r, n - s): the verifier says so of every signature."""
    found = re.search(rb"/Contents<([0-9a-f]+)>", signed)
    assert found is not None
    block = bytes.fromhex(found[1].decode())
    read = cms.read(block[: verify._size(block)])
    r, s = decode_dss_signature(read.signature)
    order = 2**384 - 1388124618062372383947042015309946732620727252194336364173
    twin = encode_dss_signature(r, order - s)
    if len(twin) == len(read.signature):  # a number that is longer by its sign would move what follows
        made = signed.replace(read.signature.hex().encode(), twin.hex().encode())
        assert verify.check_report(made, key) == "2026-11-23T04:05:06Z"


def test_a_pdf_without_our_signature_is_no_report(pdf: bytes, key: verify.Key) -> None:
    for other in (pdf, b"", b"/Contents<00>", b"%PDF-1.7\n/M(D:20261123040506Z)/Contents<" + b"00" * 9 + b">"):
        with pytest.raises(verify.FormError, match="expected a PDF with a signature of a contact point at its end"):
            verify.check_report(other, key)


def test_a_signature_that_is_no_cms_is_refused(signed: bytes, key: verify.Key) -> None:
    found = re.search(rb"/Contents<([0-9a-f]+)>", signed)
    assert found is not None
    for block in (b"30" + b"80" * (signing.ROOM - 1), b"00" * signing.ROOM, b"ff" * signing.ROOM):
        with pytest.raises(verify.FormError, match="no CMS of the form that contact points write"):
            verify.check_report(signed.replace(found[1], block), key)


def test_what_is_signed_already_or_was_not_set_here_is_not_signed(
    pdf: bytes, signed: bytes, signer: SigningKey
) -> None:
    for other in (signed, b"%PDF-1.4\n%%EOF\n", b""):
        with pytest.raises(DocumentError, match="signed already: sign the document that was set"):
            signing.sign(other, signer, URI, NOW)
    with pytest.raises(DocumentError, match=r"object \d+ of this one is not there|a PDF with a page"):
        signing.sign(pdf[pdf.index(b"\ntrailer") :], signer, URI, NOW)


def test_a_key_of_another_kind_signs_no_report(pdf: bytes, tmp_path: Path) -> None:
    other = SigningKey.create(tmp_path / "signing.pem", algorithm=Algorithm.ED25519)
    with pytest.raises(DocumentError, match="signed with ECDSA on P-384"):
        signing.sign(pdf, other, URI, NOW)
    with pytest.raises(verify.FormError, match="ECDSA on P-384; got one of Ed25519"):
        verify.check_report(
            signing.sign(pdf, SigningKey.create(tmp_path / "k.pem"), URI, NOW),
            verify.read_key(other.public_pem.decode(), "k"),
        )


def test_the_command_says_what_holds_and_what_does_not(
    signed: bytes, signer: SigningKey, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "report.pdf").write_bytes(signed)
    (tmp_path / "key.pem").write_bytes(signer.public_pem)
    command = ["report", str(tmp_path / "report.pdf"), "--key", str(tmp_path / "key.pem")]
    assert verify.main(command) == 0
    assert "every byte of the report is as it was signed with key" in capsys.readouterr().out
    (tmp_path / "report.pdf").write_bytes(signed.replace(b"%PDF-1.7", b"%PDF-1.6"))
    assert verify.main(command) == 1
    assert "it is not what was signed: a byte of it was changed" in capsys.readouterr().err
