"""The manifest's rules, each with the message its author gets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from alga_ext.bundles.egress_hosts import check_egress
from alga_ext.bundles.manifest import MANIFEST_LIMIT_BYTES, Endpoint, Manifest, json_schema, parse_manifest
from alga_ext.bundles.manifest_patterns import RULES
from alga_ext.calls import capabilities
from alga_ext.errors import PlatformError
from tests.support.manifests import documents, egress_rules, encoded, manifest, server_document, ui_document
from tests.support.measures import cpu_s_of
from tests.support.refusals import code_of


def refusal(document: object) -> str:
    """What a manifest is refused with."""
    with pytest.raises(PlatformError) as caught:
        parse_manifest(document if isinstance(document, bytes) else encoded(document))
    assert caught.value.code == "manifest_invalid"
    return caught.value.detail


def test_the_smallest_manifest_of_a_ui_has_its_defaults() -> None:
    manifest = parse_manifest(encoded(ui_document()))

    assert manifest.entry == "dist/main.wasm"
    assert manifest.assets == ("ui/**",)
    assert manifest.component_path is None


def test_a_manifest_with_a_runtime_names_its_component() -> None:
    assert parse_manifest(encoded(server_document())).component_path == "dist/main.wasm"


@settings(max_examples=25)
@given(documents())
def test_parsing_a_normalised_manifest_changes_nothing(document: dict[str, Any]) -> None:
    once = parse_manifest(encoded(document))

    again = parse_manifest(once.model_dump_json(exclude_none=True).encode())

    assert again == once


@settings(max_examples=25)
@given(documents())
def test_a_stored_manifest_reads_back_equal(document: dict[str, Any]) -> None:
    once = parse_manifest(encoded(document))

    assert Manifest.model_validate(json.loads(once.model_dump_json())) == once


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_refused_with_our_own_code(data: bytes) -> None:
    refusal(data)


@settings(max_examples=25)
@given(documents(), st.data())
def test_a_manifest_with_one_changed_byte_is_read_or_refused_with_our_own_code(
    document: dict[str, Any], data: st.DataObject
) -> None:
    content = bytearray(encoded(document))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    assert code_of(lambda: parse_manifest(bytes(content))) in (None, "manifest_invalid")


# What is refused before any member is looked at


def test_a_manifest_over_the_size_limit_is_refused() -> None:
    assert f"at most {MANIFEST_LIMIT_BYTES}" in refusal(b" " * (MANIFEST_LIMIT_BYTES + 1))


@pytest.mark.parametrize("document", [[], "text", 1, None, True])
def test_a_manifest_that_is_no_object_is_refused(document: object) -> None:
    assert "JSON object" in refusal(document)


def test_a_repeated_member_is_refused() -> None:
    assert "twice" in refusal(b'{"name":"a.b",' + encoded(ui_document())[1:])


def test_another_encoding_than_utf8_is_refused() -> None:
    assert "UTF-8" in refusal(json.dumps(ui_document()).encode("utf-16"))


@pytest.mark.parametrize("number", ["NaN", "1e999", "1" + "0" * 30])
def test_a_number_that_no_database_keeps_is_refused(number: str) -> None:
    assert "not JSON" in refusal(b'{"config":{"maximum":%s},' % number.encode() + encoded(ui_document())[1:])


def test_a_configuration_schema_nested_without_end_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100):
        schema = {"not": schema}
    assert "nested" in refusal(ui_document(config=schema))


def test_text_that_no_database_keeps_is_refused() -> None:
    assert "NUL" in refusal(ui_document(title="a\0b"))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"limits": {"timeout_ms": "5"}}, "limits.timeout_ms: must be a whole number, without quotes"),
        ({"limits": {"timeout_ms": 5.5}}, "limits.timeout_ms: must be a whole number"),
        ({"limits": {"timeout_ms": 60_000}}, "limits.timeout_ms: must be at most 29000; this is 60000"),
        ({"limits": {"memory_mb": 0}}, "limits.memory_mb: must be at least 1; this is 0"),
        ({"limits": []}, "limits: must be an object"),
        ({"secrets": [{"name": "KEY", "required": "yes"}]}, "secrets.0.required: must be true or false"),
        ({"secrets": [{"name": "KEY", "required": 1}]}, "secrets.0.required: must be true or false"),
        ({"secrets": {}}, "secrets: must be a list"),
        ({"secrets": [{}]}, "secrets.0.name: is missing"),
        ({"title": 5}, "title: must be text in quotes"),
    ],
)
def test_a_member_of_another_type_is_not_converted(members: dict[str, Any], said: str) -> None:
    assert said in refusal(server_document(**members))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"name": "Notes"}, "name: must be a reverse-domain name"),
        ({"publisher": "A B"}, "publisher: must be 1 to 63 lower-case letters"),
        ({"version": "1.0"}, "version: must be a semantic version: three numbers"),
        ({"secrets": [{"name": "9"}]}, "secrets.0.name: must begin with a letter"),
        ({"events": [{"topic": " ", "handler": "/x"}]}, "events.0.topic: must begin with a letter or digit"),
        ({"events": [{"topic": "a", "handler": "x"}]}, "events.0.handler: must begin with '/'"),
        ({"ui": {"type": "iframe", "entry": "ui/index.txt"}}, "ui.entry: must be an HTML document"),
        ({"ui": {"type": "iframe", "entry": "ui/a.html", "hooks": {"A": {"label": "x"}}}}, "a lower-case letter"),
    ],
)
def test_a_rule_is_told_in_words_not_as_a_pattern(members: dict[str, Any], said: str) -> None:
    detail = refusal(server_document(**members))
    assert said in detail
    assert "pattern" not in detail
    assert "^" not in detail


def test_every_pattern_of_the_manifest_has_its_words() -> None:
    def patterns(node: object) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(node.get("pattern"), str):
                yield node["pattern"]
            for value in node.values():
                yield from patterns(value)
        elif isinstance(node, list):
            for value in node:
                yield from patterns(value)

    assert set(patterns(json_schema())) - {"^/"} <= set(RULES)


# Members


def test_an_unknown_member_is_refused_with_a_suggestion() -> None:
    assert "capabilites: unknown member; did you mean 'capabilities'?" in refusal(ui_document(capabilites=[]))


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"limits": {"cpu": 1}}, "limits.cpu: unknown member; known are memory_mb, timeout_ms"),
        ({"limits": {"timeoutms": 1}}, "limits.timeoutms: unknown member; did you mean 'timeout_ms'?"),
        # `entry` and `name` are members of the manifest, but not of these parts.
        ({"secrets": [{"name": "A", "entry": ""}]}, "secrets.0.entry: unknown member; known are"),
        ({"ui": {"type": "iframe", "entry": "ui/a.html", "hooks": {"appMenu": {"labl": "x"}}}}, "mean 'label'?"),
    ],
)
def test_an_unknown_member_is_compared_with_the_members_of_its_place(members: dict[str, Any], said: str) -> None:
    assert said in refusal(ui_document(**members))


def test_at_most_five_errors_are_told_at_once() -> None:
    assert refusal(ui_document(**{f"x{number}": 1 for number in range(7)})).count("unknown member") == 5


def test_an_error_of_the_model_does_not_repeat_what_was_written() -> None:
    with pytest.raises(ValidationError) as refused:
        Manifest.model_validate(ui_document(title=["hunter2"]))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"), [("storage", "cap:storage.kv"), ("secret", "cap:secrets.get"), ("log.em", "cap:log.emit")]
)
def test_the_beginning_of_a_capability_is_enough_for_a_suggestion(written: str, meant: str) -> None:
    assert f"did you mean '{meant}'?" in refusal(server_document(capabilities=[written]))


def test_a_capability_that_is_near_to_none_gets_the_list() -> None:
    assert "known are cap:" in refusal(server_document(capabilities=["cap:database"]))


@pytest.mark.parametrize("name", ["name", "publisher", "version"])
def test_a_required_member_is_missed_by_name(name: str) -> None:
    document = ui_document()
    del document[name]
    assert refusal(document).startswith(f"manifest.json: {name}: is missing")


@pytest.mark.parametrize(
    "name",
    [
        "notes", "Com.acme", "com..acme", ".com.acme", "com.acme.", "com.-acme", "com.acme-", "com_acme.x", "com.acmé",
        "com.acme\n", "a." + "b" * 64, ".".join(["abcdefgh"] * 30), "com/acme.x", "", "com.acme x",
    ],
)  # fmt: skip
def test_a_name_that_is_no_reverse_domain_is_refused(name: str) -> None:
    assert "name: " in refusal(ui_document(name=name))


@pytest.mark.parametrize("name", ["a.b", "com.acme.my-notes", "0.1", "xn--bcher-kva.example", "a." + "b" * 63])
def test_a_reverse_domain_name_is_accepted(name: str) -> None:
    assert parse_manifest(encoded(ui_document(name=name))).name == name


@pytest.mark.parametrize("publisher", ["", "Acme", "acme.co", "a" * 64, "acme\n", "acmé", "a_b"])
def test_a_publisher_that_is_no_slug_is_refused(publisher: str) -> None:
    assert "publisher: " in refusal(ui_document(publisher=publisher))


@pytest.mark.parametrize(
    "version",
    ["1", "1.0", "v1.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "1.0.0+", "1.0.0 ", "1.0.0\n", "1.0.0-a..b", "1.0.0+a+b", "",
     "1١.0.0", "1.0.٣", "-1.0.0", "1.0.0-é"],
)  # fmt: skip
def test_a_version_that_is_not_strict_semver_is_refused(version: str) -> None:
    assert "version: " in refusal(ui_document(version=version))


@pytest.mark.parametrize(
    "version",
    ["0.0.0", "1.0.0", "10.20.30", "1.0.0-alpha", "1.0.0-0.3.7", "1.0.0-x.7.z.92", "1.0.0-alpha-a.b-c+1--", "1.0.0+001",
     "1.0.0--", "99999999999999999999.0.0", "1.0.0-0A.is.legal"],
)  # fmt: skip
def test_a_strict_semver_is_accepted(version: str) -> None:
    assert parse_manifest(encoded(ui_document(version=version))).version == version


def test_an_unknown_runtime_is_refused() -> None:
    assert "runtime" in refusal(server_document(runtime="native@1"))


def test_an_extension_without_runtime_and_ui_is_refused() -> None:
    document = server_document()
    del document["runtime"]
    assert "needs a 'runtime'" in refusal(document)


def test_endpoints_without_runtime_are_refused() -> None:
    assert "need a 'runtime'" in refusal(ui_document(api={"endpoints": [{"method": "GET", "path": "/"}]}))


def test_events_without_runtime_are_refused() -> None:
    assert "need a 'runtime'" in refusal(ui_document(events=[{"topic": "a", "handler": "/a"}]))


@pytest.mark.parametrize("entry", ["../main.wasm", "/main.wasm", "dist/.main.wasm", "dist\\main.wasm", ""])
def test_an_entry_that_leaves_the_bundle_is_refused(entry: str) -> None:
    assert "entry" in refusal(server_document(entry=entry))


@pytest.mark.parametrize("member", ["sbom", "precompiled", "ui"])
def test_every_named_file_must_lie_inside_the_bundle(member: str) -> None:
    value: dict[str, Any] = {
        "sbom": "../sbom.json",
        "precompiled": {"x86_64-linux": "/etc/passwd"},
        "ui": {"type": "iframe", "entry": "ui/../../x.html"},
    }
    assert member in refusal(server_document(**{member: value[member]}))


# Capabilities


@pytest.mark.parametrize("name", sorted(capabilities.KNOWN))
def test_a_capability_is_known_with_and_without_its_prefix(name: str) -> None:
    for spelling in (name, name.removeprefix("cap:"), {"name": name}, {"name": name.removeprefix("cap:")}):
        manifest = parse_manifest(encoded(server_document(capabilities=[spelling], egress=["a.example"])))
        assert manifest.capabilities[0].name == name


def test_an_unknown_capability_is_refused_with_a_suggestion() -> None:
    detail = refusal(server_document(capabilities=["storage.kw"]))
    assert "'storage.kw' is not a capability; did you mean 'cap:storage.kv'?" in detail


@pytest.mark.parametrize("spelling", [1, None, [], {"purpose": "x"}, {"name": "storage.kv", "why": "x"}])
def test_a_capability_in_another_form_is_refused(spelling: object) -> None:
    assert "capabilities.0" in refusal(server_document(capabilities=[spelling]))


def test_a_capability_named_twice_in_two_spellings_is_refused() -> None:
    assert "twice" in refusal(server_document(capabilities=["storage.kv", "cap:storage.kv"]))


def test_capabilities_that_are_no_list_are_refused() -> None:
    assert "capabilities" in refusal(server_document(capabilities="storage.kv"))


# Egress


def test_http_fetch_without_egress_is_refused() -> None:
    assert "needs at least one host" in refusal(server_document(capabilities=["http.fetch"]))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("API.Example.com", "api.example.com"),
        ("https://api.example.com", "api.example.com"),
        ("https://api.example.com:443", "api.example.com"),
        ("api.example.com:443", "api.example.com"),
        ("api.example.com:8443", "api.example.com:8443"),
        ("http://api.example.com", "http://api.example.com"),
        ("http://api.example.com:80", "http://api.example.com"),
        ("http://api.example.com:443", "http://api.example.com:443"),
        ("api.example.com:80", "api.example.com:80"),
        ("*.example.com", "*.example.com"),
        ("*.example.com:8443", "*.example.com:8443"),
        ("localhost", "localhost"),
    ],
)
def test_an_egress_host_has_one_canonical_form(written: str, canonical: str) -> None:
    assert check_egress(written) == canonical


@given(egress_rules())
def test_canonical_egress_is_its_own_canonical_form(rule: str) -> None:
    assert check_egress(check_egress(rule)) == check_egress(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "*", "*.com", "**.example.com", "*example.com", "a.*.com", "api.example.com/", "api.example.com/path", "ftp://x.com",
        "user@x.com", "user:pw@x.com", "x.com:0", "x.com:65536", "x.com:-1", "x.com:", "x..com", ".x.com", "x.com.",
        "x_y.com", "x.com?q", "x.com#f", "[::1]", "::1", "", " x.com", "x.com ", "x.com\n", "exämple.com",
        "\u212aelvin.com", "x.com:٣", "https://", "http://*", "https://https://x.com", "x.com:08",
        ".".join(["a" * 60] * 5), "a" * 64 + ".com",
    ],
)  # fmt: skip
def test_what_is_no_egress_host_is_refused(rule: str) -> None:
    with pytest.raises(ValueError, match=r"egress host|too wide|above 65535|at most 253"):
        check_egress(rule)
    assert "egress" in refusal(server_document(egress=[rule]))


def test_egress_is_sorted_and_without_duplicates() -> None:
    manifest = parse_manifest(encoded(server_document(egress=["b.example", "https://a.example:443", "A.example"])))

    assert manifest.egress == ("a.example", "b.example")


# Secrets


def test_a_secret_named_twice_is_refused() -> None:
    assert "'KEY' is listed twice" in refusal(server_document(secrets=[{"name": "KEY"}, {"name": "KEY"}]))


@pytest.mark.parametrize("name", ["", "1KEY", "a b", "KEY}}", "a" * 65, "KEY\n"])
def test_a_secret_with_an_impossible_name_is_refused(name: str) -> None:
    assert "secrets.0.name" in refusal(server_document(secrets=[{"name": name}]))


@pytest.mark.parametrize(
    ("written", "header"),
    [("X-Api-Key", "x-api-key"), ("authorization", "authorization"), ("cookie", "cookie"), ("x" * 64, "x" * 64)],
)
def test_a_secret_names_its_header_in_any_case(written: str, header: str) -> None:
    (secret,) = manifest(secrets=[{"name": "KEY", "hosts": ["a.example"], "header": written}]).secrets
    assert secret.header == header


def test_a_secret_goes_into_authorization_unless_it_names_another_header() -> None:
    assert manifest(secrets=[{"name": "KEY", "hosts": ["a.example"]}]).secrets[0].header == "authorization"


@pytest.mark.parametrize(
    "header",
    [
        "", "a b", "a:b", "x\n", "é", "x" * 65, "host", "Host", "content-length", "connection", "keep-alive", "te",
        "trailer",
        "transfer-encoding", "upgrade", "expect", "proxy-authorization", "x-alga-tenant", "X-Alga-Anything", "origin",
        "access-control-request-headers", "access-control-request-method", "x-request-id", "accept-encoding",
    ],
)  # fmt: skip
def test_a_secret_cannot_go_into_a_header_of_the_connection_or_one_that_comes_back(header: str) -> None:
    assert "header" in refusal(server_document(secrets=[{"name": "KEY", "hosts": ["a.example"], "header": header}]))


def test_a_secret_is_optional_unless_it_is_declared_as_required() -> None:
    optional, required = manifest(secrets=[{"name": "A"}, {"name": "B", "required": True}]).secrets
    assert (optional.required, required.required) == (False, True)


@pytest.mark.parametrize("days", [1, 3_650, None])
def test_a_secret_may_have_a_maximum_age(days: int | None) -> None:
    assert manifest(secrets=[{"name": "KEY", "max_age_days": days}]).secrets[0].max_age_days == days


@pytest.mark.parametrize("days", [0, -1, 3_651, 1.5, "30d", True])
def test_a_maximum_age_is_one_day_to_ten_years(days: object) -> None:
    assert "secrets.0.max_age_days" in refusal(server_document(secrets=[{"name": "KEY", "max_age_days": days}]))


def test_a_header_without_hosts_is_refused() -> None:
    assert "name the hosts" in refusal(server_document(secrets=[{"name": "KEY", "header": "x-api-key"}]))


@pytest.mark.parametrize("name", ["orders", "Orders.per_day-2", "a", "a" * 64])
@pytest.mark.parametrize("unit", ["Count", "Milliseconds", "Bytes/Second", "None"])
def test_a_metric_is_declared_with_its_unit(name: str, unit: str) -> None:
    (metric,) = manifest(metrics=[{"name": name, "unit": unit}]).metrics
    assert (metric.name, metric.unit) == (name, unit)


@pytest.mark.parametrize("name", ["", "a b", "1st", "a\n", "ü", "a/b", "a" * 65, "_a"])
def test_a_metric_with_another_name_is_refused(name: str) -> None:
    assert "metrics.0.name" in refusal(server_document(metrics=[{"name": name, "unit": "Count"}]))


@pytest.mark.parametrize("unit", ["", "count", "Furlongs", "bytes/second", None, 1])
def test_a_metric_with_an_unknown_unit_is_refused(unit: object) -> None:
    assert "metrics.0.unit" in refusal(server_document(metrics=[{"name": "orders", "unit": unit}]))


def test_a_metric_without_unit_is_refused() -> None:
    assert "metrics.0.unit" in refusal(server_document(metrics=[{"name": "orders"}]))


def test_a_metric_named_twice_is_refused() -> None:
    declared = [{"name": "orders", "unit": "Count"}, {"name": "orders", "unit": "Bytes"}]
    assert "'orders' is listed twice" in refusal(server_document(metrics=declared))


@pytest.mark.parametrize(("count", "is_taken"), [(20, True), (21, False)])
def test_twenty_metrics_may_be_declared(count: int, is_taken: bool) -> None:
    declared = [{"name": f"m{number}", "unit": "Count"} for number in range(count)]
    if is_taken:
        assert len(manifest(metrics=declared).metrics) == 20
    else:
        assert "metrics" in refusal(server_document(metrics=declared))


def test_a_secret_bound_to_no_real_host_is_refused() -> None:
    assert "secrets.0.hosts" in refusal(server_document(secrets=[{"name": "KEY", "hosts": ["*"]}]))


# Endpoints and events


@pytest.mark.parametrize("path", ["/", "/notes", "/notes/:id", "/a/:b/c/:d_1", "/v1.0/~x", "/a@b", "/%20"])
def test_an_endpoint_path_of_literals_and_parameters_is_accepted(path: str) -> None:
    manifest = parse_manifest(encoded(server_document(api={"endpoints": [{"method": "POST", "path": path}]})))

    assert manifest.api.endpoints[0].path == path


@pytest.mark.parametrize(
    "path",
    ["", "notes", "//", "/notes/", "/a//b", "/..", "/a/./b", "/a/:", "/a/:1", "/a b", "/a?b", "/a#b", "/a\nb", "/é",
     "/a/:id:x", "/{id}", "/" + "a" * 512],
)  # fmt: skip
def test_any_other_endpoint_path_is_refused(path: str) -> None:
    assert "api.endpoints.0.path" in refusal(server_document(api={"endpoints": [{"method": "GET", "path": path}]}))


def endpoint_of(**members: Any) -> Endpoint:
    """The parsed endpoint of a manifest that declares only it."""
    return parse_manifest(encoded(server_document(api={"endpoints": [members]}))).api.endpoints[0]


def test_an_endpoint_path_is_kept_in_its_normal_form() -> None:
    assert endpoint_of(method="GET", path="/a%2Db/%c3%a4").path == "/a-b/%C3%A4"


def test_two_forms_of_one_path_are_refused_as_declared_twice() -> None:
    endpoints = [{"method": "GET", "path": "/a-b"}, {"method": "GET", "path": "/a%2Db"}]
    assert "declared twice" in refusal(server_document(api={"endpoints": endpoints}))


def test_an_event_handler_is_kept_in_its_normal_form() -> None:
    document = server_document(events=[{"topic": "ticket.created", "handler": "/on%2Dticket"}])
    assert parse_manifest(encoded(document)).events[0].handler == "/on-ticket"


@pytest.mark.parametrize(
    ("method", "path", "schedulable"),
    [
        ("GET", "/sync", True),
        ("post", "/sync", True),
        ("POST", "/a:b", True),
        ("POST", "/sync/:id", False),
        ("PUT", "/sync", False),
        ("DELETE", "/sync", False),
    ],
)
def test_what_can_be_scheduled_is_computed_where_the_manifest_does_not_say(
    method: str, path: str, schedulable: bool
) -> None:
    assert endpoint_of(method=method, path=path).schedulable is schedulable
    assert endpoint_of(method=method, path=path, schedulable=False).schedulable is False


def test_a_stored_manifest_reads_back_as_it_was() -> None:
    manifest = parse_manifest(
        encoded(server_document(api={"endpoints": [{"method": "GET", "path": "/a%3ab"}], "headers": ["X-A"]}))
    )
    assert Manifest.model_validate(manifest.model_dump(mode="json")) == manifest


@pytest.mark.parametrize("audience", ["", "Client", "all", 1, ["client"]])
def test_an_unknown_audience_is_refused(audience: object) -> None:
    endpoint = {"method": "GET", "path": "/", "audience": audience}
    assert "api.endpoints.0.audience" in refusal(server_document(api={"endpoints": [endpoint]}))


@pytest.mark.parametrize(
    "names", [["X-Hub-Signature-256", "x-hub-signature-256"], ["if-range"], [f"x-{n}" for n in range(16)]]
)
def test_header_names_are_kept_in_lower_case(names: list[str]) -> None:
    kept = parse_manifest(encoded(server_document(api={"headers": names}))).api.headers
    assert kept == tuple(sorted({name.lower() for name in names}))


@pytest.mark.parametrize(
    "name",
    [
        "authorization", "Authorization", "cookie", "COOKIE", "connection", "keep-alive", "proxy-authorization",
        "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect",
        "x-alga-tenant", "X-Alga-Anything", "", "a b", "x:", "x\n", "é", "a" * 65,
    ],
)  # fmt: skip
def test_a_header_that_no_guest_may_have_is_refused(name: str) -> None:
    assert "api.headers" in refusal(server_document(api={"headers": [name]}))


def test_more_than_sixteen_headers_are_refused() -> None:
    assert "api.headers" in refusal(server_document(api={"headers": [f"x-{n}" for n in range(17)]}))


@pytest.mark.parametrize("timeout_ms", [0, 60_001, "5"])
def test_an_event_may_not_take_longer_than_a_minute(timeout_ms: object) -> None:
    event = {"topic": "ticket.created", "handler": "/e", "timeout_ms": timeout_ms}
    assert "events.0.timeout_ms" in refusal(server_document(events=[event]))


def test_the_longest_limits_are_accepted() -> None:
    document = server_document(
        limits={"timeout_ms": 29_000}, events=[{"topic": "ticket.created", "handler": "/e", "timeout_ms": 60_000}]
    )
    assert parse_manifest(encoded(document)).limits.timeout_ms == 29_000


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "", "G E T", None])
def test_an_endpoint_with_an_unknown_method_is_refused(method: str | None) -> None:
    assert "api.endpoints.0.method" in refusal(server_document(api={"endpoints": [{"method": method, "path": "/"}]}))


def test_two_endpoints_that_answer_the_same_requests_are_refused() -> None:
    endpoints = [{"method": "GET", "path": "/notes/:id"}, {"method": "get", "path": "/notes/:name"}]
    assert "declared twice" in refusal(server_document(api={"endpoints": endpoints}))


def test_a_literal_beside_a_parameter_is_no_duplicate() -> None:
    endpoints = [{"method": "GET", "path": "/notes/:id"}, {"method": "GET", "path": "/notes/new"}]
    assert len(parse_manifest(encoded(server_document(api={"endpoints": endpoints}))).api.endpoints) == 2


@pytest.mark.parametrize("handler", ["events", "/../x", "/a\r\nb", "/a b", "/a//b", "/:id", "/é", "/a/"])
def test_an_event_handler_that_is_no_literal_path_is_refused(handler: str) -> None:
    assert "events.0.handler" in refusal(server_document(events=[{"topic": "ticket.created", "handler": handler}]))


@pytest.mark.parametrize("topic", ["", ".a", "a b", "a" * 129, "a\n"])
def test_an_impossible_event_topic_is_refused(topic: str) -> None:
    assert "events.0.topic" in refusal(server_document(events=[{"topic": topic, "handler": "/events"}]))


# UI and assets


def test_a_ui_of_another_type_is_refused() -> None:
    assert "ui.type" in refusal(ui_document(ui={"type": "module", "entry": "ui/index.html"}))


@pytest.mark.parametrize("entry", ["ui/app.js", "ui/page.php", "ui/index", "ui/index.html.gz", "ui/logo.svg", "html"])
def test_an_entry_that_is_no_page_is_refused(entry: str) -> None:
    assert "ui.entry" in refusal(ui_document(ui={"type": "iframe", "entry": entry}))


@pytest.mark.parametrize("entry", ["ui/index.htm", "ui/INDEX.HTML", "ui/page.xhtml"])
def test_an_entry_may_be_any_kind_of_page(entry: str) -> None:
    manifest = parse_manifest(encoded(ui_document(ui={"type": "iframe", "entry": entry})))
    assert manifest.ui is not None
    assert manifest.ui.entry == entry


def test_a_hook_without_label_is_refused() -> None:
    hooks: dict[str, Any] = {"appMenu": {}}
    assert "ui.hooks.appMenu.label" in refusal(ui_document(ui={**ui_document()["ui"], "hooks": hooks}))


@pytest.mark.parametrize(
    ("member", "fault"),
    [
        ({"icon": "ui/icon.ico"}, "icon: must be an SVG, PNG or WebP file"),
        ({"icon": "/ui/icon.svg"}, "icon"),
        ({"icon": "ui/../icon.svg"}, "icon"),
        ({"order": -1_001}, "order: must be at least -1000"),
        ({"order": "1"}, "order: must be a whole number"),
        ({"paths": ["settings"]}, "paths.0: must begin with '/'"),
        ({"paths": ["/a?b"]}, "paths.0: must begin with '/'"),
        ({"paths": "/a"}, "paths: must be a list"),
    ],
)
def test_a_hook_with_a_wrong_member_is_refused(member: dict[str, Any], fault: str) -> None:
    hooks = {"appMenu": {"label": "Notes", **member}}
    assert f"ui.hooks.appMenu.{fault}" in refusal(ui_document(ui={**ui_document()["ui"], "hooks": hooks}))


@pytest.mark.parametrize("routes", [[], [{"path": "/x", "iframe": "dist/x.html"}], {"a": 1}, "x"])
def test_the_routes_of_an_old_manifest_are_ignored_with_a_note(routes: Any) -> None:
    manifest = parse_manifest(encoded(ui_document(ui={**ui_document()["ui"], "routes": routes})))

    assert "routes" not in manifest.model_dump()["ui"]
    (note,) = manifest.notes
    assert note.startswith("ui.routes has no effect here.")
    assert parse_manifest(encoded(ui_document())).notes == ()


@pytest.mark.parametrize(
    "pattern", ["/ui/**", ".well-known/**", "ui/.hidden", "ui/../x", "", "a" * 257, "a/" * 16 + "b"]
)
def test_an_asset_pattern_that_leaves_hides_or_costs_too_much_is_refused(pattern: str) -> None:
    assert "assets" in refusal(ui_document(assets=[pattern]))


@pytest.mark.parametrize("limits", [{"timeout_ms": 0}, {"timeout_ms": 29_001}, {"memory_mb": 0}, {"memory_mb": 4097}])
def test_limits_outside_their_bounds_are_refused(limits: dict[str, int]) -> None:
    assert f"limits.{next(iter(limits))}" in refusal(server_document(limits=limits))


# Lists have an end


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("egress", [f"h{n}.example" for n in range(101)]),
        ("secrets", [{"name": f"K{n}"} for n in range(51)]),
        ("assets", ["ui/**"] * 33),
        ("events", [{"topic": "a", "handler": "/a"}] * 101),
        ("api", {"endpoints": [{"method": "GET", "path": f"/{n}"} for n in range(501)]}),
    ],
)
def test_a_list_over_its_length_is_refused(member: str, value: object) -> None:
    assert member in refusal(server_document(**{member: value}))


def test_a_refusal_is_short_and_quick_however_large_the_manifest() -> None:
    document = server_document(**{f"x{n}" * 50: 0 for n in range(2000)}, capabilities=["z" * 20_000])

    assert len(refusal(document)) < 3000
    assert cpu_s_of(lambda: refusal(document)) < 5


# Filters of events


def subscription(**members: Any) -> dict[str, Any]:
    return server_document(events=[{"topic": "ticket.created", "handler": "/e", **members}])


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"attributes": {"subject": "x" * 256, "own": 7, "flag": True}},
        {"data": {"a": None, "b": 1.5, "c": False, "d": "x", "e" * 128: 1}},
        {"attributes": {f"a{number}": 1 for number in range(10)}, "data": {f"a{number}": 1 for number in range(10)}},
    ],
)
def test_a_filter_names_attributes_and_fields(wanted: dict[str, Any]) -> None:
    (event,) = parse_manifest(encoded(subscription(filter=wanted))).events
    assert event.filter is not None
    assert event.filter.model_dump(exclude_unset=True) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        {"attributes": {"Own": "x"}},
        {"attributes": {"x" * 21: "x"}},
        {"attributes": {"own": 1.5}},
        {"attributes": {"own": None}},
        {"attributes": {"own": "x" * 257}},
        {"attributes": {f"a{number}": 1 for number in range(11)}},
        {"data": {"a": []}},
        {"data": {"a": {}}},
        {"data": {"": 1}},
        {"data": {"a" * 129: 1}},
        {"data": {f"a{number}": 1 for number in range(11)}},
        {"subject": "x"},
        [],
    ],
)
def test_another_filter_is_refused(wanted: Any) -> None:
    assert "events.0.filter" in refusal(subscription(filter=wanted))


def test_a_handler_that_subscribes_twice_to_a_topic_is_refused() -> None:
    twice = [{"topic": "a", "handler": "/e"}, {"topic": "a", "handler": "/e", "timeout_ms": 1}]
    assert "/e subscribes to a twice" in refusal(server_document(events=twice))


def test_a_published_manifest_that_subscribes_twice_is_still_read() -> None:
    twice = [{"topic": "a", "handler": "/e"}] * 2
    assert len(Manifest.model_validate(server_document(events=twice)).events) == 2
