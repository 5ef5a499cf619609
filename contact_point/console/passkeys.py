"""Passkeys (W3C Web Authentication): how people of the console show who they are, with nothing that could be told or guessed.

A passkey is enrolled with the link that two persons stand behind (:mod:`~contact_point.console.people`), or by somebody who is
in already. The authenticator verifies its owner (a finger, a PIN) at each use. Origin and relying party identifier are those of
the settings, a challenge is used once and within five minutes, and a count of signatures that does not grow is that of a copy.

Who goes in says nothing before: the passkey brings who it is of, so nobody can ask whether a person exists.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url, generate_challenge, parse_authentication_credential_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from contact_point.console import lockout, once, people
from contact_point.console.lockout import LoginError
from contact_point.store import Passkey, Person

if TYPE_CHECKING:
    from datetime import datetime

    from webauthn.helpers.structs import AuthenticationCredential

    from contact_point.settings import Console
    from contact_point.store import Store, Transaction

_log = logging.getLogger("contact_point.console")

CHALLENGE_LASTS: Final = timedelta(minutes=5)

ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
"""Approved ones (FIPS 186-5); the last because keys of a computer's TPM often have no other."""

LONGEST: Final = 65_536
"""Characters of an answer of a browser: with every attestation that there is, it takes a tenth of that."""

_REGISTRATION, _AUTHENTICATION = "registration", "authentication"

# What names no passkey is verified with this P-256 key, so that it takes as long; whatever comes of it, nobody goes in. It is
# the base point of FIPS 186-5.
_NOBODY: Final = bytes.fromhex(
    "a5010203262001215820"
    "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "225820"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


class EnrolmentError(ValueError):
    """A passkey cannot be enrolled. Whoever hears it has shown a link, or is in already."""


@dataclass(frozen=True, slots=True)
class Ceremony:
    """What a browser needs to make or to use a passkey."""

    token: str
    """To be shown again with the answer, which it is good for once; for a cookie of the browser."""
    options: str
    """JSON, for ``PublicKeyCredential.parseCreationOptionsFromJSON`` or ``parseRequestOptionsFromJSON``."""


def begin_with_link(store: Store, site: Console, link: str, *, now: datetime) -> Ceremony:
    """Begin to enrol a passkey for the person whom a link is of; the link is used up when it ends well.

    Raises:
        EnrolmentError: it is no link, or was used, or its time is over.

    """
    with store.transaction() as tx:
        number = once.look(tx, people.LINK, link, now=now)
        if number is None:
            raise EnrolmentError(
                "Art. 9: this link is good for nothing: it was used, or is more than 24 hours old; ask an administrator for "
                "another one"
            )
        return _begin(tx, site, tx.person(number.decode()), link, now)


def begin(store: Store, site: Console, person: str, *, now: datetime) -> Ceremony:
    """Begin to enrol a further passkey for somebody who is in, by id.

    Raises:
        EnrolmentError: they left.

    """
    with store.transaction() as tx:
        return _begin(tx, site, tx.person(person), "", now)


def _begin(tx: Transaction, site: Console, person: Person, link: str, now: datetime) -> Ceremony:
    _check_here(person)
    challenge = generate_challenge()
    options = generate_registration_options(
        rp_id=site.host,
        rp_name="pcsc",
        user_id=person.id.encode(),
        user_name=person.mail,
        user_display_name=person.name,
        challenge=challenge,
        timeout=_milliseconds(),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(base64url_to_bytes(each.credential)) for each in tx.passkeys(person.id)
        ],
        supported_pub_key_algs=ALGORITHMS,
    )
    kept = json.dumps([bytes_to_base64url(challenge), person.id, link]).encode()
    token = once.keep(tx, _REGISTRATION, kept, lasts=CHALLENGE_LASTS, now=now, person=person.id)
    return Ceremony(token, options_to_json(options))


def enrol(store: Store, site: Console, token: str, answer: str, *, now: datetime) -> Person:
    """Enrol the passkey that a browser made, and return whose it is.

    ``answer`` is the JSON of the browser's ``PublicKeyCredential``. The challenge is used up, also where it fails; a link,
    where it does not.

    Raises:
        EnrolmentError: the challenge or the link is used or too old, the answer is none to it, or of another site, the
            authenticator did not verify its owner, or the passkey is there already.

    """
    with store.transaction() as tx:
        outcome = _enrolled(tx, site, token, answer, now)
    if isinstance(outcome, EnrolmentError):
        raise outcome
    _log.info("a passkey of person %s is enrolled", outcome.id)
    return outcome


def _enrolled(tx: Transaction, site: Console, token: str, answer: str, now: datetime) -> Person | EnrolmentError:
    """Return whose passkey it is now or why not: an error that is returned does not undo that the challenge was used."""
    kept = once.use(tx, _REGISTRATION, token, now=now)
    if kept is None:
        return EnrolmentError(
            "Art. 9: this took longer than five minutes, or was sent twice: begin again from the link"
        )
    challenge, number, link = json.loads(kept)
    person = tx.person(number)
    _check_here(person)
    if link and once.look(tx, people.LINK, link, now=now) is None:
        return EnrolmentError(
            "Art. 9: the link was used meanwhile, or its time is over: ask an administrator for another one"
        )
    try:
        found = verify_registration_response(
            credential=_limited(answer),
            expected_challenge=base64url_to_bytes(challenge),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
            supported_pub_key_algs=ALGORITHMS,
        )
    except Exception as error:  # noqa: BLE001 - the library's parsers raise what they meet; whatever it is, it is no passkey
        return EnrolmentError(
            f"Art. 9: expected a new passkey of {site.host}, made at {site.origin} by an authenticator that verified its "
            f"owner; what came is none ({_reason(error)}): begin again from the link, with another authenticator if it stays so"
        )
    credential = bytes_to_base64url(found.credential_id)
    if not tx.add_passkey(Passkey(credential, number, found.credential_public_key, found.sign_count, now)):
        return EnrolmentError(
            "Art. 9: this passkey is enrolled already, and is one person's: use another authenticator"
        )
    if link:
        once.use(tx, people.LINK, link, now=now)
    return person


def challenge(store: Store, site: Console, *, now: datetime) -> Ceremony:
    """Begin to let somebody in: whoever it may be, the options are the same but for the challenge."""
    fresh = generate_challenge()
    options = generate_authentication_options(
        rp_id=site.host,
        challenge=fresh,
        timeout=_milliseconds(),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    with store.transaction() as tx:
        token = once.keep(tx, _AUTHENTICATION, fresh, lasts=CHALLENGE_LASTS, now=now)
    return Ceremony(token, options_to_json(options))


def recognise(store: Store, site: Console, token: str, answer: str, *, address: str, now: datetime) -> Person:
    """Return who used a passkey; ``address`` is where they called from, and is kept as a digest where it fails.

    Raises:
        LoginError: nobody was recognised, for whatever reason.
        LockedOutError: too many failures, with this passkey or from there; nothing was looked at.

    """
    credential = _credential(answer)
    counted = [lockout.by_address(address)]
    if credential is not None:
        counted.append(lockout.by_shown(credential.id))
    with store.transaction() as tx:
        lockout.check(tx, counted, now)
        expected = once.use(tx, _AUTHENTICATION, token, now=now)
        person = None
        if expected is not None:
            person = None if credential is None else _recognised(tx, site, expected, credential)
            if person is None:
                lockout.failed(tx, counted, now)
            else:
                lockout.succeeded(tx, counted[-1], now)
    if person is None:
        raise LoginError
    return person


def _recognised(tx: Transaction, site: Console, expected: bytes, credential: AuthenticationCredential) -> Person | None:
    """Return whose passkey signed the challenge, or None; an id that nobody has costs as much."""
    passkey = tx.passkey(credential.id)
    try:
        found = verify_authentication_response(
            credential=credential,
            expected_challenge=expected,
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=_NOBODY if passkey is None else passkey.key,
            credential_current_sign_count=0,  # compared below
            require_user_verification=True,
        )
    except Exception as error:  # noqa: BLE001 - the library's parsers raise what they meet; whatever it is, nobody goes in
        _log.warning("Art. 9: a passkey was refused: %s", _reason(error))
        return None
    if passkey is None or credential.response.user_handle != passkey.person.encode():
        return None
    counts = max(found.new_sign_count, passkey.sign_count) > 0
    if counts and found.new_sign_count <= passkey.sign_count:
        # WebAuthn level 3, 6.1.1: there may be two of it.
        _log.warning(
            "Art. 9: a passkey of person %s signed for the %dth time after the %dth: it may have been copied, and is refused; "
            "let the person have a new link",
            passkey.person,
            found.new_sign_count,
            passkey.sign_count,
        )
        return None
    tx.passkey_signed(passkey.credential, found.new_sign_count)
    person = tx.person(passkey.person)
    return person if person.works_here else None


def _credential(answer: str) -> AuthenticationCredential | None:
    """Return what a browser sent, or None where it is nothing of the kind."""
    try:
        return parse_authentication_credential_json(_limited(answer))
    except Exception:  # noqa: BLE001 - as above
        return None


def _limited(answer: str) -> str:
    if len(answer) > LONGEST:
        raise ValueError(f"more than {LONGEST} characters")
    return answer


def _reason(error: Exception) -> str:
    """Return why the library refused something: its kind alone, as a message may repeat what was sent."""
    return type(error).__name__


def _check_here(person: Person) -> None:
    if not person.works_here:
        raise EnrolmentError(
            "Art. 9: a passkey is of somebody who works here, and this person left: nothing was enrolled"
        )


def _milliseconds() -> int:
    return CHALLENGE_LASTS // timedelta(milliseconds=1)
