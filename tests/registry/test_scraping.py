"""Debian's Prometheus scrapes the registry's totals."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import urllib3

from functions.registry.api.registry import PREFIX, Registry
from tests.registry.test_metrics import record
from tests.support.registry import Context, RegistryWorld
from tools.local.ports import free_port

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.scrape,
    pytest.mark.skipif(
        PROMETHEUS is None, reason="NOTHING IS SCRAPED: prometheus is missing (Debian: apt-get install prometheus)"
    ),
]
CONFIGURATION = """
scrape_configs:
  - job_name: alga-ext
    scrape_interval: 1s
    metrics_path: {path}
    authorization:
      credentials_file: {token}
    static_configs:
      - targets: ["{target}"]
rule_files: ["{rules}"]
"""


@pytest.fixture
def target(world: RegistryWorld) -> Iterator[str]:
    """The address of a server that answers as the registry does behind API Gateway."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            event = world.event("GET", self.path.removeprefix(PREFIX), "")
            event["headers"] = {name.lower(): value for name, value in self.headers.items()}
            answer = Registry(world.services).answer(event, Context())
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer["body"].encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def prometheus(world: RegistryWorld, target: str, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    token = tmp_path / "token"
    token.write_text(world.token(sub="prometheus", roles=["metrics:read"]))
    rules = Path(__file__).parents[2] / "monitoring" / "prometheus-rules.yml"
    configuration = tmp_path / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(path=f"{PREFIX}/metrics", token=token, target=target, rules=rules))
    command = [
        str(PROMETHEUS),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(30)


def asked(prometheus: str, query: str) -> list[dict[str, Any]]:
    try:
        answer = urllib3.request("GET", f"{prometheus}/api/v1/query", fields={"query": query}, retries=False)
    except urllib3.exceptions.HTTPError:
        return []  # it has not started yet
    found: list[dict[str, Any]] = json.loads(answer.data)["data"]["result"] if answer.status == 200 else []
    return found


def test_what_is_scraped_can_be_asked_for(world: RegistryWorld, prometheus: str) -> None:
    for number in range(3):
        record(world, number)

    until = time.monotonic() + 60
    while not (found := asked(prometheus, 'alga_ext_calls_total{outcome="ok"}')) and time.monotonic() < until:
        time.sleep(0.2)

    assert [one["value"][1] for one in found] == ["3"]
    assert [one["value"][1] for one in asked(prometheus, "up")] == ["1"]
    (bucket,) = asked(prometheus, 'sum(alga_ext_call_overhead_seconds_bucket{le="0.1"})')
    (count,) = asked(prometheus, "sum(alga_ext_call_overhead_seconds_count)")
    assert bucket["value"][1] == count["value"][1] == "3"
