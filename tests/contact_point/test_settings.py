"""The files of an installation: what they say is read once, whole, or the file and the key are named."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import installation
from contact_point.demonstration import designate
from contact_point.installation import Plan
from contact_point.settings import (
    Designation,
    Notified,
    Settings,
    SettingsError,
    Signed,
    SignedArrangement,
    read,
    read_card,
    write_card,
    write_notified,
)
from pcsc.errors import NoArrangementError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CARD = Designation(
    party=Party.US,
    name="FBI CJIS",
    uri="urn:pcsc:ncp:us",
    address="https://127.0.0.1:8444",
    tls_keys=("ab" * 32,),
    authority_pem="-----BEGIN CERTIFICATE-----\n",
    signing_key_pem="-----BEGIN PUBLIC KEY-----\n",
    arrangement=SignedArrangement("model-1", "cd" * 32, "MGUC"),
)


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    return installation.create(tmp_path / "jp", Plan(Party.JP, "警察庁", "127.0.0.1", 8443), NOW)


def test_an_installation_says_what_it_is(made: Settings) -> None:
    found = read(made.folder.root)
    assert found == made
    assert (found.party, found.name, found.uri) == (Party.JP, "警察庁", "urn:pcsc:ncp:jp")
    assert (found.host, found.port, found.address) == ("127.0.0.1", 8443, "https://127.0.0.1:8443")
    assert [(each.version, each.in_force_from) for each in found.arrangements.versions] == [
        ("model-1", date(2019, 1, 5))
    ]
    assert found.other is None


def test_a_folder_without_an_installation_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"no installation in .*: no installation\.toml; name its folder with --dir, or"
    ):
        read(tmp_path)
    with pytest.raises(SettingsError, match="there is no installation in"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "change", "says"),
    [
        ("installation", ('party = "JP"', 'party = "FR"'), "party: Input should be 'JP' or 'US'"),
        ("installation", ("port = 8443", ""), "port: Field required"),
        ("installation", ("port = 8443", 'port = "https"'), "port: Input should be a valid integer"),
        ("installation", ("port = 8443", "port ="), "is not TOML"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_named_with_the_key(
    made: Settings, file: str, change: tuple[str, str], says: str
) -> None:
    path: Path = getattr(made.folder, file)
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(SettingsError, match=says) as refused:
        read(made.folder.root)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            ("record_months = 24", "record_months = 6"),
            "the arrangement's record_months: expected a whole number from 24",
        ),
        (("record_months = 24", ""), "the arrangement lacks record_months: expected every value"),
        (("record_months = 24", "record_months = ["), "this is not TOML: "),
        (("record_months = 24", "record_months = 36"), "expected the signature of JP over these"),
    ],
)
def test_4_7_an_arrangement_that_says_what_cannot_be_is_named(
    made: Settings, change: tuple[str, str], says: str
) -> None:
    path = made.folder.arrangements / "model-1.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(SettingsError, match=says) as refused:
        read(made.folder.root)
    assert str(refused.value).startswith(str(path))


def test_4_7_the_arrangement_is_that_of_the_day(made: Settings) -> None:
    assert made.arrangement(NOW).version == "model-1"
    assert made.arrangement(datetime(2019, 1, 5, tzinfo=UTC)).version == "model-1"
    with pytest.raises(NoArrangementError, match=r"^Art\. 4\(7\): expected a day from 2019-01-05; got 2019-01-04"):
        made.arrangement(datetime(2019, 1, 4, 23, 59, 59, tzinfo=UTC))


def test_a_file_that_is_missing_is_named(made: Settings) -> None:
    made.folder.arrangements.joinpath("model-1.toml").unlink()
    with pytest.raises(SettingsError, match=r"arrangements holds no arrangement: .*restore the documents"):
        read(made.folder.root)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("installation.toml", r"installation\.toml is not TOML"),
        ("arrangements/model-1.toml", r"model-1\.toml, line 1: this is not UTF-8"),
    ],
)
def test_a_file_that_is_no_text_is_named(made: Settings, file: str, says: str) -> None:
    made.folder.root.joinpath(file).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=says):
        read(made.folder.root)


def test_a_card_is_read_as_it_was_written() -> None:
    assert read_card(write_card(CARD)) == CARD


def test_a_card_holds_nothing_secret(made: Settings) -> None:
    text = made.folder.card.read_text(encoding="utf-8")
    assert "PRIVATE" not in text
    assert set(json.loads(text)) == {
        "party", "name", "uri", "address", "tls_keys", "authority_pem", "signing_key_pem", "arrangement",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "the whole text"),
        ("no card", "the whole text"),
        ("[]", "the whole text"),
        ("{}", "party"),
        (write_card(CARD).replace('"US"', '"FR"'), "party"),
        (write_card(CARD).replace('"tls_keys"', '"keys"'), "tls_keys"),
        (write_card(CARD).replace('"https', '7, "x": "'), "address"),
        (write_card(CARD).replace('"arrangement"', '"agreement"'), "arrangement"),
        (write_card(CARD).replace("cdcd", "CDCD"), "arrangement.sha256"),
    ],
)
def test_what_is_no_card_is_refused_with_the_place_and_where_to_get_one(text: str, place: str) -> None:
    with pytest.raises(
        SettingsError, match=rf"^this is not the card of a contact point: {place}: .*ask the other contact"
    ):
        read_card(text)


def test_the_card_of_the_other_contact_point_is_read_with_the_rest(made: Settings, tmp_path: Path) -> None:
    other = installation.create(tmp_path / "us", Plan(Party.US, "FBI CJIS", "127.0.0.1", 8444), NOW)
    card = other.folder.card.read_text(encoding="utf-8")
    designate(made, card, "a note")
    assert read(made.folder.root).other == read_card(card)
    made.folder.other_designation.write_text("{}", encoding="utf-8")
    with pytest.raises(
        SettingsError, match=r"other-designation\.json: card: .*; enter the card again with `pcsc designate"
    ):
        read(made.folder.root)


def test_4_7_a_card_alone_does_not_make_an_arrangement(made: Settings) -> None:
    """The other Party's signature comes with `pcsc designate`, not with a file that somebody puts there."""
    signed = Signed("A. Officer", NOW), Signed("B. Officer", NOW)
    own = read_card(made.folder.card.read_text(encoding="utf-8"))
    write_notified(made.folder.own_designation, Notified(own, "a note", *signed))
    write_notified(made.folder.other_designation, Notified(CARD, "a note", *signed))
    with pytest.raises(
        SettingsError, match=r"expected the signature of US and the key .*; model-1\.US\.sig is missing"
    ):
        read(made.folder.root)


def test_how_the_log_is_written_and_where_health_is_told(made: Settings) -> None:
    assert (read(made.folder.root).log.format, read(made.folder.root).operation.port) == ("text", 0)
    file = made.folder.installation
    text = file.read_text()
    file.write_text(text + '\n[log]\nformat = "json"\n\n[operation]\nport = 9464\nhost = "::1"\n')
    found = read(made.folder.root)
    assert (found.log.format, found.operation.port, found.operation.host) == ("json", 9464, "::1")
    file.write_text(text + '\n[log]\nformat = "xml"\n')
    with pytest.raises(SettingsError, match=r"log\.format: Input should be 'text' or 'json'"):
        read(made.folder.root)


def test_where_the_console_is_reached_and_who_says_who_somebody_is(made: Settings) -> None:
    default = read(made.folder.root).console
    assert (default.origin, default.host, default.provider) == ("http://localhost:8080", "localhost", None)
    file, root = made.folder.installation, made.folder.root
    text = file.read_text() + '\n[console]\norigin = "https://console.example.org:8445"\n'
    file.write_text(text)
    found = read(root).console
    assert (found.host, found.provider) == ("console.example.org", None)
    named = '\n[console.provider]\nissuer = "https://id.example.org"\nclient_id = "pcsc"\nsecret_file = "secret"\n'
    file.write_text(text + named)
    provider = read(root).console.provider
    assert provider is not None
    assert (provider.issuer, provider.secret_file, provider.authority) == (
        "https://id.example.org",
        root / "secret",
        None,
    )
    file.write_text(text + named + 'authority = "/etc/ssl/id.pem"\n')
    provider = read(root).console.provider
    assert provider is not None
    assert str(provider.authority) == "/etc/ssl/id.pem"
    file.write_text(text + named + 'secret = "in clear"\n')
    with pytest.raises(SettingsError, match=r"console\.provider\.secret: Unexpected keyword argument"):
        read(root)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost", ""])  # noqa: S104 - refused
def test_4_4_health_is_told_to_this_machine_alone(made: Settings, host: str) -> None:
    file = made.folder.installation
    file.write_text(file.read_text() + f'\n[operation]\nport = 9464\nhost = "{host}"\n')
    with pytest.raises(
        SettingsError, match=f"expected a loopback address, 127[.]0[.]0[.]1 or ::1; got '{host}'"
    ) as refused:
        read(made.folder.root)
    assert "(Art. 4(4), 9)" in str(refused.value)
