"""The gateway as a whole with a small database: a signed token, an event, and an answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.gateway.gateway import Gateway
from tests.conftest import Databases
from tests.support.call_door import Door, answer, call_door
from tests.support.rows import fill_tenant
from tools.local.tokens import key_set, mint_token

INSTALL = "00000000-0000-0000-0000-0000000000a1"
"""The install that ``fill_tenant`` gives to each tenant."""
_SIGNER = LocalSigner.generate()
_ENDPOINTS = [{"method": "GET", "path": "/notes"}, {"method": "POST", "path": "/notes"}]


class Answer(NamedTuple):
    """An answer of the gateway; ``code`` is that of its problem document, or None."""

    status: int
    code: str | None
    headers: dict[str, str]
    problem: dict[str, Any]


def give_installs(databases: Databases, *tenant_ids: str) -> None:
    """Give tenants an enabled install with the endpoints GET and POST /notes."""
    owner = Database(databases.owner)
    for tenant_id in tenant_ids:
        fill_tenant(databases, tenant_id)
        with owner.tenant(tenant_id) as tx:
            tx.execute("delete from app.extension_install_disabling where tenant_id = :tenant", tenant=tenant_id)
            tx.execute("delete from app.call_rate where tenant_id = :tenant", tenant=tenant_id)
    with owner.system() as tx:
        manifest = json.dumps({"publisher": "acme", "api": {"endpoints": _ENDPOINTS}})
        tx.execute("update app.extension_version set manifest = cast(:manifest as jsonb)", manifest=manifest)
    owner.close()


class Front:
    """A gateway with a queue and a runner's server of its own (``door``)."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.gateway = Gateway(door.services)

    def call(
        self,
        method: str = "GET",
        path: str = f"/api/ext/{INSTALL}/notes",
        *,
        headers: dict[str, str] | None = None,
        **claims: Any,
    ) -> Answer:
        """Call as a user of tenant-a; ``claims`` are other claims of the token."""
        given = {"iss": "i", "aud": "a", "sub": "ann", "tenant_id": "tenant-a", "roles": ["tenant_user"], **claims}
        token = mint_token(_SIGNER.raw, "host", given, lifetime_s=600)
        event = {
            "rawPath": path,
            "headers": {"authorization": f"Bearer {token}", **(headers or {})},
            "requestContext": {"requestId": "r-1", "http": {"method": method}},
        }
        sent = self.gateway.answer(event)
        is_problem = sent["headers"]["content-type"] == "application/problem+json"
        problem = json.loads(sent["body"]) if is_problem else {}
        return Answer(sent["statusCode"], problem.get("code"), sent["headers"], problem)


@contextmanager
def gateway_front(database_url: str, **settings: str) -> Iterator[Front]:
    """A gateway whose runner says hello; AWS is what the environment names."""
    keys = {"AUTH_JWKS": key_set({"host": _SIGNER.raw.public_key()})}
    with call_door(database_url, **{**keys, "INSTALL_CACHE_MS": "0", **settings}) as door:
        door.runner_answers(answer(headers={"content-type": "text/plain"}))
        yield Front(door)
