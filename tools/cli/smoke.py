"""`alga-ext smoke`: check a deployed platform over HTTP, from health to a call and a page of an installed extension."""

from typing import Annotated, Any, NoReturn

import typer

from tools.cli.client import Client, Reply, problem_of
from tools.cli.options import TokenFile, Url, client
from tools.cli.output import CommandError, answer, step

HEALTH_PATHS = ("/healthz", "/api/registry/v1/healthz")


def smoke(
    extension: Annotated[str, typer.Argument(help="An installed extension with a page and an endpoint.")],
    path: Annotated[str, typer.Option("--path", help="Its endpoint for GET.")] = "/hello",
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Check health, call an installed extension through the gateway, and fetch its page.

    Each check that fails is told, and the exit code is 1 then.
    """
    api = client(url, token_file)
    try:
        for health in HEALTH_PATHS:
            _checked(f"GET {health}", api, health)
        _checked(f"call {extension}{path}", api, f"/api/ext/{extension}{path}")
        install = _install(api, extension)
        if install.get("ui_url"):
            _check_page(str(install["ui_url"]))
    finally:
        api.close()
    answer("the platform serves calls and pages")


def _install(api: Client, extension: str) -> dict[str, Any]:
    """Return the tenant's install of an extension, which may be named as in a call's path."""
    cursor: str | None = None
    while True:
        page = api.json("GET", "/installs" + (f"?cursor={cursor}" if cursor else ""))
        for install in page["items"]:
            names = (install["install_id"], install["name"], f"{install['publisher']}.{install['name']}")
            if extension in names or extension == install.get("extension_id"):
                return dict(install)
        cursor = page["next_cursor"]
        if cursor is None:
            raise CommandError(f"{extension} is not installed for the token's tenant", "install it: alga-ext install")


def _check_page(address: str) -> None:
    base, separator, rest = address.partition("/ext-ui/")
    pages = Client(base, None)
    try:
        reply = _checked(f"page {address}", pages, separator + rest)
        if "sandbox" not in reply.headers.get("content-security-policy", ""):
            raise CommandError(f"{address} has no policy that confines it", "is something between CloudFront and you?")
    finally:
        pages.close()


def _checked(title: str, server: Client, path: str) -> Reply:
    with step(title):
        reply = server.request("GET", path)
        if reply.status != 200:
            _refuse(title, reply)
    return reply


def _refuse(title: str, reply: Reply) -> NoReturn:
    problem = problem_of(reply)
    raise CommandError(
        f"{title} was answered with {reply.status}: {problem}",
        f"request id {problem.request_id}" if problem.request_id else "read the access log of the HTTP API",
    )


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(smoke)
