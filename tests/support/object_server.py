"""A stand-in for S3 that costs little CPU: it serves fixed objects over HTTP on loopback, and keeps connections.

Its answers have no latency. S3 adds about 20 to 30 ms for each object, and what the transfer takes.
"""

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class ObjectServer:
    """Serves ``/bucket/key`` for GET and HEAD; ``with`` it."""

    def __init__(self, bucket: str, objects: Mapping[str, bytes]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def do_GET(self) -> None:
                data = objects.get(self.path.removeprefix(f"/{bucket}/"))
                body = b"<Error><Code>NoSuchKey</Code></Error>" if data is None else data
                self.send_response(404 if data is None else 200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
