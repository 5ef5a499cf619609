"""The proof that nobody but the designated contact point is answered: every row of it once, and on services that do answer."""

from __future__ import annotations

import pytest

from benchmarks.proof import handshakes
from contact_point import tls
from contact_point.identity import Identity, State


def test_1_1_nobody_but_the_designated_contact_point_is_answered() -> None:
    outcome = handshakes.prove(1, print)
    assert outcome.violations == []
    rows = outcome.counts["rows"]
    assert isinstance(rows, int)
    assert rows >= 40
    assert outcome.counts["refused"] == rows
    assert "9.REVOKED" in str(outcome.counts["revoked in mid-connection"])


class Trusting(Identity):
    """One that believes whatever certificate came through the handshake, and asks no list."""

    def admit(self, certificate_der: bytes) -> State:
        tls.read_certificate(certificate_der)
        return self.now

    def _check(self, certificate_der: bytes) -> None:
        pass


@pytest.mark.long
def test_a_service_that_looks_at_the_certificate_in_the_handshake_only_is_found() -> None:
    found = handshakes.proved(1, print, Trusting).violations
    for wrong in ("URI of another holder", "key: another key", "socket: expired", "list: ended", "a connection whose"):
        assert any(each.startswith(wrong) for each in found), wrong
