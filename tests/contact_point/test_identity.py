"""Whom we trust while it changes: revocation, renewal, designation, over real handshakes and kept connections (Art. 3, 9)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import ssl
import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from annex.parameters import Party
from contact_point import cli, expiry, main, reachability, renewal, revocation, tls
from contact_point.certificates import (
    CertificateAuthority,
    CertificateError,
    list_number,
    load_certificates,
    load_lists,
)
from contact_point.demonstration import designate
from contact_point.identity import Identity
from contact_point.keys import SigningKey
from contact_point.settings import SettingsError, read_card, write_card
from contact_point.tls import NotContactPointError, RevokedError, UnknownStandingError
from contact_point.transport import Client, ClientError, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from contact_point.service import Installation
    from contact_point.settings import Folder, Settings

    from .parties import Parties

DAY = timedelta(days=1)


def serial(folder: Folder) -> int:
    """Return the serial number of an installation's certificate."""
    return load_certificates(folder.certificate.read_bytes())[0].serial_number


def give_list(issuer: Folder, holder: Folder, *revoked: int, made: datetime | None = None) -> None:
    """Let an authority publish its next list, for 10 days from a moment, and put it where the other contact point holds it."""
    path = renewal.publish(issuer.authority, revoked, made or main.clock(), 10 * DAY)
    holder.other_revoked.write_bytes(path.read_bytes())


def ask(parties: Parties) -> None:
    """Let JP ask US for a sign of life; raise what comes instead of one."""
    reachability.reach(parties.jp, main.clock())


def refused(parties: Parties) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        ask(parties)
    return caught.value


def connections(parties: Parties) -> int:
    """Return how many connections JP holds open."""
    client = parties.jp.other
    assert isinstance(client, Client)
    line = client._line
    if line is None:
        return 0
    transport = line.http._transport
    assert isinstance(transport, httpx2.HTTPTransport)
    return len(transport._pool.connections)


@pytest.fixture
def jp(parties: Parties) -> Folder:
    return parties.jp.settings.folder


@pytest.fixture
def us(parties: Parties) -> Folder:
    return parties.us.settings.folder


@pytest.fixture
def us_answers(parties: Parties) -> Iterator[Parties]:
    with parties.answering(Party.US, gallery=False):
        yield parties


# Revocation, at the answering side


def test_9_a_certificate_that_is_revoked_is_refused_on_the_connection_that_it_opened(
    us_answers: Parties, jp: Folder, us: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    give_list(jp, us)
    ask(us_answers)
    assert connections(us_answers) == 1
    give_list(jp, us, serial(jp))
    problem = refused(us_answers).problem
    assert (problem.status, problem.code) == (403, "9.REVOKED")
    assert f"revoked the certificate with serial number {serial(jp):x}" in problem.detail
    assert connections(us_answers) == 1
    assert any("refused 403 9.REVOKED: Art. 3(3), 9: " in each for each in caplog.messages)


def test_9_a_certificate_that_is_revoked_opens_no_connection(
    us_answers: Parties, jp: Folder, us: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    give_list(jp, us, serial(jp))
    with pytest.raises(ClientError):
        ask(us_answers)
    said = rf"in the handshake: Art\. 3\(3\), 9: CN=JP contact point authority revoked .* {serial(jp):x} on"
    assert any(re.search(said, each) for each in caplog.messages)


def test_9_a_list_that_has_ended_trusts_nobody_and_says_what_to_do_until_the_next_one_is_there(
    parties: Parties, jp: Folder, us: Folder
) -> None:
    give_list(jp, us, made=main.clock() - 20 * DAY)
    with parties.answering(Party.US, gallery=False) as here:
        refusal = refused(parties)
        assert (refusal.problem.status, refusal.problem.code, refusal.final) == (503, "9.REVOCATION_LIST", False)
        for said in ("counts from", "so nobody can tell", "`pcsc keys revocations`", "`pcsc keys enter FILE`"):
            assert said in refusal.problem.detail
        assert here.identity is not None
        assert [each for each in here.identity.remarks() if "nobody is answered and nothing is sent" in each]
        give_list(jp, us)
        ask(parties)
        assert here.identity.remarks() == []


def test_9_a_list_that_ends_while_it_is_in_use_trusts_nobody_from_then_on(
    parties: Parties, jp: Folder, us: Folder
) -> None:
    give_list(jp, us)
    moment = [main.clock()]
    identity = Identity(us, lambda: moment[0])
    shown = ssl.PEM_cert_to_DER_cert(jp.certificate.read_text())
    identity.admit(shown)
    moment[0] += 11 * DAY
    with pytest.raises(
        UnknownStandingError, match=r"^Art\. 9: the revocation list of CN=JP contact point authority counts"
    ):
        identity.admit(shown)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b"", "there is none, or the last is cut off"),
        (b"no list", "there is none, or the last is cut off"),
        (None, "holds no revocation list that an authority on the other Party's card signed"),
    ],
)
def test_9_a_broken_list_trusts_nobody_from_the_start(
    parties: Parties, us: Folder, tmp_path: Path, written: bytes | None, says: str
) -> None:
    if written is None:
        CertificateAuthority.create("JP contact point authority", main.clock()).save(tmp_path)
        written = renewal.publish(tmp_path, [], main.clock()).read_bytes()
    us.other_revoked.write_bytes(written)
    with parties.answering(Party.US, gallery=False):
        assert says in refused(parties).problem.detail


def test_9_a_list_that_was_cut_off_half_way_leaves_the_one_in_use(
    us_answers: Parties, jp: Folder, us: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    give_list(jp, us)
    ask(us_answers)
    whole = renewal.publish(jp.authority, [serial(jp)], main.clock()).read_bytes()
    us.other_revoked.write_bytes(whole[: len(whole) // 2])
    ask(us_answers)
    assert any("a revocation list cannot be used, and the one in use stays" in each for each in caplog.messages)
    us.other_revoked.write_bytes(whole)
    assert refused(us_answers).problem.code == "9.REVOKED"


def test_9_neither_an_older_list_nor_none_takes_the_place_of_one(parties: Parties, jp: Folder, us: Folder) -> None:
    older = renewal.publish(jp.authority, [], main.clock()).read_bytes()
    newer = renewal.publish(jp.authority, [serial(jp)], main.clock()).read_bytes()
    shown = ssl.PEM_cert_to_DER_cert(jp.certificate.read_text())
    us.other_revoked.write_bytes(newer)
    identity = Identity(us, main.clock)
    for written in (older, None):
        us.other_revoked.unlink()
        if written is not None:
            us.other_revoked.write_bytes(written)
        with pytest.raises(RevokedError):
            identity.admit(shown)
    with pytest.raises(UnknownStandingError, match=r"no revocation list of CN=JP .*, of which one was entered before"):
        Identity(us, main.clock).admit(shown)
    us.other_revoked.write_bytes(older)
    with pytest.raises(UnknownStandingError, match="holds list number 1, and number 2 was entered before"):
        Identity(us, main.clock).admit(shown)


def test_9_a_list_of_a_part_or_of_changes_is_not_used(us: Folder, jp: Folder) -> None:
    authority = CertificateAuthority.load(jp.authority)
    now = main.clock()
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(now - DAY).next_update(now + DAY).add_extension(x509.CRLNumber(2), critical=False)
    delta = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True).sign(authority.key, hashes.SHA384())
    us.other_revoked.write_bytes(delta.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(
        UnknownStandingError, match=r"a complete list has no critical extension; this one has 2\.5\.29\.27"
    ):
        Identity(us, main.clock).admit(ssl.PEM_cert_to_DER_cert(jp.certificate.read_text()))


def test_9_until_the_first_list_was_entered_the_pins_do_the_work_alone_and_it_is_said(us_answers: Parties) -> None:
    ask(us_answers)
    identity = us_answers.us.identity
    assert identity is not None
    (remark,) = identity.remarks()
    assert remark.startswith("Art. 9: no revocation list of CN=JP contact point authority was entered")


# Revocation, at the calling side


def test_9_a_server_whose_certificate_is_revoked_hears_nothing(us_answers: Parties, jp: Folder, us: Folder) -> None:
    give_list(us, jp)
    ask(us_answers)
    give_list(us, jp, serial(us))
    with recorded(us_answers.us) as requests, pytest.raises(RevokedError, match=r"^Art\. 3\(3\), 9: CN=US .* revoked"):
        ask(us_answers)
    assert requests == []


def test_9_a_server_of_which_nobody_can_tell_hears_nothing(us_answers: Parties, jp: Folder, us: Folder) -> None:
    give_list(us, jp, made=main.clock() - 20 * DAY)
    with recorded(us_answers.us) as requests, pytest.raises(UnknownStandingError, match="so nobody can tell whether"):
        ask(us_answers)
    assert requests == []


@contextlib.contextmanager
def recorded(here: Installation) -> Iterator[list[str]]:
    """Give the events that are new in a record: what was heard at all."""
    with here.store.transaction() as tx:
        before = tx.next_entry()
    found: list[str] = []
    yield found
    with here.store.transaction() as tx:
        found += [entry.event for entry in tx.entries() if entry.number >= before]


# Renewal without a restart


def renewed(here: Settings) -> None:
    """Make the next key and certificate of an installation, up to the card that names both keys."""
    request = renewal.ask(here)
    renewal.enter_next(here, renewal.sign(request, here.folder.authority, main.clock(), 300 * DAY), main.clock())


def test_3_2_a_key_is_followed_by_the_next_while_both_contact_points_serve(
    us_answers: Parties, jp: Folder, us: Folder
) -> None:
    here = us_answers.us.settings
    ask(us_answers)
    old = us.certificate.read_bytes()
    renewed(here)
    with pytest.raises(SettingsError, match=r"^Art\. 3\(2\): the next key, .*, is not one that our Party notified"):
        renewal.use_next(here)
    assert us.certificate.read_bytes() == old
    both = us.card.read_text(encoding="utf-8")
    designate(us_answers.jp.settings, both, "note of the next key")
    designate(here, jp.card.read_text(encoding="utf-8"), "note of the next key")
    ask(us_answers)
    renewal.use_next(here)
    assert us.certificate.read_bytes() != old
    ask(us_answers)
    alone = us.card.read_text(encoding="utf-8")
    assert set(read_card(alone).tls_keys) < set(read_card(both).tls_keys)
    designate(us_answers.jp.settings, alone, "note that withdrew the old key")
    ask(us_answers)


def test_3_2_a_key_that_was_withdrawn_is_refused_on_the_connection_it_opened(us_answers: Parties, jp: Folder) -> None:
    ask(us_answers)
    moved = replace(read_card(jp.card.read_text(encoding="utf-8")), tls_keys=("ab" * 32,))
    designate(us_answers.us.settings, write_card(moved), "note that withdrew the key")
    problem = refused(us_answers).problem
    assert (problem.status, problem.code) == (403, "3-3.INDIRECT")
    assert "is not one the other Party notified for urn:pcsc:ncp:jp (Art. 3(2))" in problem.detail


def test_9_an_authority_is_followed_by_the_next_and_the_old_one_is_trusted_no_more(
    us_answers: Parties, jp: Folder, us: Folder, tmp_path: Path
) -> None:
    here = us_answers.jp.settings
    other = CertificateAuthority.create("JP contact point authority", main.clock())
    other.save(tmp_path)
    signed = renewal.sign(renewal.ask(here), tmp_path, main.clock())
    with pytest.raises(CertificateError, match="no authority on our card issued the certificate"):
        renewal.enter_next(here, signed, main.clock())
    renewal.enter_next(here, signed, main.clock(), other.cert_pem)
    give_list(jp, us)
    designate(us_answers.us.settings, jp.card.read_text(encoding="utf-8"), "note of the next authority")
    designate(here, us.card.read_text(encoding="utf-8"), "note of the next authority")
    ask(us_answers)
    found = renewal.enter_lists(us, renewal.publish(tmp_path, [], main.clock()).read_bytes(), main.clock())
    assert len(found.lists) == 2
    old = ssl.PEM_cert_to_DER_cert(jp.certificate.read_text())
    renewal.use_next(here)
    ask(us_answers)
    designate(us_answers.us.settings, jp.card.read_text(encoding="utf-8"), "note that withdrew the old authority")
    ask(us_answers)
    state = us_answers.us.identity
    assert state is not None
    with pytest.raises(NotContactPointError, match=r"was not issued by the authority on the other Party's card"):
        state.now.revocations.check(old, main.clock())


def test_9_a_half_written_certificate_never_replaces_what_works(
    us_answers: Parties, us: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    whole = us.certificate.read_bytes()
    for broken in (whole[:200], b""):
        us.certificate.write_bytes(broken)
        us_answers.jp.other.hang_up()  # type: ignore[union-attr]
        ask(us_answers)
    assert any("cannot be used, and what was in use stays: Art. 9: certificate.pem" in each for each in caplog.messages)
    caplog.clear()
    ask(us_answers)
    assert not [each for each in caplog.messages if "cannot be used" in each]  # told once
    us.certificate.write_bytes(whole)
    us_answers.jp.other.hang_up()  # type: ignore[union-attr]
    ask(us_answers)


def test_9_a_designation_that_cannot_be_read_never_replaces_what_works(
    us_answers: Parties, us: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    us.other_designation.write_text("{}")
    ask(us_answers)
    assert any("what was in use stays: " in each and "other-designation.json" in each for each in caplog.messages)


def test_9_a_renewal_that_was_interrupted_is_done_to_its_end(us_answers: Parties, jp: Folder, us: Folder) -> None:
    here = us_answers.us.settings
    renewed(here)
    designate(here, jp.card.read_text(encoding="utf-8"), "note of the next key")
    designate(us_answers.jp.settings, us.card.read_text(encoding="utf-8"), "note of the next key")
    us.next_key.replace(us.certificate_key)  # where a power cut would leave it
    ask(us_answers)
    renewal.use_next(here)
    ask(us_answers)
    assert not us.next_certificate.exists()


# How long a connection lives


@pytest.mark.parametrize("busy", [False, True])
def test_9_a_connection_ends_with_its_life_after_the_answer_under_way(busy: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1.5 if busy else 0)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        http = tls.protocol(HttpToolsProtocol, life=0.5)
        server = uvicorn.Server(uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=20) as caller:
                caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                heard = b"".join(iter(lambda: caller.recv(4096), b""))  # to the end of the connection
            assert heard.startswith(b"HTTP/1.1 200")
            assert heard.endswith(b"ok")
        finally:
            server.should_exit = True
            thread.join()


def test_9_the_calling_side_makes_a_new_connection_when_the_old_one_has_lived(us_answers: Parties) -> None:
    identity = us_answers.jp.identity
    assert identity is not None
    key = SigningKey.load(us_answers.jp.settings.folder.signing_key)
    lines = []
    for life in (0.0, 60.0):
        with Client(identity, key, life=life) as client:
            for _ in range(2):
                reachability.reach(replace(us_answers.jp, other=client), main.clock())
                lines.append(client._line)
    assert lines[0] is not lines[1]
    assert lines[2] is lines[3]


def test_9_a_life_is_ten_minutes() -> None:
    assert tls.LIFE == 600.0
    assert tls.protocol(HttpToolsProtocol).life == tls.LIFE  # type: ignore[attr-defined]


# What is entered by command


def test_9_a_list_is_entered_whole_or_not_at_all(parties: Parties, jp: Folder, us: Folder, tmp_path: Path) -> None:
    first = renewal.publish(jp.authority, [], main.clock()).read_bytes()
    second = renewal.publish(jp.authority, [serial(jp)], main.clock()).read_bytes()
    found = renewal.enter_lists(us, second, main.clock())
    assert [name for name, _ in revocation.ends(found)] == ["CN=JP contact point authority"]
    with pytest.raises(UnknownStandingError, match="holds list number 1, and number 2 was entered before"):
        renewal.enter_lists(us, first, main.clock())
    CertificateAuthority.create("nobody", main.clock()).save(tmp_path)
    with pytest.raises(
        UnknownStandingError, match="no revocation list that an authority on the other Party's card signed"
    ):
        renewal.enter_lists(us, renewal.publish(tmp_path, [], main.clock()).read_bytes(), main.clock())
    assert us.other_revoked.read_bytes() == second


def test_9_what_was_revoked_stays_on_every_list(jp: Folder) -> None:
    now = main.clock()
    renewal.publish(jp.authority, [7], now)
    renewal.publish(jp.authority, [7, 8], now)
    (last,) = load_lists(renewal.publish(jp.authority, [], now).read_bytes())
    assert ([each.serial_number for each in last], list_number(last)) == ([7, 8], 3)
    jp.revoked.write_bytes(b"broken")
    with pytest.raises(CertificateError, match="expected certificate revocation lists in PEM"):
        renewal.publish(jp.authority, [], now)


# What ends when


def test_9_everything_that_ends_is_told_thirty_days_before(parties: Parties, jp: Folder, us: Folder) -> None:
    now = main.clock()
    renewal.publish(us.authority, [], now)
    give_list(jp, us)
    found = expiry.expiries(us)
    assert [each.what for each in found[:2]] == ["the other Party's revocation list", "our revocation list"]
    made_together = {"our certificate", "our authority", "the other Party's authority"}
    assert ({each.what for each in found[2:]}, len(found)) == (made_together, 5)
    first = found[0]
    assert first.ends_at is not None
    assert [each.what for each in found if each.soon(now)] == [first.what]
    assert not first.ended(now)
    assert first.ended(first.ends_at)
    assert re.fullmatch(
        r"Art\. 9: the other Party's revocation list ends on .* UTC \(9 days\): .*`pcsc keys enter FILE`\)",
        first.told(now),
    )
    certificate = next(each for each in found if each.what == "our certificate")
    assert certificate.ends_at is not None
    assert [certificate.soon(certificate.ends_at - timedelta(days=days)) for days in (31, 30)] == [False, True]


def test_9_what_cannot_be_read_counts_as_ended(us: Folder) -> None:
    us.certificate.write_bytes(b"")
    first = expiry.expiries(us)[0]
    assert (first.what, first.ends_at, first.ended(main.clock())) == ("our certificate", None, True)
    assert first.told(main.clock()).startswith("Art. 9: our certificate cannot be read: `pcsc keys request`")


# By command


def test_9_a_key_and_an_authority_are_renewed_by_command(
    parties: Parties, jp: Folder, us: Folder, tmp_path: Path, run: Callable[..., tuple[int, str]]
) -> None:
    ours = ("--dir", us.root)

    def act(*arguments: object, code: int = 0) -> Any:
        ended, said = run(*arguments, "--json")
        assert ended == code, said
        return json.loads(said)

    assert [each["ended"] for each in act("keys", "show", *ours)["ends"]] == [False] * 3
    authority = act("keys", "authority", tmp_path / "offline", "--name", "US authority 2")["folder"]
    request = act("keys", "request", *ours)["request"]
    signed = tmp_path / "signed.pem"
    act("keys", "sign", request, "--out", signed, "--authority", authority, "--days", 20)
    card = act("keys", "next", signed, "--authority-certificate", f"{authority}/authority.pem", *ours)
    assert len(card["tls_keys"]) == 2
    act("keys", "use-next", *ours, code=cli.FAILED)
    act("designate", us.card, "--note", "a note", "--by", "A. Officer", *ours)
    act("designate", "--confirm", "--by", "B. Officer", *ours)
    assert act("keys", "use-next", *ours)["tls_keys"] == card["tls_keys"][1:]
    shown = act("keys", "show", *ours)
    assert [each["what"] for each in shown["ends"] if each["soon"]] == ["our certificate"]
    assert shown["warnings"][0].startswith("Art. 9: our certificate ends on ")

    act("keys", "revoke", jp.certificate, "--dir", jp.root)
    published = act("keys", "revocations", "--days", 1, "--dir", jp.root)
    assert (published["number"], published["revoked"]) == (2, 1)
    assert act("keys", "enter", jp.revoked, *ours)["lists"][0]["authority"] == "CN=JP contact point authority"
    us.other_revoked.write_bytes(renewal.publish(jp.authority, [], main.clock() - 100 * DAY).read_bytes())
    assert act("keys", "show", *ours, code=1)["ends"][0]["ended"]
