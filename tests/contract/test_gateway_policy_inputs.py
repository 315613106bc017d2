"""What a decision needs and cannot be read: the call is refused with 503, not recorded and not run."""

from collections.abc import Iterator

import pytest

from alga_ext.stores.database import Database
from tests.conftest import Databases, fresh_databases
from tests.support.gateway_front import INSTALL, Answer, gateway_front, give_installs

NOWHERE = "http://127.0.0.1:1"
TABLES = (
    "tenant_extension_install",
    "extension_version",
    "extension_install_disabling",
    "extension_limit",
    "extension_quota_usage",
    "call_rate",
    "call_idempotency",
)


@pytest.fixture(scope="module")
def shared(postgres_server: str, template_database: str) -> Iterator[Databases]:
    with fresh_databases(postgres_server, template_database) as made:
        give_installs(made, "tenant-a")
        yield made


@pytest.fixture
def owner(shared: Databases) -> Iterator[Database]:
    made = Database(shared.owner)
    yield made
    made.close()


def refused_call(database_url: str, **settings: str) -> Answer:
    """A call with an idempotency key, which needs every input; nothing was recorded or run when this returns."""
    with gateway_front(database_url, **settings) as front:
        answer = front.call("POST", headers={"idempotency-key": "k"})
        assert (front.door.server.asked, front.door.records()) == ([], [])
        return answer


def assert_is_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "policy_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_cannot_be_read_refuses_the_call(shared: Databases, owner: Database, aws: str, table: str) -> None:
    with owner.system() as tx:
        tx.execute(f"revoke select on app.{table} from fn_gateway")
    try:
        answer = refused_call(shared.gateway)
    finally:
        with owner.system() as tx:
            tx.execute(f"grant select on app.{table} to fn_gateway")
    assert_is_unavailable(answer)


def test_stored_limits_that_do_not_fit_refuse_the_call(shared: Databases, owner: Database, aws: str) -> None:
    with owner.tenant("tenant-a") as tx:
        tx.execute(
            "insert into app.extension_limit (tenant_id, install_id, by_platform, changed_by) "
            "values ('tenant-a', :install_id, '{\"quotas\": {\"week\": {}}}', 't')",
            install_id=INSTALL,
        )
    try:
        answer = refused_call(shared.gateway)
    finally:
        with owner.tenant("tenant-a") as tx:
            tx.execute("delete from app.extension_limit where install_id = :install_id", install_id=INSTALL)
    assert_is_unavailable(answer)


@pytest.mark.parametrize(
    "settings",
    [{"AUTH_JWKS": "", "AUTH_JWKS_URL": f"{NOWHERE}/keys"}, {"AWS_ENDPOINT_URL_SQS": NOWHERE}],
    ids=["key_set", "queue"],
)
def test_a_service_that_cannot_be_reached_refuses_the_call(
    shared: Databases, aws: str, settings: dict[str, str]
) -> None:
    assert_is_unavailable(refused_call(shared.gateway, **settings))


def test_a_database_that_cannot_be_reached_refuses_the_call(aws: str) -> None:
    assert_is_unavailable(refused_call("postgresql://fn_gateway@127.0.0.1:1/gone"))


def test_with_every_input_there_the_call_runs(shared: Databases, aws: str) -> None:
    with gateway_front(shared.gateway) as front:
        assert front.call("POST", headers={"idempotency-key": "there"}).status == 200
        assert len(front.door.server.asked) == 1
