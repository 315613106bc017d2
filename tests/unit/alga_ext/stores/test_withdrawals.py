"""How long a withdrawn version may still run: no longer than the marker's absence is believed."""

from functools import partial

from alga_ext.ids import ContentHash, sha256_hex
from alga_ext.stores import object_keys
from alga_ext.stores.withdrawals import Withdrawals
from tests.support.memory_store import MemoryObjectStore
from tests.support.refusals import code_of

HASH = ContentHash("sha256:" + "ab" * 32)


class Counting(MemoryObjectStore):
    """A store that counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def size(self, key: str) -> int | None:
        self.asked += 1
        return super().size(key)


def test_the_store_is_asked_once_a_lifetime() -> None:
    store = Counting()
    withdrawals = Withdrawals(store, lifetime_s=30)

    for now_s in (100.0, 110.0, 129.9, 130.0, 159.9):
        withdrawals.check(HASH, now_s)

    assert store.asked == 2


def test_a_withdrawal_is_seen_at_the_next_look_and_for_ever() -> None:
    store = Counting()
    withdrawals = Withdrawals(store, lifetime_s=30)
    withdrawals.check(HASH, 100.0)
    store.put_new(object_keys.withdrawal(sha256_hex(HASH)), b"{}", "application/json")

    assert code_of(lambda: withdrawals.check(HASH, 129.0)) is None
    for now_s in (130.0, 131.0, 9_999.0):
        assert code_of(partial(withdrawals.check, HASH, now_s)) == "version_withdrawn"


def test_another_bundle_is_not_withdrawn_with_it() -> None:
    store = Counting()
    store.put_new(object_keys.withdrawal(sha256_hex(HASH)), b"{}", "application/json")

    assert code_of(lambda: Withdrawals(store).check(ContentHash("sha256:" + "cd" * 32), 0.0)) is None


def test_only_so_many_bundles_are_remembered() -> None:
    withdrawals = Withdrawals(Counting(), capacity=10)
    for number in range(50):
        withdrawals.check(ContentHash(f"sha256:{number:064x}"), 0.0)

    assert len(withdrawals._clear_until) == 10
