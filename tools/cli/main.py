"""Entry point of `alga-ext`: the command table, and how failures are shown."""

import sys
from collections.abc import Sequence

import typer

from alga_ext.errors import PlatformError
from tools.cli import (
    bundle_commands,
    check_restore,
    deliveries_commands,
    dev_commands,
    egress_commands,
    executions_commands,
    keys_commands,
    limits_commands,
    logs_commands,
    registry_commands,
    schedules_commands,
    smoke,
    tenants_commands,
    topics_commands,
    trigger_commands,
    trust_commands,
)
from tools.cli.client import ApiError
from tools.cli.output import CommandError, complain
from tools.cli.publishable import RejectedError
from tools.guests.errors import GuestBuildError

DONE, FAILED = 0, 1

app = typer.Typer(
    name="alga-ext",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Build, sign, publish, install and call extensions; run the platform on this machine.",
)
for module in (
    bundle_commands,
    registry_commands,
    limits_commands,
    schedules_commands,
    logs_commands,
    executions_commands,
    egress_commands,
    tenants_commands,
    deliveries_commands,
    topics_commands,
    trigger_commands,
    trust_commands,
    keys_commands,
    dev_commands,
    smoke,
    check_restore,
):
    module.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code: 0 done, 1 refused or failed, 2 wrong arguments."""
    try:
        app(args=list(arguments))
    except SystemExit as end:  # typer ends with this, also for wrong arguments (2)
        return end.code if isinstance(end.code, int) else DONE
    except CommandError as error:
        complain("", error.problem, error.remedy)
    except ApiError as error:
        remedy = f"request id {error.request_id}" if error.request_id else ""
        complain(error.code, error.detail, remedy, error.explanation)
    except PlatformError as error:
        complain(error.code, error.detail)
    except RejectedError as error:
        for reason in error.reasons:
            complain(reason.code, reason.detail)
    except GuestBuildError as error:
        complain("", str(error))
    except OSError as error:
        complain("", f"{error.filename}: {error.strerror}" if error.filename else str(error))
    else:
        return DONE
    return FAILED


def main() -> None:
    """Run the command from the process's arguments."""
    sys.exit(run(sys.argv[1:]))
