"""The HTTP routes: which function answers which path, and through which front."""

from dataclasses import dataclass
from typing import Final, Literal

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Route:
    """Sends requests whose path is ``prefix`` or below it to a function.

    Attributes:
        prefix: path without a slash at the end.
        function: name of the function.
        methods: HTTP methods of the route; requests with other methods are not routed.
        front: ``api`` is an API Gateway HTTP API, which percent-decodes the path. ``ui`` is CloudFront with a function
            URL, which passes the path as the client wrote it. The two fronts are separate origins.
    """

    prefix: str
    function: str
    methods: tuple[str, ...] = METHODS
    front: Literal["api", "ui"] = "api"


ROUTES: Final = (
    Route("/api/registry/v1", "registry"),
    Route("/api/events", "registry"),
    Route("/api/ext", "gateway"),
    Route("/healthz", "gateway", ("GET", "HEAD")),
    Route("/ext-ui", "uihost", ("GET", "HEAD", "OPTIONS"), "ui"),
    Route("/healthz", "uihost", ("GET", "HEAD"), "ui"),
)

API_DEFAULT: Final = "gateway"
"""The function of the HTTP API's route ``$default``: it answers requests that no other route of that front matches.

Without this route, API Gateway itself would answer them, with 404 and without the request's id.
"""
