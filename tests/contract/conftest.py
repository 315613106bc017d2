"""Fixtures of the contract tests: AWS as moto speaks it, over HTTP."""

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("contract", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("contract")

AWS_ENVIRONMENT = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}


@pytest.fixture
def aws(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a function whose AWS is the moto server; gives the server's URL."""
    for name, value in {**AWS_ENVIRONMENT, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(name, value)
    return moto_url
