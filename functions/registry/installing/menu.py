"""The menu: where the host application shows which extensions of a tenant."""

from collections.abc import Iterable
from typing import Any, Final

from alga_ext.stores.database import Row, Tx

CLIENT_HOOK: Final = "clientPortalMenu"
"""The hook for users of the client portal. They see no other one."""
_INSTALLS_LIMIT: Final = 500

_LIST: Final = """
select i.install_id, i.extension_id, i.content_hash, coalesce(nullif(v.manifest ->> 'title', ''), e.name) as title,
       v.manifest #> '{ui,hooks}' as hooks, v.manifest #>> '{ui,entry}' as ui_entry
from app.tenant_extension_install i
join app.extension_registry e on e.extension_id = i.extension_id
join app.extension_version v on v.version_id = i.version_id
where i.tenant_id = :tenant_id and i.state = 'enabled' and v.state in ('ready', 'yanked')
  and v.manifest #> '{ui,hooks}' <> '{}'
  and not exists (select from app.extension_install_disabling d
                  where d.tenant_id = i.tenant_id and d.install_id = i.install_id)
order by i.install_id limit :installs
"""


def load_menu(tx: Tx, tenant_id: str) -> list[Row]:
    """Return a tenant's active installs whose version has a page with hooks, 500 at most."""
    return tx.rows(_LIST, tenant_id=tenant_id, installs=_INSTALLS_LIMIT)


def entries(rows: Iterable[Row], *, client_user: bool) -> list[dict[str, Any]]:
    """Return the entries that a user sees, one for each install and hook, in the order in which they are shown.

    Args:
        rows: see ``load_menu``.
        client_user: whether the user is one of the client portal.
    """
    found: list[dict[str, Any]] = []
    for row in rows:
        for hook, declared in row["hooks"].items():
            if client_user and hook != CLIENT_HOOK:
                continue
            shown = {
                "label": declared["label"],
                "icon": declared.get("icon"),
                "order": declared.get("order") or 0,
                "paths": declared.get("paths") or [],
            }
            found.append({**row, "hook": hook, **shown})
    return sorted(found, key=lambda entry: (entry["hook"], entry["order"], entry["label"], str(entry["install_id"])))
