"""`python -m tools.demo`: run every step as a transcript that checks itself; exit 1 at the first unexpected result.

The demo starts its own platform (ports, keys, database) and does everything from the outside, with CLI commands and
HTTP requests. Only one step reads inside: the execution record in PostgreSQL.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
from tools.cli.client import ApiError, Client, Reply
from tools.cli.output import CommandError
from tools.cli.samples import TOKENS, TOPIC, TOPIC_SCHEMA
from tools.local.lock import AlreadyRunningError
from tools.local.platform import Options, Platform, StartError
from tools.local.state import ROOT, STATE

EXTENSION = "samples.dev.alga.hello"
RECORD_TIMEOUT_S = 15.0
DELIVERY_TIMEOUT_S = 60.0
INSTALL_CACHE_S = 2.5
"""For so long a call may have the grants of before a change (INSTALL_CACHE_MS)."""
CONSOLE = Console(highlight=False)


class UnexpectedResultError(Exception):
    """A result is not the expected one."""


def expect(seen: object, wanted: object, what: str) -> None:
    """Check that `seen` equals `wanted`. Raises UnexpectedResultError."""
    if seen != wanted:
        message = f"{what}: expected {wanted!r}, got {seen!r}"
        raise UnexpectedResultError(message)


@contextmanager
def step(title: str) -> Iterator[Callable[[str], None]]:
    """Print one line of the transcript: the title, the time it took, and the result that the body reports."""
    outcome = [""]
    started = time.monotonic()
    with CONSOLE.status(title):
        yield lambda text: outcome.__setitem__(0, text)
    CONSOLE.print(f"[green]✓[/] {title:<34} [dim]{time.monotonic() - started:6.2f} s[/]  ", end="")
    CONSOLE.print(outcome[0], markup=False, overflow="ellipsis", no_wrap=True)


class Demo:
    """The steps of the demo, in order; each uses the results of the earlier ones."""

    def __init__(self, platform: Platform, work: Path) -> None:
        self._platform = platform
        self._api = platform.addresses.api
        self._key = work / "publisher.pem"
        self._built = work / "hello"
        self._bundle = work / "bundle.tar.zst"
        self._schema = work / "topic.json"

    def run(self) -> None:
        """Run all steps. Raises UnexpectedResultError."""
        self._make_bundle()
        self._publish()
        install = self._install()
        request_id = self._call()
        self._refusals()
        self._page(install["ui_url"])
        self._record(request_id)
        self._event(install["install_id"])
        self._schedule(install["install_id"])
        self._dead_delivery(install)

    def _make_bundle(self) -> None:
        with step("make a publisher's key") as report:
            report(self._cli("keygen", str(self._key))["key_id"])
        with step("build from source") as report:
            manifest = self._cli("build", "samples/hello-js", "--out", str(self._built))
            report(f"{manifest['name']} {manifest['version']}")
        with step("pack") as report:
            packed = self._cli("pack", str(self._built), "--out", str(self._bundle))
            again = self._cli("pack", str(self._built), "--out", str(self._bundle))
            expect(again["content_hash"], packed["content_hash"], "hash of the same tree packed twice")
            report(f"{packed['content_hash']}, {packed['size_bytes']} bytes")
        with step("sign and verify") as report:
            self._cli("sign", str(self._bundle), "--key", str(self._key))
            claim = self._cli("verify", str(self._bundle), "--key", str(self._key.with_suffix(".pub.pem")))
            report(f"{claim['name']} {claim['version']} by {claim['publisher']}")

    def _publish(self) -> None:
        with step("register the publisher") as report:
            self._cli("publisher", "create", "samples", role="operator")
            self._cli("publisher", "add-key", "samples", str(self._key.with_suffix(".pub.pem")), role="operator")
            report("samples")
        with step("publish") as report:
            version = self._cli("publish", str(self._bundle), "--wait", "0", role="publisher")
            expect(version["state"], "pending", "state of the new version")
            report("pending")
        with step("wait for the precompiled program") as report:
            version = self._client("publisher").wait_until_decided(version["version_id"], 120)
            expect(version["state"], "ready", f"state of the version {version['state_reasons']}")
            report(f"ready, component {version['component_sha256'][:16]}…")

    def _install(self) -> Any:
        with step("install for acme") as report:
            install = self._cli("install", "dev.alga.hello", "--grant-asked", role="acme-admin")
            report(f"grants {', '.join(install['grants']['capabilities'])}")
        return install

    def _call(self) -> str:
        with step("call through the gateway") as report:
            reply = self._get("/hello?name=Ada", "acme-user")
            expect(reply.status, 200, f"status ({reply.body.decode()})")
            answer = json.loads(reply.body)
            expect((answer["greeting"], answer["tenant"]), ("Hello, Ada!", "acme"), "the guest's JSON")
            report(f"200 {reply.body.decode()}")
        with step("a fresh instance for each call") as report:
            counts = [json.loads(self._get("/count", "acme-user").body)["count"] for _ in range(3)]
            expect(counts, [1, 1, 1], "a counter in a global variable of the guest")
            report(f"the counter is {counts}")
        return reply.headers["x-request-id"]

    def _refusals(self) -> None:
        with step("the same call as globex") as report:
            report(_refused(self._get("/hello?name=Ada", "globex-user"), 404, "not_installed"))
        with step("the same call without a token") as report:
            report(_refused(self._get("/hello?name=Ada", None), 401, "unauthenticated"))
        with step("a bundle with one flipped byte") as report:
            data = bytearray(self._bundle.read_bytes())
            data[len(data) // 2] ^= 1
            flipped = self._bundle.with_name("flipped.tar.zst")
            flipped.write_bytes(data)
            signature = self._bundle.with_name("bundle.dsse.json").read_bytes()
            try:
                self._client("publisher").publish(flipped, signature, "samples")
            except ApiError as refused:
                expect((refused.status, refused.code), (400, "bundle_hash_mismatch"), "the refusal")
                report(f"{refused.status} {refused.code}")
            else:
                raise UnexpectedResultError("the registry accepted a bundle that is not the signed one")

    def _page(self, url: str) -> None:
        with step("the page of its user interface") as report:
            ui = self._platform.addresses.ui
            reply = Client(ui, None).request("GET", url.removeprefix(ui))
            expect(reply.status, 200, "status")
            expect(reply.headers["content-type"].split(";")[0], "text/html", "content type")
            expect("must-revalidate" in reply.headers["cache-control"], True, "must-revalidate in cache-control")
            expect("sandbox allow-scripts" in reply.headers["content-security-policy"], True, "sandbox in the CSP")
            report(f"200, {len(reply.body)} bytes, {reply.headers['cache-control']}")

    def _record(self, request_id: str) -> None:
        with step("its record in PostgreSQL") as report:
            database = Database(self._platform.functions.specs["recorder"].environment["DATABASE_URL"])
            try:
                row = _wait_for_record(database, request_id)
                expect((row["status"], row["error_code"]), (200, None), "the record's outcome")
                with database.tenant("globex") as tx:
                    expect(
                        tx.rows("select 1 as seen from app.extension_execution_log"),
                        [],
                        "the rows that globex can read",
                    )
            finally:
                database.close()
            report(f"{row['method']} {row['path']} → {row['status']} in {row['duration_ms']:.1f} ms, {row['state']}")

    def _event(self, install_id: str) -> None:
        with step("register a topic") as report:
            self._schema.write_text(json.dumps(TOPIC_SCHEMA))
            report(self._cli("topics", "set", TOPIC, str(self._schema), role="operator")["topic"])
        with step("publish an event") as report:
            report(self._publish_event("T-1"))
        with step("its delivery") as report:
            delivery = self._wait_for_delivery(install_id, "delivered", "event")
            report(f"{delivery['state']} to {delivery['path']}, try {delivery['tries']}")
        with step("what the extension did with it") as report:
            report(self._greeted("Hello, ticket T-1!", delivery["delivery_id"]))

    def _schedule(self, install_id: str) -> None:
        with step("let the extension make a schedule") as report:
            made = self._client("acme-user").request("PUT", f"/api/ext/{EXTENSION}/good-morning")
            expect(made.status, 201, f"status ({made.body.decode()})")
            (schedule,) = self._cli("schedules", "list", role="acme-admin")
            report(f"{schedule['name']}, {schedule['cron']}, next {schedule['next_run_at']}")
        with step("run it by hand") as report:
            run = self._cli("trigger", "schedule", schedule["name"], role="acme-admin")
            delivery = self._wait_for_delivery(install_id, "delivered", "schedule")
            expect(delivery["delivery_id"], run["delivery_id"], "the delivery")
            (schedule,) = self._cli("schedules", "list", role="acme-admin")
            expect(schedule["last_run_status"], "succeeded", "status of the last run")
            report(self._greeted("Hello, morning!", delivery["delivery_id"]))
        with step("a tick by hand, which is for operators") as report:
            ticked = self._cli("trigger", "tick", role="operator")
            refused = self._client("acme-admin").request("POST", "/api/registry/v1/maintenance/tick")
            report(f"fired {ticked['fired']}; an admin: {_refused(refused, 403, 'forbidden')}")

    def _dead_delivery(self, install: Any) -> None:
        install_id, grants = install["install_id"], dict(install["grants"])
        grants.pop("hash")
        admin, path = self._client("acme-admin"), f"/installs/{install['install_id']}/grants"
        kept = [name for name in grants["capabilities"] if name != "cap:storage.kv"]
        with step("a handler that may not store") as report:
            admin.json("PUT", path, {**grants, "capabilities": kept})
            time.sleep(INSTALL_CACHE_S)
            self._publish_event("T-2")
            dead = self._wait_for_delivery(install_id, "dead", "event")
            expect((dead["tries"], dead["last_status"]), (1, 403), "tries and status")
            report(f"dead: {dead['reason']}")
        with step("grant it again, and redrive") as report:
            admin.json("PUT", path, grants)
            time.sleep(INSTALL_CACHE_S)
            admin.json("POST", f"/deliveries/{dead['delivery_id']}/redrive")
            self._wait_for_delivery(install_id, "delivered", "event")
            report(self._greeted("Hello, ticket T-2!", dead["delivery_id"]))

    def _publish_event(self, ticket: str) -> str:
        data = json.dumps({"ticket_id": ticket})
        taken = self._cli("trigger", "event", TOPIC, "--data", data, role="acme-events")
        expect(taken["result"], "accepted", "the result")
        return f"{taken['result']}: {taken['id']}"

    def _wait_for_delivery(self, install_id: str, state: str, trigger: str) -> Any:
        """Wait until the newest delivery of an install is in a state, and return it."""
        deadline = time.monotonic() + DELIVERY_TIMEOUT_S
        admin, path = self._client("acme-admin"), f"/deliveries?install={install_id}&trigger={trigger}&page_size=1"
        while not (found := admin.json("GET", path)["items"]) or found[0]["state"] != state:
            if time.monotonic() > deadline:
                raise UnexpectedResultError(f"no delivery is {state} after {DELIVERY_TIMEOUT_S:.0f} s: {found}")
            time.sleep(0.1)
        return found[0]

    def _greeted(self, greeting: str, delivery_id: str) -> str:
        """Check that the extension greeted so, once, for this delivery; return the greeting."""
        greeted = json.loads(self._get("/greeted", "acme-user").body)["greeted"]
        expect([one["greeting"] for one in greeted if one["id"] == delivery_id], [greeting], f"greetings of {greeted}")
        return greeting

    def _client(self, role: str) -> Client:
        return Client(self._api, self._platform.keys.token(TOKENS[role]))

    def _get(self, path: str, role: str | None) -> Reply:
        client = self._client(role) if role else Client(self._api, None)
        return client.request("GET", f"/api/ext/{EXTENSION}{path}")

    def _cli(self, *arguments: str, role: str | None = None) -> Any:
        """Run a command of the CLI and return its JSON answer."""
        environment = {**os.environ, "ALGA_URL": self._api}
        if role:
            environment["ALGA_TOKEN"] = self._platform.keys.token(TOKENS[role])
        command = [str(Path(sys.executable).with_name("alga-ext")), *arguments, "--json"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = f"alga-ext {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}"
            raise UnexpectedResultError(message)
        return json.loads(done.stdout)


def _refused(reply: Reply, status: int, code: str) -> str:
    """Check that a reply is this refusal, as a problem document with the request's id; return status and code."""
    expect(reply.status, status, f"status ({reply.body.decode()})")
    expect(reply.headers["content-type"], "application/problem+json", "content type")
    problem = json.loads(reply.body)
    expect((problem["code"], problem["request_id"]), (code, reply.headers["x-request-id"]), "code and request id")
    return f"{status} {code}"


def _wait_for_record(database: Database, request_id: str) -> dict[str, Any]:
    """Wait for the finished record of a call, which arrives through the queue, and return it."""
    deadline = time.monotonic() + RECORD_TIMEOUT_S
    while time.monotonic() < deadline:
        with database.tenant("acme") as tx:
            row = tx.row("select * from app.extension_execution_log where request_id = :id", id=request_id)
        if row is not None and row["state"] == "finished":
            return row
        time.sleep(0.1)
    message = f"no finished record of request {request_id} after {RECORD_TIMEOUT_S:.0f} s"
    raise UnexpectedResultError(message)


async def _run() -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="alga-demo-", ignore_cleanup_errors=True) as work:
        platform = Platform(Options(STATE / "demo", 0, 0, 0))
        try:
            with step("start the platform") as report:
                await platform.start()
                for function in ("gateway", "uihost", "recorder"):
                    platform.functions.warm(function)
                platform.functions.warm("runner", "acme")
                report(platform.addresses.api)
            await asyncio.to_thread(Demo(platform, Path(work)).run)
        finally:
            await platform.stop()
    CONSOLE.print(f"\n[bold green]All results are as expected[/] [dim]({time.monotonic() - started:.1f} s)[/]")


def main() -> int:
    """Run the demo; return 0 when every result was as expected."""
    try:
        asyncio.run(_run())
    except (UnexpectedResultError, StartError, AlreadyRunningError, ApiError, CommandError, PlatformError) as error:
        CONSOLE.print(f"[bold red]✗[/] {escape(str(error))}")
        CONSOLE.print(f"  → logs: {STATE / 'demo' / 'logs'}", markup=False)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
