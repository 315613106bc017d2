"""How long a withdrawn version can still begin to run, as numbers: a longer limit delays the kill switch."""

import pytest

from alga_ext.calls.execution_token import sign_execution_token, verify_execution_token
from alga_ext.calls.signed_token import TokenKeys
from alga_ext.trust.signing import LocalSigner, PublicKey
from functions.gateway.envelope import build_envelope
from functions.gateway.settings import GatewaySettings
from tests.support.gateway import admitted, request
from tests.support.refusals import code_of

BODY = b"{}"


def test_a_resolved_install_is_used_for_two_seconds_and_a_setting_allows_no_more_than_a_minute() -> None:
    field = GatewaySettings.fields()["install_cache_ms"]

    assert (field.default, field.range.most) == (2_000, 60_000)


@pytest.mark.parametrize(("after_s", "code"), [(0, None), (64, None), (65, "unauthorized")])
def test_a_token_that_says_ready_begins_no_call_after_65_seconds(after_s: int, code: str | None) -> None:
    signer, envelope = LocalSigner.generate(), build_envelope(admitted(request()), "00-0-0-01", 5_000)
    token = sign_execution_token(signer, envelope, BODY, version_state="ready", token_id="t", now_s=1_800_000_000)
    key = PublicKey.from_pem(signer.public_pem)

    def verify() -> None:
        verify_execution_token(TokenKeys([key]), token, BODY, now_s=1_800_000_000 + after_s).require(envelope)

    assert code_of(verify) == code
