"""Templates of the stages, synthesised from empty assets: what is tested here does not depend on the code in them."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from infra.rendering import shown
from infra.stages import StageSettings, read_stage
from topology.functions import FUNCTIONS
from topology.layers import LAYERS

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")

GIVEN: Final[dict[str, Any]] = {
    "auth_issuer": "https://id.host.test",
    "auth_audience": "alga-ext",
    "auth_jwks_url": "https://id.host.test/keys",
    "frame_ancestors": "https://app.host.test",
    "trust_root_keys": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA" + "A" * 44 + "\n-----END PUBLIC KEY-----\n",
    "ui_proxy_base_url": "https://app.host.test/ext",
    "host_api_base_url": "https://app.host.test/api",
    "expected_confinement": ["seccomp", "rlimits"],
    "probe_content_hash": "sha256:" + "a" * 64,
}
DOMAINS: Final[dict[str, Any]] = {
    "api_domain": "api.ext.host.test",
    "ui_domain": "ui.ext-host.test",
    "hosted_zone_id": "Z1",
    "hosted_zone_name": "host.test",
    "api_certificate_arn": "arn:aws:acm:eu-central-1:111111111111:certificate/a",
    "ui_certificate_arn": "arn:aws:acm:us-east-1:111111111111:certificate/b",
}
Resource = dict[str, Any]


class Stack(NamedTuple):
    """One synthesised stage."""

    stage: StageSettings
    template: dict[str, Any]

    def of_type(self, kind: str) -> dict[str, Resource]:
        """Resources of a type, their properties by logical id."""
        return {
            name: resource.get("Properties", {})
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def functions(self) -> dict[str, Resource]:
        """Properties of the Lambda functions, by name in the topology."""
        prefix = f"alga-ext-{self.stage.name}-"
        return {one["FunctionName"].removeprefix(prefix): one for one in self.of_type("AWS::Lambda::Function").values()}

    def waits_for(self) -> dict[str, set[str]]:
        """Logical ids of the resources that CloudFormation makes before each resource, by its logical id."""
        resources = self.template["Resources"]
        return {
            name: ({*resource.get("DependsOn", ()), *_named(resource.get("Properties", {}))} & set(resources))
            for name, resource in resources.items()
        }

    def function_of_alias(self, reference: Any) -> str:
        """Name in the topology of the function whose alias a property refers to, in whatever form."""
        (name,) = {name for name in self.aliases() if f'"{name}"' in json.dumps(reference)}
        return self.aliases()[name]

    def aliases(self) -> dict[str, str]:
        """Logical id of each alias → name of its function in the topology."""
        prefix = f"alga-ext-{self.stage.name}-"
        functions = self.of_type("AWS::Lambda::Function")
        return {
            name: functions[alias["FunctionName"]["Ref"]]["FunctionName"].removeprefix(prefix)
            for name, alias in self.of_type("AWS::Lambda::Alias").items()
        }

    def environment(self, function: str) -> dict[str, str]:
        """Environment of a function, with references shown as text."""
        variables = self.functions()[function]["Environment"]["Variables"]
        return {name: shown(value) for name, value in variables.items()}

    def statements(self) -> Iterator[tuple[str, Resource]]:
        """Every statement of a role's policy, with the logical id of its policy."""
        for name, policy in self.of_type("AWS::IAM::Policy").items():
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def _named(value: Any) -> Iterator[str]:
    """Yield what a property of a template refers to with Ref, Fn::GetAtt or Fn::Sub."""
    if isinstance(value, list):
        for one in value:
            yield from _named(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _named(one)
            if key == "Ref":
                yield one
            elif key == "Fn::GetAtt":
                yield one[0]
            elif key == "Fn::Sub":
                yield from re.findall(r"\$\{([A-Za-z0-9]+)", one if isinstance(one, str) else one[0])


def synthesise(name: str, folder: Path, layer_text: str = "", **given: Any) -> Stack:
    """Synthesise a stage below a folder; the layers' files have a text in them.

    Raises:
        RuntimeError: cdk-nag or CDK's own validation found a fault.
    """
    from infra.app import build_app  # starts a Node.js process

    stage = read_stage(name, {**GIVEN, **given})
    assets = empty_assets(folder / "dist", layer_text)
    build_app(stage, assets, folder / "cdk.out").synth()
    template = json.loads((folder / "cdk.out" / f"alga-ext-{name}.template.json").read_text())
    return Stack(stage, template)


def empty_assets(dist: Path, layer_text: str = "") -> Path:
    """Write a folder as ``make build`` does, with a placeholder in each function and layer."""
    for kind, names, text in (("functions", FUNCTIONS, ""), ("layers", LAYERS, layer_text)):
        for one in names:
            (dist / kind / one.name).mkdir(parents=True, exist_ok=True)
            (dist / kind / one.name / "placeholder.txt").write_text(one.name + text)
    (dist / "layers/core/rds").mkdir(exist_ok=True)
    (dist / "layers/core/rds/eu-central-1.pem").write_text("a certificate")
    return dist
