"""What the database's own catalogue says about who may see which rows.

Nothing here is a list of tables or roles: both are read from the live catalogue, so that a new one is looked at without
being named. What cannot be judged by a rule is pinned in the tests and has to be reviewed when it changes.
"""

import hashlib
from typing import Any, Final, NamedTuple

from alga_ext.stores.database import Database, Tx

ISOLATION: Final = "(tenant_id = app.current_tenant())"

_LOGIN_ROLES: Final = """
select rolname as name, rolbypassrls or rolcreaterole or rolcreatedb or rolreplication as above
from pg_roles
where rolcanlogin and not rolsuper
  and (has_schema_privilege(rolname, 'app', 'usage') or pg_has_role(rolname, 'app_owner', 'member'))
order by 1
"""
_TABLES: Final = """
select c.relname as name, n.nspname as schema, c.relrowsecurity as enabled, c.relforcerowsecurity as forced,
       pg_get_userbyid(c.relowner) as owner,
       exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped)
         as of_tenants,
       coalesce((select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
                 where i.indrelid = c.oid and i.indisprimary), '') as first_of_key
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  and n.nspname not like 'pg_temp%'
order by 1
"""
_POLICIES: Final = """
select tablename as table_name, policyname as name, permissive, roles::text[] as roles, cmd, qual, with_check
from pg_policies where schemaname = 'app' order by 1, 2
"""
_VIEWS: Final = """
select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('v', 'm') and n.nspname not in ('pg_catalog', 'information_schema')
  and n.nspname not like 'pg_temp%'
order by 1
"""
_DEFINERS: Final = """
select p.oid::regprocedure::text as name, pg_get_userbyid(p.proowner) as owner, p.prosrc as body,
       coalesce(array_to_string(p.proconfig, '; '), '') as settings,
       array(select r.rolname::text from pg_roles r where not r.rolsuper and r.rolname not like 'pg\\_%'
             and r.rolname <> pg_get_userbyid(p.proowner) and has_function_privilege(r.oid, p.oid, 'execute')
             order by 1) as callers
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema') order by 1
"""


class Definer(NamedTuple):
    """A function that runs with its owner's rights: who owns and may call it, under which settings, and its body."""

    owner: str
    callers: tuple[str, ...]
    settings: str
    body_sha256: str
    """The first 16 hex digits, of the body with all white space made one space."""


class Catalogue:
    """The catalogue as one transaction sees it."""

    def __init__(self, tx: Tx) -> None:
        self.login_roles = {row["name"]: bool(row["above"]) for row in tx.rows(_LOGIN_ROLES)}
        """Roles the platform's functions sign in as, and whether each has a right it must not have."""
        self.tables = {row["name"]: row for row in tx.rows(_TABLES)}
        self.policies = tx.rows(_POLICIES)
        self.views = [row["name"] for row in tx.rows(_VIEWS)]
        self.definers = {row["name"]: _definer(row) for row in tx.rows(_DEFINERS)}

    @property
    def tenant_tables(self) -> list[str]:
        """Tables with a column ``tenant_id``."""
        return [name for name, table in self.tables.items() if table["of_tenants"]]

    def faults(self) -> list[str]:
        """Return what is wrong with any table, as ``table: what``."""
        found = []
        for name, table in self.tables.items():
            policies = [policy for policy in self.policies if policy["table_name"] == name]
            rules = {
                "is not in schema app": table["schema"] != "app",
                "is owned by a role that signs in": table["owner"] in self.login_roles,
                "has row-level security off": not table["enabled"],
                "does not force row-level security": not table["forced"],
                "has no policy": not policies,
            }
            if table["of_tenants"]:
                rules["does not begin its primary key with tenant_id"] = table["first_of_key"] != "tenant_id"
                rules["has no policy that isolates tenants"] = not any(map(_isolates, policies))
            found += [f"{name}: {what}" for what, wrong in rules.items() if wrong]
        return found

    def exceptions(self) -> set[tuple[str, str, str, str]]:
        """Return the policies of tenants' tables beside the isolation: table, roles, command, condition."""
        return {
            (policy["table_name"], ", ".join(policy["roles"]), policy["cmd"], policy["qual"] or policy["with_check"])
            for policy in self.policies
            if policy["table_name"] in self.tenant_tables and not _isolates(policy)
        }


def catalogue(url: str) -> Catalogue:
    """Read the catalogue as the role of ``url``."""
    database = Database(url)
    try:
        with database.system() as tx:
            return Catalogue(tx)
    finally:
        database.close()


def _isolates(policy: dict[str, Any]) -> bool:
    return (policy["cmd"], policy["roles"], policy["qual"], policy["with_check"]) == (
        "ALL",
        ["public"],
        ISOLATION,
        ISOLATION,
    )


def _definer(row: dict[str, Any]) -> Definer:
    body = " ".join(row["body"].split())
    return Definer(row["owner"], tuple(row["callers"]), row["settings"], hashlib.sha256(body.encode()).hexdigest()[:16])
