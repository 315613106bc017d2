"""How long a list of withdrawn bundles may be used."""

import pytest

from alga_ext.settings import Settings, SettingsError
from alga_ext.trust.list_lifetime import MAX_LIFETIME_S, MIN_LIFETIME_S, REFRESH_S, LifetimeSetting


class Example(Settings, frozen=True, kw_only=True):
    lifetime_s: LifetimeSetting


def test_the_ui_host_reads_every_thirty_seconds_and_a_list_lives_for_ten_reads_to_a_day() -> None:
    assert (REFRESH_S, MIN_LIFETIME_S, MAX_LIFETIME_S) == (30.0, 300, 86_400)


@pytest.mark.parametrize("seconds", [300, 301, 3_600, 86_400])
def test_the_lifetime_of_a_list_is_five_minutes_to_a_day(seconds: int) -> None:
    assert Example.read({"LIFETIME_S": str(seconds)}).lifetime_s == seconds


@pytest.mark.parametrize("seconds", [-300, 0, 299, 86_401])
def test_a_list_that_lives_shorter_or_longer_is_refused(seconds: int) -> None:
    with pytest.raises(SettingsError, match=f"it is {seconds} seconds, but must be 300 to 86400"):
        Example.read({"LIFETIME_S": str(seconds)})
