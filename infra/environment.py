"""The environment of each function: which value each name of the topology gets in a deployment."""

import json
from typing import Final

from infra.places import ALIAS, DATABASE_NAME, Places
from infra.stages import StageSettings
from topology.access import TRUST_OBJECT
from topology.functions import RUNNER, Function
from topology.queues import QUEUES
from topology.runtime import RDS_ROOTS_FOLDER
from topology.secrets import SECRET_SETTINGS

_OWNER_ROLE: Final = "alga_owner"


class MissingValueError(ValueError):
    """There is no value for a name that the topology lists as required."""


def environment(
    function: Function,
    stage: StageSettings,
    places: Places,
    ui_base: str,
    distribution_id: str = "",
    smoke_functions: str = "",
) -> dict[str, str]:
    """Return the environment of one function.

    Args:
        function: of the topology.
        stage: the operator's settings.
        places: addresses of the deployment.
        ui_base: public base URL of the UI host; empty for the UI host itself where the deployment has no domain of its
            own, because its address is known only after the function exists.

        distribution_id: of CloudFront, for the function that invalidates pages.
        smoke_functions: for the smoke function: JSON object, function of the topology → its deployed name.

    Raises:
        MissingValueError: a required name has no value.
    """
    given = {
        **_values(stage, places),
        "RUNNER_PUBLIC_BASE": ui_base,
        "UI_DISTRIBUTION_ID": distribution_id,
        "SMOKE_FUNCTIONS": smoke_functions,
    }
    values = {name: value for name, value in given.items() if value}
    values |= stage.settings
    if "DATABASE_URL" in function.required:
        values["DATABASE_URL"] = _database_url(function, places)
    for setting in SECRET_SETTINGS:
        if setting.function == function.name and _is_used(setting.name, stage):
            values[setting.name] = f"secretsmanager:{places.secret_arn(setting.secret)}#{setting.field}"
    found = {name: values[name] for name in function.names if name in values}
    if missing := sorted({*function.required} - found.keys()):
        message = f"The function {function.name} needs {', '.join(missing)}, which no setting of the stage gives."
        raise MissingValueError(message)
    return found


def _values(stage: StageSettings, places: Places) -> dict[str, str]:
    """Return the values that are the same in every function; an empty one is not given."""
    return {
        "LOG_LEVEL": "INFO",
        **{queue.url_name: places.queues[queue.name].url for queue in QUEUES},
        **{name: f"kms:{arn}" for name, arn in places.signing_keys.items()},
        "AUTH_ISSUER": stage.auth_issuer,
        "AUTH_AUDIENCE": stage.auth_audience,
        "AUTH_JWKS_URL": stage.auth_jwks_url,
        "BUNDLE_STORE_BASE": f"s3://{places.store_bucket}",
        "DATABASE_PASSWORD": f"secretsmanager:{places.owner_secret_arn}#password",
        "DEFAULT_LIMITS": json.dumps(stage.default_limits, separators=(",", ":")) if stage.default_limits else "",
        "EXECUTION_RETENTION_DAYS": str(stage.execution_retention_days),
        "EXPECTED_CONFINEMENT": ",".join(stage.expected_confinement),
        "FRAME_ANCESTORS": stage.frame_ancestors,
        "HOST_API_BASE_URL": stage.host_api_base_url,
        # A stage that is switched off answers 503 for every program and page, and must be deployable all the same.
        "PROBE_CONTENT_HASH": "" if stage.is_switched_off else stage.probe_content_hash,
        "RUNNER_BASE_URL": f"lambda://{places.function_name(RUNNER.name)}:{ALIAS}",
        "RUNNER_ISOLATION": stage.runner_isolation,
        "SECRETS_KEY_ID": ",".join(places.secrets_key_arns),
        "SIGNING_TRUST_BUNDLE": f"s3://{places.trust_bucket}/{TRUST_OBJECT}",
        "TRUST_ROOT_KEYS": stage.trust_root_keys,
        "UI_PROXY_BASE_URL": stage.ui_proxy_base_url,
    }


def _database_url(function: Function, places: Places) -> str:
    """Return a URL without a password: functions log in with IAM, the owner with a secret's password."""
    region = places.region.name
    server = f"{places.database_host}:{places.database_port}/{DATABASE_NAME}"
    verified = f"sslmode=verify-full&sslrootcert={RDS_ROOTS_FOLDER}/{region}.pem"
    if function.login_role is None:
        return f"postgresql://{_OWNER_ROLE}@{server}?{verified}"
    return f"postgresql://{function.login_role}@{server}?auth=iam&region={region}&{verified}"


def _is_used(name: str, stage: StageSettings) -> bool:
    """Tell whether a secret is given: the host application's only where the runner calls the host application."""
    uses = {
        "UI_PROXY_AUTH_TOKEN": bool(stage.ui_proxy_base_url),
        "HOST_API_AUTH_TOKEN": bool(stage.host_api_base_url),
        "UI_PROXY_SIGNING_KEY": bool(stage.ui_proxy_base_url or stage.host_api_base_url),
    }
    return uses.get(name, True)
