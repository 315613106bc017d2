"""GitHub's workflows: pinned actions, least permissions, credentials apart from third-party code, secrets not shown."""

import re
from typing import Any

import pytest
import yaml

from tests.support.places import ROOT

FOLDER = ROOT / ".github/workflows"
FILES = sorted(FOLDER.glob("*.yml"))
AWS = "aws-actions/configure-aws-credentials"
each_workflow = pytest.mark.parametrize("text", [path.read_text() for path in FILES], ids=[path.name for path in FILES])


def jobs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found


def steps(text: str) -> list[dict[str, Any]]:
    return [step for job in jobs(text).values() for step in job["steps"]]


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


@pytest.fixture
def deploy() -> dict[str, Any]:
    return jobs((FOLDER / "deploy.yml").read_text())


# Every workflow


@each_workflow
def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it(text: str) -> None:
    uses = re.findall(r"uses: (.*)$", text, re.MULTILINE)
    assert [use for use in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_all_workflows_use_the_same_commit_of_an_action() -> None:
    used = {use for path in FILES for use in re.findall(r"uses: (\S+@\S+)", path.read_text())}
    names = [use.partition("@")[0] for use in used]
    assert sorted(names) == sorted(set(names))


@each_workflow
def test_a_workflow_may_read_the_repository_and_no_more_unless_a_job_says_so(text: str) -> None:
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


@each_workflow
def test_no_checkout_leaves_the_repositorys_token_behind(text: str) -> None:
    checkouts = [step for step in steps(text) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"].get("persist-credentials") for step in checkouts] == [False] * len(checkouts)


@each_workflow
def test_no_expression_becomes_a_part_of_a_command(text: str) -> None:
    assert [step["run"] for step in steps(text) if "${{" in step.get("run", "")] == []


@each_workflow
def test_a_secret_reaches_one_step_as_a_variable_that_is_not_printed(text: str) -> None:
    document = yaml.safe_load(text)
    holders = [step for step in steps(text) if "secrets" in str(step)]
    rest = str({**document, "jobs": {name: {**job, "steps": []} for name, job in document["jobs"].items()}})
    assert "secrets" not in rest
    for step in holders:
        names = [name for name, value in step["env"].items() if "secrets" in value]
        printing = [
            line for line in step["run"].splitlines() if re.search(r"\b(echo|printf|printenv|env|set -x)\b", line)
        ]
        assert "secrets" not in str(step.get("with", "")) + step["run"]
        assert [line for line in printing for name in names if f"${name}" in line or "set -x" in line] == []


@each_workflow
def test_every_task_that_a_workflow_runs_exists(text: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {name for step in steps(text) for name in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert asked - targets == set()


# Deployment


def test_a_deployment_starts_by_hand_and_from_main_only(deploy: dict[str, Any]) -> None:
    document = yaml.safe_load((FOLDER / "deploy.yml").read_text())
    assert list(document[True]) == ["workflow_dispatch"]  # YAML 1.1 reads "on" as true
    assert deploy["build"]["if"] == "github.ref == 'refs/heads/main'"
    assert "git merge-base --is-ancestor HEAD" in commands(deploy["build"])


def test_a_deployment_is_checked_tested_and_built_before_it_is_shown_approved_and_made(deploy: dict[str, Any]) -> None:
    assert re.findall(r"make (\w+)", commands(deploy["build"])) == ["check", "test", "build", "synth"]
    assert [deploy[name].get("needs") for name in ("build", "diff", "deploy", "smoke")] == [
        None,
        "build",
        "diff",
        "deploy",
    ]
    assert " diff " in commands(deploy["diff"])
    assert " deploy " in commands(deploy["deploy"])


def test_only_the_jobs_that_talk_to_aws_may_ask_for_a_token_and_nothing_else(deploy: dict[str, Any]) -> None:
    permissions = {name: job["permissions"] for name, job in deploy.items() if "permissions" in job}
    assert permissions == {"diff": {"id-token": "write"}, "deploy": {"id-token": "write"}}
    assert {name for name, job in deploy.items() if AWS in str(job)} == set(permissions)


def test_there_is_no_long_lived_key_of_aws(deploy: dict[str, Any]) -> None:
    given = [step["with"] for job in deploy.values() for step in job["steps"] if AWS in step.get("uses", "")]
    assert [set(one) - {"role-to-assume", "aws-region", "role-duration-seconds"} for one in given] == [set(), set()]


def test_jobs_with_credentials_run_nothing_of_the_repository(deploy: dict[str, Any]) -> None:
    """Nor a package of it: they deploy the assembly that the first job has built."""
    for name in ("diff", "deploy"):
        assert not [step for step in deploy[name]["steps"] if step.get("uses", "").startswith("actions/checkout@")]
        assert not re.search(r"\b(make|python|pip|uv)\b", commands(deploy[name]))
        assert "--app cdk.out" in commands(deploy[name])


def test_the_deployment_waits_for_the_stages_environment_and_the_diff_has_one_of_its_own(
    deploy: dict[str, Any],
) -> None:
    environments = {name: job.get("environment") for name, job in deploy.items()}
    assert environments == {
        "build": None,
        "diff": "${{ inputs.stage }}-diff",
        "deploy": "${{ inputs.stage }}",
        "smoke": None,
    }


def test_the_new_functions_are_checked_after_the_deployment_and_a_failure_is_noticed(deploy: dict[str, Any]) -> None:
    text = commands(deploy["deploy"])
    assert text.index("cdk") < text.index("aws lambda invoke")
    assert 'test "$failed" = None' in text


def test_workflow_and_guides_use_the_same_version_of_the_cdk(deploy: dict[str, Any]) -> None:
    pages = [FOLDER / "deploy.yml", *(ROOT / "docs/how-to").glob("*.md")]
    versions = {version for page in pages for version in re.findall(r"aws-cdk@([\d.]+\d)", page.read_text())}
    assert len(versions) == 1
