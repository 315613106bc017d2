"""The settings that a deployment keeps in AWS Secrets Manager, and never in a function's environment."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SecretSetting:
    """One setting whose value is a field of a secret; the environment has ``secretsmanager:ARN#FIELD``.

    Attributes:
        function: name of the function.
        name: environment name.
        secret: of the stage; the deployed name is ``alga-ext/STAGE/SECRET``. Functions that share a secret could read
            each other's fields, so each function has its own.
        field: of the secret's JSON object.
    """

    function: str
    name: str
    secret: str
    field: str


SECRET_SETTINGS: Final = (
    SecretSetting("gateway", "EXECUTION_TOKEN_PRIVATE_KEY", "gateway", "execution_token_private_key"),
    SecretSetting("dispatcher", "EXECUTION_TOKEN_PRIVATE_KEY", "gateway", "execution_token_private_key"),
    SecretSetting("smoke", "EXECUTION_TOKEN_PRIVATE_KEY", "gateway", "execution_token_private_key"),
    SecretSetting("runner", "EXECUTION_TOKEN_PUBLIC_KEY", "runner", "execution_token_public_keys"),
    SecretSetting("runner", "UI_PROXY_AUTH_TOKEN", "runner", "ui_proxy_auth_token"),
    SecretSetting("runner", "UI_PROXY_SIGNING_KEY", "runner", "ui_proxy_signing_key"),
    SecretSetting("runner", "HOST_API_AUTH_TOKEN", "runner", "host_api_auth_token"),
)
