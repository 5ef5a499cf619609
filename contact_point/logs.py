"""The log of a service: lines for a person, or one JSON object a line for a program (``[log] format = "json"``).

Either way :mod:`contact_point.hardening` decides what may be said: what is written here has gone through its discretion
(Article 9). Which request and which exchange a line is about stands in its message, in forms that nothing else has, so it is
taken from there and not told twice. Whatever else a library hangs on a record is not written.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from copy import copy
from datetime import UTC, datetime
from typing import Final

from contact_point import hardening

_TRACE: Final = re.compile(r"\btrace ([0-9a-f]{16})\b")
EXCHANGE: Final = re.compile(r"\b(?:JP|US)\d{6}-[A-Z2-7]{16}\b")
"""The control number of an exchange, or of a message of one, as :func:`contact_point.service.new_number` makes them."""


class JsonLines(logging.Formatter):
    """Writes a log record as one JSON object on one line.

    Its members are ``time`` (RFC 3339, UTC, to the millisecond), ``level``, ``logger`` and ``message``; ``trace`` and
    ``exchange`` where the message names one; ``error`` where something was raised: where, and what may be said of it.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end; discreet also where the process was not hardened."""
        record = hardening.discreet(copy(record))
        message = record.getMessage()
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": at, "level": record.levelname, "logger": record.name, "message": message}
        for name, pattern in (("trace", _TRACE), ("exchange", EXCHANGE)):
            if (found := pattern.search(message)) is not None:
                said[name] = found[found.lastindex or 0]
        if record.exc_text:
            said["error"] = record.exc_text
        return json.dumps(said, ensure_ascii=False)


def configure(form: str) -> None:
    """Write the log of this process to standard error from INFO on, as "text" or "json"; a second call replaces the first.

    In JSON, what ended the process or a thread of it is a line like any other.
    """
    handler = logging.StreamHandler()
    if form == "json":
        handler.setFormatter(JsonLines())
        hardening.tell_by(_report)
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
        hardening.tell_by(None)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def _report(text: str) -> None:
    """Write a report of what nobody caught, which is discreet already, as a line of the log."""
    first, _, rest = text.rpartition("\n")
    record = logging.LogRecord("contact_point", logging.CRITICAL, "", 0, rest, None, None)
    record.exc_text = first or None
    if sys.stderr is not None:
        sys.stderr.write(JsonLines().format(record) + "\n")
