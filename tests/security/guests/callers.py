"""Guests that want more of the host application than the routes below its own base."""

from typing import Final

from alga_ext.calls.envelope import ExecuteRequest
from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.servers import STRANGER_ADDRESS
from tests.security.world import World

BAD_REQUEST: Final = 482
BELOW_ITS_OWN: Final = 200
"""The route is sent, but below the extension's own id: the application answers, and no other server hears of it."""


def _calling(route: str, status: int) -> Attack:
    """A guest that calls ``route``; ``PORT`` stands for the stranger's port."""

    def meet(world: World, request: ExecuteRequest) -> None:
        wat_snippets.give_body(request, route.replace("PORT", str(world.stranger.port)))

    return Attack(wat_snippets.caller, None, status=status, call={"timeout_ms": 3_000}, meet=meet)


_ROUTES: Final = {
    "nothing": ("", BAD_REQUEST),
    "spaces": ("   ", BAD_REQUEST),
    "one that climbs": ("/api/../admin", BAD_REQUEST),
    "one that climbs out at once": ("../../etc/passwd", BAD_REQUEST),
    "one that climbs in escapes": ("/api/%2e%2e/admin", BAD_REQUEST),
    "one that climbs in half escapes": ("/api/.%2E/admin", BAD_REQUEST),
    "one that climbs behind an escaped slash": ("/api/..%2fadmin", BAD_REQUEST),
    "one with an escaped slash": ("/api/a%2Fb", BAD_REQUEST),
    "one with an escaped backslash": ("/api/..%5cadmin", BAD_REQUEST),
    "one with an escaped NUL": ("/api/a%00b", BAD_REQUEST),
    "one with a dot": ("/api/./admin", BAD_REQUEST),
    "one with a backslash": ("\\api\\..\\admin", BAD_REQUEST),
    "one with a fragment": ("/api/x#/../admin", BAD_REQUEST),
    "one that ends the request": ("/api/x HTTP/1.1\r\nhost: evil.test\r\n\r\n", BAD_REQUEST),
    "one with a bare line feed": ("/api/x\ny", BAD_REQUEST),
    "one with NUL": ("/api/x\0y", BAD_REQUEST),
    "one with a tab": ("/api/x\ty", BAD_REQUEST),
    "one of ten thousand letters": ("/api/" + "a" * 10_000, BAD_REQUEST),
    "a whole URL": (f"http://{STRANGER_ADDRESS}:PORT/stolen", BELOW_ITS_OWN),
    "a URL without a scheme": (f"//{STRANGER_ADDRESS}:PORT/stolen", BELOW_ITS_OWN),
    "user information": (f"@{STRANGER_ADDRESS}:PORT/stolen", BELOW_ITS_OWN),
    "another port": (":PORT/stolen", BELOW_ITS_OWN),
    "the application's own routes in capitals": ("/API/admin", BELOW_ITS_OWN),
    "a redirect to a stranger": ("/api/redirect", 483),
}

ATTACKS: Final[dict[str, Attack]] = {
    **{f"a route: {what}": _calling(route, status) for what, (route, status) in _ROUTES.items()},
}
