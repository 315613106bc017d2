"""Topics, and the subscriptions that reach them."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.bundles.manifest_patterns import TOPIC
from alga_ext.calls.topics import PLATFORM_TOPICS, is_topic, subscribed_as

TOPICS = st.from_regex(r"[a-c](\.?[a-c]){0,5}", fullmatch=True)


@pytest.mark.parametrize("name", ["a", "A.b_c-d", "0", "a" * 128, *PLATFORM_TOPICS])
def test_a_topic_has_this_form(name: str) -> None:
    assert is_topic(name)
    assert re.fullmatch(TOPIC, name)


@pytest.mark.parametrize("name", ["", ".a", "a b", "a*", "ä", "a\n", "a" * 129])
def test_another_text_is_not_a_topic(name: str) -> None:
    assert not is_topic(name)


def test_a_topic_is_reached_by_itself_and_by_every_wildcard_above_it() -> None:
    assert subscribed_as("a.b.c") == ["a.b.c", "a.b.*", "a.*"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TOPICS, TOPICS)
def test_a_wildcard_reaches_exactly_the_topics_that_begin_with_it(topic: str, above: str) -> None:
    assert (f"{above}.*" in subscribed_as(topic)) == (topic.startswith(f"{above}.") and len(topic) > len(above) + 1)
