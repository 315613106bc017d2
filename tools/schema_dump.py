"""Write migrations/schema.sql: the schema after all migrations, so that reviews show the result.

``python -m tools.schema_dump`` starts a separate database, migrates it and dumps it. A test compares the file.
"""

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import unquote, urlsplit

from alga_ext.stores.database import Database
from functions.registry.migrations.migrate import migrate
from tools.local.postgres import Postgres, program

MIGRATIONS = Path(__file__).parent.parent / "migrations"
SCHEMA = MIGRATIONS / "schema.sql"

# Lines that differ between two dumps of the same schema.
_NOISE = re.compile(r"^(--.*|\\(un)?restrict .*|SET .*|SELECT pg_catalog\.set_config.*)$\n?", re.MULTILINE)


def dump(database_url: str) -> str:
    """Return the schema ``app`` of a migrated database as SQL, without the lines that differ between dumps.

    The URL contains a password, so it is passed to pg_dump in environment variables.
    """
    parts = urlsplit(database_url)
    environment = {
        "LANG": "C.UTF-8",
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.lstrip("/"),
    }
    command = [str(program("pg_dump")), "--schema-only", "--schema=app", "--no-comments"]
    made = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    body = re.sub(r"\n{3,}", "\n\n", _NOISE.sub("", made.stdout)).strip()
    return (
        f"-- The schema after all migrations. Written by 'make schema'; change migrations, not this file.\n\n{body}\n"
    )


async def _main() -> None:
    with tempfile.TemporaryDirectory(prefix="schema-") as folder:
        Path(folder).chmod(0o755)
        server = Postgres(Path(folder, "data"), Path(folder, "log"))
        await server.create()
        await server.start()
        try:
            database = Database(server.url, 60_000)
            await asyncio.to_thread(migrate, database, MIGRATIONS, {})
            database.close()
            SCHEMA.write_text(dump(server.url), encoding="utf-8")
        finally:
            await server.stop()


if __name__ == "__main__":
    asyncio.run(_main())
