"""References are read from Secrets Manager, as moto speaks it."""

import json
import os
import uuid

import boto3
import pytest

from alga_ext.settings import SettingsError
from alga_ext.stores.secret_references import read_values, references_in


def test_the_current_version_of_a_secret_is_read(aws: str) -> None:
    client = boto3.client("secretsmanager")
    made = client.create_secret(Name=f"alga-ext/test/{uuid.uuid4().hex}", SecretString=json.dumps({"key": "first"}))
    environ = {**os.environ, "KEY": f"secretsmanager:{made['ARN']}#key", "ALL": f"secretsmanager:{made['ARN']}"}
    references = references_in(environ)
    first = read_values(environ, references, attempts=2)
    client.put_secret_value(SecretId=made["ARN"], SecretString=json.dumps({"key": "second"}))
    second = read_values(environ, references, attempts=2)

    assert first == {"KEY": "first", "ALL": '{"key": "first"}'}
    assert second == {"KEY": "second", "ALL": '{"key": "second"}'}


def test_a_secret_that_is_not_there_is_refused_with_its_code(aws: str) -> None:
    arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:alga-ext/test/gone-AbCdEf"
    environ = {**os.environ, "KEY": f"secretsmanager:{arn}#key"}
    with pytest.raises(SettingsError, match=r"KEY: Secrets Manager does not give its secret: .* ResourceNotFound"):
        read_values(environ, references_in(environ), attempts=2)


def test_a_binary_secret_is_refused(aws: str) -> None:
    made = boto3.client("secretsmanager").create_secret(Name=uuid.uuid4().hex, SecretBinary=b"\x00\x01")
    environ = {**os.environ, "KEY": f"secretsmanager:{made['ARN']}"}
    with pytest.raises(SettingsError, match="KEY: its secret is binary"):
        read_values(environ, references_in(environ), attempts=2)
