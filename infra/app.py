"""Synthesise one stage: ``python -m infra.app``, as `cdk` and `make synth STAGE=dev` run it.

It reads no account, no clock and no version control, so equal input gives an equal template.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aws_cdk import Annotations, App, Validations
from cdk_nag import AwsSolutionsChecks

from infra.platform_stack import ROOT, PlatformStack
from infra.readiness import missing
from infra.stages import StageSettings, StageSettingsError, read_stage

_ASSETS: Final = ROOT / "dist"


def build_app(stage: StageSettings, assets: Path, out: Path) -> App:
    """Return the app with the stack of one stage. Its ``synth`` fails when a check of the template fails.

    Args:
        stage: the operator's settings.
        assets: the folder that ``make build`` wrote.
        out: folder for the template.
    """
    app = App(outdir=str(out), context=_flags(), analytics_reporting=False)
    stack = PlatformStack(app, stage, assets)
    for reason in missing(stage):
        Annotations.of(stack).add_error(reason)  # `cdk deploy` then refuses; the template can still be read
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def project_context() -> Mapping[str, Any]:
    """Return ``context`` of cdk.json."""
    context: Mapping[str, Any] = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return context


def _flags() -> dict[str, Any]:
    """Return CDK's feature flags. The CLI gives them to the app; without the CLI they would be missing."""
    return {name: value for name, value in project_context().items() if name.startswith("@")}


def main() -> None:
    """Synthesise the stage of the context value ``stage``, or of the variable ``STAGE``, into ``cdk.out``."""
    name = App().node.try_get_context("stage") or os.environ.get("STAGE") or ""
    try:
        stage = read_stage(name, project_context()["stages"].get(name, {}))
    except StageSettingsError as error:
        raise SystemExit(str(error)) from None
    if not _ASSETS.is_dir():
        raise SystemExit("There is no folder dist/ with the functions and layers; run: make build")
    build_app(stage, _ASSETS, Path(os.environ.get("CDK_OUTDIR") or ROOT / "cdk.out")).synth()
    for reason in missing(stage):
        print(f"not ready for `cdk deploy`: {reason}")  # noqa: T201 - a command-line tool


if __name__ == "__main__":
    main()
