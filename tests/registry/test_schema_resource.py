"""Migrations as CloudFormation asks for them: every request is answered, and a rolled back stack changes nothing."""

import importlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from functions.registry import stack_resource
from functions.registry.migrations.migrate import applied, migrate
from functions.registry.migrations.requested import migrate_as_requested
from functions.registry.waking import wait_until_reachable
from tests.conftest import MIGRATIONS
from tests.registry.test_migrations import NAMES, empty
from tests.support.answering import AnsweringServer, Reply, answering

__all__ = ["empty"]  # a fixture


class Stack:
    """CloudFormation's side: sends requests to the resource and keeps its answers."""

    def __init__(self, server: AnsweringServer, database: Database, folder: Path = MIGRATIONS) -> None:
        self._server = server
        self.database = database
        self.folder = folder

    def request(self, kind: str, names: list[str]) -> list[str]:
        event = {
            "RequestType": kind,
            "ResponseURL": f"{self._server.url}/answer?signature=x",
            "StackId": "arn:stack",
            "RequestId": "request-1",
            "LogicalResourceId": "Schema",
            "ResourceProperties": {"Migrations": names, "Digest": "d"},
        }
        assert stack_resource.is_request(event)
        database = self.database
        done = stack_resource.serve(
            event,
            "schema",
            lambda: migrate_as_requested(
                event, lambda: applied(database), lambda names: migrate(database, self.folder, {}, names)
            ),
        )
        return list(done.get("applied", []))

    @property
    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(asked.body) for asked in self._server.asked]


@pytest.fixture
def stack(empty: Database) -> Any:
    with answering(lambda _: Reply()) as server:
        yield Stack(server, empty)


def test_the_first_deployment_applies_every_migration_and_says_so(stack: Stack) -> None:
    assert stack.request("Create", NAMES) == NAMES
    assert [answer["Status"] for answer in stack.answers] == ["SUCCESS"]


def test_an_answer_names_the_request_that_it_belongs_to(stack: Stack) -> None:
    stack.request("Create", NAMES)
    answer = stack.answers[0]
    told = {key: answer[key] for key in ("StackId", "RequestId", "LogicalResourceId", "PhysicalResourceId")}
    assert told == {
        "StackId": "arn:stack",
        "RequestId": "request-1",
        "LogicalResourceId": "Schema",
        "PhysicalResourceId": "schema",
    }


def test_the_answer_has_no_content_type_because_its_url_is_signed_for_none(empty: Database) -> None:
    with answering(lambda _: Reply()) as server:
        Stack(server, empty).request("Create", NAMES)
        assert [(asked.method, asked.headers.get("content-type")) for asked in server.asked] == [("PUT", "")]


def test_an_update_applies_what_is_new(stack: Stack, tmp_path: Path) -> None:
    stack.request("Create", NAMES)
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    later = f"{len(NAMES) + 1:04}_add_later.sql"
    (tmp_path / later).write_text("create table app.later (a integer);")
    stack.folder = tmp_path
    assert stack.request("Update", [*NAMES, later]) == [later]


def test_a_rollback_with_fewer_migrations_than_applied_succeeds_and_changes_nothing(stack: Stack) -> None:
    stack.request("Create", NAMES)
    # The old code has the old files only, which `migrate` would refuse.
    stack.folder = Path("/nonexistent")
    assert stack.request("Update", NAMES[:-1]) == []
    assert stack.answers[-1]["Status"] == "SUCCESS"


def test_a_failing_migration_is_answered_as_failed_and_leaves_nothing_of_itself(stack: Stack, tmp_path: Path) -> None:
    stack.request("Create", NAMES)
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    broken = f"{len(NAMES) + 1:04}_break_halfway.sql"
    (tmp_path / broken).write_text("create table app.half (a integer); select 1 / 0;")
    stack.folder = tmp_path
    # It is answered and not raised: Lambda would repeat a failed invocation while the stack is rolled back.
    assert stack.request("Update", [*NAMES, broken]) == []
    with stack.database.system() as tx:
        half = tx.rows("select 1 from pg_tables where tablename = 'half'")
    assert (stack.answers[-1]["Status"], half, applied(stack.database)) == ("FAILED", [], NAMES)


def test_a_rollback_after_the_first_new_migration_failed_succeeds_while_the_new_code_is_still_there(
    stack: Stack, tmp_path: Path
) -> None:
    stack.request("Create", NAMES)
    shutil.copytree(MIGRATIONS, tmp_path, dirs_exist_ok=True)
    broken = f"{len(NAMES) + 1:04}_break_at_once.sql"
    (tmp_path / broken).write_text("select 1 / 0;")
    stack.folder = tmp_path
    stack.request("Update", [*NAMES, broken])
    assert stack.request("Update", NAMES) == []
    assert stack.answers[-1]["Status"] == "SUCCESS"


def test_a_migration_that_the_code_does_not_have_is_a_failure(stack: Stack) -> None:
    later = f"{len(NAMES) + 1:04}_add_later.sql"
    assert stack.request("Create", [*NAMES, later]) == []
    assert f"This code has no migration {later}" in stack.answers[-1]["Reason"]


def test_a_deleted_stack_leaves_the_schema(stack: Stack) -> None:
    stack.request("Create", NAMES)
    assert stack.request("Delete", NAMES) == []
    assert applied(stack.database) == NAMES


def test_a_reason_has_no_text_of_an_unexpected_error(stack: Stack) -> None:
    def broken() -> dict[str, Any]:
        message = "password=hunter2"
        raise ValueError(message)

    stack.request("Create", NAMES)
    event = {"RequestType": "Update", "ResponseURL": f"{stack._server.url}/", "StackId": "s", "RequestId": "r"}
    event |= {"LogicalResourceId": "l", "ResourceProperties": {"Migrations": NAMES}}  # type: ignore[dict-item]
    answer = stack_resource.serve(event, "schema", broken)
    assert "hunter2" not in f"{stack.answers[-1]}{answer}"


def test_an_answer_whose_connection_breaks_is_sent_again(empty: Database) -> None:
    replies = [Reply(body=None), Reply()]
    with answering(lambda _: replies.pop(0)) as server:
        Stack(server, empty).request("Create", NAMES)
        assert len(server.asked) == 2


@pytest.mark.parametrize(("kind", "status"), [("Create", "FAILED"), ("Update", "FAILED"), ("Delete", "SUCCESS")])
def test_a_function_that_cannot_read_its_settings_answers_all_the_same(
    monkeypatch: pytest.MonkeyPatch, kind: str, status: str
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.delitem(sys.modules, "functions.registry.migrations.handler", raising=False)
    module = importlib.import_module("functions.registry.migrations.handler")
    with answering(lambda _: Reply()) as server:
        event = {"RequestType": kind, "ResponseURL": f"{server.url}/", "StackId": "s", "RequestId": "r"}
        module.handler(event | {"LogicalResourceId": "l", "ResourceProperties": {"Migrations": NAMES}}, None)
        answer = json.loads(server.asked[0].body)
    assert (answer["Status"], "DATABASE_URL" in answer["Reason"]) == (status, status == "FAILED")


# A database that was paused


def test_a_database_that_wakes_up_is_waited_for(empty: Database) -> None:
    asleep = Database("postgresql://nobody@127.0.0.1:1/none", 1_000)
    pauses: list[float] = []

    class Waking:
        """Unreachable twice, then reachable."""

        def system(self) -> Any:
            return (asleep if len(pauses) < 2 else empty).system()

    wait_until_reachable(Waking(), pauses.append, 3)  # type: ignore[arg-type]
    assert len(pauses) == 2


def test_a_database_that_stays_unreachable_ends_the_migration() -> None:
    asleep = Database("postgresql://nobody@127.0.0.1:1/none", 1_000)
    with pytest.raises(PlatformError, match="database_unavailable"):
        wait_until_reachable(asleep, lambda _: None, 2)
