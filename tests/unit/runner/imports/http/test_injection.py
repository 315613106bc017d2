"""Placeholders for secrets: exactly three forms, each the whole value of a header."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.runner.imports.http.injection import Template, has_placeholder, template_of


@pytest.mark.parametrize(
    ("value", "template"),
    [
        ("{{secret:KEY}}", Template("", "KEY", False)),
        ("Bearer {{secret:KEY}}", Template("Bearer ", "KEY", False)),
        ("Basic {{secret:KEY|base64}}", Template("Basic ", "KEY", True)),
        ("{{ secret:a.b-c_1 }}", Template("", "a.b-c_1", False)),
    ],
)
def test_the_three_forms_are_templates(value: str, template: Template) -> None:
    assert template_of(value) == template


@pytest.mark.parametrize(
    "value",
    [
        "a={{secret:KEY}}", "{{secret:KEY}} ", " {{secret:KEY}}", "{{secret:KEY}}{{secret:KEY}}",
        "bearer {{secret:KEY}}",
        "Bearer  {{secret:KEY}}", "Token {{secret:KEY}}", "Basic {{secret:KEY}}", "Bearer {{secret:KEY|base64}}",
        "{{secret:KEY|base64}}", "{{secret:KEY|hex}}", "Basic {{secret:KEY|base64|base64}}", "{{secret:}}",
        "{{secret:KEY}",
        "{{secret:{{secret:KEY}}}}", "{{SECRET:KEY}}", "{{secret:KEY}}\n", "{{secret:A B}}", "x, {{secret:KEY}}",
    ],
)  # fmt: skip
def test_other_forms_are_placeholders_but_no_templates(value: str) -> None:
    assert has_placeholder(value)
    assert template_of(value) is None


@settings(max_examples=200, derandomize=True, deadline=None, database=None)
@given(before=st.text(max_size=8), after=st.text(max_size=8))
def test_a_template_is_the_whole_value(before: str, after: str) -> None:
    found = template_of(f"{before}{{{{secret:KEY}}}}{after}")
    assert (found is not None) == (after == "" and before in ("", "Bearer "))


def test_the_value_is_filled_in_as_it_is_or_as_base64() -> None:
    assert Template("Bearer ", "KEY", False).filled("a:b") == "Bearer a:b"
    assert Template("Basic ", "KEY", True).filled("a:b") == "Basic YTpi"


@pytest.mark.parametrize("value", ["{secret:KEY}", "{{KEY}}", "secret:KEY", "", "{{config:KEY}}"])
def test_other_texts_are_sent_as_they_are(value: str) -> None:
    assert not has_placeholder(value)
