"""A PDF signed inside (PAdES B-B, ETSI EN 319 142-1): the contact point's own key, which its card names.

The signature is appended to the finished file (ISO 32000-1, 7.5.6 and 12.8), whose bytes stay as they were: whoever cuts the
file at its first ``%%EOF`` has the report that was signed, the same bytes from the same data. The signature is over every byte
of the file but the place of the signature itself, so that nothing can be added later. Readers of PDF show that it holds and
that they do not know the signer: the certificate inside is made for the occasion by the key itself and says no more than the
key. That the key is the contact point's is what its card says: `pcsc-verify report FILE --key CARD` holds the file to it.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contact_point import cms
from contact_point.documents.errors import DocumentError

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.keys import SigningKey

ROOM: Final = 4096
"""Bytes kept for the signature: it has about 1,100, of which the longest URI that a certificate takes adds 256."""
_ESS_CERTIFICATE: Final = "1.2.840.113549.1.9.16.2.47"  # signing-certificate-v2: RFC 5035
_SHA384: Final = "2.16.840.1.101.3.4.2.2"
_TRAILER: Final = re.compile(
    rb"\ntrailer\n<<(/Size (\d+)/Root (\d+) 0 R/Info \d+ 0 R/ID\[.*?\])>>\nstartxref\n(\d+)\n%%EOF\n?\Z", re.DOTALL
)


def sign(pdf: bytes, key: SigningKey, uri: str, now: datetime) -> bytes:
    """Return the PDF with a signature of the contact point ``uri`` in it; the same PDF gives other bytes each time.

    Raises:
        DocumentError: it is no PDF as :func:`contact_point.documents.setting.pdf` makes them, or the key is none of P-384.

    """
    if not isinstance(key.private, ec.EllipticCurvePrivateKey):
        raise DocumentError(
            f"a report is signed with ECDSA on P-384 (docs/decisions/0003); this key is {key.algorithm}, which few "
            "readers of PDF know"
        )
    prepared, gap = _prepared(pdf, uri, now)
    certificate = _certificate(key.private, uri, now)
    signature = cms.write(
        prepared[: gap.start] + prepared[gap.stop :],
        cms.DATA,
        {_ESS_CERTIFICATE: _binding(certificate)},
        key=key.private,
        certificate=certificate,
        embed=True,
    )
    filled = signature.hex().ljust(2 * ROOM, "0").encode()
    return prepared[: gap.start + 1] + filled + prepared[gap.stop - 1 :]


def _prepared(pdf: bytes, uri: str, now: datetime) -> tuple[bytes, range]:
    """Return the PDF with a signature field and room for the signature, and the bytes that the room has, brackets included."""
    trailer = _TRAILER.search(pdf)
    if trailer is None:
        raise DocumentError(
            "what is signed is a PDF as this program sets it, with one table of its objects at its end; this one ends "
            "otherwise, or is signed already: sign the document that was set"
        )
    size, root, table = int(trailer[2]), int(trailer[3]), int(trailer[4])
    page = _first_page(pdf)
    field, value = size, size + 1
    objects = {
        root: _with(_object(pdf, root), f"/AcroForm<</Fields[{field} 0 R]/SigFlags 3>>"),
        page: _with(_object(pdf, page), f"/Annots[{field} 0 R]"),
        # Invisible and hidden, so no part of what is read (ISO 14289-1, 7.18.1).
        field: f"<</Type/Annot/Subtype/Widget/FT/Sig/T(signature)/Rect[0 0 0 0]/F 130/P {page} 0 R/V {value} 0 R>>".encode(),
    }
    body = bytearray(pdf if pdf.endswith(b"\n") else pdf + b"\n")
    places = {}
    for number, content in objects.items():
        places[number] = len(body)
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    places[value] = len(body)
    at = f"D:{now.astimezone(UTC):%Y%m%d%H%M%S}Z"
    head = f"<</Type/Sig/Filter/Adobe.PPKLite/SubFilter/ETSI.CAdES.detached/Name<{_text(uri)}>/M({at})/Contents"
    body += b"%d 0 obj\n%b" % (value, head.encode())
    gap = range(len(body), len(body) + 2 * ROOM + 2)
    rest = _rest(size + 2, trailer[1], table, places)
    # The range names its own end, whose length is fixed: each number has ten digits.
    after = len(b"/ByteRange[0 %010d %010d %010d]" % (0, 0, 0)) + len(b">>\nendobj\n")
    start = gap.stop + after
    tail = rest + b"startxref\n%d\n%%%%EOF\n" % start
    length = after + len(tail)
    body += b"<%b>" % (b"0" * (2 * ROOM))
    body += b"/ByteRange[0 %010d %010d %010d]>>\nendobj\n" % (gap.start, gap.stop, length)
    return bytes(body + tail), gap


def _rest(size: int, trailer: bytes, before: int, places: dict[int, int]) -> bytes:
    """Return the table of the objects that were added or changed, and its trailer."""
    table = b"xref\n"
    for number, at in sorted(places.items()):
        table += b"%d 1\n%010d 00000 n \n" % (number, at)
    kept = trailer.replace(b"/Size %d" % (size - 2), b"/Size %d" % size, 1)
    return table + b"trailer\n<<%b/Prev %d>>\n" % (kept, before)


def _object(pdf: bytes, number: int) -> bytes:
    """Return the dictionary of an object: each stands on lines of its own."""
    start = pdf.rfind(b"\n%d 0 obj\n" % number)
    end = pdf.find(b"\nendobj", start)
    if start < 0 or end < 0:
        raise DocumentError(
            f"what is signed is a PDF as this program sets it; object {number} of this one is not there"
        )
    return pdf[start + len(b"\n%d 0 obj\n" % number) : end]


def _first_page(pdf: bytes) -> int:
    """Return the number of the first page's object."""
    kids = re.search(rb"/Kids ?\[\s*(\d+) 0 R", pdf)
    if kids is None:
        raise DocumentError("what is signed is a PDF with a page; this one has none")
    return int(kids[1])


def _with(dictionary: bytes, entry: str) -> bytes:
    """Return a dictionary with one entry more."""
    name = entry[: re.search(r"[<\[]", entry).start()]  # type: ignore[union-attr]  # every entry here opens a bracket
    if not dictionary.rstrip().endswith(b">>") or name.encode() in dictionary:
        raise DocumentError(
            f"what is signed is a PDF without {name}; this one has it, or is none that this program set"
        )
    return dictionary.rstrip()[:-2] + entry.encode() + b">>"


def _text(text: str) -> str:
    """Return a text string of PDF in hexadecimal: UTF-16 with its mark (ISO 32000-1, 7.9.2.2)."""
    return (b"\xfe\xff" + text.encode("utf-16-be")).hex()


def _certificate(key: ec.EllipticCurvePrivateKey, uri: str, now: datetime) -> x509.Certificate:
    """Return a certificate of the key by itself, for this signature: PAdES wants one inside."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, uri[:64])])
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    at = now.astimezone(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(spki).digest()[:16]) | 1)
        .not_valid_before(at - timedelta(days=1))
        .not_valid_after(at + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=True,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=False,
                crl_sign=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(key, hashes.SHA384())
    )


def _binding(certificate: x509.Certificate) -> bytes:
    """Return the DER of the attribute that signs the certificate too: SigningCertificateV2 (RFC 5035, 5.4.1.1)."""
    algorithm = cms.tlv(0x30, cms.oid(_SHA384))
    return cms.tlv(0x30, cms.tlv(0x30, cms.tlv(0x30, algorithm, cms.octets(certificate.fingerprint(hashes.SHA384())))))
