"""Services are built anew when a secret has changed, and stay as they are when it cannot be read."""

import json
import logging
from collections.abc import Iterator, Mapping

import pytest

from alga_ext.settings import SettingsError
from alga_ext.stores.refreshed import Refreshed
from alga_ext.telemetry import PARENT
from tests.support.answering import Reply
from tests.support.emitted import by_dimension
from tests.support.secrets_manager import SecretsManager, reference, secrets_manager

NAME = f"{PARENT.name}.test"


class Built:
    """What a function builds: the value of its setting, and whether it is closed."""

    def __init__(self, value: str, previous: "Built | None") -> None:
        if value == "does not fit":
            raise SettingsError("KEY: it is not valid")
        if value == "breaks":
            raise ZeroDivisionError("secret-word")
        self.value = value
        self.previous = previous
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def build(environ: Mapping[str, str], previous: Built | None) -> Built:
    return Built(environ["KEY"], previous)


class Function:
    """A function with one reference, at a time that the test sets."""

    def __init__(self, server: SecretsManager, **environ: str) -> None:
        self.server = server
        self.now_s = 1_000_000.0
        server.secrets["a"] = json.dumps({"key": "first"})
        environ = {**server.environment, "KEY": reference("a", "key"), "OTHER": "plain", **environ}
        self.refreshed = Refreshed("test", environ, build, Built.close, lambda: self.now_s)
        self.server.read.clear()

    def change(self, value: str) -> None:
        self.server.secrets["a"] = json.dumps({"key": value})

    def invoke(self, after_s: float = 0) -> str:
        """Begin an invocation and return the value that it uses."""
        self.now_s += after_s
        return self.refreshed.current().value

    @property
    def readings(self) -> int:
        return len(self.server.read)


@pytest.fixture
def function() -> Iterator[Function]:
    with secrets_manager() as server:
        yield Function(server)


def test_the_services_are_built_with_the_values(function: Function) -> None:
    assert function.invoke() == "first"


def test_plain_values_are_passed_as_they_are() -> None:
    seen: list[Mapping[str, str]] = []

    def keep(environ: Mapping[str, str], _: object) -> object:
        seen.append(environ)
        return environ

    environ = {"KEY": "plain"}
    Refreshed("test", environ, keep).current()

    assert seen == [environ]


def test_a_secret_is_not_read_again_before_its_time(function: Function) -> None:
    function.change("second")

    assert (function.invoke(after_s=299.9), function.readings) == ("first", 0)


def test_a_changed_secret_is_used_after_its_time(function: Function) -> None:
    function.change("second")

    assert (function.invoke(after_s=300), function.readings) == ("second", 1)


def test_the_time_can_be_set() -> None:
    with secrets_manager() as server:
        function = Function(server, SECRETS_TTL_S="10")
        function.change("second")

        assert [function.invoke(after_s=5) for _ in range(2)] == ["first", "second"]


def test_old_services_are_closed_and_known_to_the_new_ones(function: Function) -> None:
    old = function.refreshed.current()
    function.change("second")
    function.invoke(after_s=300)
    new = function.refreshed.current()

    assert (old.is_closed, new.previous, new.is_closed) == (True, old, False)


def test_an_unchanged_secret_changes_nothing(function: Function) -> None:
    old = function.refreshed.current()
    function.invoke(after_s=300)

    assert (function.refreshed.current(), old.is_closed, function.readings) == (old, False, 1)


def test_after_a_reading_the_time_begins_again(function: Function) -> None:
    readings = []
    for _ in range(4):
        function.invoke(after_s=200)
        readings.append(function.readings)

    assert readings == [0, 1, 1, 2]


def test_a_secret_that_cannot_be_read_leaves_the_old_value(function: Function) -> None:
    old = function.refreshed.current()
    function.server.failure = Reply(500)

    assert (function.invoke(after_s=300), old.is_closed) == ("first", False)


def test_a_failed_reading_is_repeated_after_30_seconds_and_not_at_each_call(function: Function) -> None:
    function.server.failure = Reply(500)
    readings = []
    for after_s in (300, 1, 28, 1, 1):
        function.invoke(after_s)
        readings.append(function.readings)

    assert readings == [1, 1, 1, 2, 2]


def test_a_failed_reading_of_short_lived_secrets_is_repeated_after_their_time() -> None:
    with secrets_manager() as server:
        function = Function(server, SECRETS_TTL_S="10")
        server.failure = Reply(500)
        readings = []
        for after_s in (10, 9, 1):
            function.invoke(after_s)
            readings.append(function.readings)

        assert readings == [1, 1, 2]


def test_after_a_failure_the_new_value_is_used(function: Function) -> None:
    function.server.failure = Reply(500)
    function.invoke(after_s=300)
    function.server.failure = None
    function.change("second")

    assert function.invoke(after_s=30) == "second"


@pytest.mark.parametrize("value", ["does not fit", "breaks"])
def test_a_value_that_cannot_be_used_leaves_the_old_services(function: Function, value: str) -> None:
    old = function.refreshed.current()
    function.change(value)

    assert (function.invoke(after_s=300), old.is_closed) == ("first", False)
    function.change("third")
    assert function.invoke(after_s=30) == "third"


def warnings(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == NAME and record.levelno >= logging.WARNING]


@pytest.mark.parametrize("value", ["does not fit", "breaks", None], ids=str)
def test_a_failure_is_one_warning_without_values(
    function: Function, value: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if value is None:
        function.server.failure = Reply(500, b"secret-word")
    else:
        function.change(value)
    for after_s in (300, 1, 1):
        function.invoke(after_s)

    (warning,) = warnings(caplog)
    assert (warning.levelno, "the old ones stay in use" in warning.getMessage()) == (logging.WARNING, True)
    assert not {"first", "secret-word", value} & {str(part) for part in vars(warning).values()}
    assert "secret-word" not in str(vars(warning))


def test_a_change_is_logged_with_the_names_only(function: Function, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger=NAME)
    function.change("second-value")
    function.invoke(after_s=300)

    (record,) = (record for record in caplog.records if record.name == NAME)
    assert (record.levelno, vars(record)["names"]) == (logging.INFO, ["KEY"])
    assert "second-value" not in str(vars(record))


def test_a_clock_that_was_set_back_does_not_keep_old_values(function: Function) -> None:
    function.change("second")

    assert function.invoke(after_s=-1) == "second"


def test_a_secret_that_cannot_be_read_at_the_start_fails_the_start() -> None:
    with secrets_manager() as server, pytest.raises(SettingsError, match="\n  KEY: Secrets Manager does not give"):
        Refreshed("test", {**server.environment, "KEY": reference("gone", "x")}, build)


def test_a_value_that_does_not_fit_fails_the_start() -> None:
    with secrets_manager(a="does not fit") as server, pytest.raises(SettingsError, match="KEY: it is not valid"):
        Refreshed("test", {**server.environment, "KEY": reference("a")}, build)


@pytest.mark.parametrize("text", ["0", "-1", "86401", "1.5", "5m", "9999999", "٣"])
def test_a_time_that_does_not_fit_fails_the_start(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Refreshed("test", {"KEY": "plain", "SECRETS_TTL_S": text}, build)

    assert "SECRETS_TTL_S: it is not a number of seconds from 1 to 86400" in str(refused.value)


@pytest.mark.parametrize("text", ["", "1", "86400"])
def test_a_time_that_fits_is_accepted(text: str) -> None:
    assert Refreshed("test", {"KEY": "plain", "SECRETS_TTL_S": text}, build).current().value == "plain"


def test_the_first_invocation_of_a_process_counts_as_its_cold_start(capsys: pytest.CaptureFixture[str]) -> None:
    services = Refreshed("gateway", {}, lambda environ, _: environ)
    assert by_dimension(capsys.readouterr().out, "ColdStarts") == {}
    for _ in range(3):
        services.current()

    assert by_dimension(capsys.readouterr().out, "ColdStarts") == {"gateway": 1}
