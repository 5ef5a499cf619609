"""Behind a proxy that ends TLS, where asked for: who is heard on its socket, and that nothing else believes its headers."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from annex.parameters import Party
from contact_point import main, querying, reachability, tls
from contact_point.demonstration import designate
from contact_point.settings import Proxy, SettingsError, read, read_card, write_card
from contact_point.wire import SignatureRefusedError
from pcsc.exchange import State

from .parties import justification
from .proxies import nginx, proxying

if TYPE_CHECKING:
    from pathlib import Path

    from contact_point.service import Installation

    from .parties import Finger, Parties


def asked_through_proxy(parties: Parties, private: Path, uid: int) -> None:
    """Let US answer behind a proxy, tell JP the proxy's address, and let JP ask for a sign of life."""
    us, jp = parties.us, parties.jp
    folder = us.settings.folder
    context = tls.server_context(
        certificate=folder.certificate, key=folder.certificate_key, peer_authority=folder.other_authority
    )
    with proxying(context, private / "peer.sock") as port:
        found = replace(us.settings, port=port, proxy=Proxy(private / "peer.sock", uid))
        server = main.server(replace(us, settings=found))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            card = replace(read_card(folder.card.read_text(encoding="utf-8")), address=found.address)
            designate(jp.settings, write_card(card), "note of the address")
            reachability.reach(jp, main.clock())
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture
def private(tmp_path: Path) -> Path:
    folder = tmp_path / "private"
    folder.mkdir(mode=0o710)
    return folder


def test_9_a_contact_point_behind_a_proxy_answers_the_designated_one(parties: Parties, private: Path) -> None:
    asked_through_proxy(parties, private, os.geteuid())


@pytest.fixture
def behind_nginx(parties: Parties, fingers: tuple[Finger, ...], private: Path) -> Installation:
    """Return JP, while US, where the person of the first finger is enrolled, is set up to answer behind a proxy."""
    parties.enrol(Party.US, "someone", fingers[0])
    with parties.us.settings.folder.installation.open("a") as file:
        file.write(f'\n[proxy]\nsocket = "{private}/peer.sock"\nuid = {os.geteuid()}\n')
    return parties.jp


def test_9_behind_nginx_as_the_guide_sets_it_up_nothing_is_written_of_what_passes(
    parties: Parties, fingers: tuple[Finger, ...], private: Path, behind_nginx: Installation
) -> None:
    us = parties.us.settings
    with nginx(us.folder, private / "peer.sock", us.port), parties.answering(Party.US):
        exchange = querying.open_query(behind_nginx, [fingers[0].later_print], justification(Party.JP), main.clock())
    assert exchange.state is State.MATCH


def test_9_nginx_without_what_the_guide_says_of_buffering_would_write_the_prints_to_a_file(
    parties: Parties, fingers: tuple[Finger, ...], private: Path, behind_nginx: Installation
) -> None:
    us = parties.us.settings
    with (
        nginx(us.folder, private / "peer.sock", us.port, without="proxy_request_buffering off;"),
        parties.answering(Party.US),
        pytest.raises(SignatureRefusedError, match="what came does not verify"),
    ):
        querying.open_query(behind_nginx, [fingers[0].later_print], justification(Party.JP), main.clock())


def test_9_nobody_but_the_user_of_the_proxy_is_heard_on_its_socket(
    parties: Parties, private: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Exception, match="no answer came"):
        asked_through_proxy(parties, private, os.geteuid() + 1)
    said = f"refused a connection on the socket of the proxy: user {os.geteuid()} is not user {os.geteuid() + 1}"
    assert any(said in each for each in caplog.messages)


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o770, None])
def test_9_the_socket_lies_where_only_the_proxy_gets(parties: Parties, private: Path, mode: int | None) -> None:
    if mode is None:
        private.rmdir()
    else:
        private.chmod(mode)
    found = replace(parties.us.settings, proxy=Proxy(private / "peer.sock", 33))
    with pytest.raises(
        SettingsError, match=r"^Art\. 9: the socket of the proxy lies in a folder of our own .*`install -d"
    ):
        main.server(replace(parties.us, settings=found))


def test_9_a_proxy_is_believed_only_where_the_settings_say_so(parties: Parties) -> None:
    folder = parties.us.settings.folder
    assert read(folder.root).proxy is None
    with folder.installation.open("a") as file:
        file.write('\n[proxy]\nsocket = "private/peer.sock"\nuid = 33\n')
    assert read(folder.root).proxy == Proxy(folder.root / "private" / "peer.sock", 33)
    with folder.installation.open("a") as file:
        file.write("trusted = true\n")
    with pytest.raises(SettingsError, match=r"installation\.toml: proxy\.trusted"):
        read(folder.root)


def test_9_a_certificate_in_a_header_is_nobodys_without_a_proxy() -> None:
    for name in tls.PROXY_HEADERS:
        scope = {"headers": [(name, b"")], "extensions": {"tls": {"client_certificate": b"x", "version": "TLSv1.3"}}}
        with pytest.raises(
            tls.NotContactPointError, match=r"^Art\. 1\(1\), 3\(3\): .* in a header, which anybody can write"
        ):
            tls.client_certificate(scope)
