"""One more, for the tests."""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import Column, MetaData, String, Table, insert, select, update

revision: Final = "NEXT"
down_revision: Final = "HEAD"

_META: Final = MetaData()
_NONCE: Final = Table("nonce", _META, Column("nonce", String, primary_key=True))
_RECEIVED: Final = Table("received", _META, Column("message", String, primary_key=True), Column("at", String))


def upgrade() -> None:
    with op.batch_alter_table("received") as batch:  # SQLite copies the table
        batch.add_column(Column("at", String, nullable=False, server_default=""))
        batch.alter_column("answer", existing_type=String, nullable=True)
    op.get_bind().execute(update(_RECEIVED).values(at="2026-11-22"))
    short = op.create_table("short", Column("nonce", String, primary_key=True))
    for nonce in op.get_bind().execute(select(_NONCE.c.nonce)).scalars().all():
        op.get_bind().execute(insert(short).values(nonce=nonce[-24:]))  # refused where two end alike


def downgrade() -> None:
    op.drop_table("short")
    with op.batch_alter_table("received") as batch:
        batch.alter_column("answer", existing_type=String, nullable=False)
        batch.drop_column("at")
