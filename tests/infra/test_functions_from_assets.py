"""The whole platform from its built assets, under Lambda's runtime client, paths, file permissions and library path."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alga_ext.calls.operator_token import sign_operator_token
from tests.infra.lambda_box import INTERPRETER, LIBRARY_PATH, LambdaBox
from tests.support.dev import folder_named
from tests.support.documented import documented, recent_batch
from tests.support.servers import Loop
from tests.support.site import Site
from tools.cli.bundles import Packed
from tools.cli.samples import build_samples, publish_samples
from tools.local.platform import Options, Platform
from topology.functions import FUNCTIONS

HELLO, NOTES = "samples.dev.alga.hello", "samples.dev.alga.notes"


@pytest.fixture(scope="module")
def box(dist: Path, runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> LambdaBox:
    return LambdaBox(dist, runtime, tmp_path_factory.mktemp("box"))


def seen(box: LambdaBox, script: str, library_path: str = LIBRARY_PATH) -> subprocess.CompletedProcess[str]:
    """Run a script in the environment of the gateway."""
    environment = {"LD_LIBRARY_PATH": library_path} if library_path else {}
    command = box.command("gateway", INTERPRETER, "-I", "-c", script)
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_interpreter_finds_its_library_through_the_library_path_only(box: LambdaBox, runtime: Path) -> None:
    shown = "import sysconfig; print(sysconfig.get_config_var('Py_ENABLE_SHARED'))"
    if subprocess.run([runtime, "-c", shown], capture_output=True, text=True, check=True).stdout.strip() != "1":
        pytest.skip("this Python has no library of its own; one that is built with --enable-shared does")
    assert seen(box, "print(1)").stdout == "1\n"
    without = seen(box, "print(1)", library_path="")
    assert (without.returncode, "libpython" in without.stderr) == (127, True)


@pytest.mark.parametrize("place", ["/var/task", "/opt/python", "/var/lang/lib", "/var/runtime", "/var", "/", "/etc"])
def test_no_file_of_the_function_or_the_system_can_be_written(box: LambdaBox, place: str) -> None:
    assert "Read-only file system" in seen(box, f"open('{place}/x', 'w')").stderr
    assert seen(box, "open('/tmp/x', 'w')").returncode == 0


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    yield from folder_named("platform-from-assets")


@pytest.fixture(scope="module")
def samples(server_loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> list[Packed]:
    folder = tmp_path_factory.mktemp("samples")
    return server_loop.run(build_samples(folder, folder / "build.log"))


@pytest.fixture(scope="module")
def site(server_loop: Loop, box: LambdaBox, samples: list[Packed], state: Path) -> Iterator[Site]:
    """A platform whose functions run from their assets, with the samples published and installed for acme."""
    platform = Platform(Options(state, 0, 0, 0, environ={}, start_function=box.start))
    server_loop.run(platform.start())
    try:
        server_loop.run(publish_samples(platform.addresses.api, platform.keys, samples))
        site = Site(platform, server_loop)
        yield site
        site.close()
    finally:
        server_loop.run(platform.stop())


@pytest.mark.slow
def test_a_guest_that_prepare_compiled_answers_in_any_alphabet(site: Site) -> None:
    reply = site.call(HELLO, "/hello?name=Zo%C3%AB%20%E2%9C%93")
    assert (reply.status, json.loads(reply.body)["greeting"]) == (200, "Hello, Zoë ✓!")


@pytest.mark.slow
def test_a_guest_reaches_the_database_through_its_runner(site: Site) -> None:
    body = json.dumps({"title": "Première", "text": "…"}).encode()
    reply = site.call(NOTES, "/notes", method="POST", body=body, headers={"content-type": "application/json"})
    assert (reply.status, json.loads(reply.body)["title"]) == (201, "Première")


@pytest.mark.slow
def test_a_call_is_recorded(site: Site) -> None:
    reply = site.call(HELLO, "/hello?name=Ada")
    assert site.record(reply.headers["x-request-id"])["status"] == 200


@pytest.mark.slow
def test_a_page_is_served(site: Site) -> None:
    installs = site.client("acme").json("GET", "/installs")["items"]
    pages = [site.get(install["ui_url"]) for install in installs if install["ui_url"]]
    assert [page.status for page in pages] == [200] * len(installs)


@pytest.mark.slow
def test_the_runner_is_confined_whole_under_lambdas_library_path(site: Site) -> None:
    token = sign_operator_token(site.platform.keys.execution, now_s=int(time.time()))
    event = {
        "rawPath": "/healthz",
        "headers": {"authorization": f"Bearer {token}"},
        "requestContext": {"http": {"method": "GET", "path": "/healthz"}},
    }
    outcome = site.loop.run(site.platform.functions.invoke("runner", json.dumps(event).encode(), "acme"))
    answer = json.loads(outcome.payload)
    assert (answer["statusCode"], '"not_applied":[]' in answer["body"]) == (200, True), answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "name", "status"),
    [
        ("gateway", "http_api_json", 401),
        ("gateway", "http_api_form", 401),
        ("gateway", "http_api_cookies", 401),
        ("gateway", "http_api_default", 404),
        ("registry", "http_api_registry", 401),
        ("uihost", "function_url", 404),
    ],
)
def test_a_documented_http_event_is_answered_with_its_request_id(
    site: Site, function: str, name: str, status: int
) -> None:
    event = documented(name)
    outcome = site.loop.run(site.platform.functions.invoke(function, json.dumps(event).encode()))
    answer = json.loads(outcome.payload)
    request_id = event["requestContext"]["requestId"]
    assert (answer["statusCode"], answer["headers"]["x-request-id"]) == (status, request_id), answer
    assert answer["headers"]["content-type"] == "application/problem+json"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "failed"), [("recorder", 0), ("prepare", 2), ("assets", 2), ("fanout", 2), ("dispatcher", 2)]
)
def test_a_documented_batch_fails_exactly_where_its_messages_do_not_belong(
    site: Site, function: str, failed: int
) -> None:
    batch = recent_batch()
    outcome = site.loop.run(site.platform.functions.invoke(function, json.dumps(batch).encode()))
    ids = [{"itemIdentifier": record["messageId"]} for record in batch["Records"]]
    assert json.loads(outcome.payload) == {"batchItemFailures": ids if failed else []}


@pytest.mark.slow
@pytest.mark.parametrize(("function", "count"), [("sweeper", "withdrawn_listed"), ("ticker", "events_sent_again")])
def test_a_documented_scheduled_event_is_a_run(site: Site, function: str, count: str) -> None:
    event = json.dumps(documented("eventbridge_scheduled")).encode()
    outcome = site.loop.run(site.platform.functions.invoke(function, event))
    assert (outcome.error, count in json.loads(outcome.payload)) == (None, True)


@pytest.mark.slow
def test_the_smoke_check_passes(site: Site) -> None:
    outcome = site.loop.run(site.platform.functions.invoke("smoke", b"{}"))
    assert (outcome.error, len(json.loads(outcome.payload).get("passed", []))) == (None, 5), outcome.payload


@pytest.mark.slow
def test_every_function_runs_from_its_asset(site: Site) -> None:
    site.record(site.call(HELLO, "/hello?name=Ada").headers["x-request-id"])
    site.get(site.client("acme").json("GET", "/installs")["items"][0]["ui_url"])
    site.loop.run(site.platform.functions.invoke("smoke", b"{}"))
    site.loop.run(site.platform.functions.invoke("ticker", json.dumps(documented("eventbridge_scheduled")).encode()))
    site.loop.run(site.platform.functions.invoke("dispatcher", json.dumps(recent_batch()).encode()))
    logs = {function.name: (site.platform.options.state / f"logs/{function.name}.log") for function in FUNCTIONS}
    assert [name for name, log in logs.items() if not log.exists() or "Traceback" in log.read_text()] == []
