"""Who we are and whom we trust, as the files of an installation say it now: certificate, designation, authorities, lists.

All of it changes while a contact point serves: a certificate is renewed, a key is withdrawn, an authority publishes what it
revoked. So nothing here is read once. :attr:`Identity.now` looks at the files' times and sizes, a few microseconds, whenever a
connection begins, a request came or a message leaves; where one changed, everything is read and checked anew, and takes the
place of what was only when the whole of it can be used. What cannot is told in the log, once, and the old one stays, with
the ends that it has: a list that runs out trusts nobody, whatever lies in the file.
"""

from __future__ import annotations

import logging
import os
import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from contact_point import revocation, settings, tls
from contact_point.certificates import CertificateError, load_certificates
from contact_point.keys import KeysError, VerifyingKey
from contact_point.revocation import Revocations
from contact_point.settings import Designation, SettingsError
from contact_point.tls import ContextError, Pin, TlsError, UnknownStandingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from cryptography import x509

    from contact_point.settings import Folder

_log = logging.getLogger("contact_point.identity")

_Stamps: TypeAlias = tuple[tuple[int, int, int] | None, ...]

_TROUBLE: Final = (SettingsError, TlsError, CertificateError, KeysError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class State:
    """Who we are and whom we trust at one time."""

    other: Designation
    pins: tuple[Pin, ...]
    verifying: VerifyingKey
    """What the other contact point signs messages with."""
    revocations: Revocations
    client: ssl.SSLContext
    server: ssl.SSLContext


class Identity:
    """The identity of an installation, kept up with its files. Thread-safe."""

    def __init__(self, folder: Folder, clock: Callable[[], datetime]) -> None:
        """Read the identity of the installation in ``folder``.

        Raises:
            SettingsError: a designation is not in effect, or a file cannot be used.
            ContextError: a certificate or key cannot be used.

        """
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._paths = tuple(map(str, self._files()))
        self._stamps = self._look()
        self._state = self._read(None)
        self.server = tls.newest("server", lambda: self.now.server)
        self.client = tls.newest("client", lambda: self.now.client)

    @property
    def now(self) -> State:
        """What counts now."""
        with self._lock:
            stamps = self._look()
            if stamps != self._stamps:
                self._stamps = stamps
                self._renew()
            return self._state

    def admit(self, certificate_der: bytes) -> State:
        """Return what counts now, for a caller whose certificate the other Party's contact point may use now.

        Raises:
            NotContactPointError: it may not; :class:`~contact_point.tls.UnknownStandingError` where nobody can tell.

        """
        state, now = self.now, self._clock()
        tls.identify(certificate_der, state.pins, now)
        state.revocations.check(certificate_der, now)
        return state

    def remarks(self) -> list[str]:
        """Return what the operator should know of it."""
        return self.now.revocations.remarks()

    def _files(self) -> tuple[Path, ...]:
        folder = self._folder
        return (
            folder.certificate, folder.certificate_key, folder.other_authority, folder.other_designation,
            folder.own_designation, folder.other_revoked, folder.other_revoked_numbers,
        )  # fmt: skip

    def _look(self) -> _Stamps:
        return tuple(map(_stamp, self._paths))

    def _renew(self) -> None:
        try:
            self._state = self._read(self._state)
        except _TROUBLE as error:
            _log.error("what changed on disk cannot be used, and what was in use stays: %s", error)
        else:
            _log.info("certificate, designation and revocation lists were read anew")

    def _read(self, before: State | None) -> State:
        """Return what the files say."""
        folder = self._folder
        try:
            authorities = load_certificates(folder.other_authority.read_bytes())
        except (OSError, CertificateError) as error:
            raise ContextError(
                f"Art. 9: {folder.other_authority.name} must be the certificate of the other Party's authority in PEM: {error}"
            ) from error
        other = settings.designated(folder)
        pin = Pin(other.uri, frozenset(other.tls_keys))
        return State(
            other=other,
            pins=(pin,),
            verifying=VerifyingKey.from_pem(other.signing_key_pem.encode()),
            revocations=self._lists(authorities, before),
            client=tls.client_context(
                certificate=folder.certificate,
                key=folder.certificate_key,
                peer_authority=folder.other_authority,
                pin=pin,
                check=self._check,
            ),
            server=tls.server_context(
                certificate=folder.certificate,
                key=folder.certificate_key,
                peer_authority=folder.other_authority,
                check=self._check_caller,
            ),
        )

    def _lists(self, authorities: tuple[x509.Certificate, ...], before: State | None) -> Revocations:
        """Return the lists that count; in place of broken ones those before or, where there are none, trust in nobody."""
        path, numbers = self._folder.other_revoked, self._folder.other_revoked_numbers
        try:
            found = revocation.read(path, numbers, authorities, self._clock())
            revocation.remember(numbers, found)
        except UnknownStandingError as error:
            if before is not None and before.revocations.lists and before.revocations.authorities == authorities:
                _log.error("a revocation list cannot be used, and the one in use stays: %s", error)
                return before.revocations
            _log.error("%s", error)
            return revocation.unusable(authorities, error)
        return found

    def _check(self, certificate_der: bytes) -> None:
        self.now.revocations.check(certificate_der, self._clock())

    def _check_caller(self, certificate_der: bytes) -> None:
        """Refuse a revoked caller in the handshake; where nobody can tell, its requests are answered with why."""
        try:
            self._check(certificate_der)
        except UnknownStandingError:
            return


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at every request: a Path is made into this string each time
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
