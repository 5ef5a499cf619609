"""What ends when: certificates, authorities and revocation lists, ours and those we hold of the other Party (Article 9).

Between two contact points everything that ends stops the exchange at that second. So what ends is asked for, not met.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from contact_point import revocation
from contact_point.certificates import CertificateError, load_certificates, load_lists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from contact_point.settings import Folder

WARNING: Final = timedelta(days=30)
"""How long before its end something is told of: a note through diplomatic channels takes weeks."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """One thing that ends, and what to do before."""

    what: str
    ends_at: datetime | None
    """``None`` where it cannot be read, which is as bad as ended."""
    renew: str

    def ended(self, now: datetime) -> bool:
        """Whether it is of no use any more."""
        return self.ends_at is None or self.ends_at <= now

    def soon(self, now: datetime) -> bool:
        """Whether it ends within :data:`WARNING`, or has."""
        return self.ends_at is None or self.ends_at - WARNING <= now

    def told(self, now: datetime) -> str:
        """Return it as a sentence."""
        if self.ends_at is None:
            return f"Art. 9: {self.what} cannot be read: {self.renew}"
        days = (self.ends_at - now).days
        said = "ended" if self.ended(now) else "ends"
        return f"Art. 9: {self.what} {said} on {self.ends_at:%Y-%m-%d %H:%M} UTC ({days} days): {self.renew}"


_CERTIFICATE = "`pcsc keys request`, `pcsc keys next`, notify the new card, then `pcsc keys use-next`"
_AUTHORITY = "make another with `pcsc keys authority FOLDER` and let it sign the next certificate"
_LIST = "`pcsc keys revocations`, and give the list to the other contact point"
_THEIR_AUTHORITY = "the other Party notifies a card with its next authority, and it is designated"


def expiries(folder: Folder) -> list[Expiry]:
    """Return everything in an installation that ends, the first to end first. What was never there is left out."""
    found = [
        *_of(folder.certificate, "our certificate", _CERTIFICATE, _certificate_ends),
        *_of(folder.next_certificate, "our next certificate", _CERTIFICATE, _certificate_ends),
        *_of(folder.authority / "authority.pem", "our authority", _AUTHORITY, _certificate_ends),
        *_of(folder.revoked, "our revocation list", _LIST, _list_ends),
        *_of(folder.other_authority, "the other Party's authority", _THEIR_AUTHORITY, _certificate_ends),
        *_of(folder.other_revoked, "the other Party's revocation list", revocation.RENEW, _list_ends),
    ]
    return sorted(found, key=lambda each: each.ends_at or datetime.min.replace(tzinfo=UTC))


def _of(path: Path, what: str, renew: str, ends: Callable[[bytes], list[datetime]]) -> Iterator[Expiry]:
    if not path.exists():
        return
    try:
        for each in ends(path.read_bytes()):
            yield Expiry(what, each, renew)
    except (OSError, CertificateError):
        yield Expiry(what, None, renew)


def _certificate_ends(pem: bytes) -> list[datetime]:
    return [each.not_valid_after_utc for each in load_certificates(pem)]


def _list_ends(pem: bytes) -> list[datetime]:
    """Return when lists end; one that says no end has none that counts."""
    return [each.next_update_utc or each.last_update_utc for each in load_lists(pem)]
