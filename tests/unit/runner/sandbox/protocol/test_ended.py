"""What is known of a child that ended, when nothing but the reason is given."""

from functions.runner.sandbox.protocol.ended import Ended


def test_an_end_without_figures_has_no_signal_no_timeout_and_used_nothing() -> None:
    ended = Ended("it closed its end")

    assert (ended.signal_number, ended.timed_out, ended.cpu_ns, ended.memory_peak_bytes) == (0, False, 0, 0)


def test_a_log_of_the_exception_has_the_reason() -> None:
    assert (str(Ended("it closed its end")), Ended("late").reason) == ("it closed its end", "late")
