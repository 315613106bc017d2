"""An Idempotency-Key belongs to one caller, one operation and one tenant."""

from contextlib import closing
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.registry.api.idempotency import Answer, Attempt
from tests.support.refusals import code_of
from tests.support.registry import RegistryWorld

FIRST = Attempt(None, "dev@acme", "publishers.create", "k", b"{}")
OF_TENANT = FIRST._replace(tenant_id="tenant-a")
GIVEN = Answer(201, {"publisher": "acme", "prefixes": ["com.acme."]})


def answer_to(world: RegistryWorld, attempt: Attempt, stored: Answer | None = None) -> Answer | None:
    """Make an attempt: return the earlier answer to it, or store the one that it gets."""
    database = world.services.database
    with database.system() if attempt.tenant_id is None else database.tenant(attempt.tenant_id) as tx:
        earlier = attempt.earlier(tx)
        if earlier is None and stored is not None:
            attempt.keep(tx, stored)
        return earlier


def refusal(world: RegistryWorld, attempt: Attempt) -> str:
    with pytest.raises(PlatformError) as refused:
        answer_to(world, attempt)
    return refused.value.code


@pytest.mark.parametrize("attempt", [FIRST, OF_TENANT], ids=["platform", "tenant"])
def test_the_same_attempt_gets_the_first_answer_again(world: RegistryWorld, attempt: Attempt) -> None:
    assert answer_to(world, attempt, GIVEN) is None
    assert answer_to(world, attempt) == GIVEN


@pytest.mark.parametrize("attempt", [FIRST, OF_TENANT], ids=["platform", "tenant"])
@pytest.mark.parametrize(
    "other", [{"principal": "colleague@acme"}, {"operation": "keys.create acme"}, {"key": "K"}], ids=str
)
def test_an_attempt_that_differs_in_one_of_these_gets_no_answer_of_another(
    world: RegistryWorld, attempt: Attempt, other: dict[str, Any]
) -> None:
    answer_to(world, attempt, GIVEN)

    assert answer_to(world, attempt._replace(**other)) is None


def test_an_attempt_of_another_tenant_or_of_none_gets_no_answer_of_this_one(world: RegistryWorld) -> None:
    answer_to(world, OF_TENANT, GIVEN)

    assert answer_to(world, OF_TENANT._replace(tenant_id="tenant-b")) is None
    assert answer_to(world, FIRST) is None


@pytest.mark.parametrize("attempt", [FIRST, OF_TENANT], ids=["platform", "tenant"])
def test_another_request_under_the_same_key_is_refused(world: RegistryWorld, attempt: Attempt) -> None:
    answer_to(world, attempt, GIVEN)

    assert refusal(world, attempt._replace(body=b"{} ")) == "idempotency_conflict"


@pytest.mark.parametrize("length", [1, 255])
def test_a_key_has_one_to_255_characters(world: RegistryWorld, length: int) -> None:
    attempt = FIRST._replace(key="é" * length)

    answer_to(world, attempt, GIVEN)

    assert answer_to(world, attempt) == GIVEN


@pytest.mark.parametrize("length", [0, 256])
def test_a_key_of_another_length_is_refused(world: RegistryWorld, length: int) -> None:
    assert refusal(world, FIRST._replace(key="k" * length)) == "invalid_request"


def test_without_a_key_nothing_is_kept(world: RegistryWorld) -> None:
    attempt = FIRST._replace(key=None)

    answer_to(world, attempt, GIVEN)

    assert answer_to(world, attempt) is None
    assert world.rows("select 1 from app.platform_idempotency_record") == []


@pytest.mark.parametrize("path", ["/publishers", "/publishers/acme/keys"])
def test_a_colleague_who_sends_the_same_under_the_same_key_gets_an_answer_of_their_own(
    world: RegistryWorld, path: str
) -> None:
    world.register()
    body = {"publisher": "globex", "display_name": "Globex"}
    if path.endswith("keys"):
        body = {"public_key": LocalSigner.generate().public_pem}
    first, second = (
        world.call("POST", path, world.token(sub=sub, roles=["platform_admin"]), body, headers={"idempotency-key": "k"})
        for sub in ("one", "two")
    )

    assert (first.status, second.status) == (201, 409)
    assert second.code in ("publisher_exists", "key_exists")


@pytest.mark.parametrize("attempt", [FIRST, OF_TENANT], ids=["platform", "tenant"])
def test_an_attempt_waits_for_another_under_the_same_key_and_for_no_other(
    world: RegistryWorld, attempt: Attempt
) -> None:
    def found(other: Attempt) -> str | None:
        def find() -> None:
            with world.services.database.tenant("tenant-a") as tx:
                tx.execute("set local lock_timeout = 1")
                other.earlier(tx)

        return code_of(find)

    running = Database(world.databases.registry)
    with closing(running), running.tenant("tenant-a") as tx:
        attempt.earlier(tx)
        assert found(attempt) == "database_unavailable"
        for other in (
            attempt._replace(principal="another"),
            attempt._replace(operation="another"),
            attempt._replace(key="another"),
        ):
            assert found(other) is None
    assert found(attempt) is None
