"""No secret, token, body or text of a tenant is in a platform log or a metric: a whole session with canaries.

The session publishes, installs, configures, calls and fails in each way, on a platform of its own whose functions log
all they can. Afterwards everything that the functions wrote is searched for every canary, in every form.
"""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.conformance.outside import Outside
from tests.support.canaries import Canaries, forms_of
from tests.support.gateway import UNLIMITED
from tests.support.servers import Loop
from tests.support.site import PUBLISHER, Site
from tests.support.tls import Authority
from tools.cli.client import Reply
from tools.guests import build_component
from tools.local.platform import Options, Platform
from tools.local.state import ROOT

SOURCE = """
import { Router, json, text, http, secrets, storage, config, metrics } from "@alga/extension-runtime";
const attempt = (ask) => { try { ask(); } catch (error) { console.error(String(error)); } };
const said = (request) => JSON.parse(request.text());
export const handler = new Router()
  .post("/answer/:word", (request) => {
    const { log, stored, key, outside, fetched, metric } = said(request);
    console.log(log); console.warn(log); console.error(log);
    storage.put(key, key, new TextEncoder().encode(stored));
    metrics.emit("orders", 1, "Count", { who: metric });
    metrics.emit(metric, 1, metric);
    attempt(() => http.fetch(outside + "/echo?q=" + fetched, {
      method: "POST", headers: { authorization: "Bearer {{secret:API_KEY}}", "x-own": fetched }, body: fetched }));
    console.log(config.get("greeting") + secrets.get("READ_KEY"));
    return json({ answer: said(request).answer }, { headers: { "x-ext-own": said(request).answer, "x-lost": log } });
  })
  .post("/refused", (request) => {
    const { host } = said(request);
    attempt(() => http.fetch("https://" + host + ".example/" + host));
    attempt(() => http.fetch("http://" + host + "@127.0.0.1/" + host));
    attempt(() => http.fetch(host + "://" + host));
    attempt(() => secrets.get(host));
    attempt(() => storage.put(host.repeat(20), host.repeat(100), new Uint8Array(1)));
    attempt(() => storage.putMany(host, [{ key: host, value: new Uint8Array(1), expectedRevision: 99 }]));
    return json(1);
  })
  .post("/throw", (request) => { throw new Error(said(request).error); })
  .post("/slow", (request) => { console.log(said(request).log); for (;;) {} })
  .post("/header", (request) => new Response("x", { headers: { "x-ext-a": said(request).answer } }))
  .post("/status", (request) => ({ status: 999, headers: [["x-ext-a", said(request).answer]], body: null }))
  .post("/large", (request) => text(said(request).answer.repeat(300_000)))
  .post("/memory", (request) => { const all = []; for (;;) all.push(said(request).answer.repeat(100_000)); }).handler;
"""
PATHS = ["/answer/:word", "/refused", "/throw", "/slow", "/header", "/status", "/large", "/memory"]
FUNCTIONS_WITH_A_LOG = {"gateway", "runner", "registry", "recorder", "prepare", "assets", "sweeper"}


class Session(NamedTuple):
    """What is known after the session.

    Attributes:
        canaries: all texts that were used.
        logs: what each function wrote, by name, in lines.
        request_ids: of the calls that were made.
        outcomes: the status of each call, by name.
        asked: what the fetched server heard.
    """

    canaries: Canaries
    logs: dict[str, list[str]]
    request_ids: set[str]
    outcomes: dict[str, int]
    asked: str


@pytest.fixture(scope="module")
def session(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("canaries")
    state = ROOT / ".local" / f"canaries-{os.getpid()}"
    authority = Authority(folder / "authority")
    (folder / "authority").chmod(0o755)
    with ExitStack() as stack:
        outside = Outside(tls=authority.server_context("localhost"))
        stack.callback(outside.close)
        environ = {
            "EXT_GATEWAY_TIMEOUT_MS": "15000",
            "DEFAULT_LIMITS": UNLIMITED,
            "LOG_LEVEL": "DEBUG",
            "EGRESS_PRIVATE_NETWORKS": "127.0.0.0/8,::1/128",
            "EGRESS_CA_BUNDLE": str(folder / "authority" / "ca.pem"),
        }
        platform = Platform(Options(state, 0, 0, 0, environ=environ))
        server_loop.run(platform.start())
        stack.callback(shutil.rmtree, state)
        stack.callback(lambda: server_loop.run(platform.stop()))
        site = Site(platform, server_loop)
        stack.callback(site.close)
        canaries = Canaries()
        source = folder / "source"
        source.mkdir()
        (source / "index.js").write_text(SOURCE)
        install_id = published(site, canaries, build_component(source).read_bytes(), outside)
        replies = called(site, canaries, install_id, outside)
        misused(site, canaries, install_id)
        last = site.call(install_id, "/refused", method="POST", body=b"{}")
        site.record(last.headers["x-request-id"])
        server_loop.run(platform.functions.invoke("sweeper", b"{}"))
        yield Session(
            canaries,
            {
                path.stem: path.read_text("utf-8").splitlines()
                for path in sorted((state / "logs").glob("*.log"))
                if path.stem in platform.functions.specs
            },
            {reply.headers["x-request-id"] for reply in replies.values()},
            {name: reply.status for name, reply in replies.items()},
            repr(outside.asked),
        )


def published(site: Site, canaries: Canaries, component: bytes, outside: Outside) -> str:
    """Publish and install the extension with a configuration and two secrets; return the install's id."""
    capabilities = ["log.emit", "http.fetch", "secrets.get", "storage.kv", "metrics.emit", "context.read"]
    version = site.publish(
        component,
        title=canaries.of("title"),
        description=canaries.of("description"),
        runtime="wasm-js@1",
        capabilities=capabilities,
        egress=[outside.grant],
        secrets=[
            {"name": "API_KEY", "hosts": [outside.grant], "description": canaries.of("secret's description")},
            {"name": "READ_KEY"},
        ],
        metrics=[{"name": "orders", "unit": "Count"}],
        config={
            "type": "object",
            "properties": {"greeting": {"type": "string", "description": canaries.of("config's description")}},
        },
        api={"endpoints": [{"method": "POST", "path": path} for path in PATHS]},
    )
    assert version["state"] == "ready", version["state_reasons"]
    grants = {
        "capabilities": [f"cap:{name}" for name in capabilities],
        "egress": [outside.grant],
        "secrets": {"API_KEY": [outside.grant], "READ_KEY": []},
        "limits": {},
    }
    admin = site.client("acme")
    config = {"greeting": canaries.of("config")}
    install_id = str(admin.install(version["name"], None, grants, config)["install_id"])
    for name in ("API_KEY", "READ_KEY"):
        admin.json("PUT", f"/installs/{install_id}/secrets/{name}", {"value": canaries.of(f"secret {name}")})
    return install_id


def called(site: Site, canaries: Canaries, install_id: str, outside: Outside) -> dict[str, Reply]:
    """Call the extension in each way, and return the answers by name."""
    caller = site.client_of(
        {
            "tenant_id": "acme",
            "roles": ["tenant_admin"],
            "sub": canaries.of("caller's id"),
            "email": f"{canaries.of('caller’s email')}@example.com",
            "name": canaries.of("caller's name"),
        }
    )
    body = json.dumps(
        {
            "log": canaries.of("log line"),
            "stored": canaries.of("stored value"),
            "key": canaries.of("stored key"),
            "outside": outside.url,
            "fetched": canaries.of("fetched url and body"),
            "metric": canaries.of("metric's dimension"),
            "answer": canaries.of("answer"),
            "host": canaries.of("refused host"),
            "error": canaries.of("guest's error"),
            "more": canaries.of("body"),
        }
    ).encode()
    query = f"?q={canaries.of('query')}"
    headers = {"x-own": canaries.of("header"), "cookie": f"a={canaries.of('cookie')}"}

    def call(path: str, **more: str) -> Reply:
        sent = {**headers, "content-type": "application/json", **more}
        return caller.request("POST", f"/api/ext/{install_id}{path}{query}", body, sent)

    replies = {path: call(path) for path in PATHS if ":" not in path}
    replies["work"] = call(f"/answer/{canaries.of('path')}", **{"idempotency-key": canaries.of("idempotency key")})
    replies["no path"] = call(f"/{canaries.of('unknown path')}")
    replies["no extension"] = site.client("acme").request("POST", f"/api/ext/{canaries.of('extension')}/x", body)
    replies["bad token"] = call("/answer/x", authorization=f"Bearer {canaries.of('bad token')}")
    header, _, signature = str(site.platform.keys.token({"sub": "x"})).split(".")
    claims = base64.urlsafe_b64encode(json.dumps({"sub": canaries.of("forged token")}).encode()).decode().rstrip("=")
    replies["forged token"] = call("/answer/x", authorization=f"Bearer {header}.{claims}.{signature}")
    replies["basic"] = call("/answer/x", authorization=f"Basic {canaries.of('password')}")
    replies["bad key"] = call("/throw", **{"idempotency-key": canaries.of("long key") * 20})
    replies["bad encoding"] = call(f"/%ff{canaries.of('bad path')}")
    caller.close()
    return replies


def misused(site: Site, canaries: Canaries, install_id: str) -> None:
    """Send the registry what it accepts and what it refuses."""
    admin, operator, publisher = site.client("acme"), site.client("operator"), site.client("publisher")
    base = "/api/registry/v1"

    def send(client: Any, method: str, path: str, document: Any) -> Reply:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return Reply(*client.request(method, base + path, body, {"content-type": "application/json"}))

    value = canaries.of("registry body")
    send(admin, "PUT", f"/installs/{install_id}/secrets/API_KEY", {"value": canaries.of("refused secret") * 4_000})
    send(admin, "PUT", f"/installs/{install_id}/secrets/API_KEY", {"value": canaries.of("odd secret") + "\n"})
    send(admin, "PUT", f"/installs/{install_id}/secrets/{canaries.of('secret name')}", {"value": value})
    send(admin, "PUT", f"/installs/{install_id}/config", {"config": {"greeting": [canaries.of("refused config")]}})
    send(admin, "PUT", f"/installs/{install_id}/config", {"config": {canaries.of("config name"): 1}})
    send(admin, "PUT", f"/installs/{install_id}/grants", {"egress": [canaries.of("granted host") + ".example"]})
    send(admin, "PUT", f"/installs/{install_id}/grants", {"capabilities": [canaries.of("capability")]})
    send(admin, "POST", "/installs", {"extension": canaries.of("unknown extension"), "grants": {}})
    send(admin, "POST", "/installs", {canaries.of("member"): value})
    send(admin, "POST", "/installs", b"{" + canaries.of("broken JSON").encode())
    reason = {"version": "9.9.9", "reason": canaries.of("rollback reason")}
    send(admin, "POST", f"/installs/{install_id}/rollback", reason)
    send(admin, "POST", f"/installs/{install_id}/rollback", {**reason, "version": canaries.of("version")})
    send(admin, "GET", f"/executions?outcome={canaries.of('registry query')}", b"")
    send(admin, "GET", f"/executions?cursor={canaries.of('cursor')}", b"")
    send(admin, "GET", f"/executions/{canaries.of('execution id')}/logs", b"")
    send(operator, "POST", "/publishers", {"publisher": PUBLISHER, "display_name": canaries.of("display name")})
    send(operator, "POST", "/publishers", {"publisher": "others", "display_name": canaries.of("other display name")})
    send(operator, "PUT", "/tenants/acme/limits", {canaries.of("limit"): value})
    send(publisher, "POST", f"/publishers/{PUBLISHER}/keys", {"public_key": canaries.of("public key")})
    send(publisher, "POST", "/versions", {"publisher": PUBLISHER, "bundle_b64": canaries.of("bundle"), "signature": {}})
    send(publisher, "POST", "/extensions/x/deprecate", {"reason": canaries.of("reason")})


def leaks(session: Session) -> list[str]:
    """Return what was found in the functions' output, in words."""
    return [
        f"{kind} in {name}: {line[:600]}"
        for name, lines in session.logs.items()
        for kind, line in session.canaries.found_in(lines).items()
    ]


def test_the_session_succeeded_and_failed_in_each_way(session: Session) -> None:
    statuses = session.outcomes
    assert statuses["work"] == 200
    assert session.canaries.of("secret API_KEY") in session.asked
    assert session.canaries.of("fetched url and body") in session.asked
    failed = {name: statuses[name] for name in ("/throw", "/slow", "/status", "/large", "/memory")}
    assert failed == {"/throw": 502, "/slow": 504, "/status": 502, "/large": 502, "/memory": 502}
    assert {statuses[name] for name in ("bad token", "forged token", "basic")} == {401}
    assert len(session.canaries.made) > 40


def test_the_logs_are_those_of_this_session(session: Session) -> None:
    assert {name for name, lines in session.logs.items() if lines} >= FUNCTIONS_WITH_A_LOG
    gateway = "\n".join(session.logs["gateway"])
    refused = [name for name, status in session.outcomes.items() if status >= 400]
    assert sum(request_id in gateway for request_id in session.request_ids) >= len(refused)
    assert any("_aws" in line for line in session.logs["gateway"])


def test_nothing_of_a_tenant_is_in_what_the_functions_wrote(session: Session) -> None:

    assert leaks(session) == []


def test_the_search_finds_each_canary_in_each_form(session: Session) -> None:
    for kind, text in session.canaries.made.items():
        for form, written in forms_of(text):
            line = json.dumps({"message": "before"}) + written
            assert kind in session.canaries.found_in([line]), (kind, form)


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_search_finds_a_canary_within_a_longer_text_in_base64(before: str) -> None:
    canaries = Canaries()
    line = base64.b64encode(f"{before}{canaries.of('secret')} and more".encode()).decode()
    assert canaries.found_in([line])
