"""When a release was published, as its record says."""

import pytest

from alga_ext.trust import releases
from tests.support.refusals import code_of


@pytest.mark.parametrize("text", ["yesterday", "2026-06-01", "2026-06-01T00:00:00"])
def test_a_record_without_an_instant_of_publication_is_refused(text: str) -> None:
    assert code_of(lambda: releases._instant(text)) == "release_integrity"
