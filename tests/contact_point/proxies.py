"""A reverse proxy as docs/nginx.md has it: ends TLS, says who called, and passes each request on over a unix socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from contact_point.tls import PROXY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OURS: Final = {name.decode() for name in PROXY_HEADERS}


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
