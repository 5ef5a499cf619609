"""Reverse proxies that end TLS, say who called, and pass each request on over a unix socket: nginx, and one like it."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import pytest

from contact_point.tls import PROXY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contact_point.settings import Folder

NGINX: Final = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
GUIDE: Final = Path(__file__).parents[2] / "docs" / "nginx.md"

_OURS: Final = {name.decode() for name in PROXY_HEADERS}


@contextlib.contextmanager
def nginx(folder: Folder, behind: Path, port: int, *, without: str = "") -> Iterator[None]:
    """Let nginx, as docs/nginx.md sets it up, answer for a contact point; it can write nothing to a file but its number.

    ``without`` is what is left out of the guide.
    """
    if NGINX is None:
        pytest.skip("nginx is not installed")
    (server,) = re.findall(r"^    server \{\n.*?^    \}$", GUIDE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    assert without in server
    server = server.replace(without, "")
    server = server.replace("8443", f"127.0.0.1:{port}").replace("/srv/pcsc", str(folder.root))
    server = server.replace("/run/pcsc/peer.sock", str(behind))
    if not folder.other_revoked.exists():
        server = re.sub(r"^ *ssl_crl .*\n", "", server, flags=re.MULTILINE)
    user = "user root;" if os.geteuid() == 0 else ""  # of its workers
    paths = "".join(f"{each}_temp_path {behind.parent};" for each in _WRITES)
    config = behind.parent / "nginx.conf"
    config.write_text(
        f"{user} daemon off; pid nginx.pid; error_log stderr; events {{}}\nhttp {{ {paths}\n{server}\n}}\n",
        encoding="utf-8",
    )
    command = [NGINX, "-p", str(behind.parent), "-c", str(config), "-e", "stderr"]
    # A write that goes too far is refused, and does not kill: Python ignores that signal, and nginx goes on to.
    with subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        restore_signals=False,
        preexec_fn=_hardly_writing,  # noqa: PLW1509 - no thread holds a lock
    ) as process:
        try:
            _await_port(port, process)
            yield
        finally:
            process.terminate()


_WRITES: Final = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def _hardly_writing() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))  # its process number, and nothing else


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    assert process.stderr is not None
    raise RuntimeError(f"nginx ended with {process.returncode}: {process.stderr.read().decode()}")


@contextlib.contextmanager
def proxying(context: ssl.SSLContext, behind: Path) -> Iterator[int]:
    """Pass on to the socket ``behind`` whatever comes over ``context``, one request on each connection; give the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, context, behind))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with socket.create_connection(listener.getsockname()):  # the last one: it says nothing
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, behind: Path) -> None:
    with contextlib.suppress(OSError):
        while True:
            raw, _ = listener.accept()
            raw.settimeout(20)
            with raw, contextlib.suppress(OSError), context.wrap_socket(raw, server_side=True) as caller:
                _pass_on(caller, behind)


def _pass_on(caller: ssl.SSLSocket, behind: Path) -> None:
    heard = b""
    while b"\r\n\r\n" not in heard and (more := caller.recv(65536)):
        heard += more
    head, _, body = heard.partition(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = [each for each in lines if each.partition(":")[0].strip().lower() not in {*_OURS, "connection"}]
    size = next((int(each.split(":")[1]) for each in headers if each.lower().startswith("content-length:")), 0)
    while len(body) < size and (more := caller.recv(65536)):
        body += more
    with socket.socket(socket.AF_UNIX) as way:
        way.settimeout(20)
        way.connect(str(behind))
        head = "\r\n".join([start, *headers, "Connection: close", *_said(caller)]).encode("latin-1")
        way.sendall(head + b"\r\n\r\n" + body)
        while answered := way.recv(65536):
            caller.sendall(answered)


def _said(caller: ssl.SSLSocket) -> list[str]:
    """Return the headers that say who called: $ssl_client_escaped_cert, $ssl_client_verify and $ssl_protocol of nginx."""
    shown = caller.getpeercert(binary_form=True) or b""
    values = (quote(ssl.DER_cert_to_PEM_cert(shown), safe=""), "SUCCESS", caller.version() or "")
    return [f"{name.decode()}: {value}" for name, value in zip(PROXY_HEADERS, values, strict=True)]
