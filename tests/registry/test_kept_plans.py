"""Plans that a session keeps for statements of functions (``migrations/0040_keep_plans_on_indexes.sql``)."""

from alga_ext.stores.database import Database
from tests.conftest import Databases

WITHOUT_KEYS = {
    "blank_audit": "an erasure, whose batches are large",
    "create_day": "reads the catalogue only",
    "erase_rows": "an erasure, whose batches are large",
    "export_rows": "an export, whose batches are large",
    "make_day": "reads no table",
    "queue_deliveries_of": "reads no table itself",
    "remove_day": "reads the catalogue only",
    "take_slots": "reads no table",
}
"""Functions in plpgsql that find no rows of a table by key, or whose statements are planned anew by ``execute``."""
_FUNCTIONS = """
select p.proname as name, coalesce('enable_seqscan=off' = any(p.proconfig), false) as is_indexed
from pg_proc p join pg_language l on l.oid = p.prolang
where p.pronamespace = 'app'::regnamespace and l.lanname = 'plpgsql'
"""


def test_every_function_that_finds_rows_by_key_keeps_plans_on_indexes(databases: Databases) -> None:
    database = Database(databases.owner)
    with database.system() as tx:
        functions = {row["name"]: row["is_indexed"] for row in tx.rows(_FUNCTIONS)}
    database.close()

    assert {name for name, is_indexed in functions.items() if not is_indexed} == set(WITHOUT_KEYS)
