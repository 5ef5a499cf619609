"""Making an installation, further arrangements with the other Party's contact point, and the end of it all.

Articles 3, 4(7) and 15(4). Both installations begin with the same arrangement: each signs it when it is made, its card
carries the signature, and designating the other contact point by its card (:mod:`contact_point.designation`) joins the two. A
later version is signed by each with
:func:`sign_arrangement` and entered by each, with the other's signature, by :func:`enter_arrangement`.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from annex.parameters import Party
from contact_point import arrangements
from contact_point.arrangements import DocumentError, Signatory
from contact_point.certificates import CertificateAuthority, spki_sha256
from contact_point.keys import KeysError, KeySlots, SigningKey, VerifyingKey
from contact_point.keys.erasure import check_erasure
from contact_point.keys.tokens import TokenWrapping
from contact_point.keys.wrapping import IN_FILE
from contact_point.settings import (
    Designation,
    Folder,
    FormerKey,
    Keys,
    Settings,
    SettingsError,
    SignedArrangement,
    read,
    read_card,
    remember,
    write_card,
    write_termination,
)
from pcsc.errors import TerminatedError

if TYPE_CHECKING:
    from datetime import datetime

    from contact_point.keys.wrapping import Wrapping
    from pcsc.agreement import Termination
    from pcsc.arrangement import Arrangement


@dataclass(frozen=True, slots=True)
class Plan:
    """What `pcsc init` is told."""

    party: Party
    name: str
    host: str
    port: int
    threads: int = 2
    arrangement: Path | None = None
    """The document that both contact points begin with; the model that comes with the program where none is named."""
    keys: Keys = field(default_factory=Keys)
    database: str = ""
    """The URL of a PostgreSQL database; empty for a file in the folder."""
    uri: str = ""
    """The URI of its certificate, where it is not the one that a Party's first contact point has."""


def create(root: Path, plan: Plan, now: datetime) -> Settings:
    """Make a working installation in ``root``: certificate authority, certificate, keys, slots, arrangement and card.

    Raises:
        SettingsError: the folder holds an installation, or anything else; or the arrangement is malformed.
        KeysError: keys that are destroyed there may stay readable (Articles 8 and 9).

    """
    keys = plan.keys
    folder = Folder(root, None if keys.folder is None else root / keys.folder)
    if folder.installation.exists():
        raise SettingsError(
            f"{root} holds an installation already: choose an empty folder, or use the one that is there"
        )
    if root.exists() and any(root.iterdir()):
        raise SettingsError(f"{root} is not empty: an installation is made in an empty folder; choose another")
    document, version = _first(plan)
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    uri = plan.uri or f"urn:pcsc:ncp:{plan.party.value.lower()}"
    for inner in (folder.authority, folder.certificate.parent, folder.arrangements):
        inner.mkdir(mode=0o700)
    authority = CertificateAuthority.create(f"{plan.party.value} contact point authority", now)
    authority.save(folder.authority)
    leaf = authority.issue(uri, [plan.host], now)
    leaf.save(folder.certificate, folder.certificate_key)
    signing = SigningKey.create(folder.signing_key)
    if keys.folder is not None:
        folder.exchange_slots.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_erasure(folder.slots, token=keys.token is not None)
    for slots in folder.slots:
        KeySlots.create(slots, wrapping=wrapping(root, keys), now=now)
    signed = arrangements.sign(document, plan.party, signing)
    arrangements.store(folder.arrangements, version, document, [signed])
    card = Designation(
        party=plan.party,
        name=plan.name,
        uri=uri,
        address=f"https://{plan.host}:{plan.port}",
        tls_keys=(spki_sha256(leaf.der),),
        authority_pem=authority.cert_pem.decode(),
        signing_key_pem=signing.public_pem.decode(),
        arrangement=SignedArrangement(version, arrangements.fingerprint(document), signed.signature.signature),
    )
    folder.card.write_text(write_card(card), encoding="utf-8")
    # Last of all: with this file the folder is an installation, and without it the next attempt says what is in the way.
    folder.installation.write_text(
        f"# This contact point. Its arrangements with the other one stand in {folder.arrangements.name}.\n"
        f"party = {json.dumps(plan.party.value)}\nname = {json.dumps(plan.name)}\nuri = {json.dumps(uri)}\n"
        f"host = {json.dumps(plan.host)}\nport = {plan.port}\n"
        f"threads = {plan.threads}  # cores that one search uses\n"
        + (f"database = {json.dumps(plan.database)}\n" if plan.database else "")
        + _keys_table(keys),
        encoding="utf-8",
    )
    return read(root)


def passing() -> Path:
    """Return a folder for installations that are thrown away: that of temporary files or, where keys stay there, memory."""
    folder = Path(tempfile.gettempdir())
    try:
        check_erasure([folder / "passing.slots"], token=False)
    except KeysError:
        return Path("/dev/shm")  # noqa: S108 - what is made in it has a name of its own
    return folder


def wrapping(root: Path, keys: Keys) -> Wrapping:
    """Return where the wrapping keys of an installation live: in a token, or in a file beside the slots."""
    if keys.token is None:
        return IN_FILE
    pin_file = keys.token.pin_file
    return TokenWrapping(replace(keys.token, pin_file=None if pin_file is None else root / pin_file))


def _keys_table(keys: Keys) -> str:
    """Return what ``installation.toml`` says of the keys."""
    lines = [f"\n[keys]\nrotate_hours = {keys.rotate_hours}  # how long a wrapping key is used, 24 at most\n"]
    if keys.folder is not None:
        lines.append(f"folder = {json.dumps(str(keys.folder))}\n")
    if keys.token is not None:
        said = {name: value for name, value in asdict(keys.token).items() if value is not None}
        lines += ["\n[keys.token]\n", *(f"{name} = {json.dumps(str(value))}\n" for name, value in said.items())]
    return "".join(lines)


def _first(plan: Plan) -> tuple[bytes, str]:
    """Return the document that an installation begins with, and its version."""
    path = plan.arrangement
    model = files("contact_point").joinpath("models/arrangement.toml")
    try:
        document = path.read_bytes() if path else model.read_bytes()
        return document, arrangements.parse(document, path or model).version
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; name the document of the arrangement") from None
    except DocumentError as error:
        raise SettingsError(str(error)) from None


def renew_signing_key(settings: Settings, now: datetime) -> Designation:
    """Replace our signing key, sign our card's arrangement with the new one, and return the card to give to the other side.

    The public half of the old key is remembered; its private half is overwritten in place. Until the other contact point has
    entered the card, it refuses our messages, which wait. An interruption leaves either key in use: do it again.

    Raises:
        SettingsError: our card is not there or cannot be read.
        KeysError: the disk refuses.

    """
    folder = settings.folder
    card, old = read_card(folder.card.read_text(encoding="utf-8")), SigningKey.load(folder.signing_key)
    fresh = folder.signing_key.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    new = SigningKey.create(fresh)
    remember(folder, FormerKey(settings.uri, old.public_pem.decode(), now, settings.party))
    document = arrangements.document_path(folder.arrangements, card.arrangement.version).read_bytes()
    signed = arrangements.sign(document, settings.party, new)
    arrangements.attach(folder.arrangements, card.arrangement.version, signed)
    with folder.signing_key.open("r+b") as used:
        fresh.replace(folder.signing_key)
        used.write(bytes(os.fstat(used.fileno()).st_size))
        used.flush()
        os.fsync(used.fileno())
    renewed = replace(
        card,
        signing_key_pem=new.public_pem.decode(),
        arrangement=replace(card.arrangement, signature=signed.signature.signature),
    )
    folder.card.write_text(write_card(renewed), encoding="utf-8")
    return renewed


def sign_arrangement(settings: Settings, path: Path, now: datetime) -> Path:
    """Sign the document at ``path`` as a further arrangement, and return where our signature lies, for the other Party.

    A document that is held already is not signed again.

    Raises:
        DocumentError: it is malformed, contradicts itself, or cannot follow those that are held.

    """
    document = path.read_bytes()
    arrangement = arrangements.parse(document, path)
    folder, version = settings.folder.arrangements, arrangement.version
    held = arrangements.document_path(folder, version)
    if held.is_file() and held.read_bytes() == document:
        return arrangements.signature_path(folder, version, settings.party)
    arrangements.admit(arrangement, settings.arrangements, now, path)
    signed = arrangements.sign(document, settings.party, SigningKey.load(settings.folder.signing_key))
    beside = arrangements.signature_path(path.parent, version, settings.party)
    beside.write_text(arrangements.write_signature(signed.signature), encoding="utf-8")
    return beside


def enter_arrangement(settings: Settings, path: Path, theirs: Path, now: datetime) -> Arrangement:
    """Hold the document at ``path`` as a further arrangement: signed by us, and by the other Party in the file ``theirs``.

    Raises:
        SettingsError: no contact point of the other Party is designated.
        DocumentError: it is malformed, contradicts itself, cannot follow those that are held, or is not what the other Party
            signed.

    """
    other = settings.other
    if other is None:
        raise SettingsError(f"Art. 4(7): an arrangement is between both contact points: {settings.lacking}")
    document = path.read_bytes()
    ours = arrangements.sign(document, settings.party, SigningKey.load(settings.folder.signing_key))
    key = VerifyingKey.from_pem(other.signing_key_pem.encode())
    signatories = {
        settings.party: ours,
        other.party: Signatory(other.party, key, arrangements.read_signature(theirs)),
    }
    folder, held = settings.folder.arrangements, settings.arrangements
    return arrangements.enter(folder, document, signatories, held, now, name=path)


def give_notice(settings: Settings, notice: Termination, now: datetime) -> None:
    """Enter the written notice that ends the agreement, whichever Party gave it: Article 15(4).

    An earlier end takes the place of a later one: the other Party's notice may have crossed ours.

    Raises:
        TerminatedError: the notice is not there yet, or one that was entered before ends the agreement earlier.

    """
    # The day is the receiver's own; no clock of either Party is a day ahead of UTC.
    if notice.received_on > (now + timedelta(days=1)).date():
        raise TerminatedError(
            f"the three months begin when the notice is there; it is {now.date()} (UTC) and this one is dated "
            f"{notice.received_on}: enter the day on which it was received"
        )
    first = settings.agreement.termination
    if first is not None and notice.ends_on > first.ends_on:
        raise TerminatedError(
            f"the agreement ends on {first.ends_on} already, three months after {first.given_by} gave notice ({first.note}); "
            f"a second notice, which would end it on {notice.ends_on}, does not put that off: withdraw the first one if it was "
            "withdrawn"
        )
    write_termination(settings.folder, notice)


def withdraw_notice(settings: Settings, note: str, now: datetime) -> Path:
    """Take back the notice that would have ended the agreement, by ``note``, and return where both are kept: Article 15(4).

    The agreement is silent on it; a notice of termination may be revoked at any time before it takes effect (Vienna Convention
    on the Law of Treaties, Article 68) [interp].

    Raises:
        TerminatedError: no notice was entered, or the agreement has ended by it, or no note withdraws it.

    """
    notice, folder = settings.agreement.termination, settings.folder
    if not note.strip():
        raise TerminatedError("a notice given in writing is withdrawn in writing; name the diplomatic note that did")
    if notice is None:
        raise TerminatedError("no notice that ends the agreement is entered here, so there is none to withdraw")
    if settings.agreement.ended(now):
        raise TerminatedError(
            f"the agreement ended on {notice.ends_on}; a notice is withdrawn before it takes effect (Vienna Convention on the "
            "Law of Treaties, Article 68), and what has ended takes a new agreement"
        )
    kept = folder.root / f"withdrawn-{now:%Y-%m-%d}.json"
    kept.write_text(json.dumps({"notice": asdict(notice), "withdrawn_by": note}, default=str, indent=2) + "\n", "utf-8")
    folder.termination.unlink()
    return kept
