"""The HTTP routes: which function answers which path, and behind which front."""

from dataclasses import dataclass
from typing import Final, Literal

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Route:
    """Requests whose path is ``prefix`` or below it go to a function.

    Attributes:
        prefix: path without a slash at the end.
        function: name of the function.
        methods: other methods are not routed.
        front: ``api`` is an API Gateway HTTP API, which decodes the path. ``ui`` is CloudFront with a function URL,
            which leaves the path as the client wrote it; it is an origin of its own.
    """

    prefix: str
    function: str
    methods: tuple[str, ...] = METHODS
    front: Literal["api", "ui"] = "api"


ROUTES: Final = (
    Route("/api/registry/v1", "registry"),
    Route("/api/ext", "gateway"),
    Route("/healthz", "gateway", ("GET", "HEAD")),
    Route("/ext-ui", "uihost", ("GET", "HEAD", "OPTIONS"), "ui"),
    Route("/healthz", "uihost", ("GET", "HEAD"), "ui"),
)
