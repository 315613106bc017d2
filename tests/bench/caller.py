"""Clients in a process of their own that call one URL as fast as they are answered.

``python -m tests.bench.caller CLIENTS SECONDS`` reads ``{"host", "port", "path", "token"}`` from standard input and
prints ``{"times_ms", "statuses"}``. Each client is a thread with a connection that is kept.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter


def main() -> None:
    """Call until the time is over."""
    clients, seconds = int(sys.argv[1]), float(sys.argv[2])
    given = json.load(sys.stdin)
    times_ms: list[float] = []
    statuses: Counter[int] = Counter()
    end_s = time.monotonic() + seconds

    def call_on() -> None:
        connection = http.client.HTTPConnection(given["host"], given["port"], timeout=60)
        headers = {"authorization": f"Bearer {given['token']}"}
        while time.monotonic() < end_s:
            started_s = time.perf_counter()
            connection.request("GET", given["path"], headers=headers)
            answer = connection.getresponse()
            answer.read()
            times_ms.append((time.perf_counter() - started_s) * 1_000)
            statuses[answer.status] += 1

    threads = [threading.Thread(target=call_on) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"times_ms": times_ms, "statuses": statuses}))


if __name__ == "__main__":
    main()
