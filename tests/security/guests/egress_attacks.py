"""Guests that want to go where they were not granted to go, or to carry away what they may only use."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from alga_ext.calls.envelope import ExecuteRequest
from tests.security.attacks import Attack
from tests.security.guests import wat_snippets
from tests.security.servers import ACCOMPLICE_ADDRESS, STRANGER_ADDRESS
from tests.security.world import OTHER_INSTALL, OTHER_TENANT, World

INVALID_URL: Final = 480
NOT_ALLOWED: Final = 481
TRANSPORT: Final = 482

_PORT: Final = "PORT"


def _going(
    url: str,
    status: int,
    *grants: str,
    body: bytes | None = None,
    method: str = "GET",
    headers: Mapping[str, Any] | None = None,
) -> Attack:
    """A guest that fetches ``url``; ``PORT`` stands for the accomplice's port, in grants too."""

    def meet(world: World, request: ExecuteRequest) -> None:
        port = str(world.accomplice.port)
        wat_snippets.give_body(request, url.replace(_PORT, port))
        request.grants.egress = [grant.replace(_PORT, port) for grant in grants]

    call = {"method": method, "headers": dict(headers or {}), "timeout_ms": 3_000}
    return Attack(wat_snippets.fetcher, None, status=status, body=body, call=call, meet=meet)


_API: Final = "http://api.example.com:PORT"
_ANY: Final = "http://*.example.com:PORT"


def _address(written: str, status: int) -> Attack:
    """An address that somebody granted in this very spelling, and in its plain one."""
    plain = f"http://{STRANGER_ADDRESS}:PORT"
    return _going(f"http://{written}:PORT/", status, f"http://{written}:PORT", plain)


_ADDRESSES: Final = {
    "loopback": (STRANGER_ADDRESS, NOT_ALLOWED),
    "loopback in decimal": ("2130706433", INVALID_URL),
    "loopback in octal": ("0177.0.0.1", INVALID_URL),
    "loopback in hexadecimal": ("0x7f.0.0.1", INVALID_URL),
    "loopback in one hexadecimal number": ("0x7f000001", INVALID_URL),
    "loopback in two numbers": ("127.1", INVALID_URL),
    "loopback with a trailing dot": ("127.0.0.1.", INVALID_URL),
    "loopback with leading zeros": ("127.000.000.001", INVALID_URL),
    "every address": ("0.0.0.0", NOT_ALLOWED),
    "nothing but a zero": ("0", INVALID_URL),
    "IPv6 loopback": ("[::1]", NOT_ALLOWED),
    "IPv6 unspecified": ("[::]", NOT_ALLOWED),
    "IPv4 mapped into IPv6": ("[::ffff:127.0.0.1]", NOT_ALLOWED),
    "IPv4 mapped into IPv6 in hexadecimal": ("[::ffff:7f00:1]", NOT_ALLOWED),
    "IPv4 compatible IPv6": ("[::127.0.0.1]", NOT_ALLOWED),
    "NAT64": ("[64:ff9b::7f00:1]", NOT_ALLOWED),
    "local NAT64": ("[64:ff9b:1::7f00:1]", NOT_ALLOWED),
    "6to4": ("[2002:7f00:1::]", NOT_ALLOWED),
    "Teredo": ("[2001::1]", NOT_ALLOWED),
    "IPv6 link-local": ("[fe80::1]", NOT_ALLOWED),
    "IPv6 link-local with a zone": ("[fe80::1%25lo]", INVALID_URL),
    "unique local IPv6": ("[fd00::1]", NOT_ALLOWED),
    "the metadata service": ("169.254.169.254", NOT_ALLOWED),
    "the containers' metadata service": ("169.254.170.2", NOT_ALLOWED),
    "the metadata service in decimal": ("2852039166", INVALID_URL),
    "the metadata service by IPv6": ("[fd00:ec2::254]", NOT_ALLOWED),
    "a private network": ("10.0.0.1", NOT_ALLOWED),
    "another private network": ("192.168.1.1", NOT_ALLOWED),
    "shared address space": ("100.64.0.1", NOT_ALLOWED),
    "broadcast": ("255.255.255.255", NOT_ALLOWED),
    "multicast": ("224.0.0.1", NOT_ALLOWED),
    "full-width digits": ("１２７.0.0.1", INVALID_URL),
    "circled digits": ("①②⑦.0.0.1", INVALID_URL),
}
_NAMES: Final = {
    "that resolves to loopback": ("loopback.example.com", NOT_ALLOWED),
    "that resolves to a private network": ("private.example.com", NOT_ALLOWED),
    "that resolves to the metadata service": ("metadata.example.com", NOT_ALLOWED),
    "that resolves to a public and a private address": ("mixed.example.com", NOT_ALLOWED),
    "that resolves to a mapped address": ("mapped.example.com", NOT_ALLOWED),
    "that resolves to NAT64": ("nat64.example.com", NOT_ALLOWED),
    "that resolves to every address": ("unspecified.example.com", NOT_ALLOWED),
    "that resolves to nonsense": ("nonsense.example.com", NOT_ALLOWED),
    "that does not resolve": ("nowhere.example.com", TRANSPORT),
    "that resolves to nothing": ("nothing.example.com", TRANSPORT),
}
_URLS: Final = {
    "a host that was not granted": ("http://other.test:PORT/", NOT_ALLOWED),
    "a name below a granted one": ("http://x.api.example.com:PORT/", NOT_ALLOWED),
    "a name that ends like a granted one": ("http://evilapi.example.com:PORT/", NOT_ALLOWED),
    "a name that begins like a granted one": ("http://api.example.com.evil.test:PORT/", NOT_ALLOWED),
    "a granted host with a trailing dot": ("http://api.example.com.:PORT/", INVALID_URL),
    "a granted host at another port": ("http://api.example.com:1/", NOT_ALLOWED),
    "a granted host at port zero": ("http://api.example.com:0/", INVALID_URL),
    "a granted host at a port beyond the last": ("http://api.example.com:65537/", INVALID_URL),
    "a granted host by another scheme": ("https://api.example.com:PORT/", NOT_ALLOWED),
    "a file": ("file:///etc/passwd", INVALID_URL),
    "a gopher": ("gopher://api.example.com:PORT/", INVALID_URL),
    "a scheme of its own": ("unix:/var/run/docker.sock", INVALID_URL),
    "a URL without a scheme": ("//api.example.com:PORT/", INVALID_URL),
    "user information": ("http://api.example.com:PORT@127.0.0.1:PORT/", INVALID_URL),
    "user information with a password": ("http://a:b@api.example.com:PORT/", INVALID_URL),
    "user information behind an escape": ("http://api.example.com%40127.0.0.1:PORT/", INVALID_URL),
    "a backslash for a slash": ("http:\\\\api.example.com:PORT\\", INVALID_URL),
    "a backslash before a host": ("http://127.0.0.1:PORT\\@api.example.com:PORT/", INVALID_URL),
    "a fragment that hides a host": ("http://127.0.0.1:PORT#@api.example.com:PORT/", NOT_ALLOWED),
    "a question mark that hides a host": ("http://127.0.0.1:PORT?@api.example.com:PORT/", NOT_ALLOWED),
    "a space in the host": ("http://api.example.com :PORT/", INVALID_URL),
    "a line's end in the path": ("http://api.example.com:PORT/ HTTP/1.1\r\nx: y", INVALID_URL),
    "a bare line feed in the path": ("http://api.example.com:PORT/a\nb", INVALID_URL),
    "NUL in the host": ("http://api.example.com\0.evil.test:PORT/", INVALID_URL),
    "a tab in the scheme": ("ht\ttp://api.example.com:PORT/", INVALID_URL),
    "no host": ("http:///x", INVALID_URL),
    "an empty URL": ("", INVALID_URL),
    "a URL of ten thousand letters": ("http://api.example.com:PORT/" + "a" * 10_000, INVALID_URL),
    "a Cyrillic letter in the host": ("http://\u0430pi.example.com:PORT/", INVALID_URL),
    "a dot that is not one": ("http://api\u3002example\u3002com:PORT/", INVALID_URL),
    "a soft hyphen in the host": ("http://a\u00adpi.example.com:PORT/", INVALID_URL),
    "the long s": ("http://api.example.com\u017f:PORT/", INVALID_URL),
    "punycode of a look-alike": ("http://xn--pi-7kc.example.com:PORT/", NOT_ALLOWED),
    "localhost": ("http://localhost:PORT/", NOT_ALLOWED),
    "a name below localhost": ("http://x.localhost:PORT/", NOT_ALLOWED),
    "an escaped host": ("http://%61pi.example.com:PORT/", INVALID_URL),
}
_WILD: Final = {
    "the wildcard's own host": ("http://example.com:PORT/", NOT_ALLOWED),
    "a host that ends like the wildcard": ("http://evilexample.com:PORT/", NOT_ALLOWED),
    "an empty label below the wildcard": ("http://.example.com:PORT/", INVALID_URL),
    "a star below the wildcard": ("http://*.example.com:PORT/", INVALID_URL),
}
_WIDE_GRANTS: Final = {
    "everything": "*",
    "everything by http": "http://*:PORT",
    "everything below everything": "http://*.*:PORT",
    "a star inside": "http://a*.example.com:PORT",
    "a whole URL": "http://other.example.com:PORT/",
    "a user": "http://u@api.example.com:PORT",
    "no scheme, which is https": "api.example.com:PORT",
}
_ANSWERS: Final = {
    "ten-thousand-headers": TRANSPORT,
    "long-header": TRANSPORT,
    "endless": TRANSPORT,
    "garbage": TRANSPORT,
    "nonsense-chunk": TRANSPORT,
    "nothing": TRANSPORT,
    "nameless-header": TRANSPORT,
    "smuggle": TRANSPORT,
    "nonsense-length": TRANSPORT,
    "nine-interim": TRANSPORT,
    "switching": TRANSPORT,
    "status-zero": TRANSPORT,
    "status-large": TRANSPORT,
}
_HEADERS: Final = {
    "a line's end in a header's value": {"x": "a\r\nhost: evil.test"},
    "a bare line feed in a header's value": {"x": "a\nb"},
    "NUL in a header's value": {"x": "a\0b"},
    "a line's end in a header's name": {"x\r\nhost": "evil.test"},
    "a space in a header's name": {"x y": "z"},
    "an empty header name": {"": "z"},
    "a colon in a header's name": {"x:y": "z"},
    "a header value of forty kilobytes": {"x": "y" * 40_000},
    "a hundred and one headers": {f"x-{number}": "y" for number in range(101)},
    "a value that is not Latin": {"x": "\u20ac"},
}
_LIBRARYS: Final = {
    "a value that the HTTP library takes for an order": {"x": "@@@SKIP_HEADER@@@"},
    "such a value in a header that it has orders for": {"accept-encoding": "@@@SKIP_HEADER@@@"},
}
_METHODS: Final = ("CONNECT", "TRACE", "EVIL")


def _changing(status: int, lookups: int, build: Callable[[], bytes] = wat_snippets.fetching_twice) -> Attack:
    """A guest that fetches from a name whose addresses take turns: after an odd number of lookups it is loopback's."""

    def meet(world: World, request: ExecuteRequest) -> None:
        url = f"http://rebinding.example.com:{world.accomplice.port}"
        wat_snippets.give_body(request, f"{url}/")
        request.grants.egress = [url]
        world.resolver.lookups = lookups

    return Attack(build, None, status=status, call={"timeout_ms": 3_000}, meet=meet)


def _carrying(
    status: int,
    *,
    headers: Mapping[str, str],
    hosts: tuple[str, ...] = (_API,),
    url: str = f"{_API}/",
    grants: tuple[str, ...] = (_API, _ANY),
    build: Callable[[], bytes] = wat_snippets.fetcher,
    body: str | None = None,
    value: str = "",
    whose: tuple[str, str] | None = None,
    is_granted: bool = True,
    code: str | None = None,
    providers: tuple[str, ...] | None = None,
) -> Attack:
    """A guest that uses the secret ``token``, bound to ``hosts``, where it may not be used."""

    def meet(world: World, request: ExecuteRequest) -> None:
        port = str(world.accomplice.port)
        request.http.headers = {name: text.replace(_PORT, port) for name, text in headers.items()}
        wat_snippets.give_body(request, (body or url).replace(_PORT, port))
        request.grants.egress = [grant.replace(_PORT, port) for grant in grants]
        if is_granted:
            request.grants.secrets = {"token": [host.replace(_PORT, port) for host in hosts]}
        tenant, install = whose or (request.context.tenant_id, request.context.install_id)
        kept = "another tenant's secret" if whose else "a tenant's secret"
        request.secret_envelope = [world.secret("token", value or world.private[kept], tenant=tenant, install=install)]
        if providers is not None:
            request.providers = list(providers)

    return Attack(build, code, status=status, call={"timeout_ms": 3_000}, meet=meet)


_BEARER: Final = {"authorization": "Bearer {{secret:token}}"}

ATTACKS: Final[dict[str, Attack]] = {
    **{f"an address: {what}": _address(*case) for what, case in _ADDRESSES.items()},
    **{f"a name {what}": _going(f"http://{host}:PORT/", status, _ANY) for what, (host, status) in _NAMES.items()},
    **{f"a URL: {what}": _going(url, status, _API) for what, (url, status) in _URLS.items()},
    **{f"a wildcard: {what}": _going(url, status, _ANY) for what, (url, status) in _WILD.items()},
    **{f"a grant of {what}": _going(f"{_API}/", NOT_ALLOWED, grant) for what, grant in _WIDE_GRANTS.items()},
    **{f"a server that answers {what}": _going(f"{_API}/{what}", status, _API) for what, status in _ANSWERS.items()},
    **{
        f"a request with {what}": _going(f"{_API}/", NOT_ALLOWED, _API, headers=headers)
        for what, headers in {**_HEADERS, **_LIBRARYS}.items()
    },
    **{f"the method {method}": _going(f"{_API}/", NOT_ALLOWED, _API, method=method) for method in _METHODS},
    "a redirect to a stranger": _going(f"{_API}/redirect", 302, _API, "http://127.0.0.1:PORT"),
    "a name that becomes loopback's between two requests": _changing(200, 0),
    "a name that has become loopback's since it was granted": _changing(NOT_ALLOWED, 1, wat_snippets.fetcher),
    "a name that is loopback's for one request of two": _changing(200, 1),
    "nothing granted at all": _going(f"{_API}/", NOT_ALLOWED),
    "the accomplice's address, which is opened but not granted": _going(
        f"http://{ACCOMPLICE_ADDRESS}:PORT/", NOT_ALLOWED, _API
    ),
    "headers that belong to the platform": _going(
        f"{_API}/",
        200,
        _API,
        body=b"hello",
        headers={
            "host": "evil.test",
            "transfer-encoding": "chunked",
            "content-length": "100000",
            "connection": "x-kept",
            "x-kept": "no",
            "te": "trailers",
            "upgrade": "websocket",
            "proxy-authorization": "Basic eDp5",
        },
    ),
    "a secret for another host": _carrying(NOT_ALLOWED, headers=_BEARER, url="http://other.example.com:PORT/"),
    "a secret for a host below a wildcard it is not bound to": _carrying(
        NOT_ALLOWED, headers=_BEARER, url="http://evil.example.com:PORT/"
    ),
    "a secret for its host at another port": _carrying(
        NOT_ALLOWED, headers=_BEARER, hosts=("http://api.example.com:1",)
    ),
    "a secret for its host by another scheme": _carrying(
        NOT_ALLOWED, headers=_BEARER, hosts=("https://api.example.com:PORT",)
    ),
    "a secret bound to no host": _carrying(NOT_ALLOWED, headers=_BEARER, hosts=()),
    "a secret that was not granted": _carrying(NOT_ALLOWED, headers=_BEARER, is_granted=False),
    "a secret without the capability to read any": _carrying(
        NOT_ALLOWED, headers=_BEARER, providers=("cap:http.fetch",)
    ),
    "a secret that does not exist": _carrying(NOT_ALLOWED, headers={"x": "{{secret:other}}"}),
    "a secret in the host header": _carrying(200, headers={"host": "{{secret:token}}"}),
    "a secret in a header's name": _carrying(NOT_ALLOWED, headers={"{{secret:token}}": "x"}),
    "a secret in the URL": _carrying(NOT_ALLOWED, headers={}, url=f"{_API}/?key={{{{secret:token}}}}"),
    "a secret in the host's name": _carrying(INVALID_URL, headers={}, url="http://{{secret:token}}.example.com:PORT/"),
    "a secret in a header that servers return": _carrying(NOT_ALLOWED, headers={"origin": "{{secret:token}}"}),
    "a secret in a part of its header": _carrying(NOT_ALLOWED, headers={"authorization": "a={{secret:token}}"}),
    "a secret in the body": _carrying(
        200, headers={"x-url": f"{_API}/"}, build=wat_snippets.sender, body="key={{secret:token}}"
    ),
    "a placeholder inside a placeholder": _carrying(
        NOT_ALLOWED, headers={"authorization": "{{secret:{{secret:token}}}}"}, value="kept {{secret:token}}"
    ),
    "a secret that splits the request": _carrying(
        NOT_ALLOWED, headers=_BEARER, value="kept\r\nhost: evil.test\r\n\r\n"
    ),
    "a secret sealed for another tenant": _carrying(
        502, headers=_BEARER, whose=(OTHER_TENANT, OTHER_INSTALL), code="secret_unavailable"
    ),
    "a secret meant for headers only": _carrying(481, headers={}, build=wat_snippets.reader, body="token"),
    "a readable secret sealed for another tenant": _carrying(
        502,
        headers={},
        hosts=(),
        build=wat_snippets.reader,
        body="token",
        whose=(OTHER_TENANT, OTHER_INSTALL),
        code="secret_unavailable",
    ),
    "a readable secret that was not granted": _carrying(
        481, headers={}, hosts=(), build=wat_snippets.reader, body="token", is_granted=False
    ),
}
