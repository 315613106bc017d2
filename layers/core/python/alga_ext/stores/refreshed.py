"""Keep what a function built from its settings, and build it again when a secret that they refer to has changed."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Final, Generic, TypeVar

from alga_ext.settings import PAGE, SettingsError
from alga_ext.stores.secret_references import read_values, references_in

_TTL_NAME: Final = "SECRETS_TTL_S"
_TTL_S: Final = 300
_LONGEST_TTL_S: Final = 86_400
_DIGITS: Final = re.compile(r"[0-9]{1,6}")
_RETRY_S: Final = 30
"""How long after a failed reading the secrets are read again."""

Built = TypeVar("Built")


def _keep_open(_: object) -> None:
    """Close nothing."""


class Refreshed(Generic[Built]):
    """The services of one function, which handles one invocation at a time.

    Args:
        service: name of the function in its logs.
        environ: the environment variables. A value may be a reference (``secret_references``). ``SECRETS_TTL_S`` says
            for how many seconds the values are used before they are read again.
        build: makes the services from variables without references. It also gets the services that the new ones
            replace; at the start, None.
        close: ends the connections and processes of services that were replaced.
        now_s: the wall clock in epoch seconds. A monotonic clock does not count the time during which a function's
            snapshot is stored.

    Raises:
        SettingsError: a secret cannot be read, or ``build`` raised it.
    """

    def __init__(
        self,
        service: str,
        environ: Mapping[str, str],
        build: Callable[[Mapping[str, str], Built | None], Built],
        close: Callable[[Built], None] = _keep_open,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._service = service
        self._environ = environ
        self._build = build
        self._close = close
        self._now_s = now_s
        self._ttl_s = _ttl_s(environ)
        self._references = references_in(environ)
        self._values: dict[str, str] = {}
        self._read_at_s, self._due_s = now_s(), now_s() + self._ttl_s
        if self._references:
            self._values = read_values(environ, self._references, attempts=2)
        self._built = build({**environ, **self._values} if self._references else environ, None)
        self._has_served = False

    def current(self) -> Built:
        """Return the services. Call this at the beginning of each invocation.

        When the secrets are due, they are read again. If one has changed, new services are built and the old ones are
        closed. If this fails, the old services stay in use, a warning is logged, and it is tried again after
        ``_RETRY_S`` seconds. The first call counts as the function's cold start.
        """
        if not self._has_served:
            self._has_served = True
            self._count_start()
        if self._references:
            now_s = self._now_s()
            if not self._read_at_s <= now_s < self._due_s:  # it is before the reading when the clock was set back
                self._refresh(now_s)
        return self._built

    def _count_start(self) -> None:
        from alga_ext.platform_metrics import COLD_STARTS  # every function has loaded both by now
        from alga_ext.telemetry import emit

        emit(self._service, {COLD_STARTS: 1}, function=self._service)

    def _refresh(self, now_s: float) -> None:
        self._read_at_s, self._due_s = now_s, now_s + min(_RETRY_S, self._ttl_s)
        try:
            values = read_values(self._environ, self._references, attempts=1)
            changed = sorted(name for name, value in values.items() if value != self._values[name])
            if changed:
                self._replace(values)
                self._log("settings have changed in Secrets Manager", names=changed)
        except SettingsError as error:
            self._log("settings could not be read again; the old ones stay in use", failed=True, reason=str(error))
        except Exception as error:  # noqa: BLE001 - whatever fails, the services that work now must not be lost
            reason = type(error).__name__  # its text may contain a value
            self._log("settings could not be applied; the old ones stay in use", failed=True, reason=reason)
        else:
            self._due_s = now_s + self._ttl_s

    def _replace(self, values: dict[str, str]) -> None:
        old = self._built
        self._built = self._build({**self._environ, **values}, old)
        self._values = values
        self._close(old)

    def _log(self, message: str, *, failed: bool = False, **extra: object) -> None:
        from alga_ext.telemetry import logger  # seldom needed, and not free to load

        log = logger(self._service)
        (log.warning if failed else log.info)(message, extra=extra)


def _ttl_s(environ: Mapping[str, str]) -> int:
    text = environ.get(_TTL_NAME) or str(_TTL_S)
    if not (_DIGITS.fullmatch(text) and 1 <= int(text) <= _LONGEST_TTL_S):
        message = f"The settings are not valid; see {PAGE}#values-in-secrets-manager.\n  {_TTL_NAME}: "
        message += f"it is not a number of seconds from 1 to {_LONGEST_TTL_S}"
        raise SettingsError(message)
    return int(text)
