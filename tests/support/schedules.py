"""Schedules as the runner stores them."""

from datetime import datetime
from typing import Any

from alga_ext.stores.database import Database
from tests.support.registry import RegistryWorld

SYNC = {"endpoints": [{"method": "POST", "path": "/sync"}, {"method": "GET", "path": "/other"}]}
"""The member ``api`` of a manifest whose endpoints can be scheduled."""

_INSERT = """
insert into app.extension_schedule
  (tenant_id, install_id, name, endpoint_method, endpoint_path, cron, timezone, payload, next_run_at)
values (:tenant_id, :install_id, :name, 'POST', :path, :cron, 'UTC', '{"a": 1}', :due_at) returning schedule_id
"""


def add_schedule(
    world: RegistryWorld,
    install_id: str,
    *,
    due_at: datetime | None,
    cron: str = "* * * * *",
    tenant_id: str = "tenant-a",
    name: str | None = None,
    path: str = "/sync",
) -> str:
    """Make a schedule that is due at an instant, and return its id."""
    runner = Database(world.databases.runner)
    here = {"tenant_id": tenant_id, "install_id": install_id, "path": path}
    try:
        with runner.tenant(tenant_id) as tx:
            return str(tx.one(_INSERT, **here, cron=cron, due_at=due_at, name=name)["schedule_id"])
    finally:
        runner.close()


def as_owner(world: RegistryWorld, sql: str, **params: Any) -> None:
    """Run a statement as the superuser, past row-level security."""
    owner = Database(world.databases.owner)
    try:
        with owner.system() as tx:
            tx.execute(sql, **params)
    finally:
        owner.close()
