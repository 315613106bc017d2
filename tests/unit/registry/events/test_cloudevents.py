"""CloudEvents from HTTP requests: what is read, what is refused, and that the three forms mean the same."""

import json
import string
from typing import Any, Final
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.calls.deliveries import event_key
from alga_ext.errors import PlatformError
from functions.registry.events.cloudevents import check, read
from functions.registry.events.event import Event
from tests.support.events import BATCH, STRUCTURED, event_of

PROPERTY: Final = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
BINARY: Final = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "/host",
    "ce-type": "ticket.created",
}
IN_JSON: Final = {"specversion": "1.0", "id": "e-1", "source": "/host", "type": "ticket.created"}


def one(headers: dict[str, str], body: bytes = b"{}") -> Event:
    (found,) = read(headers, body)
    if isinstance(found, PlatformError):
        raise found
    return found


def code(headers: dict[str, str], body: bytes = b"{}") -> str:
    try:
        one(headers, body)
    except PlatformError as error:
        return error.code
    return "taken"


# Forms


@pytest.mark.parametrize(
    ("content_type", "count"),
    [
        (STRUCTURED, 1),
        ("Application/CloudEvents+JSON; charset=UTF-8", 1),
        (BATCH, 2),
        ("APPLICATION/CLOUDEVENTS-BATCH+JSON", 2),
    ],
)
def test_the_form_is_told_by_the_content_type_in_any_case(content_type: str, count: int) -> None:
    body = json.dumps(event_of() if count == 1 else [event_of(1), event_of(2)]).encode()

    assert len([found for found in read({"content-type": content_type}, body) if isinstance(found, Event)]) == count


def test_a_batch_is_not_read_as_one_event() -> None:
    with pytest.raises(PlatformError, match="a batch is a JSON list"):
        read({"content-type": BATCH}, json.dumps(event_of()).encode())


def test_a_binary_event_without_a_body_has_no_data() -> None:
    without_type = {name: value for name, value in BINARY.items() if name != "content-type"}

    assert one(without_type, b"").document == {**IN_JSON, "algahops": 0}


@pytest.mark.parametrize("content_type", ["application/json", "application/problem+json; x=y", "Application/JSON"])
def test_data_of_a_binary_event_is_json(content_type: str) -> None:
    found = one({**BINARY, "content-type": content_type}, b'{"a": 1}').document

    assert (found["data"], found["datacontenttype"]) == ({"a": 1}, content_type)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ('"a b"', "a b"),
        (r'"say \"hi\" \\"', 'say "hi" \\'),
        ("Euro%20%E2%82%AC", "Euro €"),
        ("%2525", "%25"),
        ("a, b", "a, b"),
        ('"', '"'),
        ('"%22"', '"'),
    ],
)
def test_a_header_is_unquoted_and_then_decoded_once(header: str, value: str) -> None:
    assert one({**BINARY, "ce-subject": header}).document["subject"] == value


@pytest.mark.parametrize("header", ["%zz", "100%", "%2", "%ff", "%c3%28", "ü", "a\tb", "%00", "%0a", "%ed%a0%80"])
def test_a_header_that_cannot_be_decoded_is_refused(header: str) -> None:
    assert code({**BINARY, "ce-subject": header}) == "event_invalid"


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion", "algatenant", "algahops"])
def test_a_repeated_header_is_refused(name: str) -> None:
    """API Gateway joins the two values with a comma."""
    value = BINARY.get(f"ce-{name}", "1")

    assert code({**BINARY, f"ce-{name}": f"{value},{value}"}) == "event_invalid"
    assert name != "id" or one({**BINARY, "ce-id": "a%2Cb"}).document["id"] == "a,b"


@pytest.mark.parametrize("name", ["ce-datacontenttype", "ce-data", "ce-data_base64", "ce-", "ce-no-dash"])
def test_a_header_that_no_attribute_may_have_is_refused(name: str) -> None:
    assert code({**BINARY, name: "x"}) == "event_invalid"


def test_a_body_without_a_type_is_refused() -> None:
    without_type = {name: value for name, value in BINARY.items() if name != "content-type"}

    assert code(without_type, b"{}") == "event_invalid"


# Attributes


@pytest.mark.parametrize(
    "members",
    [
        {"specversion": "0.3"}, {"specversion": 1.0}, {"specversion": None},
        {"id": ""}, {"id": None}, {"id": 7}, {"id": "x" * 257}, {"id": "a\nb"}, {"id": "a\ufffe"},
        {"source": ""}, {"source": "a b"}, {"source": "/ü"}, {"source": "/" + "x" * 1_024}, {"source": None},
        {"source": "urn:alga:platform"}, {"source": "URN:ALGA:x"},
        {"type": ""}, {"type": "a b"}, {"type": "a.*"}, {"type": "-a"}, {"type": "a" * 129}, {"type": None},
        {"time": "yesterday"}, {"time": "2026-03-01"}, {"time": "2026-13-01T00:00:00Z"},
        {"time": "2026-02-30T00:00:00Z"}, {"time": 7}, {"time": ""},
        {"subject": ""}, {"subject": 7}, {"subject": "x" * 1_025},
        {"dataschema": ""}, {"dataschema": "a b"},
        {"datacontenttype": "text/plain"}, {"datacontenttype": ""}, {"datacontenttype": True},
        {"data_base64": "aGk="},
        {"Own": "x"}, {"own_attribute": "x"}, {"x" * 21: "x"}, {"": "x"}, {"ö": "x"},
        {"own": 1.5}, {"own": []}, {"own": {}}, {"own": 2**31}, {"own": -(2**31) - 1},
        {"algatenant": "a b"}, {"algatenant": 7}, {"algatenant": ""}, {"algatenant": "x" * 65},
        {"algahops": -1}, {"algahops": True}, {"algahops": "x"}, {"algahops": "-1"}, {"algahops": "٣"},
        {f"a{number}": "x" for number in range(29)},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_a_cloudevent_is_refused(members: dict[str, Any]) -> None:
    with pytest.raises(PlatformError) as refusal:
        check(event_of(**members))

    assert refusal.value.code == "event_invalid"


@pytest.mark.parametrize(
    "members",
    [
        {"id": "x" * 256}, {"source": "/" + "x" * 1_023}, {"source": "https://host.test/a?b=c#d"}, {"source": "urn:x"},
        {"source": "//[::1]/"}, {"type": "a" * 128}, {"time": "2026-03-01T12:00:00Z"},
        {"time": "2026-03-01t12:00:00.123456789+02:00"}, {"subject": "ü" * 1_024}, {"subject": None},
        {"dataschema": "https://host.test/s"}, {"datacontenttype": "application/vnd.x+json"},
        {"x" * 20: "x"}, {"own": 2**31 - 1}, {"own": -(2**31)}, {"own": True}, {"own": ""},
        {"algatenant": "tenant-b"}, {"algatenant": None}, {"algahops": 8}, {"algahops": None}, {"data": None},
        {f"a{number}": "x" for number in range(28)},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_a_cloudevent_is_taken(members: dict[str, Any]) -> None:
    found = check(event_of(**members))

    assert "algatenant" not in found.document
    assert json.loads(found.body) == found.document


@pytest.mark.parametrize("document", [None, 7, "x", [], [{}]])
def test_what_is_not_an_object_is_refused(document: Any) -> None:
    with pytest.raises(PlatformError, match="an event is a JSON object"):
        check(document)


@pytest.mark.parametrize("hops", [9, 2**31 - 1, "9", "000000009"])
def test_more_hops_than_eight_have_a_code_of_their_own(hops: object) -> None:
    with pytest.raises(PlatformError) as refusal:
        check(event_of(algahops=hops))

    assert refusal.value.code == "too_many_hops"


# Generated

# Text that JSON and headers can both carry, and attributes may have.
TEXTS: Final = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), min_size=1, max_size=30
).filter(lambda text: all(not 0xFDD0 <= ord(character) <= 0xFDEF for character in text))
NAMES: Final = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20).filter(
    lambda name: name not in {*IN_JSON, "data", "datacontenttype", "time", "dataschema", "algatenant", "algahops"}
)
DATA: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def as_header(text: str) -> str:
    return quote(text, safe="")


@PROPERTY
@given(event_id=TEXTS, own=st.dictionaries(NAMES, TEXTS, max_size=5), data=DATA)
def test_structured_and_binary_mean_the_same(event_id: str, own: dict[str, str], data: Any) -> None:
    document = {**IN_JSON, "id": event_id, **own, "datacontenttype": "application/json", "data": data}
    headers = {**BINARY, "ce-id": as_header(event_id), **{f"ce-{name}": as_header(text) for name, text in own.items()}}

    binary = one(headers, json.dumps(data).encode())

    assert binary.document == one({"content-type": STRUCTURED}, json.dumps(document).encode()).document
    assert binary.key == event_key("/host", event_id)


@PROPERTY
@given(st.lists(st.sampled_from(["good", "bad"]), max_size=8))
def test_a_batch_is_read_in_its_order_event_by_event(kinds: list[str]) -> None:
    batch = [event_of(place, **({} if kind == "good" else {"specversion": "2"})) for place, kind in enumerate(kinds)]

    found = read({"content-type": BATCH}, json.dumps(batch).encode())

    assert ["good" if isinstance(one, Event) else "bad" for one in found] == kinds
    assert all(one.document["id"] == f"e-{place}" for place, one in enumerate(found) if isinstance(one, Event))


@PROPERTY
@given(
    st.dictionaries(st.sampled_from([*BINARY, "ce-subject", "ce-algahops", "ce-x"]), st.text(), max_size=8),
    st.binary(max_size=60),
)
def test_whatever_is_sent_is_read_or_refused_with_a_code(headers: dict[str, str], body: bytes) -> None:
    assert code(headers, body) in {"taken", "event_invalid", "too_many_hops", "payload_too_large"}


@PROPERTY
@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=30))
def test_quoting_loses_nothing(subject: str) -> None:
    quoted = '"' + subject.replace("%", "%25").replace("\\", "\\\\").replace('"', '\\"') + '"'

    assert one({**BINARY, "ce-subject": quoted}).document["subject"] == subject
