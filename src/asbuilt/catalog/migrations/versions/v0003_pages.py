"""Pages of documents as they were read, so that no page is read twice."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("recipe", sa.Text, nullable=False),
        sa.Column("pages", sa.Integer),
        sa.UniqueConstraint("content_hash", "recipe"),
    )
    op.create_table(
        "pages",
        sa.Column("reading_id", sa.Integer, sa.ForeignKey("readings.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("characters", sa.Integer, nullable=False),
        sa.Column("layout", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    for table in ("pages", "readings"):
        op.drop_table(table)
