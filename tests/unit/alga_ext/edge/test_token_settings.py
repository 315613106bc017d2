"""Settings of tokens: what is wrong with a key set or its URL is said at the start."""

import pytest

from alga_ext.edge.token_settings import TokenSettings
from alga_ext.settings import SettingsError
from tests.support.tokens import HostKey, key_set_of

GOOD = {"AUTH_ISSUER": "https://host.test", "AUTH_AUDIENCE": "alga"}
KEY = HostKey.ed25519()


@pytest.mark.parametrize(
    "url",
    [
        "https://host.test/keys",
        "https://host.test:8443/keys",
        "http://localhost:8700/keys",
        "http://127.0.0.1/keys",
        "http://[::1]:80/keys",
    ],
)
def test_a_key_set_comes_over_https_or_from_this_machine(url: str) -> None:
    assert TokenSettings.read({**GOOD, "AUTH_JWKS_URL": url}).auth_jwks_url == url


@pytest.mark.parametrize(
    "url",
    [
        "http://host.test/keys",
        "http://10.0.0.1/keys",
        "http://localhost.host.test/keys",
        "http://127.0.0.1.host.test/keys",
        "http://127.0.0.1@host.test/keys",
        "http://2130706433/keys",
    ],
)
def test_a_key_set_over_http_from_another_machine_fails_the_start(url: str) -> None:
    with pytest.raises(SettingsError, match="AUTH_JWKS_URL: it is not an https URL; http is for loopback addresses"):
        TokenSettings.read({**GOOD, "AUTH_JWKS_URL": url})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "it is not a JSON Web Key Set: "),
        ("\udcff", "it is not UTF-8"),
        (key_set_of(), "it has no usable key"),
        (
            key_set_of(HostKey.rsa(1_024).jwk()),
            r"it has no usable key \(keys\.0: its RSA key has 1024 bits, not 2048",
        ),
        (key_set_of(KEY.jwk(d="AAAA")), r"it has no usable key \(keys\.0: it is a private or symmetric key"),
    ],
    ids=["not JSON", "not UTF-8", "no key", "a small key", "a private key"],
)
def test_a_key_set_without_a_usable_key_fails_the_start_in_words(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=f"AUTH_JWKS: {why}"):
        TokenSettings.read({**GOOD, "AUTH_JWKS": text})


def test_an_unusable_key_beside_a_usable_one_does_not_fail_the_start() -> None:
    text = key_set_of(HostKey.rsa(1_024).jwk(kid="a"), KEY.jwk(kid="b"))

    assert TokenSettings.read({**GOOD, "AUTH_JWKS": text}).auth_jwks == text
