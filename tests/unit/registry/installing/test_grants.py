"""What a tenant allows: nothing that was not asked, nothing by itself, and one hash for one set."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.bundles.egress_hosts import check_egress
from alga_ext.bundles.manifest import Manifest
from alga_ext.calls import capabilities
from alga_ext.errors import PlatformError
from functions.registry.installing.grant_set import GrantSet, canonical, requested, stored
from functions.registry.installing.grants import carried_over, covers, decide, difference, with_hosts
from tests.support.manifests import manifest
from tests.support.refusals import code_of

HOSTS = [
    "a.example",
    "b.example",
    "*.c.example",
    "x.c.example",
    "y.x.c.example",
    "*.x.c.example",
    "http://a.example",
    "a.example:8443",
]
hosts = st.sampled_from(HOSTS)
optional = [name for name in sorted(capabilities.KNOWN) if name not in capabilities.ALWAYS_GRANTED]
names = st.sampled_from(optional)


headers = st.sampled_from(["authorization", "x-api-key", "x-token"])
bindings = st.fixed_dictionaries({"hosts": st.lists(hosts, max_size=2), "header": headers}).map(
    lambda bound: bound if bound["hosts"] else {}
)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    limits = draw(
        st.fixed_dictionaries({}, optional={"timeout_ms": st.integers(1, 29_000), "memory_mb": st.integers(1, 512)})
    )
    return manifest(
        capabilities=draw(st.lists(names, unique=True, max_size=4)),
        egress=draw(st.lists(hosts, min_size=1, max_size=3)),
        secrets=[
            {"name": name, **draw(bindings)}
            for name in draw(st.lists(st.sampled_from(["K1", "K2", "K3"]), unique=True, max_size=3))
        ],
        limits=limits,
    )


named_grants = st.fixed_dictionaries(
    {},
    optional={
        "capabilities": st.lists(names | st.sampled_from(["storage.kv", "x", "cap:log.emit"]), max_size=4),
        "egress": st.lists(hosts, max_size=3),
        "secrets": st.dictionaries(st.sampled_from(["K1", "K2", "K3", "K4"]), st.lists(hosts, max_size=2), max_size=2),
        "limits": st.dictionaries(st.sampled_from(["timeout_ms", "memory_mb"]), st.integers(1, 60_000), max_size=2),
    },
)
grant_sets = st.builds(
    canonical,
    st.lists(names, max_size=4),
    st.lists(hosts, max_size=3),
    st.dictionaries(st.sampled_from(["K1", "K2", "K3"]), st.lists(hosts, max_size=2), max_size=3),
    st.dictionaries(st.sampled_from(["timeout_ms", "memory_mb"]), st.integers(1, 60_000), max_size=2),
    st.dictionaries(st.sampled_from(["K1", "K2", "K3"]), st.sampled_from(["authorization", "x-api-key"]), max_size=3),
)


def within(narrow: GrantSet, wide: GrantSet) -> bool:
    """The order of grant sets, written out: whether ``wide`` allows all that ``narrow`` allows. Limits aside."""
    wide_secrets = dict(wide.secrets)
    return (
        set(narrow.capabilities) <= set(wide.capabilities)
        and all(any(covers(rule, host) for rule in wide.egress) for host in narrow.egress)
        and all(
            name in wide_secrets
            and (
                not wide_secrets[name]  # readable is the widest
                or (bool(bound) and all(any(covers(rule, host) for rule in wide_secrets[name]) for host in bound))
            )
            for name, bound in narrow.secrets
        )
    )


# The canonical form


@given(grant_sets, st.randoms(use_true_random=False))
def test_the_same_set_in_any_order_has_the_same_hash(granted: GrantSet, random: Any) -> None:
    def shuffled(items: Iterable[Any]) -> list[Any]:
        doubled = [*items, *items]
        random.shuffle(doubled)
        return doubled

    secrets = {name: shuffled(bound) for name, bound in shuffled(granted.secrets)}
    again = canonical(
        shuffled(granted.capabilities),
        shuffled(granted.egress),
        secrets,
        dict(shuffled(granted.limits)),
        dict(shuffled(granted.secret_headers)),
    )

    assert again == granted
    assert again.hash == granted.hash


@given(grant_sets, grant_sets)
def test_two_different_sets_have_different_hashes(one: GrantSet, other: GrantSet) -> None:
    assert (one.hash == other.hash) == (one == other)


def test_a_name_with_and_without_its_prefix_is_the_same() -> None:
    assert canonical(["storage.kv"], [], {}, {}, {}) == canonical(["cap:storage.kv"], [], {}, {}, {})


def test_nothing_granted_still_holds_the_four() -> None:
    assert set(canonical([], [], {}, {}, {}).capabilities) == capabilities.ALWAYS_GRANTED


# Deciding


@given(manifests(), named_grants)
def test_whatever_is_granted_was_asked_for(asked: Manifest, named: dict[str, Any]) -> None:
    named_code: str | None
    try:
        granted = decide(asked, named)
    except PlatformError as error:
        named_code = error.code
    else:
        named_code = None
        assert within(granted, requested(asked))
        assert all(value <= dict(requested(asked).limits).get(name, value) for name, value in granted.limits)
    assert named_code in (None, "grants_invalid")


@given(manifests(), named_grants)
def test_whatever_is_granted_was_named(asked: Manifest, named: dict[str, Any]) -> None:
    if code_of(lambda: decide(asked, named)) is not None:
        return
    granted = decide(asked, named)

    assert set(granted.capabilities) - capabilities.ALWAYS_GRANTED <= {
        capabilities.canonical(name) for name in named.get("capabilities", [])
    }
    assert set(granted.egress) == {check_egress(host) for host in named.get("egress", [])}
    assert set(dict(granted.secrets)) == set(named.get("secrets", {}))


@given(manifests())
def test_all_that_is_asked_can_be_granted(asked: Manifest) -> None:
    whole = requested(asked)
    named = {
        "capabilities": whole.capabilities,
        "egress": whole.egress,
        "secrets": whole.secrets_document(),
        "secret_headers": dict(whole.secret_headers),
        "limits": dict(whole.limits),
    }

    assert decide(asked, named) == whole


@given(manifests())
def test_naming_nothing_grants_nothing(asked: Manifest) -> None:
    assert decide(asked, {}) == canonical([], [], {}, {}, {})


ASKED = manifest(
    capabilities=["http.fetch", "secrets.get"],
    egress=["*.example.com", "api.other.com"],
    secrets=[{"name": "BOUND", "hosts": ["*.example.com"]}, {"name": "READ"}],
    limits={"timeout_ms": 1_000},
)


@pytest.mark.parametrize(
    ("named", "why"),
    [
        ({"capabilities": ["storage.kv"]}, "capability cap:storage.kv is not asked for"),
        ({"capabilities": ["made.up"]}, "not asked for"),
        ({"egress": ["evil.com"]}, "egress evil.com is not within"),
        ({"egress": ["example.com"]}, "not within"),
        ({"egress": ["*.other.com"]}, "not within"),
        ({"egress": ["http://api.example.com"]}, "not within"),
        ({"egress": ["api.example.com:8443"]}, "not within"),
        ({"egress": ["*"]}, "not an egress host"),
        ({"egress": ["xexample.com"]}, "not within"),
        ({"secrets": {"OTHER": []}}, "secret OTHER is not asked for"),
        ({"secrets": {"BOUND": ["evil.com"]}}, "cannot be bound to evil.com"),
        ({"secrets": {"BOUND": ["*.com"]}}, "too wide"),
        ({"limits": {"timeout_ms": 1_001}}, "from 1 to 1000"),
        ({"limits": {"timeout_ms": 0}}, "from 1 to 1000"),
        ({"limits": {"memory_mb": 4_097}}, "from 1 to 4096"),
        ({"limits": {"memory_mb": 10**30}}, "from 1 to 4096"),
        ({"limits": {"fuel": 5}}, "limit fuel does not exist"),
        ({"egress": ["a.example.com"] * 201}, "more than 200"),
        ({"secrets": {"BOUND": ["a.example.com"] * 201}}, "secrets.BOUND has more than 200"),
    ],
)
def test_what_was_not_asked_cannot_be_granted(named: dict[str, Any], why: str) -> None:
    with pytest.raises(PlatformError, match=why) as caught:
        decide(ASKED, named)
    assert caught.value.code == "grants_invalid"


def test_a_wildcard_may_be_narrowed() -> None:
    assert decide(ASKED, {"egress": ["api.example.com", "*.eu.example.com"]}).egress == (
        "*.eu.example.com",
        "api.example.com",
    )


def test_a_secret_named_without_hosts_keeps_the_binding_it_was_declared_with() -> None:
    assert decide(ASKED, {"secrets": {"BOUND": []}}).secrets_document() == {"BOUND": ["*.example.com"]}


def test_a_readable_secret_may_be_bound() -> None:
    assert decide(ASKED, {"secrets": {"READ": ["api.other.com"]}}).secrets_document() == {"READ": ["api.other.com"]}


def test_a_required_secret_must_be_named() -> None:
    asked = manifest(secrets=[{"name": "KEY", "required": True}])

    with pytest.raises(PlatformError, match="secret KEY is required"):
        decide(asked, {})
    assert decide(asked, {"secrets": {"KEY": []}}).secrets_document() == {"KEY": []}


def test_a_limit_may_be_lowered() -> None:
    assert dict(decide(ASKED, {"limits": {"timeout_ms": 10, "memory_mb": 64}}).limits) == {
        "timeout_ms": 10,
        "memory_mb": 64,
    }


@pytest.mark.parametrize(("name", "largest"), [("timeout_ms", 29_000), ("memory_mb", 4_096)])
def test_a_limit_that_the_extension_does_not_ask_for_has_the_platforms_largest(name: str, largest: int) -> None:
    asked = manifest()
    assert dict(decide(asked, {"limits": {name: largest}}).limits) == {name: largest}
    with pytest.raises(PlatformError, match=f"from 1 to {largest}"):
        decide(asked, {"limits": {name: largest + 1}})


# Covering, against a slow reference


def slow_allows(rule: str, scheme: str, host: str, port: int) -> bool:
    """Whether an egress rule allows one destination, by its words: scheme, host or below it, and port."""
    plain = rule.startswith("http://")
    name, _, number = rule.removeprefix("http://").partition(":")
    if (scheme == "http") != plain or port != int(number or (80 if plain else 443)):
        return False
    return host.endswith(name[1:]) and len(host) > len(name[1:]) if name.startswith("*.") else host == name


labels = st.sampled_from(["a", "b", "ab", "x"])
rules = st.builds(
    lambda scheme, wild, parts, port: check_egress(f"{scheme}{wild}{'.'.join(parts)}{port}"),
    st.sampled_from(["", "http://"]),
    st.sampled_from(["", "*."]),
    st.lists(labels, min_size=2, max_size=4),
    st.sampled_from(["", ":80", ":443", ":8443"]),
)
destinations = st.tuples(
    st.sampled_from(["http", "https"]),
    st.lists(labels, min_size=1, max_size=5).map(".".join),
    st.sampled_from([80, 443, 8443]),
)


@given(rules, rules, destinations)
def test_a_covered_rule_allows_nothing_more(wide: str, narrow: str, destination: tuple[str, str, int]) -> None:
    if covers(wide, narrow) and slow_allows(narrow, *destination):
        assert slow_allows(wide, *destination)


@given(rules, rules)
def test_a_rule_that_is_not_covered_allows_something_more(wide: str, narrow: str) -> None:
    scheme = "http" if narrow.startswith("http://") else "https"
    name, _, port = narrow.removeprefix("http://").partition(":")
    number = int(port or (80 if scheme == "http" else 443))
    # A host below a wildcard by a label that no rule here names stands for all hosts below it.
    witnesses = [name.replace("*", "unnamed")] if name.startswith("*.") else [name]

    allowed = all(slow_allows(wide, scheme, witness, number) for witness in witnesses)
    assert covers(wide, narrow) == allowed


@given(rules, rules, rules)
def test_covering_is_an_order(one: str, other: str, third: str) -> None:
    assert covers(one, one)
    assert not (covers(one, other) and covers(other, one)) or one == other
    assert not (covers(one, other) and covers(other, third)) or covers(one, third)


# Another version under the same grants


@given(grant_sets, manifests())
def test_other_code_runs_under_no_more_than_was_granted_and_no_more_than_it_asks(
    held: GrantSet, after: Manifest
) -> None:
    carried = carried_over(held, after)

    assert within(carried, held)
    assert within(carried, requested(after))
    assert all(value <= dict(held.limits)[name] for name, value in carried.limits)


@given(manifests(), named_grants)
def test_a_version_that_asks_for_the_same_keeps_every_grant(asked: Manifest, named: dict[str, Any]) -> None:
    if code_of(lambda: decide(asked, named)) is None:
        assert carried_over(decide(asked, named), asked) == decide(asked, named)


def test_a_bound_secret_whose_hosts_are_gone_does_not_become_readable() -> None:
    held = canonical([], [], {"KEY": ["a.example"]}, {}, {})
    after = manifest(secrets=[{"name": "KEY", "hosts": ["evil.example"]}])

    assert carried_over(held, after).secrets == ()


def test_a_readable_secret_that_is_now_asked_for_to_be_injected_is_bound() -> None:
    held = canonical([], [], {"KEY": []}, {}, {})
    after = manifest(secrets=[{"name": "KEY", "hosts": ["a.example"]}])

    assert carried_over(held, after).secrets_document() == {"KEY": ["a.example"]}


def test_a_secret_that_the_admin_bound_stays_bound_when_the_code_asks_to_read_it() -> None:
    held = canonical([], [], {"KEY": ["a.example"]}, {}, {})

    assert carried_over(held, manifest(secrets=[{"name": "KEY"}])).secrets_document() == {"KEY": ["a.example"]}


# The difference that waits for the admin


@given(manifests())
def test_a_version_that_asks_for_the_same_asks_for_no_more(asked: Manifest) -> None:
    assert difference(asked, asked) == {}


@given(manifests(), manifests())
def test_without_a_difference_the_new_version_asks_for_nothing_wider(before: Manifest, after: Manifest) -> None:
    if difference(before, after) == {}:
        assert within(requested(after), requested(before))


@given(manifests(), manifests())
def test_every_difference_is_something_the_new_version_asks_for(before: Manifest, after: Manifest) -> None:
    found, asked = difference(before, after), requested(after)

    assert set(found.get("capabilities", {})) <= set(asked.capabilities)
    assert set(found.get("egress", [])) <= set(asked.egress)
    assert {name: tuple(bound) for name, bound in found.get("secrets", {}).items()}.items() <= dict(
        asked.secrets
    ).items()


def test_a_difference_is_readable() -> None:
    before = manifest(
        egress=["*.example.com"], secrets=[{"name": "KEY", "hosts": ["a.example"]}], limits={"timeout_ms": 100}
    )
    after = manifest(
        capabilities=[{"name": "http.fetch", "purpose": "Looks up prices."}],
        egress=["api.example.com", "other.com"],
        secrets=[{"name": "KEY"}, {"name": "NEW", "hosts": ["b.example"]}],
        limits={"timeout_ms": 200},
    )

    assert difference(before, after) == {
        "capabilities": {"cap:http.fetch": "Looks up prices."},
        "egress": ["other.com"],
        "secrets": {"KEY": [], "NEW": ["b.example"]},
        "limits": {"timeout_ms": {"from": 100, "to": 200}},
    }


# The header that a bound secret is put into


def with_header(header: str | None = None, bound: str = "a.example") -> Manifest:
    named = {} if header is None else {"header": header}
    return manifest(secrets=[{"name": "KEY", "hosts": [bound], **named}])


def test_a_secret_is_granted_with_the_header_that_the_manifest_asks_for() -> None:
    named = {"secrets": {"KEY": []}, "secret_headers": {"KEY": "X-Api-Key"}}

    granted = decide(with_header("x-api-key"), named)

    assert granted.document()["secret_headers"] == {"KEY": "x-api-key"}


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("x-api-key", {}),
        ("x-api-key", {"KEY": "x-token"}),
        ("x-api-key", {"KEY": "authorization"}),
        (None, {"KEY": "x"}),
    ],
)
def test_another_header_than_the_manifest_asks_for_is_not_granted(asked: str | None, named: dict[str, str]) -> None:
    with pytest.raises(PlatformError) as refused:
        decide(with_header(asked), {"secrets": {"KEY": []}, "secret_headers": named})

    header = asked or "authorization"
    assert f'secret KEY is put into header {header}, as the manifest asks; to grant that, add "KEY": "{header}"' in str(
        refused.value.detail
    )


def test_a_header_for_a_secret_that_is_not_granted_is_refused() -> None:
    with pytest.raises(PlatformError) as refused:
        decide(with_header("x-api-key"), {"secret_headers": {"KEY": "x-api-key"}})

    assert "secret_headers names KEY, which is not granted" in str(refused.value.detail)


def test_grants_without_other_headers_keep_the_hash_that_they_had() -> None:
    plain = canonical(["http.fetch"], ["a.example"], {"KEY": ["a.example"]}, {}, {})

    assert plain.hash == "790f5d48c7c627cf450e33a7a070ca892342ab34f6424b067f9e7482d5012c18"
    assert plain == canonical(["http.fetch"], ["a.example"], {"KEY": ["a.example"]}, {}, {"KEY": "authorization"})


def test_another_header_is_another_grant() -> None:
    sets = [canonical([], [], {"KEY": ["a.example"]}, {}, {"KEY": header}) for header in ("authorization", "x", "y")]

    assert len({granted.hash for granted in sets}) == 3


def test_a_readable_secret_has_no_header() -> None:
    assert canonical([], [], {"KEY": []}, {}, {"KEY": "x-api-key"}).secret_headers == ()


def test_a_changed_header_waits_for_the_admin_and_the_old_one_is_kept_until_then() -> None:
    before, after = with_header("x-api-key"), with_header("x-token")
    held = decide(before, {"secrets": {"KEY": []}, "secret_headers": {"KEY": "x-api-key"}})

    assert difference(before, after) == {"secret_headers": {"KEY": "x-token"}}
    assert carried_over(held, after) == held


def test_a_header_that_becomes_authorization_is_a_difference_too() -> None:
    assert difference(with_header("x-api-key"), with_header()) == {"secret_headers": {"KEY": "authorization"}}


def test_a_new_secret_asks_for_its_header() -> None:
    assert difference(manifest(), with_header("x-api-key")) == {
        "secrets": {"KEY": ["a.example"]},
        "secret_headers": {"KEY": "x-api-key"},
    }


def test_a_readable_secret_that_becomes_bound_gets_the_header_of_the_manifest() -> None:
    held = canonical([], [], {"KEY": []}, {}, {})

    carried = carried_over(held, with_header("x-api-key"))

    assert (carried.secrets, carried.secret_headers) == ((("KEY", ("a.example",)),), (("KEY", "x-api-key"),))
    assert difference(manifest(secrets=[{"name": "KEY"}]), with_header("x-api-key")) == {}


# Limits, exactly and one beyond


@pytest.mark.parametrize(
    ("asked", "name", "largest"),
    [
        ({}, "timeout_ms", 29_000),
        ({}, "memory_mb", 4_096),
        ({"timeout_ms": 1_000, "memory_mb": 64}, "timeout_ms", 1_000),
        ({"timeout_ms": 1_000, "memory_mb": 64}, "memory_mb", 64),
    ],
    ids=str,
)
def test_a_limit_is_granted_from_one_to_what_is_asked(asked: dict[str, int], name: str, largest: int) -> None:
    version = manifest(limits=asked)

    for value in (1, largest):
        assert decide(version, {"limits": {name: value}}).limits == ((name, value),)
    for value in (0, -1, largest + 1):
        with pytest.raises(PlatformError, match=f"limit {name} must be from 1 to {largest}"):
            decide(version, {"limits": {name: value}})


@pytest.mark.parametrize(
    ("held", "asked", "carried"),
    [
        ({"timeout_ms": 500, "memory_mb": 32}, {}, {"timeout_ms": 500, "memory_mb": 32}),
        ({"timeout_ms": 29_000, "memory_mb": 4_096}, {}, {"timeout_ms": 29_000, "memory_mb": 4_096}),
        ({"timeout_ms": 29_001, "memory_mb": 4_097}, {}, {"timeout_ms": 29_000, "memory_mb": 4_096}),
        ({"timeout_ms": 5, "memory_mb": 64}, {"timeout_ms": 4, "memory_mb": 48}, {"timeout_ms": 4, "memory_mb": 48}),
        ({"timeout_ms": 5, "memory_mb": 64}, {"timeout_ms": 6, "memory_mb": 96}, {"timeout_ms": 5, "memory_mb": 64}),
        ({}, {"timeout_ms": 600, "memory_mb": 96}, {}),
        ({"fuel": 5}, {}, {}),
    ],
    ids=str,
)  # fmt: skip
def test_other_code_keeps_the_lower_of_both_limits(
    held: dict[str, int], asked: dict[str, int], carried: dict[str, int]
) -> None:
    assert dict(carried_over(canonical([], [], {}, held, {}), manifest(limits=asked)).limits) == carried


@pytest.mark.parametrize("name", ["timeout_ms", "memory_mb"])
def test_only_a_higher_limit_is_a_difference(name: str) -> None:
    old = manifest(limits={name: 100})

    assert difference(old, manifest(limits={name: 101})) == {"limits": {name: {"from": 100, "to": 101}}}
    assert difference(old, manifest(limits={name: 100})) == {}
    assert difference(old, manifest(limits={name: 99})) == {}
    assert difference(manifest(), old) == {"limits": {name: {"from": None, "to": 100}}}
    assert difference(manifest(), manifest(limits={name: 1})) == {"limits": {name: {"from": None, "to": 1}}}


@pytest.mark.parametrize("name", ["capabilities", "egress"])
def test_a_list_may_have_two_hundred_entries(name: str) -> None:
    value = {"capabilities": "secrets.get", "egress": "api.example.com"}[name]

    assert code_of(lambda: decide(ASKED, {name: [value] * 200})) is None
    with pytest.raises(PlatformError, match=f"{name} has more than 200 entries"):
        decide(ASKED, {name: [value] * 201})


def test_the_hosts_of_a_secret_may_be_two_hundred() -> None:
    assert code_of(lambda: decide(ASKED, {"secrets": {"BOUND": ["api.example.com"] * 200}})) is None


@pytest.mark.parametrize("name", ["secrets", "limits"])
def test_the_names_in_a_grant_are_counted_before_they_are_judged(name: str) -> None:
    with pytest.raises(PlatformError) as refused:
        decide(ASKED, {name: {f"N{number}": [] for number in range(201)}})
    assert refused.value.detail == f"The grants cannot be given: {name} has more than 200 entries."


def test_at_most_ten_faults_are_told() -> None:
    with pytest.raises(PlatformError) as refused:
        decide(ASKED, {"egress": [f"{name}.evil.com" for name in "abcdefghijkl"]})
    assert refused.value.detail.count("is not within") == 10


def test_every_fault_of_a_grant_is_told_at_once() -> None:
    named = {"capabilities": ["storage.kv"], "egress": ["evil.com"], "secrets": {"OTHER": []}, "limits": {"fuel": 1}}

    with pytest.raises(PlatformError) as refused:
        decide(ASKED, named)
    for part in ("cap:storage.kv", "evil.com", "secret OTHER", "limit fuel"):
        assert part in refused.value.detail


@pytest.mark.parametrize(
    ("held", "asked", "carried"),
    [
        (["a.example"], ["a.example", "b.example"], ["a.example"]),
        (["b.example"], ["a.example", "b.example"], ["b.example"]),
        (["a.example", "b.example"], ["b.example"], ["b.example"]),
        (["x.c.example"], ["a.example", "*.c.example"], ["x.c.example"]),
    ],
)
def test_a_bound_secret_keeps_the_hosts_that_one_of_those_asked_for_allows(
    held: list[str], asked: list[str], carried: list[str]
) -> None:
    after = manifest(egress=asked, secrets=[{"name": "KEY", "hosts": asked}])

    found = carried_over(canonical([], held, {"KEY": held}, {}, {}), after)

    assert (list(found.egress), found.secrets_document()) == (carried, {"KEY": carried})


# The difference, by each of its parts


@pytest.mark.parametrize(
    ("old", "new", "widened"),
    [
        ([], ["a.example"], False),
        ([], [], False),
        (["a.example"], [], True),
        (["a.example"], ["a.example"], False),
        (["*.c.example"], ["x.c.example"], False),
        (["x.c.example"], ["*.c.example"], True),
        (["a.example"], ["a.example", "b.example"], True),
        (["a.example", "b.example"], ["b.example"], False),
    ],
)
def test_a_secret_is_a_difference_when_it_may_go_further(old: list[str], new: list[str], widened: bool) -> None:
    before, after = (manifest(secrets=[{"name": "KEY", "hosts": bound}]) for bound in (old, new))

    assert difference(before, after) == ({"secrets": {"KEY": sorted(new)}} if widened else {})


def test_a_new_secret_is_a_difference_although_another_was_readable() -> None:
    before = manifest(secrets=[{"name": "A"}])
    after = manifest(secrets=[{"name": "A"}, {"name": "B", "hosts": ["b.example"]}])

    assert difference(before, after) == {"secrets": {"B": ["b.example"]}}


def test_a_capability_that_is_asked_for_without_a_purpose_is_a_difference() -> None:
    asked = [{"name": "storage.kv", "purpose": "keeps notes"}, "secrets.get"]

    assert difference(manifest(), manifest(capabilities=asked)) == {
        "capabilities": {"cap:secrets.get": "", "cap:storage.kv": "keeps notes"}
    }


def test_a_stored_grant_set_reads_back() -> None:
    granted = canonical(["storage.kv"], ["a.example"], {"KEY": ["a.example"]}, {"memory_mb": 64}, {"KEY": "x-key"})
    document = {f"granted_{name}": value for name, value in granted.document().items()}

    assert stored(document) == granted


def test_the_hash_of_a_grant_set_is_that_of_its_json() -> None:
    """The hash is in execution tokens and records, so it must not change with the code."""
    granted = canonical(["storage.kv"], ["a.example"], {"KEY": ["a.example"]}, {"memory_mb": 64}, {})

    text = json.dumps(granted.document(), sort_keys=True, separators=(",", ":"))
    assert granted.hash == hashlib.sha256(text.encode()).hexdigest()
    assert '"egress":["a.example"],"limits":{"memory_mb":64},"secrets":{"KEY":["a.example"]}' in text


def test_configured_hosts_are_pinned_and_all_that_cannot_be_are_refused_at_once() -> None:
    rules = ["api.example.com", "config:base", "config:other"]
    granted = canonical([], rules, {"KEY": ["config:base"]}, {}, {})
    config = {"base": "https://a.example.com/v1", "other": "https://b.example.com"}

    found = with_hosts(granted, config)

    assert found.egress == ("api.example.com", "config:base=a.example.com", "config:other=b.example.com")
    assert found.secrets == (("KEY", ("config:base=a.example.com",)),)
    with pytest.raises(PlatformError, match=r"grants_invalid.*configuration base.*configuration other") as refused:
        with_hosts(granted, {"base": "localhost", "other": "http://b.example.com"})
    assert refused.value.detail.count("configuration base") == 1
