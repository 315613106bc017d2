"""A trial of a narrower list, and what the runner refuses once it is granted: the report names exactly that."""

import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest

from tests.support.answering import Reply, answering
from tests.support.fetching_guest import install_fetching
from tests.support.site import Site

PATIENCE_S = 15


class Hosts(NamedTuple):
    """Destinations of two servers, as grants name them: one by address and by name, the other by address."""

    first: str
    first_by_name: str
    second: str


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with answering(lambda _: Reply(200, b"found")) as one, answering(lambda _: Reply(200, b"found")) as two:
        yield Hosts(one.url, f"http://localhost:{urlsplit(one.url).port}", two.url)


def fetched(site: Site, install_id: str, urls: tuple[str, ...]) -> dict[str, Any]:
    """Have the extension fetch each URL, wait for the record, and return what came of each."""
    answer = site.call(install_id, f"/run?{urlencode([('url', f'{url}/some/path?q=1') for url in urls])}")
    assert answer.status == 200, answer
    site.record(answer.headers["x-request-id"])
    return dict(zip(urls, json.loads(answer.body)["outcomes"], strict=True))


def ledger(site: Site, install_id: str) -> dict[str, tuple[int, int]]:
    items = site.client("viewer").json("GET", f"/egress?install={install_id}")["items"]
    return {item["destination"]: (item["requests"], item["refused"]) for item in items}


def test_what_a_trial_reports_is_what_the_runner_refuses_once_it_is_applied(site: Site, hosts: Hosts) -> None:
    install_id = install_fetching(site, hosts)
    path, admin = f"/installs/{install_id}/egress-trial", site.client("acme")
    assert set(fetched(site, install_id, hosts).values()) == {200}

    admin.json("PUT", path, {"hosts": [hosts.first], "days": 1})
    assert set(fetched(site, install_id, hosts).values()) == {200}  # a trial refuses nothing
    report = admin.json("GET", path)
    reported = {one["destination"] for one in report["would_refuse"]}
    assert reported == {hosts.first_by_name, hosts.second}
    assert (report["requests"], report["refused_requests"], report["unjudged_requests"]) == (6, 4, 0)

    before = ledger(site, install_id)
    admin.json("POST", f"{path}/apply")
    deadline = time.monotonic() + PATIENCE_S  # the gateway keeps an install for two seconds
    while (found := fetched(site, install_id, hosts))[hosts.second] == 200 and time.monotonic() < deadline:
        before = ledger(site, install_id)
        time.sleep(0.2)

    assert {host for host, outcome in found.items() if outcome != 200} == reported
    after = ledger(site, install_id)
    assert after[hosts.first] == (before[hosts.first][0] + 1, 0)
    assert {host: after[host] for host in reported} == {host: (before[host][0], 1) for host in reported}


def test_the_ledger_has_no_path_no_query_and_no_user(site: Site, hosts: Hosts) -> None:
    install_id = install_fetching(site, [hosts.first])
    fetched(site, install_id, (hosts.first, "https://user:pass@other.example", "https://Other.Example:8443"))

    assert ledger(site, install_id) == {hosts.first: (1, 0), "other.example:8443": (0, 1)}
