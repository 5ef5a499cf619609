"""The tables, as the last migration leaves them.

A column that rests in clear is named in the tests of Article 1(2), personal or not.

Texts are compared byte by byte on either database. A time is a text of fixed form (:func:`moment`), so the earlier sorts first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

# Constraints have names, so that a migration can name them too.
TABLES: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Text: Final = String().with_variant(String(collation="C"), "postgresql")

EXCHANGE = Table(
    "exchange",
    TABLES,
    Column("control_number", _Text, primary_key=True),
    Column("side", _Text, nullable=False),
    Column("state", _Text, nullable=False),
    # The UTC day that a query counts on (Article 4(7)); :data:`UNDATED` where the time is in doubt.
    Column("opened_on", _Text, nullable=False),
    # What a query searches with, for the quotas of Article 4(7); empty where no query opened the exchange.
    Column("search", _Text, nullable=False),
    Column("reference", _Text, unique=True),
    # Digests of the reason that was stated and of its case: the same words for two cases are no reason (4(3), 6).
    Column("reason", _Text, index=True),
    Column("reason_case", _Text),
    # Whose prints matched: known on the queried side alone, and never sent.
    Column("subject", _Text),
    # The exchange itself holds purposes and results in words: it rests under a key of its own, and so does its record.
    Column("slot", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # The queries of a day are counted at each query, without reading one.
    Index(None, "opened_on", "side", "search"),
)
CONTENT = Table(
    "content",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("exchange", _Text, nullable=False, index=True),
    Column("kind", _Text, nullable=False),
    Column("number", _Text, nullable=False),
    Column("slot", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # Whether the exchange permits it no longer, as of the step that ended that: to be destroyed without asking anybody.
    Column("condemned", Boolean, nullable=False),
    UniqueConstraint("exchange", "kind", "number"),
)
ENTRY = Table(
    "entry",
    TABLES,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tree", _Text, nullable=False, index=True),
    Column("exchange", _Text, index=True),
    # Salt and body, under the key of the exchange; empty once its term has ended.
    Column("sealed", LargeBinary),
    Column("leaf", _Text, nullable=False),
    # How it was decided, which the body commits to and does not hold; under the key of the exchange.
    Column("trace", LargeBinary),
)
# The files of keys that belong to this database, by what tells each from every other.
KEYS = Table("keys", TABLES, Column("identity", _Text, primary_key=True))
TREE = Table(
    "tree",
    TABLES,
    Column("name", _Text, primary_key=True),
    Column("first_entry", Integer, nullable=False),
    # The compact range of its leaves, from which its head follows without reading them.
    Column("frontier", _Text, nullable=False),
)
# The compact range of each tree as the other contact point witnessed it last: what came after is shown without reading what
# was before. Whoever takes it holds it to the root that both signed.
WITNESSED = Table(
    "witnessed",
    TABLES,
    Column("tree", _Text, primary_key=True),
    Column("frontier", _Text, nullable=False),
)
NOTE = Table(
    "note",
    TABLES,
    Column("origin", _Text, primary_key=True),
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", _Text, nullable=False),
)
COPY = Table(
    "copy",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("path", _Text, nullable=False),
    Column("made_at", _Text, nullable=False),
    Column("sha256", _Text, nullable=False),
    Column("holds_until", _Text, nullable=False),
    Column("destroyed_at", _Text),
)
DUE = Table(
    "due",
    TABLES,
    Column("exchange", _Text, primary_key=True),
    Column("what", _Text, primary_key=True),
    Column("at", _Text, nullable=False, index=True),
)
CLOCK = Table(
    "clock",
    TABLES,
    Column("row", Integer, primary_key=True, autoincrement=False),
    Column("seen", _Text, nullable=False),
    Column("least", _Text, nullable=False),
    Column("alarmed", Boolean, nullable=False),
    Column("reason", _Text, nullable=False),
)
RECEIVED = Table(
    "received",
    TABLES,
    Column("message", _Text, primary_key=True),
    Column("exchange", _Text, nullable=False),
    Column("commitment", _Text, nullable=False),
    Column("answer", _Text, nullable=False),
)
NONCE = Table(
    "nonce",
    TABLES,
    Column("nonce", _Text, primary_key=True),
    Column("until", _Text, nullable=False, index=True),
)
SUBJECT = Table(
    "subject",
    TABLES,
    Column("name", _Text, primary_key=True),
    Column("revision", Integer, nullable=False, index=True),
    Column("slot", BigInteger),
    Column("sealed", LargeBinary),
)
IMPRESSION = Table(
    "impression",
    TABLES,
    Column("subject", _Text, primary_key=True),
    Column("finger", Integer, primary_key=True, autoincrement=False),
    Column("template", LargeBinary, nullable=False),
    Column("image", LargeBinary),
)
# The people of the console. Of a person nothing but a random id is in clear; the rest is under a key of its own.
PERSON = Table(
    "person",
    TABLES,
    Column("id", _Text, primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
PASSKEY = Table(
    "passkey",
    TABLES,
    Column("credential", _Text, primary_key=True),
    Column("person", _Text, nullable=False, index=True),
    Column("key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("added", _Text, nullable=False),
)
# By SHA-256 of what the browser has: who reads this table has nobody's session.
SESSION = Table(
    "session",
    TABLES,
    Column("digest", _Text, primary_key=True),
    Column("person", _Text, nullable=False, index=True),
    Column("begun", _Text, nullable=False),
    Column("acted", _Text, nullable=False),
    Column("locked", Boolean, nullable=False),
    Column("language", _Text, nullable=False),
)
# What is good for one use: links, challenges. By SHA-256 of what is shown for it, and sealed under what follows from that.
ONCE = Table(
    "once",
    TABLES,
    Column("digest", _Text, primary_key=True),
    Column("person", _Text, index=True),
    Column("until", _Text, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)
# Failures to show who one is, by the digest of what was shown, or of where it came from.
ATTEMPT = Table(
    "attempt",
    TABLES,
    Column("about", _Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", _Text, nullable=False, index=True),
)
# Who looked at personal data, and when and what, under the key of the exchange.
VIEWING = Table(
    "viewing",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("exchange", _Text, nullable=False, index=True),
    Column("person", _Text, nullable=False, index=True),
    Column("sealed", LargeBinary, nullable=False),
)

# The feeds of dispositions that were applied: by whom, which file, and what the gallery's revision was after it.
FEED = Table(
    "feed",
    TABLES,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", _Text, nullable=False),
    Column("by", _Text, nullable=False),
    Column("sha256", _Text, nullable=False),
    Column("revision", Integer, nullable=False),
    # How many events, persons, entries and departures: numbers alone.
    Column("counts", _Text, nullable=False),
)

UNDATED: Final = "9999-12-31"
"""The day of what was opened while the time was in doubt: it counts on every day, until the time is believed again."""

FORGOTTEN: Final = ""
"""The nonce of no signature: its row says that those which were fresh until then may be forgotten."""

OF_EXCHANGES: Final = (EXCHANGE, CONTENT, ENTRY, RECEIVED, DUE, VIEWING)
"""The tables in which an exchange is named in clear: what they had of it ends with its record (Article 11(3))."""


def moment(at: datetime) -> str:
    """Return a time as it is stored: ISO 8601 in UTC to the microsecond, always as long, so that texts sort as times do.

    Raises:
        ValueError: it does not say how far it is from UTC.

    """
    if at.tzinfo is None:
        raise ValueError("a stored time is in UTC; this one does not say how far it is from there")
    return at.astimezone(UTC).isoformat(timespec="microseconds")
