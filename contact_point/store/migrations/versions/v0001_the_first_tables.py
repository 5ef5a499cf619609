"""The first tables."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
)

from contact_point.store.errors import StoreError

revision: Final = "0001"
down_revision: Final = None

_Text: Final = String().with_variant(String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them."""
    _exchanges()
    _record()
    _gallery()
    _people()


def downgrade() -> None:
    """Refuse: nothing comes before it.

    Raises:
        StoreError: always.

    """
    raise StoreError(
        "Art. 11(3): without its tables the record would be gone before its term: revision 0001 is the first one, and nothing "
        "comes before it"
    )


def _exchanges() -> None:
    op.create_table(
        "exchange",
        Column("control_number", _Text, nullable=False),
        Column("side", _Text, nullable=False),
        Column("state", _Text, nullable=False),
        Column("opened_on", _Text, nullable=False),
        Column("search", _Text, nullable=False),
        Column("reference", _Text),
        Column("reason", _Text),
        Column("reason_case", _Text),
        Column("subject", _Text),
        Column("slot", BigInteger, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("control_number", name="pk_exchange"),
        UniqueConstraint("reference", name="uq_exchange_reference"),
    )
    op.create_index("ix_exchange_opened_on_side_search", "exchange", ["opened_on", "side", "search"])
    op.create_index("ix_exchange_reason", "exchange", ["reason"])
    op.create_table(
        "content",
        Column("id", Integer, nullable=False),
        Column("exchange", _Text, nullable=False),
        Column("kind", _Text, nullable=False),
        Column("number", _Text, nullable=False),
        Column("slot", BigInteger, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        Column("condemned", Boolean, nullable=False),
        PrimaryKeyConstraint("id", name="pk_content"),
        UniqueConstraint("exchange", "kind", "number", name="uq_content_exchange_kind_number"),
    )
    op.create_index("ix_content_exchange", "content", ["exchange"])
    op.create_table(
        "received",
        Column("message", _Text, nullable=False),
        Column("exchange", _Text, nullable=False),
        Column("commitment", _Text, nullable=False),
        Column("answer", _Text, nullable=False),
        PrimaryKeyConstraint("message", name="pk_received"),
    )
    op.create_table(
        "nonce",
        Column("nonce", _Text, nullable=False),
        Column("until", _Text, nullable=False),
        PrimaryKeyConstraint("nonce", name="pk_nonce"),
    )
    op.create_index("ix_nonce_until", "nonce", ["until"])
    op.create_table(
        "due",
        Column("exchange", _Text, nullable=False),
        Column("what", _Text, nullable=False),
        Column("at", _Text, nullable=False),
        PrimaryKeyConstraint("exchange", "what", name="pk_due"),
    )
    op.create_index("ix_due_at", "due", ["at"])
    op.create_table(
        "clock",
        Column("row", Integer, autoincrement=False, nullable=False),
        Column("seen", _Text, nullable=False),
        Column("least", _Text, nullable=False),
        Column("alarmed", Boolean, nullable=False),
        Column("reason", _Text, nullable=False),
        PrimaryKeyConstraint("row", name="pk_clock"),
    )


def _record() -> None:
    op.create_table(
        "entry",
        Column("number", Integer, autoincrement=False, nullable=False),
        Column("tree", _Text, nullable=False),
        Column("exchange", _Text),
        Column("sealed", LargeBinary),
        Column("leaf", _Text, nullable=False),
        Column("trace", LargeBinary),
        PrimaryKeyConstraint("number", name="pk_entry"),
    )
    op.create_index("ix_entry_exchange", "entry", ["exchange"])
    op.create_index("ix_entry_tree", "entry", ["tree"])
    op.create_table(
        "tree",
        Column("name", _Text, nullable=False),
        Column("first_entry", Integer, nullable=False),
        Column("frontier", _Text, nullable=False),
        PrimaryKeyConstraint("name", name="pk_tree"),
    )
    op.create_table(
        "witnessed",
        Column("tree", _Text, nullable=False),
        Column("frontier", _Text, nullable=False),
        PrimaryKeyConstraint("tree", name="pk_witnessed"),
    )
    op.create_table(
        "note",
        Column("origin", _Text, nullable=False),
        Column("size", Integer, autoincrement=False, nullable=False),
        Column("note", _Text, nullable=False),
        PrimaryKeyConstraint("origin", "size", name="pk_note"),
    )
    op.create_table(
        "copy",
        Column("id", Integer, nullable=False),
        Column("path", _Text, nullable=False),
        Column("made_at", _Text, nullable=False),
        Column("sha256", _Text, nullable=False),
        Column("holds_until", _Text, nullable=False),
        Column("destroyed_at", _Text),
        PrimaryKeyConstraint("id", name="pk_copy"),
    )
    op.create_table(
        "keys",
        Column("identity", _Text, nullable=False),
        PrimaryKeyConstraint("identity", name="pk_keys"),
    )


def _gallery() -> None:
    op.create_table(
        "subject",
        Column("name", _Text, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("slot", BigInteger),
        Column("sealed", LargeBinary),
        PrimaryKeyConstraint("name", name="pk_subject"),
    )
    op.create_index("ix_subject_revision", "subject", ["revision"])
    op.create_table(
        "impression",
        Column("subject", _Text, nullable=False),
        Column("finger", Integer, autoincrement=False, nullable=False),
        Column("template", LargeBinary, nullable=False),
        Column("image", LargeBinary),
        PrimaryKeyConstraint("subject", "finger", name="pk_impression"),
    )
    op.create_table(
        "feed",
        Column("number", Integer, autoincrement=False, nullable=False),
        Column("at", _Text, nullable=False),
        Column("by", _Text, nullable=False),
        Column("sha256", _Text, nullable=False),
        Column("revision", Integer, nullable=False),
        Column("counts", _Text, nullable=False),
        PrimaryKeyConstraint("number", name="pk_feed"),
    )


def _people() -> None:
    op.create_table(
        "person",
        Column("id", _Text, nullable=False),
        Column("slot", BigInteger, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", name="pk_person"),
    )
    op.create_table(
        "passkey",
        Column("credential", _Text, nullable=False),
        Column("person", _Text, nullable=False),
        Column("key", LargeBinary, nullable=False),
        Column("sign_count", BigInteger, nullable=False),
        Column("added", _Text, nullable=False),
        PrimaryKeyConstraint("credential", name="pk_passkey"),
    )
    op.create_index("ix_passkey_person", "passkey", ["person"])
    op.create_table(
        "session",
        Column("digest", _Text, nullable=False),
        Column("person", _Text, nullable=False),
        Column("begun", _Text, nullable=False),
        Column("acted", _Text, nullable=False),
        Column("locked", Boolean, nullable=False),
        Column("language", _Text, nullable=False),
        PrimaryKeyConstraint("digest", name="pk_session"),
    )
    op.create_index("ix_session_person", "session", ["person"])
    op.create_table(
        "once",
        Column("digest", _Text, nullable=False),
        Column("person", _Text),
        Column("until", _Text, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("digest", name="pk_once"),
    )
    op.create_index("ix_once_person", "once", ["person"])
    op.create_index("ix_once_until", "once", ["until"])
    op.create_table(
        "attempt",
        Column("about", _Text, nullable=False),
        Column("failures", Integer, nullable=False),
        Column("last", _Text, nullable=False),
        PrimaryKeyConstraint("about", name="pk_attempt"),
    )
    op.create_index("ix_attempt_last", "attempt", ["last"])
    op.create_table(
        "viewing",
        Column("id", Integer, nullable=False),
        Column("exchange", _Text, nullable=False),
        Column("person", _Text, nullable=False),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("id", name="pk_viewing"),
    )
    op.create_index("ix_viewing_exchange", "viewing", ["exchange"])
    op.create_index("ix_viewing_person", "viewing", ["person"])
