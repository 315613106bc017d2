"""What pages say in numbers and names is what the code has."""

import re

import pytest

from alga_ext.bundles.manifest import CALL_TIMEOUT_LIMIT_MS, EVENT_TIMEOUT_LIMIT_MS
from alga_ext.edge.tokens import TokenVerifier
from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner, PublicKey
from functions.gateway import admission
from functions.gateway.headers import to_guest
from functions.gateway.settings import GatewaySettings
from functions.registry.publishing.bundle_contents import UI_FILE_LIMIT_BYTES
from functions.runner.settings import RunnerSettings
from tests.support.places import ROOT
from tools.cli.samples import TOKENS
from tools.local.keys import AUDIENCE, ISSUER, NAMES, TOKEN_LIFETIME_S
from tools.local.tokens import key_set, mint_token

DOCS = ROOT / "docs"
MIB = 1024 * 1024


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The cells of the table below a heading by its first column. An empty heading is the start of the page."""
    text = (DOCS / page).read_text()
    section = text.partition(f"## {heading}\n")[2] if heading else text
    table = re.search(r"(?:^\|.*\|\n)+", section, re.MULTILINE)
    assert table is not None
    cells = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.group().splitlines()]
    return {first: rest for first, *rest in cells[2:]}


# Tokens of the local platform

RUN_LOCALLY = (DOCS / "how-to/run-locally.md").read_text()
ISSUER_KEY = LocalSigner.generate()
VERIFIER = TokenVerifier(
    jwks=key_set({ISSUER_KEY.key_id: PublicKey.from_pem(ISSUER_KEY.public_pem).raw}),
    jwks_url="",
    issuer=ISSUER,
    audience=AUDIENCE,
)
CLAIMS = rows("how-to/run-locally.md", "Tokens")
REQUIRED = sorted(name for cell, rest in CLAIMS.items() if rest[0] == "always" for name in re.findall(r"`(\w+)`", cell))
COMPLETE = {"iss": ISSUER, "aud": AUDIENCE, "sub": "caller"}


def subject_of(claims: dict[str, object], without: str = "") -> str:
    """Who the verifier takes the caller for. ``without`` is a claim to leave out."""
    token = mint_token(ISSUER_KEY.raw, ISSUER_KEY.key_id, claims, lifetime_s=60)
    if without in ("iat", "exp"):
        token = mint_token(ISSUER_KEY.raw, ISSUER_KEY.key_id, {**claims, without: None}, lifetime_s=60)
    return VERIFIER.verify(f"Bearer {token}").subject


def test_a_token_with_the_claims_that_are_always_required_is_accepted() -> None:
    assert sorted([*COMPLETE, "iat", "exp"]) == REQUIRED
    sentence = re.search(r"A signed JWT with (.*?), of at most", (DOCS / "reference/gateway.md").read_text())
    assert sentence is not None
    assert sorted(re.findall(r"`(\w+)`", sentence.group(1))) == REQUIRED
    assert subject_of(dict(COMPLETE)) == "caller"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_token_without_a_required_claim_is_refused(name: str) -> None:
    claims: dict[str, object] = {claim: value for claim, value in COMPLETE.items() if claim != name}
    with pytest.raises(PlatformError, match="unauthenticated"):
        subject_of(claims, without=name)


def test_the_page_names_issuer_audience_lifetime_keys_and_variables() -> None:
    assert f"`iss` = `{ISSUER}` and `aud` = `{AUDIENCE}`" in RUN_LOCALLY
    assert TOKEN_LIFETIME_S == 8 * 3_600
    assert "A token is valid for eight hours." in RUN_LOCALLY
    assert "token-issuer" in NAMES
    assert "`.local/keys/token-issuer.pem`" in RUN_LOCALLY
    for name in TOKENS:
        assert f"`{name.upper().replace('-', '_')}`" in RUN_LOCALLY


# Defaults beside AlgaPSA's


def test_the_limits_beside_algapsas_are_those_of_the_code() -> None:
    here = {what: cells[1] for what, cells in rows("how-to/run-extensions-built-for-algapsa.md", "").items()}
    gateway, runner = GatewaySettings.fields(), RunnerSettings.fields()
    default_s = gateway["ext_gateway_timeout_ms"].default // 1_000

    assert here["time limit of a call"] == f"{default_s} s, at most {CALL_TIMEOUT_LIMIT_MS // 1_000} s"
    assert here["time limit of an event"] == f"at most {EVENT_TIMEOUT_LIMIT_MS // 1_000} s"
    assert runner["max_timeout_ms"].default == EVENT_TIMEOUT_LIMIT_MS
    memory = f"{runner['default_memory_mb'].default} MiB, at most {runner['max_memory_mb'].default} MiB"
    assert here["memory of a guest"] == memory == "128 MiB, at most 256 MiB"
    assert (here["fuel"], runner["max_fuel"].default) == ("10¹² units", 10**12)
    assert here["request body"] == f"{admission.BODY_LIMIT_BYTES // MIB} MiB"
    assert here["response body"] == f"{runner['max_response_bytes'].default // MIB} MiB"
    assert here["UI file"] == f"{UI_FILE_LIMIT_BYTES // MIB} MiB"


def test_the_settings_that_give_algapsas_defaults_are_accepted() -> None:
    page = (DOCS / "how-to/run-extensions-built-for-algapsa.md").read_text()
    block = re.search(r"```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    given = dict(re.findall(r"^([A-Z_]+)=(\S+)", block.group(1), re.MULTILINE))
    required = {
        "DATABASE_URL": "postgresql://fn_runner@127.0.0.1/x",
        "BUNDLE_STORE_BASE": "s3://bucket",
        "SIGNING_TRUST_BUNDLE": "x",
        "EXECUTION_TOKEN_PUBLIC_KEY": "x",
    }

    assert given.keys() == {"DEFAULT_MEMORY_MB", "EXT_GATEWAY_TIMEOUT_MS"}
    assert RunnerSettings.read({**required, "DEFAULT_MEMORY_MB": given["DEFAULT_MEMORY_MB"]}).default_memory_mb == 256
    assert int(given["EXT_GATEWAY_TIMEOUT_MS"]) == CALL_TIMEOUT_LIMIT_MS


def test_the_idempotency_headers_pass_as_the_page_says() -> None:
    headers = {"idempotency-key": "a", "x-idempotency-key": "b"}
    said = {"tenant_id": "t", "extension_id": "e", "request_id": "r", "traceparent": "p"}

    assert "x-idempotency-key" not in to_guest(headers, declared=(), **said)
    assert to_guest(headers, declared=(), **said)["idempotency-key"] == "a"
    assert to_guest(headers, declared=("x-idempotency-key",), **said).items() >= headers.items()


# Theme tokens


def test_the_host_page_sends_every_listed_theme_token_and_the_samples_read_no_other() -> None:
    listed = {name for cell in rows("reference/iframe.md", "Theme tokens") for name in re.findall(r"`([\w-]+)`", cell)}
    source = (ROOT / "web/host-demo/src/theme.ts").read_text()
    shared = re.search(r"const SHARED = \{(.*?)\};", source, re.DOTALL)
    assert shared is not None
    sent = set(re.findall(r'^\s+"?([\w-]+)"?: "', shared.group(1), re.MULTILINE)) | {"color-scheme"}
    styles = [path.read_text() for path in ROOT.glob("samples/*/ui/*.css")]
    read = {name for style in styles for name in re.findall(r"--alga-([\w-]+)", style)}

    assert sent == listed
    assert read <= listed
