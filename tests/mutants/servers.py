"""`python -m tests.mutants.servers`: servers for many runs of tests, until standard input ends.

Prints one line: the environment that tells tests/conftest.py where they are, as JSON.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.conftest import migrated_database
from tests.support.servers import Loop, start_moto, start_postgres


def main() -> None:
    """Start PostgreSQL, with a migrated database to copy, and moto."""
    folder = Path(tempfile.mkdtemp(prefix="alga-mutants-"))
    folder.chmod(0o755)
    loop = Loop()
    postgres, moto = start_postgres(loop, folder), start_moto(loop, folder)
    try:
        template = migrated_database(postgres.url)
        print(
            json.dumps({"DATABASE_URL": postgres.url, "TEMPLATE_DATABASE": template, "MOTO_URL": moto.url}), flush=True
        )
        sys.stdin.read()
    finally:
        loop.run(postgres.stop())
        loop.run(moto.stop())
        loop.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
