"""What the UI host takes for a file that it has in its cache, a page with its policy, and an unchanged page.

``python -m tests.bench.pages`` answers each of them 20,000 times from a bundle of 10,000 files, and prints p50 and p99
of a request. It takes ten seconds. Status 1 when a warm file takes longer than ``WARM_MS`` at p50.
"""

import json
import os
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.signed_trust_source import open_trust_source
from functions.uihost.bundles import UiBundles
from functions.uihost.services import Services
from functions.uihost.settings import UiHostSettings
from functions.uihost.uihost import UiHost
from functions.uihost.withdrawn import WithdrawnBundles
from tests.bench.measure import in_turns
from tests.support.memory_store import MemoryObjectStore
from tests.support.published_ui import (
    EXTENSION,
    FILES,
    HEX,
    LIST_LIFETIME,
    LISTING,
    RELEASE,
    list_withdrawn,
    publish_into,
)

OTHER_FILES: Final = 10_000
ROUNDS: Final = 20_000
WARM_MS: Final = 0.1
_TRUST: Final = {
    "version": 1,
    "keys": [{"key_id": key.key_id, "public_key": key.public_pem, "use": "release"} for key in (RELEASE, LISTING)],
}


def _now() -> datetime:
    return datetime.now(UTC)


def ui_host() -> UiHost:
    """Return a UI host over a store in memory, so that only its own work is measured."""
    objects = MemoryObjectStore()
    publish_into(objects, FILES | {f"ui/{number}.txt": b"%d" % number for number in range(OTHER_FILES)})
    list_withdrawn(objects, at=_now())
    environment = {
        **os.environ,
        "BUNDLE_STORE_BASE": "s3://bucket/p",
        "SIGNING_TRUST_BUNDLE": json.dumps(_TRUST),
        "FRAME_ANCESTORS": "https://host.example",
    }
    settings = UiHostSettings.read(environment)
    trust = open_trust_source(settings, AwsApi(environment), "uihost", time.monotonic)
    withdrawn = WithdrawnBundles(objects, trust.current, LIST_LIFETIME, _now, time.monotonic)
    bundles = UiBundles(objects, withdrawn, trust.current, settings.ui_cache_bytes, _now, time.monotonic)
    return UiHost(Services(settings, objects, trust, withdrawn, bundles, "https://ui.example", time.monotonic))


def request(path: str, **headers: str) -> dict[str, Any]:
    """Return the event of a GET request for a file of the bundle."""
    return {
        "rawPath": f"/ext-ui/{EXTENSION}/{HEX}/{path}",
        "headers": {name.replace("_", "-"): value for name, value in headers.items()},
        "requestContext": {"requestId": "r-1", "http": {"method": "GET"}},
    }


def main() -> int:
    """Measure, print, and return the exit status."""
    host = ui_host()
    script, page = request("js/app.js"), request("index.html")
    unchanged = request("index.html", if_none_match=host.answer(page)["headers"]["etag"])
    events = {"file": script, "page": page, "unchanged page": unchanged}
    assert [host.answer(event)["statusCode"] for event in events.values()] == [200, 200, 304]
    timings = in_turns([partial(host.answer, event) for event in events.values()], ROUNDS)
    for name, timing in zip(events, timings, strict=True):
        print(f"{name:16} p50 {timing.p50_ms:.3f} ms  p99 {timing.p99_ms:.3f} ms")
    met = timings[0].p50_ms <= WARM_MS
    print(f"warm file: ≤ {WARM_MS:g} ms {'met' if met else 'not met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
