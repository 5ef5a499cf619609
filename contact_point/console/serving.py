"""The process of the console: beside the service of the other contact point, on the same store."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import uvicorn

from contact_point import arrays, main
from contact_point.console import app
from contact_point.hardening import harden

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("contact_point.console")


def serve(root: Path, host: str, port: int) -> None:
    """Serve the console of the installation in ``root`` until told to stop.

    Raises:
        SettingsError, KeysError: the folder is not a whole installation.

    """
    with main.opened(root) as here, arrays.unkept():
        for remark in harden():
            _log.warning("%s", remark)
        site = here.settings.console
        _log.info("the console is at %s", site.origin)
        application = app.build(here, site, main.clock)
        uvicorn.run(
            application,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
        )
