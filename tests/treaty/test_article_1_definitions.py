"""Article 1(1), automated querying through contact points alone; and 1(2), what is personal data wherever it is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest

from contact_point.certificates import CertificateAuthority
from contact_point.store.tables import TABLES
from contact_point.tls import NotContactPointError, Pin, identify

NOW: Final = datetime(2026, 11, 22, tzinfo=UTC)
NOTIFIED: Final = Pin("urn:pcsc:ncp:us", frozenset({"ab" * 32}))

# Art. 1(2): "any information relating to an identified or identifiable natural person". What leads to a person through
# other data is identifiable: control and reference numbers, commitments and digests, and what is sealed under a key that is
# still there.
PERSONAL: Final = {
    "exchange": {"control_number", "reference", "reason", "reason_case", "subject", "sealed"},
    "content": {"exchange", "number", "sealed"},
    "entry": {"exchange", "sealed", "trace"},
    # What is due for an exchange names it; a copy is a file of records.
    "due": {"exchange"},
    "copy": {"path"},
    "received": {"message", "exchange", "commitment"},
    "subject": {"name", "sealed"},
    "impression": {"subject", "template", "image"},
    # The people of the console are persons too: by a random id, a credential, the digest of where somebody came from.
    "person": {"id", "sealed"},
    "passkey": {"credential", "person", "key"},
    "session": {"digest", "person"},
    "once": {"digest", "person", "sealed"},
    "attempt": {"about"},
    "viewing": {"exchange", "person", "sealed"},
    # Who applied a feed, and a digest of a file about persons, that could be guessed where it says little.
    "feed": {"by", "sha256"},
}
NOT_PERSONAL: Final = {
    "exchange": {"side", "state", "opened_on", "search", "slot"},
    "content": {"id", "kind", "slot", "condemned"},
    # Without its entry a leaf tells nothing, for which its salt dies with it (11(3)).
    "entry": {"number", "tree", "leaf"},
    "keys": {"identity"},
    "tree": {"name", "first_entry", "frontier"},
    "note": {"origin", "size", "note"},
    "copy": {"id", "made_at", "sha256", "holds_until", "destroyed_at"},
    "due": {"what", "at"},
    "witnessed": {"tree", "frontier"},
    "clock": {"row", "seen", "least", "alarmed", "reason"},
    "received": {"answer"},
    "nonce": {"nonce", "until"},
    "subject": {"revision", "slot"},
    "impression": {"finger"},
    "person": {"slot"},
    "passkey": {"sign_count", "added"},
    "session": {"begun", "acted", "locked", "language"},
    "once": {"until"},
    "attempt": {"failures", "last"},
    "viewing": {"id"},
    "feed": {"number", "at", "revision", "counts"},
}


def test_1_1_only_a_designated_contact_point_queries() -> None:
    anybody = CertificateAuthority.create("anybody", NOW).issue("urn:anybody", ["127.0.0.1"], NOW)
    with pytest.raises(
        NotContactPointError, match=r"^Art\. 1\(1\), 3\(3\): urn:anybody is not a national contact point"
    ):
        identify(anybody.der, [NOTIFIED], NOW)
    with pytest.raises(NotContactPointError, match=r"^Art\. 1\(1\), 3\(3\): the other end is no contact point"):
        identify(b"no certificate", [NOTIFIED], NOW)


@pytest.mark.parametrize("table", TABLES.tables)
def test_1_2_every_column_says_whether_it_holds_personal_data(table: str) -> None:
    columns = set(TABLES.tables[table].columns.keys())
    personal, other = PERSONAL.get(table, set()), NOT_PERSONAL.get(table, set())
    unclassified, gone = sorted(columns - personal - other), sorted((personal | other) - columns)
    assert not unclassified, (
        f"say here whether {unclassified} of {table} hold personal data: also of an identifiable person"
    )
    assert not gone, f"the table {table} no longer has {gone}"
    assert not personal & other


def test_1_2_no_table_is_classified_that_is_not_there() -> None:
    assert PERSONAL.keys() | NOT_PERSONAL.keys() == TABLES.tables.keys()
