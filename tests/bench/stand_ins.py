"""Servers in a process of their own that take the place of SQS and of a runner, and count what they were asked.

``python -m tests.bench.stand_ins`` prints the base URL, and ends with its standard input. ``GET /counts`` returns the
number of requests by kind.
"""

import base64
import hashlib
import json
import sys
import threading
from collections import Counter

from alga_ext.calls.envelope import ExecuteResponse, encode
from tests.support.answering import Asked, Reply, answering

_ANSWER = encode(ExecuteResponse(status=200, body_b64=base64.b64encode(b"hello").decode()))
_INVOKED = json.dumps({"statusCode": 200, "body": _ANSWER.decode(), "isBase64Encoded": False}).encode()
_AWS_JSON = {"content-type": "application/x-amz-json-1.0"}


def main() -> None:
    """Serve until standard input ends."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def answer(asked: Asked) -> Reply:
        if asked.path == "/counts":
            return Reply(200, json.dumps(counts).encode())
        kind = asked.headers.get("x-amz-target", "invoke")
        with lock:
            counts[kind] += 1
        if kind == "invoke":
            return Reply(200, _INVOKED)
        document = json.loads(asked.body)
        if "Entries" in document:
            taken = [{"Id": entry["Id"], "MessageId": entry["Id"]} for entry in document["Entries"]]
            return Reply(200, json.dumps({"Successful": taken}).encode(), _AWS_JSON)
        message = document["MessageBody"].encode()
        digest = hashlib.md5(message, usedforsecurity=False).hexdigest()
        sent = {"MessageId": "00000000-0000-4000-8000-000000000000", "MD5OfMessageBody": digest}
        return Reply(200, json.dumps(sent).encode(), _AWS_JSON)

    with answering(answer) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
