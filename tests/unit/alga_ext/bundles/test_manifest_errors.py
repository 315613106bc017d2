"""What the author of a manifest is told, from the errors of the model."""

from typing import Any

import pytest

from alga_ext.bundles.manifest import Manifest, parse_manifest
from alga_ext.bundles.manifest_errors import explain, suggestion
from alga_ext.errors import PlatformError
from tests.support.manifests import encoded, server_document


def told(**members: Any) -> str:
    """What is wrong with a manifest that has these members."""
    with pytest.raises(PlatformError) as refused:
        parse_manifest(encoded(server_document(**members)))
    return refused.value.detail.removeprefix("manifest.json: ")


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"title": 5}, "title: must be text in quotes."),
        ({"secrets": {}}, "secrets: must be a list."),
        ({"precompiled": []}, "precompiled: must be an object."),
        ({"limits": []}, "limits: must be an object."),
        ({"limits": {"timeout_ms": "5"}}, "limits.timeout_ms: must be a whole number, without quotes."),
        ({"limits": {"timeout_ms": 5.5}}, "limits.timeout_ms: must be a whole number, without quotes."),
        ({"limits": {"timeout_ms": 30_000}}, "limits.timeout_ms: must be at most 29000; this is 30000."),
        ({"limits": {"memory_mb": 0}}, "limits.memory_mb: must be at least 1; this is 0."),
        ({"secrets": [{}]}, "secrets.0.name: is missing."),
        ({"secrets": [{"name": "A", "required": 1}]}, "secrets.0.required: must be true or false, without quotes."),
        ({"capabilites": []}, "capabilites: unknown member; did you mean 'capabilities'?"),
        ({"api": {"endpoint": []}}, "api.endpoint: unknown member; did you mean 'endpoints'?"),
        ({"limits": {"cpu": 1}}, "limits.cpu: unknown member; known are memory_mb, timeout_ms."),
        ({"secrets": [{"name": "A", "entry": ""}]}, "secrets.0.entry: unknown member; known are "),
        ({"ui": {"type": "iframe", "entry": "ui/a.html", "hooks": {"appMenu": {"label": "x", "labl": "x"}}}},
         "ui.hooks.appMenu.labl: unknown member; did you mean 'label'?"),
        ({"publisher": "A B"}, "publisher: must be 1 to 63 lower-case letters, digits or hyphens."),
        ({"egress": ["*"]}, "egress: '*' is not an egress host; write host, host:port, *.host or http://host, never a "
         "bare '*'."),
        ({"events": [{"topic": "a", "handler": "x"}]}, "events.0.handler: must begin with '/'."),
        ({"x" * 300: 1}, f"{'x' * 200}: unknown member; known are "),
        ({"runtime": None}, "runtime: an extension needs a 'runtime' (server handlers), a 'ui', or both."),
    ],
)  # fmt: skip
def test_an_error_has_its_place_and_says_what_to_write(members: dict[str, Any], said: str) -> None:
    assert told(**members).startswith(said)


def test_a_wrong_number_is_shown_up_to_forty_digits() -> None:
    fault = {"loc": ("limits", "memory_mb"), "type": "less_than_equal", "ctx": {"le": 4096}, "input": 10**60}

    assert explain(fault, Manifest) == f"limits.memory_mb: must be at most 4096; this is 1{'0' * 39}"


@pytest.mark.parametrize(("place", "said"), [(("a", 0), "a.0: "), ((), "")])
def test_any_other_error_is_told_in_at_most_300_characters(place: tuple[str | int, ...], said: str) -> None:
    fault = {"loc": place, "type": "value_error", "msg": "Value error, " + "m" * 301}

    assert explain(fault, Manifest) == said + "m" * 300


def test_the_nearest_of_several_names_is_suggested() -> None:
    known = {"storage.kw": "cap:storage.kw", "storage.kv": "cap:storage.kv"}

    assert suggestion("storage.k", known).startswith("did you mean 'cap:storage.k")
    assert suggestion("storage.kv2", known) == "did you mean 'cap:storage.kv'?"
    assert suggestion("zzz", known) == "known are cap:storage.kv, cap:storage.kw"
