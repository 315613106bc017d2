"""Which of a process's mappings are linear memories."""

import os

import pytest
import wasmtime

from functions.runner.sandbox.child import measure
from functions.runner.sandbox.child.measure import Meter, linear_memories_in, peak_bytes_of, resident_bytes_of
from functions.runner.sandbox.protocol import abi

PAGE = 64 * 1024
MAPS = b"""\
5649b7a8e000-5649b890b000 rw-p 00000000 00:00 0                          [heap]
7f5bf4000000-7f5bf6000000 ---p 00000000 00:00 0
7f5bf6000000-7f5bf6010000 rw-p 00000000 00:00 0
7f5bf6010000-7f5dfe000000 ---p 00000000 00:00 0
7f5dfe000000-7f5dfe001000 rw-p 00000000 00:01 280                        /memfd:wasm-memory-image (deleted)
7f5dfe001000-7f5dfe660000 rw-p 00000000 00:00 0
7f5dfe660000-7f5f00000000 ---p 00000000 00:00 0
7f5f00000000-7f5f00022000 rw-p 00000000 00:00 0
7f5f00022000-7f5f04000000 ---p 00000000 00:00 0
7f5f05000000-7f5f05001000 r-xp 00000000 00:00 0
"""
"""A memory of one page, an empty one, one of 102 pages with an initial image, and a thread's heap."""


def test_memories_are_told_from_heaps() -> None:
    assert linear_memories_in(MAPS) == [PAGE, 102 * PAGE]


def test_a_writable_mapping_apart_from_what_is_reserved_is_no_memory() -> None:
    assert linear_memories_in(MAPS.replace(b"7f5bf6010000-7f5dfe000000", b"7f5bf6020000-7f5dfe000000")) == [102 * PAGE]


def test_no_mappings_are_no_memories() -> None:
    assert linear_memories_in(b"") == []


def test_the_memories_of_an_engine_are_found_with_their_sizes() -> None:
    engine = abi.make_engine()
    module = wasmtime.Module(engine, '(module (memory (export "m") 2) (memory 7) (memory 0) (data (i32.const 0) "x"))')
    store = wasmtime.Store(engine)
    store.set_fuel(1_000_000)
    store.set_epoch_deadline(1_000)
    memory = wasmtime.Instance(store, module, []).exports(store)["m"]
    assert isinstance(memory, wasmtime.Memory)
    memory.grow(store, 100)
    assert sorted(Meter().linear_memories())[-2:] == [7 * PAGE, 102 * PAGE]


def test_a_process_that_does_not_exist_has_no_memory() -> None:
    assert (resident_bytes_of(2**22 + 1), peak_bytes_of(2**22 + 1)) == (0, 0)


def test_the_peak_of_a_process_is_not_below_what_is_resident() -> None:
    assert 0 < resident_bytes_of(os.getpid()) <= peak_bytes_of(os.getpid())


def test_where_the_process_cannot_be_read_there_are_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_open", lambda _path, _flags: None)
    meter = Meter()
    figures = (meter.writable_bytes(), meter.reset_peak(), meter.peak_bytes(), meter.linear_memories())
    assert (meter.complete, figures) == (False, (0, 0, 0, []))
