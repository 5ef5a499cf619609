"""One installation: a folder, what lies where in it, and what its ``installation.toml`` and its arrangements say.

Read once at start and never changed. Nothing here touches a private key or the database.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from annex.parameters import Party
from contact_point import arrangements
from contact_point.arrangements import DocumentError
from contact_point.keys import Token
from contact_point.parsing import first_fault
from contact_point.writing import put
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
    party: Party | None = None
    """Whose it was: under another URI, the key is not known to be of the same Party."""


_FORMER = TypeAdapter(tuple[FormerKey, ...])


def parse_former(content: bytes) -> tuple[FormerKey, ...]:
    """Return the signing keys that the file of former keys names.

    Raises:
        ValidationError: it is none.

    """
    return _FORMER.validate_json(content)


@dataclass(frozen=True, slots=True)
class Signed:
    """Who did something, and when."""

    by: Annotated[str, Field(min_length=1)]
    at: datetime


@dataclass(frozen=True, slots=True)
class Notified:
    """A card as one person entered it from a diplomatic note and, where it is in effect, another confirmed it: Art. 3(2)."""

    card: Designation
    note: str
    entered: Signed
    confirmed: Signed | None = None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the card in hexadecimal, as `sha256sum card.json` prints it for what `pcsc init` wrote."""
        return hashlib.sha256(write_card(self.card).encode()).hexdigest()

    @property
    def in_effect(self) -> bool:
        """Whether two different persons stand behind it."""
        return self.confirmed is not None and not same_person(self.entered.by, self.confirmed.by)


def same_person(one: str, other: str) -> bool:
    """Whether two names are of one person, as far as they tell: spacing and case are no difference."""
    return " ".join(one.casefold().split()) == " ".join(other.casefold().split())


_NOTIFIED: Final = TypeAdapter(Notified)


def read_notified(path: Path) -> Notified | None:
    """Return what was entered in a file, or ``None`` where there is none.

    Raises:
        SettingsError: it cannot be read.

    """
    try:
        return _NOTIFIED.validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        fault = first_fault(error) if isinstance(error, ValidationError) else str(error)
        raise SettingsError(f"{path}: {fault}; enter the card again with `pcsc designate CARD --note NOTE`") from None


def write_notified(path: Path, notified: Notified) -> None:
    """Keep a card with who entered and who confirmed it."""
    put(path, _NOTIFIED.dump_json(notified, indent=2) + b"\n")


@dataclass(frozen=True, slots=True)
class Proxy:
    """A reverse proxy that ends TLS in our place: opt-in, because what it says of the caller has to be believed."""

    socket: Path
    """The private unix socket that the proxy passes requests to; a relative one lies beside ``installation.toml``."""
    uid: Annotated[int, Field(ge=0)]
    """The numeric user that the proxy's workers run as; nobody else is heard on the socket."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the keys of what is stored lie, and how long a wrapping key is used."""

    folder: Path | None = None
    """Of the slot files, where that is not the installation's own: on a file system that overwrites in place."""
    rotate_hours: Annotated[int, Field(ge=1, le=24)] = 24
    token: Token | None = None
    """The one that keeps the wrapping keys; a ``pin_file`` without a folder lies beside ``installation.toml``."""


@dataclass(frozen=True, slots=True)
class Log:
    """How the service writes its log."""

    format: Literal["text", "json"] = "text"
    """Lines for a person, or a JSON object a line (:mod:`contact_point.logs`)."""


@dataclass(frozen=True, slots=True)
class Operation:
    """Where the service tells of its health: in plain HTTP, and to this machine alone (Articles 4(4), 9)."""

    port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0 where it tells nobody."""
    host: str = "127.0.0.1"
    """A loopback address."""

    def __post_init__(self) -> None:
        if not _is_loopback(self.host):
            raise SettingsError(
                f"[operation] host: expected a loopback address, 127.0.0.1 or ::1; got {self.host!r}: how many queries matched "
                "is told to nobody but this machine (Art. 4(4), 9), so let what collects it run here"
            )


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Where traces of requests are sent: nowhere unless named (:mod:`contact_point.telemetry`, Article 9)."""

    endpoint: str = ""
    """The address that takes OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces; empty where nothing is sent."""
    authority: Path | None = None
    """The certificates that an https collector's is held to; a relative one lies beside ``installation.toml``."""

    def __post_init__(self) -> None:
        if not self.endpoint:
            return
        parts = urlsplit(self.endpoint)
        safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
        if not safe or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise SettingsError(
                f"[telemetry] endpoint: expected http:// at a loopback address, such as http://127.0.0.1:4318/v1/traces, or "
                f"https://, without a user or query; got {parts.scheme or 'no scheme'}:// at {parts.hostname or 'no host'}: "
                "when how much is asked is told to nobody on the way (Art. 9)"
            )


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """The organisation's identity provider, by OpenID Connect: it says who somebody is, and never who may come in."""

    issuer: str
    """Its address as it names itself, such as https://id.example.org/realms/police."""
    client_id: str
    secret_file: Path
    """A file of mode 0600 that holds the client's secret; a relative one lies beside ``installation.toml``."""
    authority: Path | None = None
    """The certificates that it is held to; those that the system trusts where none are named."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
        if not safe or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise SettingsError(
                f"[console.provider] issuer: expected https://, or http:// at a loopback address, without a user or query; got "
                f"{parts.scheme or 'no scheme'}:// at {parts.hostname or 'no host'}: who somebody is may not be changed on the "
                "way (Art. 9)"
            )


@dataclass(frozen=True, slots=True)
class Console:
    """Where the console is reached, as browsers see it."""

    origin: str = "http://localhost:8080"
    """Scheme, host and port, without a path; passkeys are bound to it (WebAuthn level 3, 13.4.9)."""
    provider: IdentityProvider | None = None
    two_examiners: bool = False
    """Whether a second examiner, who does not learn what the first one concluded, examines every match (Article 4(5))."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.origin)
        host = parts.hostname or ""
        safe = parts.scheme == "https" or (parts.scheme == "http" and host == "localhost")
        if (
            not safe
            or not host
            or _is_address(host)
            or self.origin != f"{parts.scheme}://{parts.netloc}"
            or parts.username
        ):
            raise SettingsError(
                f"[console] origin: expected https:// and a name, or http://localhost, with a port where it is not the usual "
                f"one and nothing after it; got {parts.scheme or 'no scheme'}:// at {host or 'no host'}: a passkey is bound to "
                "a name, and works over nothing less (Art. 9; WebAuthn level 3, 4: a relying party identifier is a domain)"
            )

    @property
    def host(self) -> str:
        """The name that passkeys are bound to: their relying party identifier."""
        return urlsplit(self.origin).hostname or ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False  # a name may be anybody's tomorrow


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
        """The card of the other contact point, once it is designated: what its record and receipts are verified with."""
        return self.root / "other.json"

    @property
    def other_designation(self) -> Path:
        """The designation of the other contact point that is in effect: its card, the note, and both persons (Article 3(2))."""
        return self.root / "other-designation.json"

    @property
    def own_designation(self) -> Path:
        """The designation of this contact point, as our Party notified it."""
        return self.root / "own-designation.json"

    @property
    def other_entered(self) -> Path:
        """A designation of the other contact point that waits for the second person."""
        return self.root / "other-entered.json"

    @property
    def own_entered(self) -> Path:
        """A designation of this contact point that waits for the second person."""
        return self.root / "own-entered.json"

    @property
    def other_authority(self) -> Path:
        """The certificate of the other contact point's authority, from its card; two of them while it changes."""
        return self.root / "other-authority.pem"

    @property
    def other_revoked(self) -> Path:
        """The revocation list of the other contact point's authority, once one was entered; two while it changes."""
        return self.root / "other-revoked.pem"

    @property
    def other_revoked_numbers(self) -> Path:
        """The highest number of each authority's list that was entered."""
        return self.root / "other-revoked.json"

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
    def next_certificate(self) -> Path:
        """The certificate that is to follow, once it was entered."""
        return self.root / "tls" / "next-certificate.pem"

    @property
    def next_key(self) -> Path:
        """The key of the next certificate."""
        return self.root / "tls" / "next-key.pem"

    @property
    def next_request(self) -> Path:
        """The request for the next certificate, for our authority to sign."""
        return self.root / "tls" / "next-request.pem"

    @property
    def revoked(self) -> Path:
        """Our authority's revocation list, to give to the other contact point."""
        return self.authority / "revoked.pem"

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
    """The other contact point, once its designation and our own are in effect (Article 3(2))."""
    keys: Keys
    server: str = ""
    """The URL of the database server, where what is stored does not rest in a file of the folder."""
    former: tuple[FormerKey, ...] = ()
    """The signing keys that either contact point used before."""
    proxy: Proxy | None = None
    lacking: str = ""
    """What a designation lacks, with what to do, where ``other`` is ``None``."""
    log: Log = field(default_factory=Log)
    operation: Operation = field(default_factory=Operation)
    telemetry: Telemetry = field(default_factory=Telemetry)
    console: Console = field(default_factory=Console)

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
    proxy: Proxy | None = None
    log: Log = field(default_factory=Log)
    operation: Operation = field(default_factory=Operation)
    telemetry: Telemetry = field(default_factory=Telemetry)
    console: Console = field(default_factory=Console)


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
    lacking = _lacking(folder)
    designation = None if lacking else read_notified(folder.other_designation)
    other = None if designation is None else designation.card
    keys, proxy = installation.keys, installation.proxy
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
        proxy=None if proxy is None else replace(proxy, socket=root / proxy.socket),
        lacking=lacking,
        former=_former(folder),
        log=installation.log,
        operation=installation.operation,
        telemetry=_beside(root, installation.telemetry),
        console=_provider_beside(root, installation.console),
    )


def _beside(root: Path, at: Telemetry) -> Telemetry:
    return at if at.authority is None else replace(at, authority=root / at.authority)


def _provider_beside(root: Path, console: Console) -> Console:
    at = console.provider
    if at is None:
        return console
    authority = None if at.authority is None else root / at.authority
    return replace(console, provider=replace(at, secret_file=root / at.secret_file, authority=authority))


def _former(folder: Folder) -> tuple[FormerKey, ...]:
    """Return the signing keys that were used before."""
    if not folder.former_keys.is_file():
        return ()
    try:
        return parse_former(folder.former_keys.read_bytes())
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


def designated(folder: Folder) -> Designation:
    """Return the other contact point as it is designated now.

    Raises:
        SettingsError: a designation is not in effect, or cannot be read.

    """
    if lacking := _lacking(folder):
        raise SettingsError(lacking)
    found = read_notified(folder.other_designation)
    assert found is not None  # noqa: S101 - what is missing was said
    return found.card


def _lacking(folder: Folder) -> str:
    """Return what keeps both contact points from being used, with what to do; nothing where both designations are in effect."""
    sides = (
        ("contact point of the other Party", "its card", "CARD", folder.other_designation, folder.other_entered),
        ("own contact point", "our card as we notified it", folder.card, folder.own_designation, folder.own_entered),
    )
    for what, whose, card, effective, waiting in sides:
        found = read_notified(effective)
        if found is not None and found.in_effect:
            continue
        entered = read_notified(waiting)
        if entered is None:
            return (
                f"Art. 3(2): no {what} is designated here, so nothing is sent and nobody is answered: enter {whose} with "
                f"`pcsc designate {card} --note NOTE --by NAME`, and let another person confirm it with `pcsc designate "
                "--confirm --by NAME`"
            )
        return (
            f"Art. 3(2): the designation of the {what} was entered by {entered.entered.by} and waits for a second person, so "
            "nothing is sent and nobody is answered: another person compares the card's fingerprint, "
            f"{entered.fingerprint[:16]}…, with the note, and confirms it with `pcsc designate --confirm --by NAME`"
        )
    return ""


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
