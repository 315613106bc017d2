"""`alga-ext token` signs with the keys of the platform that it is told."""

from pathlib import Path

import jwt
import pytest

from tools.cli.main import FAILED, run
from tools.local.keys import load_or_make_keys


def test_a_token_for_another_state_folder_is_signed_with_that_platforms_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = load_or_make_keys(tmp_path / "keys")
    assert run(["token", "--tenant", "acme", "--state", str(tmp_path)]) == 0
    token = capsys.readouterr().out.strip()
    assert jwt.get_unverified_header(token)["kid"] == keys.token_issuer.key_id
    assert jwt.decode(token, options={"verify_signature": False})["tenant_id"] == "acme"


def test_a_folder_without_keys_is_refused_and_gets_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["token", "--state", str(tmp_path)]) == FAILED
    assert "has no keys" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
