"""What each function may do: the whole list is reviewed, and the worst that must not be in it is stated.

After a change that is meant, write the list anew: ``python -m tests.infra.test_permissions``.
"""

import fnmatch
import re
import sys
import tempfile
from pathlib import Path

import pytest

from infra.rendering import shown
from tests.infra.stacks import Stack, synthesise
from topology.functions import FUNCTIONS

REVIEWED = Path(__file__).with_name("permissions.txt")
LOGICAL_ID = re.compile(r"<([A-Za-z]+?)[0-9A-F]{8}(\.[A-Za-z.]+)?>")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return synthesise("dev", tmp_path_factory.mktemp("dev"))


def permissions(stack: Stack) -> list[tuple[str, str, str, str]]:
    """Policy, effect, action and resource of everything that a role may do; hashes of logical ids are left out."""
    found = set()
    for policy, statement in stack.statements():
        actions, resources = statement["Action"], statement["Resource"]
        for action in [actions] if isinstance(actions, str) else actions:
            for resource in resources if isinstance(resources, list) else [resources]:
                owner = re.sub(r"^Functions(\w+?)RoleDefaultPolicy.*", lambda m: m[1].lower(), policy)
                owner = re.sub(r"(ServiceRole)?DefaultPolicy[0-9A-F]{8}$", "", owner)
                found.add((owner, statement["Effect"], action, LOGICAL_ID.sub(r"<\1\2>", shown(resource))))
    return sorted(found)


def listed(stack: Stack) -> str:
    return "".join(f"{' '.join(line)}\n" for line in permissions(stack))


def test_what_each_function_may_do_is_what_was_reviewed(stack: Stack) -> None:
    assert listed(stack) == REVIEWED.read_text(), "if it is meant: python -m tests.infra.test_permissions"


def test_no_action_is_a_wildcard(stack: Stack) -> None:
    assert [line for line in permissions(stack) if "*" in line[2]] == []


def test_only_lambdas_own_network_actions_have_every_resource(stack: Stack) -> None:
    assert {line[2].partition(":")[0] for line in permissions(stack) if line[3] == "*"} == {"ec2"}


def test_the_code_of_a_function_may_not_use_lambdas_network_actions(stack: Stack) -> None:
    lines = permissions(stack)
    allowed = {(owner, action) for owner, effect, action, _ in lines if action.startswith("ec2:") and effect == "Allow"}
    denied = {(owner, action) for owner, effect, action, _ in lines if action.startswith("ec2:") and effect == "Deny"}
    assert allowed == denied != set()


# What a function must not reach, whatever the topology says one day: (functions, action, part of the resource).
EVERY = {function.name for function in FUNCTIONS}
FORBIDDEN = [
    (EVERY - {"prepare"}, "s3:PutObject", "/cwasm/"),
    (EVERY - {"assets"}, "s3:PutObject", "/releases/"),
    (EVERY - {"assets"}, "s3:PutObject", "/ui/"),
    (EVERY - {"registry"}, "s3:PutObject", "/bundles/"),
    (EVERY - {"sweeper"}, "s3:DeleteObject", ""),
    (EVERY - {"registry", "assets", "sweeper"}, "kms:Sign", "ReleaseSigningKey"),
    (EVERY - {"registry", "sweeper"}, "kms:Sign", "LogSigningKey"),
    (EVERY - {"prepare"}, "kms:Sign", "ArtifactSigningKey"),
    (EVERY - {"runner"}, "kms:Decrypt", ""),
    (EVERY - {"registry"}, "kms:GenerateDataKey", ""),
    (EVERY - {"gateway", "dispatcher", "smoke"}, "lambda:InvokeFunction", ""),
    (EVERY - {"gateway", "dispatcher", "smoke"}, "secretsmanager:GetSecretValue", "/gateway"),
    (EVERY - {"runner"}, "secretsmanager:GetSecretValue", "/runner"),
    (EVERY - {"migrate"}, "secretsmanager:GetSecretValue", "DatabaseCluster"),
    (EVERY, "s3:PutObject", "StoresTrust"),
    (EVERY - {"registry", "sweeper"}, "s3:GetObject", "/exports/"),
    (EVERY - {"sweeper"}, "s3:PutObject", "/exports/"),
    ({"uihost"}, "s3:GetObject", "/bundles/"),
    ({"uihost"}, "s3:GetObject", "/staging/"),
    ({"uihost", "prepare", "smoke"}, "rds-db:connect", ""),
    ({"runner"}, "s3:GetObject", "/staging/"),
    ({"runner"}, "sqs:SendMessage", ""),
    (EVERY - {"dispatcher"}, "sqs:ChangeMessageVisibility", ""),
]


@pytest.mark.parametrize(
    ("functions", "action", "resource"), FORBIDDEN, ids=[f"{action} {part}" for _, action, part in FORBIDDEN]
)
def test_a_function_does_not_reach(stack: Stack, functions: set[str], action: str, resource: str) -> None:
    reaching = {
        owner
        for owner, effect, allowed, on in permissions(stack)
        if effect == "Allow" and fnmatch.fnmatchcase(action, allowed) and resource in on
    }
    assert reaching & functions == set()


@pytest.mark.parametrize(("_", "action", "resource"), FORBIDDEN[:14], ids=[f"{a} {r}" for _, a, r in FORBIDDEN[:14]])
def test_the_list_of_what_is_not_reached_names_what_exists(
    stack: Stack, _: set[str], action: str, resource: str
) -> None:
    assert [line for line in permissions(stack) if line[2] == action and resource in line[3]]


def test_a_function_logs_in_to_the_database_as_its_own_role_only(stack: Stack) -> None:
    roles = {owner: on.rpartition("/")[2] for owner, _, action, on in permissions(stack) if action == "rds-db:connect"}
    assert roles == {function.name: function.login_role for function in FUNCTIONS if function.login_role}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        REVIEWED.write_text(listed(synthesise("dev", Path(folder))))
    sys.exit(0)
