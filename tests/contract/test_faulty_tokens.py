"""Each row of the table of faulty tokens (docs/reference/gateway.md), sent to a gateway of a local platform."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from tests.conftest import Databases
from tests.support.gateway_front import INSTALL, Front, gateway_front, give_installs
from tests.support.reference_pages import sections
from tests.support.tokens import HostKey, key_set_of

HOST: Final = HostKey.ed25519()
OTHER: Final = HostKey.p256()
STRANGER: Final = HostKey.ed25519()
HEADER: Final = {"alg": "EdDSA", "kid": "host", "typ": "at+jwt"}
SETTINGS: Final = {
    "AUTH_JWKS": key_set_of(HOST.jwk(kid="host"), OTHER.jwk(kid="other")),
    "AUTH_ISSUER": "https://host.example",
    "AUTH_AUDIENCE": "extensions",
}
ABSENT: Final = object()


def claims(**changed: Any) -> dict[str, Any]:
    """The claims of a good token, with some changed or left out (``ABSENT``)."""
    now_s = int(time.time())
    good = {
        "sub": "ann",
        "iss": "https://host.example",
        "aud": "extensions",
        "iat": now_s,
        "exp": now_s + 600,
        "tenant_id": "tenant-a",
        "roles": ["tenant_user"],
    }
    return {name: value for name, value in {**good, **changed}.items() if value is not ABSENT}


def bearer(key: HostKey = HOST, header: Mapping[str, Any] = {}, **changed: Any) -> dict[str, str]:
    token = key.token({name: v for name, v in {**HEADER, **header}.items() if v is not ABSENT}, claims(**changed))
    return {"authorization": f"Bearer {token}"}


def altered() -> dict[str, str]:
    token = bearer()["authorization"]
    return {"authorization": token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")}


FAULTS: Final[Mapping[str, Callable[[], dict[str, str]]]] = {
    "no `authorization` header, or no bearer token in it": lambda: {"authorization": "Basic YTpi"},
    "not a JWT in compact form": lambda: {"authorization": "Bearer abc"},
    "signed by another key": lambda: bearer(STRANGER),
    "changed after it was signed": altered,
    "`kid` is not in the key set": lambda: bearer(header={"kid": "old"}),
    "no `kid`, and the key set has several keys": lambda: bearer(header={"kid": ABSENT}),
    "`alg` is not the key's": lambda: bearer(header={"alg": "RS256"}),
    "`typ` is of another purpose": lambda: bearer(header={"typ": "logout+jwt"}),
    "`crit` or `b64` in the header": lambda: bearer(header={"crit": ["exp"]}),
    "no `sub`": lambda: bearer(sub=ABSENT),
    "`sub` is not a text": lambda: bearer(sub=5),
    "`sub` is empty, too long, or has a control character": lambda: bearer(sub=""),
    "`sub` is `system:event` or `system:schedule`": lambda: bearer(sub="system:event"),
    "no `iss`": lambda: bearer(iss=ABSENT),
    "`iss` is not `AUTH_ISSUER`": lambda: bearer(iss="https://other.example"),
    "no `aud`": lambda: bearer(aud=ABSENT),
    "`aud` is not `AUTH_AUDIENCE`, and no list that has it": lambda: bearer(aud=["another"]),
    "no `iat`": lambda: bearer(iat=ABSENT),
    "`iat` is later than now": lambda: bearer(iat=int(time.time()) + 60),
    "`nbf` is later than now": lambda: bearer(nbf=int(time.time()) + 60),
    "no `exp`": lambda: bearer(exp=ABSENT),
    "`exp` has passed": lambda: bearer(exp=int(time.time()) - 31),
    "`tenant_id` has another form": lambda: bearer(tenant_id="tenant a"),
    "no `tenant_id`": lambda: bearer(tenant_id=ABSENT),
    "`x-alga-tenant` or `x-tenant-id` names another tenant": lambda: {**bearer(), "x-alga-tenant": "tenant-b"},
    "no role in `roles` that allows the method": lambda: bearer(roles=ABSENT),
}


def rows() -> dict[str, list[str]]:
    """The table's rows by fault: answer, ``detail``, ``token.reason``."""
    lines = sections("gateway.md", "###")["Faults of a token"].splitlines()
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line.startswith("| ")]
    return {fault: rest for fault, *rest in cells[1:]}


@pytest.fixture
def front(databases: Databases, aws: str) -> Iterator[Front]:
    give_installs(databases, "tenant-a")
    with gateway_front(databases.gateway, EXPLAIN_FAILURES="true", **SETTINGS) as made:
        yield made


def answer(front: Front, headers: Mapping[str, str], address: str) -> tuple[int, dict[str, Any]]:
    """Call an extension; each call comes from an address of its own, because addresses that only fail are refused."""
    http = {"method": "GET", "sourceIp": address}
    event = {
        "rawPath": f"/api/ext/{INSTALL}/notes",
        "headers": dict(headers),
        "requestContext": {"requestId": "r-1", "http": http},
    }
    sent = front.gateway.answer(event)
    return sent["statusCode"], json.loads(sent["body"]) if sent["statusCode"] >= 400 else {}


def test_a_token_without_fault_is_accepted(front: Front) -> None:
    assert answer(front, bearer(), "10.0.1.1") == (200, {})


def test_each_fault_gets_what_its_row_says(front: Front) -> None:
    """One gateway for all faults: making one costs a second."""
    found: dict[str, list[str]] = {}
    for number, (fault, headers) in enumerate(FAULTS.items()):
        status, problem = answer(front, headers(), f"10.0.2.{number}")
        reason = problem.get("token", {}).get("reason", "")
        found[fault] = [f"{status} `{problem['code']}`", problem["detail"], reason]

    assert found == rows()


def test_a_deployment_gives_no_reason(databases: Databases, aws: str) -> None:
    with gateway_front(databases.gateway, **SETTINGS) as front:
        _, problem = answer(front, bearer(STRANGER), "10.0.3.1")

    assert "token" not in problem
