"""Commands about topics: ``alga-ext topics list``, ``show``, ``set`` and ``delete``."""

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json

topics_app = typer.Typer(no_args_is_help=True, help="Show and register the topics that your application publishes.")

Topic = Annotated[str, typer.Argument(help="Name of the topic, such as ticket.created.")]


@topics_app.command("list")
def topics_list(url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the registered topics."""
    platform, found, cursor = client(url, token_file), [], ""
    while cursor is not None:
        query = f"&cursor={quote(cursor, safe='')}" if cursor else ""
        page = platform.json("GET", f"/topics?page_size=100{query}")
        found += page["items"]
        cursor = page["next_cursor"]
    if as_json:
        answer_json(found)
    else:
        answer("\n".join(f"{topic['topic']}  {topic['description']}".rstrip() for topic in found))


@topics_app.command("show")
def topics_show(topic: Topic, url: Url = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show a topic with its schema."""
    _show(client(url, token_file).json("GET", _path(topic)), as_json)


@topics_app.command("set")
def topics_set(
    topic: Topic,
    schema: Annotated[
        Path, typer.Argument(help="JSON Schema for the data of the topic's events.", exists=True, dir_okay=False)
    ],
    description: Annotated[str, typer.Option("--description", help="What the events tell.")] = "",
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Register a topic, or replace its schema and description (platform admins)."""
    try:
        document = json.loads(schema.read_bytes())
    except ValueError as error:
        raise CommandError(f"{schema} is not JSON: {error}", "docs/reference/events.md has examples") from None
    body = {"description": description, "schema": document}
    _show(client(url, token_file).json("PUT", _path(topic), body), as_json)


@topics_app.command("delete")
def topics_delete(topic: Topic, url: Url = None, token_file: TokenFile = None) -> None:
    """Delete a topic (platform admins): its events are refused from now on."""
    client(url, token_file).json("DELETE", _path(topic))
    answer(f"deleted {topic}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(topics_app, name="topics")


def _path(topic: str) -> str:
    return f"/topics/{quote(topic, safe='')}"


def _show(shown: Any, as_json: bool) -> None:
    if as_json:
        answer_json(shown)
        return
    lines = [shown["topic"], *([shown["description"]] if shown["description"] else [])]
    answer("\n".join([*lines, json.dumps(shown["schema"], indent=2)]))
