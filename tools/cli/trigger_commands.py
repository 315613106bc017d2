"""Commands that make happen by hand what happens without a caller: ``alga-ext trigger event|schedule|tick``."""

import json
import uuid
from typing import Annotated, Any

import typer

from alga_ext.ids import is_uuid
from tools.cli.client import ApiError, Client, Reply, problem_of
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json
from tools.cli.schedules_commands import all_schedules, run_schedule

EVENT_TYPE = "application/cloudevents+json"

trigger_app = typer.Typer(no_args_is_help=True, help="Publish an event, run a schedule or tick, by hand.")


@trigger_app.command("event")
def trigger_event(
    topic: Annotated[str, typer.Argument(help="Topic of the event, such as ticket.created.")],
    data: Annotated[str, typer.Option("--data", "-d", help="Data of the event: JSON that fits the topic.")] = "null",
    source: Annotated[str, typer.Option("--source", help="Where it comes from: a URI reference.")] = "/alga-ext",
    event_id: Annotated[str | None, typer.Option("--id", help="Its id; by default a new one.")] = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Whose event it is, for a token that names no tenant.")
    ] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish an event (role event:publish). An event with the source and id of an earlier one has no effect."""
    event = {"specversion": "1.0", "id": event_id or str(uuid.uuid4()), "source": source, "type": topic}
    if tenant is not None:
        event["algatenant"] = tenant
    body = json.dumps({**event, "data": _data(data)}).encode()
    reply = client(url, token_file).request("POST", "/api/events", body, {"content-type": EVENT_TYPE})
    if reply.status >= 400:
        raise _refusal(reply)
    (taken,) = json.loads(reply.body)["events"]
    if as_json:
        answer_json(taken)
    else:
        answer(f"{taken['result']}: {topic} {taken['id']}")


@trigger_app.command("schedule")
def trigger_schedule(
    schedule: Annotated[str, typer.Argument(help="Name or id of the schedule.")],
    install: Annotated[str | None, typer.Option("--install", help="Install whose schedule it is.")] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Run a schedule now, besides its own times (tenant admins): five times a minute for an install."""
    platform = client(url, token_file)
    schedule_id = schedule if is_uuid(schedule) else _schedule_named(platform, schedule, install)
    run_schedule(platform, schedule_id, as_json)


@trigger_app.command("tick")
def trigger_tick(url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Fire the schedules that are due, and send lost messages again (platform admins)."""
    done = client(url, token_file).json("POST", "/maintenance/tick")
    if as_json:
        answer_json(done)
    else:
        answer("\n".join(f"{name}: {count}" for name, count in done.items()))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(trigger_app, name="trigger")


def _refusal(reply: Reply) -> ApiError:
    """Return the error of an event that was refused. The reason is in ``faults``, because it may quote the event."""
    error = problem_of(reply)
    try:
        reasons = [str(fault["detail"]) for fault in json.loads(reply.body)["faults"]]
    except (ValueError, KeyError, TypeError):  # refused for another reason than the event
        return error
    return ApiError(error.status, error.code, error.detail, error.request_id, reasons)


def _data(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CommandError(f"the data is not JSON: {error}", """quote it for the shell: --data '{"n": 1}'""") from None


def _schedule_named(platform: Client, name: str, install: str | None) -> str:
    """Return the id of the only schedule with a name. Raises CommandError."""
    found = [item for item in all_schedules(platform, install) if item["name"] == name]
    if not found:
        raise CommandError(f"there is no schedule {name!r}", "`alga-ext schedules list` shows names and ids")
    if len(found) > 1:
        shown = "\n".join(f"  {item['schedule_id']} of install {item['install_id']}" for item in found)
        raise CommandError(
            f"{len(found)} schedules are named {name!r}:\n{shown}", "name one by its id, or add --install"
        )
    return str(found[0]["schedule_id"])
