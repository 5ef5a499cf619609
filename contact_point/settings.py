"""One installation: a folder, what lies where in it, and what its ``installation.toml`` and its arrangements say.

Read once at start and never changed. Nothing here touches a private key or the database.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from annex.parameters import Party
from contact_point import arrangements
from contact_point.arrangements import DocumentError
from contact_point.keys import Token
from contact_point.parsing import first_fault
from pcsc.agreement import Agreement, Termination
from pcsc.arrangement import Arrangement, Arrangements
from pcsc.errors import TreatyError


class SettingsError(Exception):
    """The folder is not an installation, or a file of it says something that cannot be."""


@dataclass(frozen=True, slots=True)
class SignedArrangement:
    """The arrangement that a contact point signed, as its card says it: Article 4(7)."""

    version: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the document, in hexadecimal."""
    signature: str
    """Over the bytes of the document under the card's signing key: DER in base64."""


@dataclass(frozen=True, slots=True)
class Designation:
    """A contact point as its Party notified it (Article 3(2)): who it is, where it answers, and how it proves itself.

    This is public: it is the card that one contact point gives the other.
    """

    party: Party
    name: str
    uri: str
    """The SAN URI of its certificate."""
    address: str
    """The HTTPS address of its API, such as https://127.0.0.1:8443."""
    tls_keys: tuple[str, ...]
    """SHA-256 of the subject public key info of its certificate, in hexadecimal: the current one, and the next."""
    authority_pem: str
    """The certificate of its certificate authority."""
    signing_key_pem: str
    """The public key that its messages are signed with."""
    arrangement: SignedArrangement


_DESIGNATION = TypeAdapter(Designation)


def read_card(text: str) -> Designation:
    """Return the contact point that a card describes.

    Raises:
        SettingsError: the text is not a card.

    """
    try:
        return _DESIGNATION.validate_json(text)
    except ValidationError as error:
        raise SettingsError(
            f"this is not the card of a contact point: {first_fault(error)}; ask the other contact point for the card.json "
            "that `pcsc init` wrote"
        ) from None


def write_card(designation: Designation) -> str:
    """Return the card of a contact point."""
    return _DESIGNATION.dump_json(designation, indent=2).decode() + "\n"


@dataclass(frozen=True, slots=True)
class FormerKey:
    """A signing key that a contact point used before: what it signed until then stays signed."""

    uri: str
    pem: str
    """The public half."""
    until: datetime


_FORMER = TypeAdapter(tuple[FormerKey, ...])


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the keys of what is stored lie, and how long a wrapping key is used."""

    folder: Path | None = None
    """Of the slot files, where that is not the installation's own: on a file system that overwrites in place."""
    rotate_hours: Annotated[int, Field(ge=1, le=24)] = 24
    token: Token | None = None
    """The one that keeps the wrapping keys; a ``pin_file`` without a folder lies beside ``installation.toml``."""


@dataclass(frozen=True, slots=True)
class Folder:
    """What lies where in an installation's folder."""

    root: Path
    keys: Path | None = None
    """The folder of the slot files, where they lie apart."""

    @property
    def installation(self) -> Path:
        """What this contact point is: party, name, URI, host and port."""
        return self.root / "installation.toml"

    @property
    def arrangements(self) -> Path:
        """The versions of the implementing arrangement, each with the signatures of both Parties."""
        return self.root / "arrangements"

    @property
    def card(self) -> Path:
        """The card to give to the other contact point."""
        return self.root / "card.json"

    @property
    def other(self) -> Path:
        """The card of the other contact point, once it is designated."""
        return self.root / "other.json"

    @property
    def other_authority(self) -> Path:
        """The certificate of the other contact point's authority, from its card."""
        return self.root / "other-authority.pem"

    @property
    def note(self) -> Path:
        """The diplomatic note that notified the other contact point (Article 3(2))."""
        return self.root / "note.txt"

    @property
    def termination(self) -> Path:
        """The notice that ends the agreement (Article 15(4)), once one was given."""
        return self.root / "termination.json"

    @property
    def roster(self) -> Path:
        """Who is on duty when, where that is written down."""
        return self.root / "roster.toml"

    @property
    def authority(self) -> Path:
        """The certificate authority: certificate and key."""
        return self.root / "authority"

    @property
    def certificate(self) -> Path:
        """The TLS certificate, for serving and for asking."""
        return self.root / "tls" / "certificate.pem"

    @property
    def certificate_key(self) -> Path:
        """The key of the TLS certificate."""
        return self.root / "tls" / "key.pem"

    @property
    def signing_key(self) -> Path:
        """The key that messages are signed with."""
        return self.root / "signing.pem"

    @property
    def former_keys(self) -> Path:
        """The public halves of the signing keys that either contact point used before."""
        return self.root / "former-keys.json"

    @property
    def exchange_slots(self) -> Path:
        """Keys of everything held for an exchange. Never in a backup."""
        return (self.keys or self.root) / "exchange.slots"

    @property
    def gallery_slots(self) -> Path:
        """Keys of the prints of our own gallery."""
        return (self.keys or self.root) / "gallery.slots"

    @property
    def record_slots(self) -> Path:
        """Keys of the record, one for each exchange: they are kept, and destroyed, with it (Article 11(3)).

        What a copy of it is worth: :mod:`contact_point.store`.
        """
        return (self.keys or self.root) / "record.slots"

    @property
    def slots(self) -> tuple[Path, Path, Path]:
        """The three files of keys."""
        return self.exchange_slots, self.gallery_slots, self.record_slots

    @property
    def database(self) -> Path:
        """Exchanges, record and ciphertext."""
        return self.root / "contact_point.sqlite"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an installation is, as read from its folder."""

    folder: Folder
    party: Party
    name: str
    uri: str
    host: str
    port: int
    threads: int
    agreement: Agreement
    """The agreement as it stands, with the notice that ends it where one was given (Article 15(4))."""
    arrangements: Arrangements
    """Every version held, past and to come; each signed by both Parties once the other one is designated."""
    other: Designation | None
    keys: Keys
    server: str = ""
    """The URL of the database server, where what is stored does not rest in a file of the folder."""
    former: tuple[FormerKey, ...] = ()
    """The signing keys that either contact point used before."""

    @property
    def address(self) -> str:
        """The HTTPS address of this contact point's API."""
        return f"https://{self.host}:{self.port}"

    def arrangement(self, now: datetime) -> Arrangement:
        """Return the arrangement in force at ``now`` (UTC).

        Raises:
            NoArrangementError: there is none.

        """
        return self.arrangements.at(now.date())


@dataclass(frozen=True, slots=True)
class _Installation:
    """The keys of installation.toml."""

    party: Party
    name: str
    uri: str
    host: str
    port: Annotated[int, Field(ge=1, le=65535)]
    threads: Annotated[int, Field(ge=1, le=256)]
    database: Annotated[str, Field(pattern=r"^postgresql\+psycopg://")] = ""
    keys: Keys = field(default_factory=Keys)


_INSTALLATION: Final = TypeAdapter(cast("Any", _Installation | None), config=ConfigDict(extra="forbid"))


def read(root: Path) -> Settings:
    """Return the settings of the installation in ``root``.

    Raises:
        SettingsError: there is none, a file of it is malformed, or an arrangement is not signed as it must be; the message
            names the file, and the key or the line.

    """
    folder = Folder(root)
    if not folder.installation.is_file():
        raise SettingsError(
            f"there is no installation in {root}: no {folder.installation.name}; name its folder with --dir, or make one with "
            "`pcsc init --party JP DIR`"
        )
    try:
        installation = _INSTALLATION.validate_python(_toml(folder.installation))
    except ValidationError as error:
        raise SettingsError(f"{folder.installation}: {first_fault(error)}") from None
    try:
        other = read_card(folder.other.read_text(encoding="utf-8")) if folder.other.is_file() else None
    except SettingsError as error:
        raise SettingsError(f"{folder.other}: {error}") from None
    keys = installation.keys
    folder = Folder(root, None if keys.folder is None else root / keys.folder)
    return Settings(
        folder=folder,
        party=installation.party,
        name=installation.name,
        uri=installation.uri,
        host=installation.host,
        port=installation.port,
        threads=installation.threads,
        agreement=_agreement(folder),
        arrangements=_arrangements(folder, installation.party, other),
        other=other,
        keys=keys,
        server=installation.database,
        former=_former(folder),
    )


def _former(folder: Folder) -> tuple[FormerKey, ...]:
    """Return the signing keys that were used before."""
    if not folder.former_keys.is_file():
        return ()
    try:
        return _FORMER.validate_json(folder.former_keys.read_bytes())
    except ValidationError as error:
        raise SettingsError(
            f"{folder.former_keys}: {first_fault(error)}; restore the file: what was signed under a former key is held to it "
            "(Art. 9)"
        ) from None


def remember(folder: Folder, key: FormerKey) -> None:
    """Keep a signing key that is used no more from now on, in place of what was kept of it; whole, or not at all."""
    others = (each for each in _former(folder) if (each.uri, each.pem) != (key.uri, key.pem))
    new = folder.former_keys.with_suffix(".new")
    new.write_bytes(_FORMER.dump_json((*others, key), indent=2) + b"\n")
    new.replace(folder.former_keys)


_TERMINATION = TypeAdapter(Termination)


def _agreement(folder: Folder) -> Agreement:
    """Return the agreement, with the notice of termination where one was entered."""
    if not folder.termination.is_file():
        return Agreement()
    try:
        return Agreement(_TERMINATION.validate_json(folder.termination.read_bytes()))
    except (ValidationError, TreatyError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise SettingsError(
            f"{folder.termination}: {fault}; delete the file, and enter the notice again with `pcsc terminate`"
        ) from None


def write_termination(folder: Folder, notice: Termination) -> None:
    """Enter the notice that ends the agreement; it counts from the next start of the service."""
    folder.termination.write_bytes(_TERMINATION.dump_json(notice, indent=2) + b"\n")


def _arrangements(folder: Folder, party: Party, other: Designation | None) -> Arrangements:
    """Return the arrangements, each with our signature and, once the other Party is known, with theirs."""
    try:
        return arrangements.load(folder.arrangements, Party if other else (party,))
    except DocumentError as error:
        raise SettingsError(str(error)) from None


def _toml(path: Path) -> dict[str, object]:
    """Return what a TOML file says."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing from the installation: restore it, or make a new one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
