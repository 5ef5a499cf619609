"""The implementing arrangement as a document that both contact points hold and have signed (Articles 4(7) and 5(1)).

In the folder ``arrangements`` of an installation lie, for each version, the document ``VERSION.toml`` and a detached
signature of each Party, ``VERSION.JP.sig`` and ``VERSION.US.sig``, over the exact bytes of the document. Beside them lies
each key that signed, ``KEYID.JP.pem``: a version is still cited by old decisions when the key that signed it has been
replaced. A later version is a later document; one that is held never changes.

The keys are those that messages are signed with. A signature over a document cannot be taken for one over a message, nor the
other way round: only what reads as an arrangement is signed here, and what is signed there does not.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from annex.parameters import Party
from contact_point.keys import KeysError, SignatureError, SigningKey, VerifyingKey
from contact_point.parsing import first_fault
from contact_point.writing import put
from pcsc.arrangement import Arrangement, ArrangementError, Arrangements

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class DocumentError(ValueError):
    """A document is not an arrangement that this contact point can hold, or is not signed as it must be.

    The message begins with the file, and the line where there is one.
    """


@dataclass(frozen=True, slots=True)
class Signature:
    """A detached signature, as its file says it."""

    algorithm: Literal["ECDSA-P384-SHA384"]
    """FIPS 186-5."""
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """The first 16 hexadecimal digits of SHA-256 over the DER SubjectPublicKeyInfo of the key."""
    signature: str
    """The DER signature in base64."""


@dataclass(frozen=True, slots=True)
class Signatory:
    """A Party's contact point under a document: its signature, and the key that it verifies with."""

    party: Party
    key: VerifyingKey
    signature: Signature

    def check(self, document: bytes, name: object) -> None:
        """Return when the signature is of these bytes under this key.

        Raises:
            DocumentError: it is not.

        """
        if self.signature.key_id != self.key.key_id:
            raise DocumentError(
                f"{name}: expected a signature of {self.party} under its key {self.key.key_id}; got one under "
                f"{self.signature.key_id}: only the key of the designated contact point signs (Art. 4(7)): ask {self.party} "
                "to sign it, or enter its new card with `pcsc designate`"
            )
        try:
            self.key.verify(base64.b64decode(self.signature.signature, validate=True), document)
        except (SignatureError, ValueError):  # ValueError: no base64
            raise DocumentError(
                f"{name}: expected the signature of {self.party} over these {len(document)} bytes (SHA-256 "
                f"{fingerprint(document)[:16]}); it is of others: both contact points hold the same document (Art. 4(7)): "
                "restore the document as it was signed, or have it signed as it is"
            ) from None


# Pydantic takes the configuration of a dataclass's adapter only for a union.
_SIGNATURE: Final = TypeAdapter(cast("Any", Signature | None), config=ConfigDict(extra="forbid"))


def read_signature(path: Path) -> Signature:
    """Return the signature in a file.

    Raises:
        DocumentError: the file is none.
        OSError: there is no such file.

    """
    try:
        signature = _SIGNATURE.validate_json(path.read_bytes())
    except ValidationError as error:
        raise DocumentError(
            f"{path} is not a signature: {first_fault(error)}; ask its Party for what `pcsc arrangement sign` wrote"
        ) from None
    if signature is None:
        raise DocumentError(
            f"{path} is not a signature: it is empty; ask its Party for what `pcsc arrangement sign` wrote"
        )
    return cast("Signature", signature)


def write_signature(signature: Signature) -> str:
    """Return the text of a signature's file."""
    return _SIGNATURE.dump_json(signature, indent=2).decode() + "\n"


def sign(document: bytes, party: Party, key: SigningKey) -> Signatory:
    """Return our signature of a document."""
    made = base64.b64encode(key.sign(document)).decode()
    return Signatory(party, key.verifying, Signature("ECDSA-P384-SHA384", key.key_id, made))


def fingerprint(document: bytes) -> str:
    """Return the SHA-256 of a document, in hexadecimal."""
    return hashlib.sha256(document).hexdigest()


def parse(document: bytes, name: object) -> Arrangement:
    """Return the arrangement that the document called ``name`` is.

    Raises:
        DocumentError: it is malformed or contradicts itself; the message says the line and the reason.

    """
    try:
        text = document.decode()
    except UnicodeDecodeError as error:
        line = document.count(b"\n", 0, error.start) + 1
        raise DocumentError(f"{name}, line {line}: this is not UTF-8, as TOML is; save the document as UTF-8") from None
    try:
        return Arrangement.from_mapping(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(
            f"{name}, line {_line_said(error, text)}: this is not TOML: {error}; correct the document"
        ) from None
    except ArrangementError as error:
        raise DocumentError(f"{name}, line {_line_of(error.key, text)}: {error}") from None


def _line_said(error: tomllib.TOMLDecodeError, text: str) -> int:
    """Return the line that the parser names; it names none at the end of the document."""
    said = re.search(r"\(at line (\d+),", str(error))
    return int(said[1]) if said else _last_line(text)


def _last_line(text: str) -> int:
    return text.rstrip("\n").count("\n") + 1


def _line_of(key: str, text: str) -> int:
    """Return the line on which a key stands; where it is missing, that of its table or of the first one.

    The document is parsed line by line: the key begins after the last lines that are whole without it. So whatever form it
    has (dotted, quoted, inline, over several lines), the parser that read it finds it.
    """
    lines = [line + "\n" for line in text.split("\n")]
    whole = 0
    for end in range(1, len(lines) + 1):
        try:
            said = tomllib.loads("".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
        if _says(said, key):
            return whole + 1
        whole = end
    table, _, _ = key.rpartition(".")
    if table:
        return _line_of(table, text)
    return next((number for number, line in enumerate(lines, 1) if line.startswith("[")), _last_line(text))


def _says(document: object, key: str) -> bool:
    """Return whether a parsed document has a value under a dotted path."""
    for name in key.split("."):
        if not isinstance(document, dict) or name not in document:
            return False
        document = document[name]
    return True


def document_path(folder: Path, version: str) -> Path:
    """Return where the document of a version lies."""
    return folder / f"{version}.toml"


def signature_path(folder: Path, version: str, party: Party) -> Path:
    """Return where a Party's signature of a version lies."""
    return folder / f"{version}.{party}.sig"


def load(folder: Path, parties: Iterable[Party]) -> Arrangements:
    """Return the arrangements in a folder, each signed by all of ``parties``.

    Raises:
        DocumentError: there is none, one is malformed, two contradict each other, or a signature is missing or of other bytes.

    """
    held = []
    parties = tuple(parties)
    for path in sorted(folder.glob("*.toml")):
        document = path.read_bytes()
        arrangement = parse(document, path)
        for party in parties:
            _signed(folder, path, party).check(document, path)
        if arrangement.version != path.stem:
            raise DocumentError(
                f"{path}: expected version {path.stem!r}, as the file is named; got {arrangement.version!r}: a version is "
                "found by its name (Art. 4(7)): name the file after the version"
            )
        held.append(arrangement)
    if not held:
        raise DocumentError(
            f"{folder} holds no arrangement: without one nothing is queried or requested (Art. 4(7)): restore the documents "
            "and their signatures"
        )
    try:
        return Arrangements(tuple(sorted(held, key=lambda each: each.in_force_from)))
    except ArrangementError as error:
        raise DocumentError(f"{folder}: {error}") from None


def _signed(folder: Path, document: Path, party: Party) -> Signatory:
    """Return a Party's signature of a held document, with the key it was entered under."""
    path = signature_path(folder, document.stem, party)
    try:
        signature = read_signature(path)
        key = VerifyingKey.from_pem(_key_path(folder, signature.key_id, party).read_bytes())
    except FileNotFoundError as error:
        raise DocumentError(
            f"{document}: expected the signature of {party} and the key it was made with; {Path(error.filename).name} is "
            "missing: an arrangement is between both contact points (Art. 4(7)): restore the file"
        ) from None
    except KeysError as error:
        raise DocumentError(f"{_key_path(folder, signature.key_id, party)}: {error}") from None
    return Signatory(party, key, signature)


def _key_path(folder: Path, key_id: str, party: Party) -> Path:
    return folder / f"{key_id}.{party}.pem"


def admit(arrangement: Arrangement, held: Arrangements, now: datetime, name: object) -> None:
    """Return when an arrangement can follow those that are held: a new version, of a later day that has not begun.

    Raises:
        DocumentError: it cannot.

    """
    if any(each.version == arrangement.version for each in held.versions):
        raise DocumentError(
            f"{name}: expected a version that is not held yet; got {arrangement.version!r}: what both have signed never "
            "changes, for decisions cite it (Art. 4(7)): give the new document a new version"
        )
    last = held.versions[-1]
    if arrangement.in_force_from <= last.in_force_from:
        raise DocumentError(
            f"{name}: expected a day after {last.in_force_from}, when {last.version} takes force; got in_force_from = "
            f"{arrangement.in_force_from}: a later version follows the earlier ones (Art. 4(7)): agree on a later day"
        )
    if arrangement.in_force_from <= now.date():
        raise DocumentError(
            f"{name}: expected a day after today, {now.date()}; got in_force_from = {arrangement.in_force_from}: what was "
            "done on a day that has begun was decided under the arrangement then in force (Art. 4(7)): agree on a later day"
        )


def enter(
    folder: Path,
    document: bytes,
    signatories: Mapping[Party, Signatory],
    held: Arrangements,
    now: datetime,
    *,
    name: object,
) -> Arrangement:
    """Store a further version that both Parties have signed; ``name`` is what a message calls the document.

    Raises:
        DocumentError: it is malformed or contradicts itself, a signature is missing or of other bytes, or it cannot follow
            those that are held.

    """
    arrangement = parse(document, name)
    for party in Party:
        if party not in signatories:
            raise DocumentError(
                f"{name}: expected the signatures of both Parties; {party}'s is missing: an arrangement is between both "
                f"contact points (Art. 4(7)): ask {party} for it"
            )
        signatories[party].check(document, name)
    admit(arrangement, held, now, name)
    store(folder, arrangement.version, document, signatories.values())
    return arrangement


def store(folder: Path, version: str, document: bytes, signatories: Iterable[Signatory]) -> None:
    """Write a document and its signatures, the document last: with it the version is held."""
    for signatory in signatories:
        attach(folder, version, signatory)
    put(document_path(folder, version), document)


def attach(folder: Path, version: str, signatory: Signatory) -> None:
    """Write a signature of a version, and the key that it verifies with."""
    put(_key_path(folder, signatory.key.key_id, signatory.party), signatory.key.pem)
    put(signature_path(folder, version, signatory.party), write_signature(signatory.signature).encode())


@dataclass(frozen=True, slots=True)
class Held:
    """What a folder holds of one version: the document, and what is to be said of each Party's signature."""

    version: str
    in_force_from: date | None
    fault: str
    """What is wrong with the document; of a sound one, which has a day, nothing."""
    sha256: str
    signatures: Mapping[Party, str]
    """``"valid"``, ``"missing"``, or what is wrong with it."""


def survey(folder: Path) -> list[Held]:
    """Return what lies in a folder, sound or not, in the order in which it takes force."""
    found = []
    for path in folder.glob("*.toml"):
        document = path.read_bytes()
        day, fault = None, ""
        try:
            day = parse(document, path.name).in_force_from
        except DocumentError as error:
            fault = str(error)
        signatures = {party: _state(folder, path, document, party) for party in Party}
        found.append(Held(path.stem, day, fault, fingerprint(document), signatures))
    return sorted(found, key=lambda held: (held.in_force_from or date.max, held.version))


def _state(folder: Path, path: Path, document: bytes, party: Party) -> str:
    """Return what is to be said of a signature."""
    if not signature_path(folder, path.stem, party).exists():
        return "missing"
    try:
        _signed(folder, path, party).check(document, path.name)
    except DocumentError as error:
        return str(error)
    return "valid"
