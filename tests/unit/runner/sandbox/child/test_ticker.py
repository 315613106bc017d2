"""The child's clock: a deadline holds however late its ticks come."""

import time

import pytest
from wasmtime import Engine, Func, Instance, Module, Store, Trap

from functions.runner.sandbox.child.ticker import Ticker
from functions.runner.sandbox.protocol import abi

SPIN = '(module (func (export "spin") (loop $again (br $again))))'


def spinning(engine: Engine, ticks: int) -> tuple[Store, Func]:
    store = Store(engine)
    store.set_fuel(1 << 62)
    store.set_epoch_deadline(ticks)
    spin = Instance(store, Module(engine, SPIN), []).exports(store)["spin"]
    assert isinstance(spin, Func)
    return store, spin


def test_a_spin_ends_soon_after_its_deadline_though_every_tick_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted alone, fifty ticks of a fifth of a second would take ten seconds."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds * 20))
    engine = abi.make_engine()
    ticker = Ticker(engine, lambda: False)
    begun = time.monotonic_ns()
    deadline_ns = begun + 500_000_000
    store, spin = spinning(engine, Ticker.ticks_until(deadline_ns))
    ticker.arm(deadline_ns)

    with pytest.raises(Trap):
        spin(store)

    ticker.disarm()
    assert 0.5 <= (time.monotonic_ns() - begun) / 1e9 < 2.0
