"""The file of the catalogue: connecting, migrating, and transactions that fail in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from asbuilt.errors import StorageError

__all__ = ["Database", "inserted_id"]

_BUSY_TIMEOUT_S = 30
_SCHEMA_HEAD = "0004"


class Database:
    """One SQLite file in WAL mode. Every failure of the disk or of the file is a StorageError."""

    def __init__(self, *, file: Path) -> None:
        self.file = file
        self._engine: sa.Engine | None = None

    def open(self) -> None:
        """Connect and migrate."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"cannot create {self.file.parent}: {error.strerror}.") from error
        engine = sa.create_engine(f"sqlite:///{self.file}", connect_args={"timeout": _BUSY_TIMEOUT_S})
        sa.event.listen(engine, "connect", _on_connect)
        sa.event.listen(engine, "begin", _on_begin)
        self._engine = engine
        with self.write() as connection:
            _migrate(connection)

    def close(self) -> None:
        """Let go of the file."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that sees one state of the catalogue."""
        with self._connection(writes=False) as connection:
            yield connection

    @contextmanager
    def write(self, *, synced: bool = True) -> Iterator[sa.Connection]:
        """A transaction that happens whole or not at all; it waits for other writers to end.

        One that is not `synced` survives the end of this process, but a power cut may take it, and
        then all that came after it too.
        """
        with self._connection(writes=True, synced=synced) as connection:
            yield connection

    @contextmanager
    def _connection(self, *, writes: bool, synced: bool = True) -> Iterator[sa.Connection]:
        if self._engine is None:
            raise StorageError(f"the catalogue {self.file} is not open.")
        try:
            with (
                self._engine.connect().execution_options(
                    asbuilt_writes=writes, asbuilt_synced=synced
                ) as connection,
                connection.begin(),
            ):
                yield connection
        except DBAPIError as error:
            raise StorageError(
                f"the catalogue {self.file} cannot be {'written' if writes else 'read'}: {error.orig}.",
                hint="What was stored before is intact; free disk space or fix the permissions, then retry.",
            ) from error


def inserted_id(result: sa.CursorResult[Any]) -> int:
    """The key that the database gave to the row."""
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def _on_connect(dbapi_connection: Any, _record: Any) -> None:
    # Transactions are begun by `_on_begin`, not guessed by the driver.
    dbapi_connection.isolation_level = None
    cursor = dbapi_connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # what was acknowledged survives a power cut too
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _on_begin(connection: sa.Connection) -> None:
    # A writer takes its lock at once, so that it waits its turn and cannot fail half way.
    options = connection.get_execution_options()
    if not options.get("asbuilt_writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    synced = "FULL" if options.get("asbuilt_synced", True) else "NORMAL"
    connection.exec_driver_sql(f"PRAGMA synchronous={synced}")  # of this connection, which is shared
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _migrate(connection: sa.Connection) -> None:
    if sa.inspect(connection).has_table("alembic_version"):
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()
        if version == _SCHEMA_HEAD:
            return  # alembic itself takes longer to import than a search takes
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StorageError(
            f"this catalogue was made by a newer asbuilt ({error}).", hint="Upgrade asbuilt."
        ) from error
