"""What lies around a runner: the suite makes it before the runner starts, or is told where it is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alga_ext.trust.signing import LocalSigner
from tests.conformance.installs import Installs
from tests.conformance.local import LocalRunner, providers_from
from tests.conformance.outside import Outside
from tests.conformance.port import RunnerPort
from tests.conformance.vault import KeptKeys, Vault
from tests.support.fake_application import TOKEN, FakeApplication
from tests.support.tls import Authority

LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True)
class Surroundings:
    """A runner and its world. What is None cannot be had; the cases that need it are skipped.

    Attributes:
        runner: the runner under test.
        installs: makes installs in the runner's database.
        vault: seals secrets that the runner can open.
        outside: a plain HTTP server that the runner may reach.
        secure: an HTTPS server with a certificate that the runner trusts for its name.
        stranger: an HTTPS server with a certificate of an authority that nobody knows.
        host: the host application behind ``ui-proxy``.
        records: the host application behind ``clients``, ``services`` and ``invoicing``.
    """

    runner: RunnerPort
    installs: Installs | None
    vault: Vault | None
    outside: Outside | None
    secure: Outside | None
    stranger: Outside | None
    host: Outside | None
    records: FakeApplication | None


@contextmanager
def local_surroundings(folder: Path, runner_database: str, owner_database: str) -> Iterator[Surroundings]:
    """Start everything in this process around a ``LocalRunner``.

    Args:
        folder: for certificates and artifacts.
        runner_database: the database as the runner's role.
        owner_database: the same as a role that may write every table.
    """
    authority, unknown = Authority(folder / "authority"), Authority(folder / "unknown")
    with ExitStack() as stack:

        def opened(made: Any, close: Callable[[], None] | None = None) -> Any:
            stack.callback(close or made.close)
            return made

        outside = opened(Outside())
        secure = opened(Outside(tls=authority.server_context("localhost")))
        stranger = opened(Outside(tls=unknown.server_context("localhost")))
        host = opened(Outside())
        records = opened(FakeApplication(install=None))
        installs = opened(Installs(owner_database))
        vault = Vault(KeptKeys())
        providers = stack.enter_context(
            providers_from(
                {
                    "DATABASE_URL": runner_database,
                    "UI_PROXY_BASE_URL": host.url,
                    "UI_PROXY_AUTH_TOKEN": TOKEN,
                    "HOST_API_BASE_URL": records.url,
                    "HOST_API_AUTH_TOKEN": TOKEN,
                    "UI_PROXY_SIGNING_KEY": LocalSigner.generate().private_pem,
                    "EGRESS_PRIVATE_NETWORKS": LOOPBACK,
                    "EGRESS_CA_BUNDLE": str(folder / "authority" / "ca.pem"),
                }
            )
        )
        runner = opened(LocalRunner(folder / "artifacts", providers, vault.sealer))
        yield Surroundings(runner, installs, vault, outside, secure, stranger, host, records)
