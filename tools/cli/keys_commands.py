"""Commands for a stage's keys in AWS Secrets Manager: keys create, rotate.

What does the work is imported in the commands: it imports the AWS SDK, which would slow down every other command.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from tools.cli.options import AsJson
from tools.cli.output import answer, answer_json, note

if TYPE_CHECKING:
    from tools.cli.platform_secrets import Made

keys_app = typer.Typer(no_args_is_help=True, help="Create and rotate a stage's keys in AWS Secrets Manager.")

Stage = Annotated[str, typer.Option("--stage", help="Name of the stage, such as prod.")]


class Rotated(StrEnum):
    """What can be rotated."""

    EXECUTION = "execution"
    UI_PROXY = "ui-proxy"
    UI_PROXY_TOKEN = "ui-proxy-token"  # noqa: S105 - a name
    HOST_API_TOKEN = "host-api-token"  # noqa: S105 - a name


_TOKENS = {Rotated.UI_PROXY_TOKEN: "ui_proxy_auth_token", Rotated.HOST_API_TOKEN: "host_api_auth_token"}


@keys_app.command("create")
def keys_create(stage: Stage, as_json: AsJson = False) -> None:
    """Create the secrets of a stage with new keys and tokens, none of which is shown."""
    from tools.cli import platform_secrets

    _show(platform_secrets.create(platform_secrets.StageSecrets(stage), datetime.now(UTC)), as_json)


@keys_app.command("rotate")
def keys_rotate(
    what: Annotated[Rotated, typer.Argument(help="The key or token to replace.")],
    stage: Stage,
    refresh_s: Annotated[
        int, typer.Option("--refresh", help="Seconds for which a function may use a secret that it has read.", min=1)
    ] = 300,
    as_json: AsJson = False,
) -> None:
    """Do the next step of a rotation, if the previous one has been in effect for long enough."""
    from tools.cli import platform_secrets

    values, now, refresh = platform_secrets.StageSecrets(stage), datetime.now(UTC), timedelta(seconds=refresh_s)
    match what:
        case Rotated.EXECUTION:
            made = platform_secrets.rotate_execution(values, now, refresh)
        case Rotated.UI_PROXY:
            made = platform_secrets.rotate_call_token_key(values, now, refresh)
        case _:
            made = platform_secrets.rotate_token(values, _TOKENS[what], now, refresh)
    _show(made, as_json)


def _show(made: "Made", as_json: bool) -> None:
    answer_json({**made.document, "then": made.then}) if as_json else answer(made.line)
    if made.then:
        note(made.then)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(keys_app, name="keys")
