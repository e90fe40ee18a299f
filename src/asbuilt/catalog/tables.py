"""The tables of the catalogue, the same on SQLite and PostgreSQL. Migrations create them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "agent_facts",
    "answers",
    "api_keys",
    "changes",
    "chunks",
    "documents",
    "embeddings",
    "facts",
    "inbox",
    "jobs",
    "metadata",
    "pages",
    "ratings",
    "readings",
    "receipts",
    "run_events",
    "runs",
    "versions",
]

metadata = MetaData()

documents = Table(
    "documents",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("collection", String(200), nullable=False),
    Column("source", Text, nullable=False),
    UniqueConstraint("collection", "source"),
)

# state: "building" until its chunks are embedded (only when an older version is being shown),
# "current" when readers see it, "superseded" or "removed" afterwards. At most one version of a
# document is current and at most one is building.
versions = Table(
    "versions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("recipe", String(200), nullable=False),
    Column("media_type", String(100), nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("document_id", "number"),
    Index("versions_by_state", "state", "document_id"),
)

# context: what stands before the text when it is searched and embedded (source words, headings).
# search_hash: SHA-256 of context and text; embeddings are shared by it.
chunks = Table(
    "chunks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version_id", ForeignKey("versions.id"), nullable=False, index=True),
    Column("ordinal", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("page", Integer),
    Column("headings", JSON, nullable=False),
    Column("context", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("search_hash", String(64), nullable=False, index=True),
)

embeddings = Table(
    "embeddings",
    metadata,
    Column("search_hash", String(64), primary_key=True),
    Column("model_id", String(200), primary_key=True),
    Column("vector", LargeBinary, nullable=False),  # float32, little endian
)

# Files that were read page by page. `recipe` names the reader, its models and settings; `pages` is
# their number once the last one has been read.
readings = Table(
    "readings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("content_hash", String(64), nullable=False),
    Column("recipe", Text, nullable=False),
    Column("pages", Integer),
    UniqueConstraint("content_hash", "recipe"),
)

pages = Table(
    "pages",
    metadata,
    Column("reading_id", ForeignKey("readings.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("characters", Integer, nullable=False),  # of the page's text
    Column("layout", LargeBinary, nullable=False),  # JSON of a PageLayout, zlib
)

# The feed of index projections: "look at this chunk again". Its state is read when it is replayed.
changes = Table(
    "changes",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("chunk_id", ForeignKey("chunks.id"), nullable=False),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("collection", String(200), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("finished_at", Float),
)

# One row a file and collection: what became of it the last time. status: "reading" while its bytes
# are parsed (a row that is found so after a crash counts as an attempt), then "stored", "indexed",
# "quarantined" or "removed".
receipts = Table(
    "receipts",
    metadata,
    Column("collection", String(200), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("status", String(12), nullable=False),
    Column("content_hash", String(64), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("document_id", Integer),
    Column("version", Integer),
    Column("chunks", Integer, nullable=False),
    Column("embedded", Integer, nullable=False),
    Column("found", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("updated_at", Float, nullable=False),
)

# What was measured or fitted on this project's own data, for example a fusion weight.
facts = Table(
    "facts",
    metadata,
    Column("key", String(300), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("updated_at", Float, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)

# Answers that the service gave out: what was asked and said, for feedback and, later, for training.
answers = Table(
    "answers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("messages", JSON, nullable=False),  # role and content of each
    Column("text", Text, nullable=False),
    Column("chunk_ids", JSON, nullable=False),  # of the passages that the model saw, in order
    Column("given_at", Float, nullable=False),
)

ratings = Table(
    "ratings",
    metadata,
    Column("answer_id", ForeignKey("answers.id"), primary_key=True),
    Column("rating", Integer, nullable=False),  # 1 to 5
    Column("comment", Text, nullable=False),
    Column("rated_at", Float, nullable=False),
)

# Runs of a swarm. state: "running" (or its process died), "waiting" for a person, then "finished",
# "failed" or "cancelled". `blueprint` is the digest of the drawing that it was started with.
runs = Table(
    "runs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("task", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("blueprint", String(64), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("changed_at", Float, nullable=False),
)

# The log of a run: rows are added, never changed. `seq` counts from 1 without gaps.
run_events = Table(
    "run_events",
    metadata,
    Column("run", ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("subtask", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("data", JSON, nullable=False),
)

# Questions to a person. `digest` is of exactly what is asked about.
inbox = Table(
    "inbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("subtask", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("about", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(10), nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("decided_by", Text, nullable=False),
    Index("inbox_by_state", "state", "run"),
    sqlite_autoincrement=True,  # the number of a question is never given to another
)

# What agents keep. scope: "shared", or the agent whose note it is.
agent_facts = Table(
    "agent_facts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("scope", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("text_hash", String(64), nullable=False),
    Column("source", Text, nullable=False),
    Column("run", String(40), nullable=False),
    Column("trusted", Integer, nullable=False),  # 0 or 1
    Column("private", Integer, nullable=False),  # 0 or 1
    Column("at", Float, nullable=False),
    UniqueConstraint("scope", "text_hash"),
)
