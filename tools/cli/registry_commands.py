"""Commands for a platform: publisher, publish, install, call, proof, recompile, token."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.cli.bundles import SIGNATURE_NAME, manifest_of
from tools.cli.client import problem_of
from tools.cli.grants import asked_for, read_assignments, read_config
from tools.cli.options import AsJson, TokenFile, Url, client
from tools.cli.output import CommandError, answer, answer_json, note, step
from tools.local.keys import TOKEN_LIFETIME_S, load_or_make_keys
from tools.local.state import STATE

publisher_app = typer.Typer(no_args_is_help=True, help="Register publishers and their keys.")


@publisher_app.command("create")
def publisher_create(
    publisher: Annotated[str, typer.Argument(help="Slug: lower-case letters, digits, hyphens.")],
    name: Annotated[str, typer.Option("--name", help="Display name; by default the slug.")] = "",
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Register a publisher (platform admins)."""
    row = client(url, token_file).create_publisher(publisher, name or publisher)
    _show(row, f"publisher {row['publisher']}", as_json)


@publisher_app.command("add-key")
def publisher_add_key(
    publisher: Annotated[str, typer.Argument(help="The publisher's slug.")],
    public_key: Annotated[Path, typer.Argument(help="Public key file (PEM).", exists=True)],
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Allow a key to sign for a publisher; keys that were added earlier stay valid."""
    row = client(url, token_file).add_key(publisher, public_key.read_text(encoding="utf-8"))
    _show(row, f"{row['key_id']} may sign for {publisher}", as_json)


@publisher_app.command("revoke-key")
def publisher_revoke_key(
    publisher: Annotated[str, typer.Argument(help="The publisher's slug.")],
    key_id: Annotated[str, typer.Argument(help="The key's id, as `add-key` shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Reason; it is public.")],
    revoked_from: Annotated[
        str | None, typer.Option("--from", help="Last instant at which the key is trusted; by default now.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Revoke; without it, only show what that would stop.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key from an instant on. Versions that it signed since then stop running, for all tenants."""
    row = client(url, token_file).revoke_key(publisher, key_id, reason, revoked_from, dry_run=not yes)
    lines = [
        f"{'stops' if yes else 'would stop'} {s['name']} {s['version']}: {s['installs']} installs"
        for s in row["stopped"]
    ]
    lines = lines or [f"{'stops' if yes else 'would stop'} no version"]
    lines.append(
        f"{key_id} is revoked from {row['revoked_from']} on" if yes else "nothing was changed; --yes revokes the key"
    )
    _show(row, "\n".join(lines), as_json)


def publish(
    bundle: Annotated[Path, typer.Argument(help="The archive.", exists=True)],
    signature: Annotated[Path | None, typer.Option("--signature", help="The DSSE envelope.")] = None,
    wait_s: Annotated[float, typer.Option("--wait", help="Seconds to wait for the result; 0 does not wait.")] = 120,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Publish a signed bundle and wait until it is ready or rejected."""
    manifest = manifest_of(bundle)
    for text in manifest.notes:
        note(text)
    registry = client(url, token_file)
    with step(f"Publishing {manifest.name} {manifest.version}"):
        version = registry.publish(
            bundle, (signature or bundle.with_name(SIGNATURE_NAME)).read_bytes(), manifest.publisher
        )
        if wait_s > 0:
            version = registry.wait_until_decided(version["version_id"], wait_s)
    _show(version, f"{version['name']} {version['version']} is {version['state']} ({version['version_id']})", as_json)
    if version["state"] == "rejected":
        reasons = "; ".join(f"{reason['code']}: {reason['detail']}" for reason in version["state_reasons"])
        raise CommandError(f"the version was rejected: {reasons}", "fix the cause and publish a higher version")


def install(
    extension: Annotated[str, typer.Argument(help="Name or id.")],
    version: Annotated[str | None, typer.Option("--version", help="By default the newest ready one.")] = None,
    grant: Annotated[list[str] | None, typer.Option("--grant", help="A capability to grant; repeat.")] = None,
    grant_asked: Annotated[bool, typer.Option("--grant-asked", help="Grant everything the manifest asks for.")] = False,
    egress: Annotated[list[str] | None, typer.Option("--egress", help="A host to allow; repeat.")] = None,
    secret: Annotated[list[str] | None, typer.Option("--secret", help="NAME or NAME=host,host; repeat.")] = None,
    secret_header: Annotated[
        list[str] | None,
        typer.Option("--secret-header", help="NAME=HEADER, if a secret does not go into authorization; repeat."),
    ] = None,
    config: Annotated[list[str] | None, typer.Option("--config", help="KEY=VALUE, value JSON or text; repeat.")] = None,
    config_file: Annotated[Path | None, typer.Option("--config-file", help="JSON file.", exists=True)] = None,
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Install an extension for your tenant. Only what you name is granted."""
    registry = client(url, token_file)
    grants: dict[str, Any] = {"capabilities": [], "egress": [], "secrets": {}, "secret_headers": {}}
    if grant_asked:
        grants = asked_for(registry, extension, version)
    grants["capabilities"] += grant or []
    grants["egress"] += egress or []
    grants["secrets"] |= {
        name: hosts.split(",") if hosts else [] for name, hosts in read_assignments(secret or [], "").items()
    }
    grants["secret_headers"] |= read_assignments(secret_header or [])
    row = registry.install(extension, version, grants, read_config(config or [], config_file))
    _show(row, f"{row['name']} {row['version']} installed as {row['install_id']}", as_json)


def call(
    extension: Annotated[str, typer.Argument(help="Registry id, install id, or publisher.name.")],
    path: Annotated[str, typer.Argument(help="The endpoint's path, with query.")] = "/",
    method: Annotated[
        str | None, typer.Option("--method", "-X", help="HTTP method; GET, or POST when there is a body.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", "-d", help="Request body.")] = None,
    data_file: Annotated[Path | None, typer.Option("--data-file", help="File with the request body.")] = None,
    content_type: Annotated[str, typer.Option("--content-type", help="Type of the body.")] = "application/json",
    url: Url = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Call an installed extension through the gateway and print its answer."""
    body = data_file.read_bytes() if data_file else data.encode() if data is not None else None
    headers = {} if body is None else {"content-type": content_type}
    target = f"/api/ext/{extension}/{path.lstrip('/')}"
    verb = (method or ("GET" if body is None else "POST")).upper()
    reply = client(url, token_file, token_needed=False).request(verb, target, body, headers)
    text = reply.body.decode(errors="replace")
    if as_json:
        answer_json({"status": reply.status, "headers": dict(reply.headers), "body": text})
    if reply.status >= 400:
        problem = problem_of(reply)
        # An error of the extension, not of the platform: an answer of API Gateway itself did not come from the gateway.
        if problem.code.startswith("http_") and "x-request-id" in reply.headers:
            raise CommandError(f"the extension answered {reply.status}: {text}")
        raise problem
    if not as_json:
        answer(text)


def proof(
    version_id: Annotated[str, typer.Argument(help="The version's id, as `alga-ext publish` shows it.")],
    out: Annotated[Path, typer.Option("--out", help="File for the proof.")] = Path("proof.json"),
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Fetch the proof that a version's publication is in the transparency log; `alga-ext verify --log` checks it."""
    document = client(url, token_file).json("GET", f"/versions/{version_id}/proof")
    out.write_text(json.dumps(document), encoding="utf-8")
    answer(f"{out}: entry {document['leaf_index']} of {document['tree_size']}")


def recompile(
    status: Annotated[bool, typer.Option("--status", help="Only show how many are compiled.")] = False,
    url: Url = None,
    token_file: TokenFile = None,
) -> None:
    """Queue every active version to be prepared again, for a new engine or new platform keys (platform admins).

    What is already compiled and signed is neither compiled nor signed again.
    """
    registry = client(url, token_file)
    if status:
        for engine in registry.json("GET", "/maintenance/prepare"):
            total = engine["compiled"] + engine["missing"]
            answer(
                f"wasmtime {engine['wasmtime_version']} for {engine['target']} ({engine['engine_config_hash'][:8]}): "
                f"{engine['compiled']} of {total} components compiled"
            )
        return
    queued, cursor = 0, None
    with step("Queueing active versions"):
        while True:
            page = registry.json("POST", "/maintenance/prepare" + (f"?cursor={cursor}" if cursor else ""))
            queued, cursor = queued + page["queued"], page["next_cursor"]
            if cursor is None:
                break
    answer(f"{queued} versions queued; `alga-ext recompile --status` shows the progress")


def rewrap_secrets(url: Url = None, token_file: TokenFile = None) -> None:
    """Encrypt the data keys of all tenants' secrets with the first KMS key of SECRETS_KEY_ID (platform admins)."""
    registry = client(url, token_file)
    checked, rewrapped, cursor = 0, 0, None
    with step("Encrypting data keys again"):
        while True:
            page = registry.json("POST", "/maintenance/secrets" + (f"?cursor={cursor}" if cursor else ""))
            checked, rewrapped, cursor = checked + page["checked"], rewrapped + page["rewrapped"], page["next_cursor"]
            if cursor is None:
                break
    answer(f"{checked} secrets checked, {rewrapped} had another key")


def token(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Tenant id, such as acme.")] = None,
    role: Annotated[list[str] | None, typer.Option("--role", help="A role, such as tenant_admin; repeat.")] = None,
    publisher: Annotated[list[str] | None, typer.Option("--publisher", help="Publisher to act for; repeat.")] = None,
    subject: Annotated[str, typer.Option("--subject", help="Subject (sub) of the token.")] = "developer",
    lifetime_s: Annotated[int, typer.Option("--lifetime", help="Seconds until it expires.")] = TOKEN_LIFETIME_S,
    state: Annotated[Path | None, typer.Option(help="The platform's state folder; by default .local.")] = None,
) -> None:
    """Make a bearer token for the local platform, as its host application would issue it."""
    if state is not None and not (state / "keys").is_dir():
        raise CommandError(f"{state} has no keys", "name the folder that `alga-ext dev --state` was started with")
    claims: dict[str, Any] = {"sub": subject, "roles": role or []}
    if tenant:
        claims["tenant_id"] = tenant
    if publisher:
        claims["publishers"] = publisher
    answer(load_or_make_keys((state or STATE) / "keys").token(claims, lifetime_s))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(publisher_app, name="publisher")
    for command in (publish, install, call, proof, recompile, rewrap_secrets, token):
        app.command()(command)


def _show(row: Any, line: str, as_json: bool) -> None:
    answer(json.dumps(row, indent=2)) if as_json else answer(line)
    for warning in row.get("warnings", []):
        note(f"warning: {warning}")
