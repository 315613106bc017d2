"""CloudFront's function gives each page one URL, and changes no answer of the UI host."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from functions.uihost.paths import UiPath, parse
from functions.uihost.uihost import EXTENSION_HEADER, HOST_HEADER
from tests.support.documented import documented
from tests.support.places import ROOT

FUNCTION = ROOT / "infra" / "cloudfront" / "page_url.js"
HEX = "ab" * 32
OTHER = "cd" * 32
EXTENSION = "0195c0de-0000-4000-8000-00000000000b"


class Rewritten(NamedTuple):
    uri: str
    extension: str


class PageUrl:
    """The function in a process of its own."""

    def __init__(self) -> None:
        command = ["node", str(ROOT / "tests" / "infra" / "page_url.mjs")]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self, event: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(event) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __call__(self, uri: str, **headers: str) -> Rewritten:
        event = documented("cloudfront_viewer_request")
        event["request"]["uri"] = uri
        event["request"]["headers"] |= {name.replace("_", "-"): {"value": value} for name, value in headers.items()}
        request = self.answer(event)
        return Rewritten(request["uri"], request["headers"].get(EXTENSION_HEADER, {"value": ""})["value"])

    def close(self) -> None:
        self._process.communicate(timeout=10)


@pytest.fixture(scope="module")
def page_url() -> Iterator[PageUrl]:
    made = PageUrl()
    yield made
    made.close()


def test_the_documented_event_is_rewritten_and_nothing_else_of_it_changes(page_url: PageUrl) -> None:
    event = documented("cloudfront_viewer_request")
    expected = event["request"]
    assert expected["uri"] == f"/ext-ui/{EXTENSION}/sha256:{HEX}/index.html"

    answer = page_url.answer(event)

    expected["uri"] = f"/ext-ui/{HEX}/index.html"
    expected["headers"][EXTENSION_HEADER] = {"value": EXTENSION}
    expected["headers"][HOST_HEADER] = {"value": "d111111abcdef8.cloudfront.net"}
    assert answer == expected  # a request, not a response: nothing is redirected


@pytest.mark.parametrize("before", ["", "ext-1/", "com.acme.notes/", f"{EXTENSION}/", "%65xt%2d1/"])
@pytest.mark.parametrize("prefix", ["", "sha256:", "sha256%3A", "sha256%3a", "%73ha256:", "SHA256:"])
@pytest.mark.parametrize("rest", ["", "/", "/index.html", "/a/b.js", "/%69ndex%2Ehtml", "/a/"])
def test_a_page_has_one_url_however_it_is_spelled(page_url: PageUrl, before: str, prefix: str, rest: str) -> None:
    uri = f"/ext-ui/{before}{prefix}{HEX}{rest}"
    paths = {"": "", "/": "", "/%69ndex%2Ehtml": "index.html", "/a/": "a"}
    path = paths.get(rest, rest.removeprefix("/"))

    if prefix == "SHA256:":
        assert page_url(uri) == (uri, "")
    else:
        extension = "ext-1" if before.startswith("%") else before.rstrip("/")
        assert page_url(uri) == (f"/ext-ui/{HEX}/{path}", extension)


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """The text with any of its characters escaped, in either case."""
    return "".join(draw(st.sampled_from([c, f"%{ord(c):02x}", f"%{ord(c):02X}"])) for c in text)


SEGMENT = st.from_regex(r"[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,5}", fullmatch=True)


@settings(deadline=None)
@given(st.data(), st.lists(SEGMENT, max_size=3))
def test_all_spellings_of_a_page_have_one_url(page_url: PageUrl, data: st.DataObject, path: list[str]) -> None:
    extension = data.draw(st.sampled_from(["", "ext-1", "com.acme.notes", EXTENSION]))
    prefix = data.draw(st.sampled_from(["", "sha256:"]))
    end = data.draw(st.sampled_from(["", "/"]))
    segments = [*([extension] if extension else []), prefix + HEX, *path]
    uri = "/ext-ui/" + "/".join(data.draw(spelled(segment)) for segment in segments) + end

    assert page_url(uri) == (f"/ext-ui/{HEX}/{'/'.join(path)}", extension)


PIECES = [
    *(
        "/",
        "//",
        "ext-ui",
        "ext-1",
        HEX,
        OTHER,
        HEX.upper(),
        f"sha256:{HEX}",
        f"sha256%3A{HEX}",
        "sha256:",
        "a",
        "b.js",
    ),
    *(".", "..", "%2e", "%2E%2E", ".env", "%2F", "%2f", "%5C", "\\", "%", "%4", "%zz", "%00", "%7f", "%ff", "%C3%BC"),
    *("+", "%2B", "%20", "@", "%40", ":", "%3A", "?", "%3F", "#", "[", "%5B", "%5b", '"', "~", "%7E", "ü", " ", "%41"),
]
anything = st.lists(st.sampled_from(PIECES), max_size=8).map(lambda pieces: "/" + "".join(pieces))
below = st.lists(st.sampled_from(PIECES), max_size=6).map(lambda pieces: f"/ext-ui/{'/'.join(pieces)}")


def read(uri: str, extension: str = "") -> UiPath | str:
    """What the UI host reads, or the code of its refusal."""
    try:
        return parse(uri, extension)
    except PlatformError as error:
        return error.code


@settings(max_examples=300, deadline=None)
@given(anything | below)
def test_the_ui_host_reads_the_same_before_and_after(page_url: PageUrl, uri: str) -> None:
    assert read(*page_url(uri)) == read(uri)


@settings(max_examples=300, deadline=None)
@given(anything | below)
def test_a_url_that_was_rewritten_once_stays_as_it_is(page_url: PageUrl, uri: str) -> None:
    once = page_url(uri).uri

    assert page_url(once).uri == once


@settings(max_examples=300, deadline=None)
@given(anything | below)
def test_a_rewritten_url_is_a_page_of_the_same_bundle_and_nothing_else(page_url: PageUrl, uri: str) -> None:
    rewritten = page_url(uri).uri
    if rewritten == uri:
        return

    wanted = read(uri)
    hex_digits = wanted.content_hash.removeprefix("sha256:") if isinstance(wanted, UiPath) else rewritten[8:72]
    assert rewritten.startswith(f"/ext-ui/{hex_digits}/")
    assert not {"", ".", ".."} & set(rewritten.split("/")[3:-1])


@pytest.mark.parametrize(
    "uri", ["/", "/healthz", "/ext-ui", "/EXT-UI/x", f"/api/ext-ui/{HEX}/a", f"//ext-ui/x/{HEX}/a"]
)
def test_another_path_is_left_alone(page_url: PageUrl, uri: str) -> None:
    assert page_url(uri) == (uri, "")


@pytest.mark.parametrize(
    "uri",
    [
        *(
            "/ext-ui/",
            "/ext-ui/x",
            "/ext-ui/x/",
            "/ext-ui/x/latest/%61",
            f"/ext-ui/{HEX.upper()}/%61",
            f"/ext-ui/x/{HEX}/%",
        ),
        *(f"/ext-ui/{HEX}/../%61", f"/ext-ui/x/{HEX}/%2e%2e/a", f"/ext-ui/x/{HEX}/..", f"/ext-ui/x/{HEX}/%2e/a"),
        *(f"/ext-ui/x/{HEX}/.env", f"/ext-ui/x/{HEX}/a/.git/config", f"/ext-ui/../{HEX}/a", f"/ext-ui/.x/{HEX}/a"),
        *(f"/ext-ui//{HEX}/a", f"/ext-ui/x/{HEX}//a", f"/ext-ui/x/{HEX}/a//", f"/ext-ui/x/{HEX}//"),
        *(f"/ext-ui/x/{HEX}/ü", f"/ext-ui/x/{HEX}/a b", f"/ext-ui/x/{HEX}/\u0001"),
    ],
)
def test_a_url_that_the_ui_host_refuses_or_that_is_not_ascii_is_left_alone(page_url: PageUrl, uri: str) -> None:
    assert page_url(uri) == (uri, "")


@pytest.mark.parametrize("uri", [f"/ext-ui/{HEX}/a", "/ext-ui/x/latest/a", "/healthz"])
def test_the_viewers_own_header_is_dropped(page_url: PageUrl, uri: str) -> None:
    assert page_url(uri, x_alga_extension="forged").extension == ""


@pytest.mark.parametrize("uri", [f"/ext-ui/x/{HEX}/a", f"/ext-ui/{HEX}/%", "/healthz", "/"])
def test_every_request_tells_cloudfronts_own_domain_whatever_the_viewer_says(page_url: PageUrl, uri: str) -> None:
    event = documented("cloudfront_viewer_request")
    event["request"]["uri"] = uri
    event["request"]["headers"][HOST_HEADER] = {"value": "forged.example"}

    assert page_url.answer(event)["headers"][HOST_HEADER] == {"value": "d111111abcdef8.cloudfront.net"}


def test_the_extension_in_the_url_wins_over_the_viewers_own_header(page_url: PageUrl) -> None:
    assert page_url(f"/ext-ui/ext-1/{HEX}/a", x_alga_extension="forged").extension == "ext-1"


def test_the_function_is_within_cloudfronts_limit() -> None:
    assert len(FUNCTION.read_bytes()) <= 10 * 1024
