"""The synthesised templates: what cdk-nag and cfn-lint do not check."""

import json
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from alga_ext.calls.outcomes import Outcome
from alga_ext.errors import CODES
from alga_ext.platform_metrics import METRICS
from functions.uihost.uihost import EXTENSION_HEADER, HOST_HEADER
from infra.alarms import RUNBOOK
from infra.own_alarms import NAMESPACE, own_alarms
from infra.rollout import SHIFTED_IN_TURN
from infra.stages import CONNECTIONS_SHARE, UNRESERVED
from tests.infra.stacks import DOMAINS, GIVEN, Stack, synthesise
from tests.support.places import ROOT
from tools.cost.__main__ import ALARMS
from tools.cost.model import KEYS
from topology.access import ACCESS
from topology.functions import FUNCTIONS
from topology.queues import EVENT_SOURCES, QUEUES
from topology.routes import METHODS, ROUTES
from topology.secrets import SECRET_SETTINGS

ENVIRONMENT_LIMIT_BYTES = 3 * 1024
TOKEN_BYTES = 100
"""A reference in a template counts as this long: the longest are ARNs and host names of the database."""
RELEASE_KEY = "arn:aws:kms:eu-central-1:111111111111:key/release-2"
SECRETS_KEY = "arn:aws:kms:eu-central-1:111111111111:key/secrets-2"
DATABASE_FUNCTIONS = {function.name for function in FUNCTIONS if "DATABASE_URL" in function.required}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return synthesise("dev", tmp_path_factory.mktemp("dev"))


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return synthesise("prod", tmp_path_factory.mktemp("prod"), **DOMAINS)


@pytest.fixture(params=["dev", "prod"])
def stack(request: pytest.FixtureRequest) -> Stack:
    found: Stack = request.getfixturevalue(request.param)
    return found


# Template and topology


def test_no_resources_wait_for_each_other(stack: Stack) -> None:
    TopologicalSorter(stack.waits_for()).prepare()  # raises CycleError, as CloudFormation refuses the template


def test_the_functions_are_those_of_the_topology(stack: Stack) -> None:
    assert set(stack.functions()) == {function.name for function in FUNCTIONS}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_function_has_the_topologys_handler_time_limit_and_memory(stack: Stack, function: Any) -> None:
    found = stack.functions()[function.name]
    assert (found["Handler"], found["Timeout"]) == (function.handler, function.timeout_s)
    assert found["MemorySize"] == (stack.stage.runner_memory_mb if function.name == "runner" else function.memory_mb)


def test_the_queues_are_those_of_the_topology_each_with_its_dead_letters(stack: Stack) -> None:
    found = stack.of_type("AWS::SQS::Queue")
    named = {queue["QueueName"].removeprefix(f"alga-ext-{stack.stage.name}-"): queue for queue in found.values()}
    assert set(named) == {name for queue in QUEUES for name in (queue.name, queue.dead_letter_queue)}
    for queue in QUEUES:
        (target,) = named[queue.name]["RedrivePolicy"]["deadLetterTargetArn"].values()
        assert found[target[0]]["QueueName"].endswith(queue.dead_letter_queue)
        assert named[queue.name]["RedrivePolicy"]["maxReceiveCount"] == queue.max_receive_count


def test_each_queue_is_delivered_to_the_topologys_function(stack: Stack) -> None:
    mappings = stack.of_type("AWS::Lambda::EventSourceMapping").values()
    queues = stack.of_type("AWS::SQS::Queue")
    found = set()
    for mapping in mappings:
        queue = queues[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["QueueName"].rpartition("-")[2]
        found.add((queue, stack.function_of_alias(mapping["FunctionName"]), mapping["BatchSize"]))
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2
    assert found == {(source.queue, source.function, source.batch_size) for source in EVENT_SOURCES}


def test_the_routes_are_those_of_the_topology_and_the_rest_is_the_gateways(stack: Stack) -> None:
    found = {route["RouteKey"] for route in stack.of_type("AWS::ApiGatewayV2::Route").values()}
    expected = {"$default"}
    for route in ROUTES:
        if route.front == "api":
            methods = ("ANY",) if route.methods == METHODS else route.methods
            expected |= {f"{method} {route.prefix}{rest}" for method in methods for rest in ("", "/{proxy+}")}
    assert found == expected


def test_the_sweeper_and_the_ticker_are_scheduled(stack: Stack) -> None:
    schedules = list(stack.of_type("AWS::Scheduler::Schedule").values())
    functions = [stack.function_of_alias(schedule["Target"]["Arn"]) for schedule in schedules]
    assert sorted(functions) == ["sweeper", "ticker"]
    assert [schedule["Target"]["RetryPolicy"]["MaximumRetryAttempts"] for schedule in schedules] == [0, 0]


def test_a_tick_that_fails_is_not_repeated(stack: Stack) -> None:
    (configured,) = stack.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert (configured["MaximumRetryAttempts"], configured["MaximumEventAgeInSeconds"]) == (0, 60)


# Environments


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_function_is_given_every_required_name_and_no_unknown_one(stack: Stack, function: Any) -> None:
    given = set(stack.environment(function.name))
    assert (set(function.required) - given, given - set(function.names)) == (set(), set())


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_an_environment_is_well_below_lambdas_limit(stack: Stack, function: Any) -> None:
    environment = stack.environment(function.name)
    size = sum(len(name) + len(re.sub("<[^>]*>", "x" * TOKEN_BYTES, value)) for name, value in environment.items())
    assert size <= ENVIRONMENT_LIMIT_BYTES


def test_secret_settings_are_references(stack: Stack) -> None:
    for setting in SECRET_SETTINGS:
        value = stack.environment(setting.function)[setting.name]
        assert value.startswith("secretsmanager:arn:")
        assert value.endswith(f":secret:alga-ext/{stack.stage.name}/{setting.secret}#{setting.field}")


def test_no_database_url_has_a_password(stack: Stack) -> None:
    for function in DATABASE_FUNCTIONS:
        url = stack.environment(function)["DATABASE_URL"]
        assert re.match(r"postgresql://[a-z_]+@<", url)
        assert "sslmode=verify-full&sslrootcert=/opt/rds/<AWS::Region>.pem" in url
        assert ("auth=iam" in url) == (function != "migrate")


def test_no_environment_has_a_private_key(stack: Stack) -> None:
    assert "PRIVATE KEY-----" not in json.dumps(stack.template)


# Keys that are being replaced


def test_functions_sign_with_a_key_that_replaces_the_stacks_own_and_with_no_other(shared: Stack) -> None:
    signing = [one for _, one in shared.statements() if one.get("Sid") == "Sign" and RELEASE_KEY in one["Resource"]]
    assert len(signing) == len([access for access in ACCESS if "RELEASE_SIGNING_KEY" in access.signs_with])
    assert shared.environment("assets")["RELEASE_SIGNING_KEY"] == f"kms:{RELEASE_KEY}"


def test_a_new_key_seals_secrets_and_both_keys_open_them(shared: Stack) -> None:
    by_sid = {one.get("Sid"): one for _, one in shared.statements()}
    assert by_sid["SealSecrets"]["Resource"] == SECRETS_KEY
    assert len(by_sid["OpenSecrets"]["Resource"]) == len(by_sid["ReplaceKey"]["Resource"]) == 2
    assert shared.environment("runner")["SECRETS_KEY_ID"].startswith(f"{SECRETS_KEY},<")


# What must not be


def test_the_runner_can_be_invoked_directly_only(stack: Stack) -> None:
    invoked_by_service = {
        json.dumps(permission["FunctionName"]) for permission in stack.of_type("AWS::Lambda::Permission").values()
    }
    runner = [json.dumps({"Ref": name}) for name in stack.template["Resources"] if name.startswith("FunctionsRunner")]
    assert invoked_by_service & set(runner) == set()
    targets = [url["TargetFunctionArn"] for url in stack.of_type("AWS::Lambda::Url").values()]
    assert all("Runner" not in json.dumps(target) for target in targets)
    assert stack.functions()["runner"]["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stage that differs from dev: a shared runner, other layers, and keys that are being replaced."""
    changes = {
        "runner_isolation": "shared",
        "signing_keys": {"RELEASE_SIGNING_KEY": RELEASE_KEY},
        "secrets_keys": [SECRETS_KEY, "own"],
    }
    return synthesise("dev", tmp_path_factory.mktemp("shared"), layer_text="changed", **changes)


def test_a_change_of_layers_alone_publishes_new_versions(dev: Stack, shared: Stack) -> None:
    def version(stack: Stack) -> str:
        return next(name for name in stack.of_type("AWS::Lambda::Version") if name.startswith("FunctionsUihost"))

    assert version(dev) != version(shared)


def test_a_shared_runner_has_no_tenant_isolation_and_the_gateway_knows(shared: Stack) -> None:
    assert "TenancyConfig" not in shared.functions()["runner"]
    assert {shared.environment(name)["RUNNER_ISOLATION"] for name in ("gateway", "smoke")} == {"shared"}
    assert shared.stage.tenant_ceiling is None


def test_every_function_has_an_alias(stack: Stack) -> None:
    assert sorted(stack.aliases().values()) == sorted(stack.functions())


def test_every_alias_but_migrates_own_waits_for_the_migrations(stack: Stack) -> None:
    resources = stack.template["Resources"]
    (schema,) = stack.of_type("Custom::DatabaseSchema")
    aliases = [resource for resource in resources.values() if resource["Type"] == "AWS::Lambda::Alias"]
    assert all(schema in alias["DependsOn"] for alias in aliases)
    assert "ServiceTimeout" in resources[schema]["Properties"]


def test_the_migrations_are_run_by_the_newest_code_under_a_name_that_no_deployment_changes(stack: Stack) -> None:
    (schema,) = stack.of_type("Custom::DatabaseSchema").values()
    name, attribute = schema["ServiceToken"]["Fn::GetAtt"]
    assert (stack.template["Resources"][name]["Type"], attribute) == ("AWS::Lambda::Function", "Arn")


def test_new_versions_are_checked_and_get_their_traffic_one_after_another(stack: Stack) -> None:
    resources = stack.template["Resources"]
    aliases = {function: (name, resources[name]) for name, function in stack.aliases().items()}
    for function in SHIFTED_IN_TURN:
        update = aliases[function][1]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert "Smoke" in json.dumps(update["BeforeAllowTrafficHook"])
    for earlier, later in pairwise(SHIFTED_IN_TURN):
        assert aliases[earlier][0] in aliases[later][1]["DependsOn"]


def test_a_deployment_that_fails_or_alarms_is_rolled_back(stack: Stack) -> None:
    groups = stack.of_type("AWS::CodeDeploy::DeploymentGroup").values()
    assert len(groups) == len(SHIFTED_IN_TURN)
    for group in groups:
        assert {"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"} <= set(group["AutoRollbackConfiguration"]["Events"])
        assert group["AlarmConfiguration"]["Enabled"]


def test_the_runner_switches_at_once_and_the_others_by_a_canary(stack: Stack) -> None:
    configs = {
        name: group["DeploymentConfigName"] for name, group in stack.of_type("AWS::CodeDeploy::DeploymentGroup").items()
    }
    at_once = [name for name, config in configs.items() if config == "CodeDeployDefault.LambdaAllAtOnce"]
    assert ["Runner" in name for name in at_once] == [True]


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_database_functions_leave_a_fifth_of_the_connections(request: pytest.FixtureRequest, name: str) -> None:
    stack: Stack = request.getfixturevalue(name)
    reserved = {key: one.get("ReservedConcurrentExecutions", 0) for key, one in stack.functions().items()}
    assert {function for function in DATABASE_FUNCTIONS if not reserved[function]} == set(UNRESERVED)
    (parameters,) = stack.of_type("AWS::RDS::DBClusterParameterGroup").values()
    most = int(parameters["Parameters"]["max_connections"])
    used = sum(reserved[function] for function in DATABASE_FUNCTIONS) + stack.stage.deliveries_concurrency
    assert used <= CONNECTIONS_SHARE * most


def test_the_database_is_private_encrypted_and_takes_iam_logins(stack: Stack) -> None:
    (cluster,) = stack.of_type("AWS::RDS::DBCluster").values()
    (writer,) = stack.of_type("AWS::RDS::DBInstance").values()
    assert cluster["StorageEncrypted"]
    assert cluster["EnableIAMDatabaseAuthentication"]
    assert cluster["ManageMasterUserPassword"]
    assert writer.get("PubliclyAccessible", False) is False
    (parameters,) = stack.of_type("AWS::RDS::DBClusterParameterGroup").values()
    assert parameters["Parameters"]["rds.force_ssl"] == "1"


def test_a_region_without_certificates_for_its_databases_is_refused(stack: Stack) -> None:
    (assertion,) = stack.template["Rules"]["Region"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [["eu-central-1"], {"Ref": "AWS::Region"}]}


def test_there_is_no_database_proxy_which_would_keep_a_paused_database_awake(stack: Stack) -> None:
    assert stack.of_type("AWS::RDS::DBProxy") == {}


def test_only_dev_may_lose_its_data_with_the_stack(dev: Stack, prod: Stack) -> None:
    kinds = ("AWS::S3::Bucket", "AWS::RDS::DBCluster", "AWS::KMS::Key")

    def policies(stack: Stack) -> set[str]:
        resources = stack.template["Resources"].items()
        kept = {name: r for name, r in resources if r["Type"] in kinds and not name.startswith("Alarms")}
        return {r["DeletionPolicy"] for r in kept.values()}

    assert (policies(dev), policies(prod)) == ({"Delete"}, {"Retain", "Snapshot"})
    (cluster,) = prod.of_type("AWS::RDS::DBCluster").values()
    assert cluster["DeletionProtection"]


def test_no_resource_of_a_fixed_name_is_left_by_a_first_deployment_that_failed(prod: Stack) -> None:
    left = [
        name
        for name, resource in prod.template["Resources"].items()
        if resource.get("DeletionPolicy") == "Retain"
        and resource["Properties"].keys() & {"LogGroupName", "BucketName", "QueueName", "TopicName"}
    ]
    assert left == []


def test_every_bucket_is_closed_encrypted_and_reached_over_tls_only(stack: Stack) -> None:
    buckets = stack.of_type("AWS::S3::Bucket")
    policies = {policy["Bucket"]["Ref"]: policy for policy in stack.of_type("AWS::S3::BucketPolicy").values()}
    for name, bucket in buckets.items():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        denied = [one for one in policies[name]["PolicyDocument"]["Statement"] if one["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [one.get("Condition") for one in denied]


def test_bundles_and_compiled_code_cannot_be_replaced_whoever_asks(stack: Stack) -> None:
    statements = [
        statement
        for policy in stack.of_type("AWS::S3::BucketPolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement.get("Sid") == "OnlyNewObjects"
    ]
    (statement,) = statements
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    prefixes = {json.dumps(resource).rpartition("/")[0].rpartition("/")[2] for resource in statement["Resource"]}
    assert prefixes == {"bundles", "components", "cwasm", "ui", "log", "exports"}


def test_the_trust_bundle_has_a_bucket_of_its_own_that_no_function_may_write(stack: Stack) -> None:
    trust = next(name for name in stack.of_type("AWS::S3::Bucket") if name.startswith("StoresTrust"))
    actions = {
        action
        for _, statement in stack.statements()
        if trust in json.dumps(statement["Resource"])
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert actions == {"s3:GetObject"}


def test_every_queue_is_encrypted_and_reached_over_tls_only(stack: Stack) -> None:
    queues = stack.of_type("AWS::SQS::Queue")
    policies = [policy["Queues"] for policy in stack.of_type("AWS::SQS::QueuePolicy").values()]
    assert all(queue["SqsManagedSseEnabled"] for queue in queues.values())
    assert {entry["Ref"] for entries in policies for entry in entries} == set(queues)


def test_alarms_are_encrypted_on_their_way(stack: Stack) -> None:
    (topic,) = stack.of_type("AWS::SNS::Topic").values()
    assert topic["KmsMasterKeyId"]


def test_no_security_group_is_open_to_the_world(stack: Stack) -> None:
    rules = [
        *stack.of_type("AWS::EC2::SecurityGroupIngress").values(),
        *(
            rule
            for group in stack.of_type("AWS::EC2::SecurityGroup").values()
            for rule in group.get("SecurityGroupIngress", [])
        ),
    ]
    assert [rule for rule in rules if rule.get("CidrIp") or rule.get("CidrIpv6")] == []


def test_functions_without_database_run_outside_of_the_network(stack: Stack) -> None:
    inside = {name for name, function in stack.functions().items() if "VpcConfig" in function}
    assert inside == DATABASE_FUNCTIONS


def test_the_http_api_leaves_cors_to_the_gateway(stack: Stack) -> None:
    (api,) = stack.of_type("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api


def test_the_http_api_limits_its_rate_and_logs_no_path_no_query_and_no_token(stack: Stack) -> None:
    (stage,) = stack.of_type("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == stack.stage.api_rate_per_s
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert [
        value
        for value in logged.values()
        if re.search("path|query|authorizer|identity.userAgent|header", value, re.IGNORECASE)
    ] == []


# CloudFront


def distribution(stack: Stack) -> dict[str, Any]:
    (found,) = stack.of_type("AWS::CloudFront::Distribution").values()
    config: dict[str, Any] = found["DistributionConfig"]
    return config


def test_an_error_of_the_ui_host_is_never_cached(stack: Stack) -> None:
    errors = {one["ErrorCode"]: one["ErrorCachingMinTTL"] for one in distribution(stack)["CustomErrorResponses"]}
    assert set(errors) >= {400, 403, 404, 405, 500, 501, 502, 503, 504}
    assert set(errors.values()) == {0}


def test_pages_are_served_over_tls_only_and_nothing_redirects(stack: Stack) -> None:
    config = distribution(stack)
    behaviors = [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]
    assert {one["ViewerProtocolPolicy"] for one in behaviors} == {"https-only"}


def test_every_request_passes_the_function_that_makes_one_spelling(stack: Stack) -> None:
    config = distribution(stack)
    for behavior in (config["DefaultCacheBehavior"], *config["CacheBehaviors"]):
        assert [one["EventType"] for one in behavior["FunctionAssociations"]] == ["viewer-request"]


def test_the_cache_has_an_entry_per_path_and_encoding_only(stack: Stack) -> None:
    (policy,) = stack.of_type("AWS::CloudFront::CachePolicy").values()
    key = policy["CachePolicyConfig"]["ParametersInCacheKeyAndForwardedToOrigin"]
    chosen_by = {name: key[f"{name}sConfig"][f"{name}Behavior"] for name in ("Cookie", "Header", "QueryString")}
    assert chosen_by == {"Cookie": "none", "Header": "none", "QueryString": "none"}
    assert policy["CachePolicyConfig"]["MinTTL"] == 0


def test_the_ui_host_gets_the_two_headers_of_the_function_and_no_other_word_of_the_viewer(stack: Stack) -> None:
    (policy,) = stack.of_type("AWS::CloudFront::OriginRequestPolicy").values()
    config = policy["OriginRequestPolicyConfig"]
    assert sorted(config["HeadersConfig"]["Headers"]) == [EXTENSION_HEADER, HOST_HEADER]
    assert (config["CookiesConfig"]["CookieBehavior"], config["QueryStringsConfig"]["QueryStringBehavior"]) == (
        "none",
        "none",
    )


def test_only_this_distribution_can_invoke_the_ui_host(stack: Stack) -> None:
    (url,) = stack.of_type("AWS::Lambda::Url").values()
    assert url["AuthType"] == "AWS_IAM"
    permissions = [
        permission
        for permission in stack.of_type("AWS::Lambda::Permission").values()
        if permission["Principal"] == "cloudfront.amazonaws.com"
    ]
    assert {permission["Action"] for permission in permissions} == {"lambda:InvokeFunctionUrl", "lambda:InvokeFunction"}
    assert all("distribution/" in json.dumps(permission["SourceArn"]) for permission in permissions)


def test_a_stage_with_domains_uses_them_and_shuts_the_other_door(prod: Stack) -> None:
    (api,) = prod.of_type("AWS::ApiGatewayV2::Api").values()
    assert api["DisableExecuteApiEndpoint"] is True
    assert distribution(prod)["Aliases"] == [DOMAINS["ui_domain"]]
    assert prod.environment("uihost")["RUNNER_PUBLIC_BASE"] == f"https://{DOMAINS['ui_domain']}"
    assert len(prod.of_type("AWS::Route53::RecordSet")) == 3


# An idle dev stage


def test_an_idle_dev_stage_wakes_its_database_at_most_once_an_hour(dev: Stack) -> None:
    (cluster,) = dev.of_type("AWS::RDS::DBCluster").values()
    assert cluster["ServerlessV2ScalingConfiguration"]["MinCapacity"] == 0
    for schedule in dev.of_type("AWS::Scheduler::Schedule").values():
        assert schedule["ScheduleExpression"] == "rate(1 hour)"
    rules = dev.of_type("AWS::Events::Rule").values()  # a rule with a schedule would wake it too
    assert [rule for rule in rules if "ScheduleExpression" in rule] == []
    # Queues wake a function only when there is a message.
    kinds = {json.dumps(one["EventSourceArn"]) for one in dev.of_type("AWS::Lambda::EventSourceMapping").values()}
    assert len(kinds) == len(EVENT_SOURCES)


def test_frozen_functions_do_not_keep_the_dev_database_awake(dev: Stack, prod: Stack) -> None:
    (parameters,) = dev.of_type("AWS::RDS::DBClusterParameterGroup").values()
    assert parameters["Parameters"]["idle_session_timeout"] == "60000"
    (parameters,) = prod.of_type("AWS::RDS::DBClusterParameterGroup").values()
    assert "idle_session_timeout" not in parameters["Parameters"]


# Logs and alarms


def test_every_log_group_ends(stack: Stack) -> None:
    groups = stack.of_type("AWS::Logs::LogGroup").values()
    assert len(groups) >= len(FUNCTIONS)
    assert {group["RetentionInDays"] for group in groups} == {stack.stage.log_retention_days}


def test_every_queue_has_an_alarm_for_its_dead_letters(stack: Stack) -> None:
    alarms = {alarm["AlarmName"] for alarm in stack.of_type("AWS::CloudWatch::Alarm").values()}
    assert {f"alga-ext-{stack.stage.name}-{queue.name}-dead-letters" for queue in QUEUES} <= alarms


def test_every_alarm_says_where_the_runbook_tells_what_to_do(stack: Stack) -> None:
    runbook = (ROOT / RUNBOOK).read_text()
    headings = set(re.findall(r"^## (\S+)$", runbook, re.MULTILINE))
    named = set()
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        page, _, heading = alarm["AlarmDescription"].rpartition(" See ")[2].partition("#")
        assert page == RUNBOOK
        assert alarm["AlarmActions"]
        named.add(heading)
    assert named == headings


def test_the_tenant_ceiling_is_told(dev: Stack) -> None:
    assert dev.template["Outputs"]["RunnerTenantCeiling"]["Value"] == "150"


# Synthesis


def test_equal_input_gives_an_equal_template_without_network_account_and_clock(dev: Stack, tmp_path: Path) -> None:
    again = synthesise("dev", tmp_path)
    assert again.template == dev.template


def test_the_linter_finds_nothing(dev: Stack, tmp_path: Path) -> None:
    template = tmp_path / "dev.template.json"
    template.write_text(json.dumps(dev.template))
    linter = Path(sys.executable).with_name("cfn-lint")
    found = subprocess.run([linter, "-t", template], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout) == (0, "")


def test_the_cost_model_counts_the_alarms_and_keys_that_exist(dev: Stack) -> None:
    assert len(dev.of_type("AWS::CloudWatch::Alarm")) == ALARMS
    assert len(dev.of_type("AWS::KMS::Key")) == KEYS


# A stage that is switched off


ORIGIN = "https://app.host.test"


@pytest.fixture(scope="module")
def off(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    settings = {"EXTENSIONS_ENABLED": "false", "CORS_ORIGINS": ORIGIN}
    return synthesise("dev", tmp_path_factory.mktemp("off"), settings=settings)


def test_a_stage_that_is_switched_off_is_not_checked_with_a_program(dev: Stack, off: Stack) -> None:
    """Its functions refuse every program and page, so the check would take the switch back."""
    given = [stack.environment("smoke").get("PROBE_CONTENT_HASH") for stack in (dev, off)]
    assert given == [GIVEN["probe_content_hash"], None]
    assert off.environment("gateway")["EXTENSIONS_ENABLED"] == "false"


def test_listed_origins_reach_the_gateway_and_no_other_function(dev: Stack, off: Stack) -> None:
    given = {function.name for function in FUNCTIONS if off.environment(function.name).get("CORS_ORIGINS") == ORIGIN}
    assert (given, "CORS_ORIGINS" in dev.environment("gateway")) == ({"gateway"}, False)


def test_a_stages_default_limits_reach_the_functions_that_need_the_same_value(dev: Stack) -> None:
    limits = json.dumps(dev.stage.default_limits, separators=(",", ":"))
    given = {function.name: dev.environment(function.name).get("DEFAULT_LIMITS") for function in FUNCTIONS}
    assert {name for name, value in given.items() if value == limits} == {
        "gateway",
        "dispatcher",
        "registry",
        "recorder",
    }
    assert {value for value in given.values() if value is not None} == {limits}


# A restored database

SNAPSHOT = "arn:aws:rds:eu-central-1:111111111111:cluster-snapshot:restored-2026-11-29"


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    return synthesise("prod", tmp_path_factory.mktemp("restored"), **DOMAINS, database_snapshot=SNAPSHOT)


def test_a_database_is_restored_into_a_cluster_of_its_own_name(prod: Stack, restored: Stack) -> None:
    ((name, cluster),) = restored.of_type("AWS::RDS::DBCluster").items()
    assert name not in prod.template["Resources"]
    assert cluster["SnapshotIdentifier"] == SNAPSHOT
    assert {"MasterUsername", "StorageEncrypted"} & set(cluster) == set()
    assert cluster["ManageMasterUserPassword"]


def test_every_function_that_uses_the_database_gets_a_new_version_with_a_restored_one(
    prod: Stack, restored: Stack
) -> None:
    """With the version that it has, an alias would go on using the old database."""
    database_functions = {f"alga-ext-prod-{name}" for name in DATABASE_FUNCTIONS}
    kept = {
        function
        for version, function in versions(prod).items()
        if function in database_functions and versions(restored).get(version) == function
    }
    assert kept == set()


def versions(stack: Stack) -> dict[str, str]:
    """Logical id of each version → name of its function."""
    functions = stack.of_type("AWS::Lambda::Function")
    return {
        name: functions[version["FunctionName"]["Ref"]]["FunctionName"]
        for name, version in stack.of_type("AWS::Lambda::Version").items()
    }


def test_no_function_serves_a_restored_database_before_it_has_caught_up(prod: Stack, restored: Stack) -> None:
    ((name, resource),) = restored.of_type("Custom::RestoredDatabase").items()
    function, _ = resource["ServiceToken"]["Fn::GetAtt"]
    assert restored.template["Resources"][function]["Properties"]["FunctionName"] == "alga-ext-prod-sweeper"
    waiting = {
        function
        for alias, function in restored.aliases().items()
        if name in restored.template["Resources"][alias]["DependsOn"]
    }
    assert waiting == DATABASE_FUNCTIONS & set(restored.aliases().values())
    (schema,) = restored.of_type("Custom::DatabaseSchema")
    assert schema in restored.template["Resources"][name]["DependsOn"]
    assert prod.of_type("Custom::RestoredDatabase") == {}


@pytest.mark.parametrize("domains", [{}, DOMAINS], ids=["address of CloudFront", "own domain"])
def test_no_resources_of_a_restored_stage_wait_for_each_other(tmp_path: Path, domains: dict[str, Any]) -> None:
    restored = synthesise("prod", tmp_path, **domains, database_snapshot=SNAPSHOT)

    TopologicalSorter(restored.waits_for()).prepare()  # raises CycleError, as CloudFormation refuses the template


def test_the_migrations_run_again_when_the_database_is_another(prod: Stack, restored: Stack) -> None:
    (before,), (after,) = (one.of_type("Custom::DatabaseSchema").values() for one in (prod, restored))
    assert before["Database"] != after["Database"]


# Our own metrics


def test_the_alarms_on_our_own_metrics_are_those_of_the_table(stack: Stack) -> None:
    found = {}
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        if alarm.get("Namespace") == NAMESPACE:
            dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
            statistic = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
            name = alarm["AlarmName"].removeprefix(f"alga-ext-{stack.stage.name}-")
            found[name] = (alarm["MetricName"], dimensions, statistic, alarm["Period"], alarm["Threshold"])
    assert found == {
        own.name: (own.metric, dict(own.dimensions), own.statistic, own.minutes * 60, own.above)
        for own in own_alarms(stack.stage)
        if not own.share_of
    }


def test_the_alarm_on_a_share_compares_two_metrics_and_takes_a_missing_one_as_0(stack: Stack) -> None:
    (alarm,) = (one for one in stack.of_type("AWS::CloudWatch::Alarm").values() if "Metrics" in one)
    compared = {one["Id"]: one["MetricStat"]["Metric"]["MetricName"] for one in alarm["Metrics"] if "MetricStat" in one}
    (expression,) = (one["Expression"] for one in alarm["Metrics"] if "Expression" in one)
    assert compared == {"part": "CallsRefused", "rest": "Calls"}
    assert expression == (
        "IF((FILL(part, 0) + FILL(rest, 0)) > 200, 100 * FILL(part, 0) / (FILL(part, 0) + FILL(rest, 0)), 0)"
    )


def test_every_metric_that_is_watched_or_shown_exists_with_its_dimension(dev: Stack) -> None:
    known = {metric.name: metric.dimension for metric in METRICS}
    watched = [(own.metric, tuple(own.dimensions)) for own in own_alarms(dev.stage)]
    for name, dimensions in [*watched, *((name, tuple(of)) for name, of in shown_metrics(dev))]:
        assert name in known
        assert dimensions in ((), (known[name],))
    assert {own.share_of for own in own_alarms(dev.stage)} - {""} <= set(known)


def test_the_dashboard_shows_every_metric_of_ours(stack: Stack) -> None:
    assert {name for name, _ in shown_metrics(stack)} == {metric.name for metric in METRICS}


def test_the_dashboard_shows_values_that_exist(dev: Stack) -> None:
    values: dict[str, set[str]] = {}
    for _, dimensions in shown_metrics(dev):
        for name, value in dimensions.items():
            values.setdefault(name, set()).add(value)
    assert values["outcome"] == {outcome.value for outcome in Outcome} - {"unknown"}
    assert values["code"] <= set(CODES)
    assert values["function"] <= {function.name for function in FUNCTIONS}
    assert values["result"] == {"ok", "rejected", "failed"}
    assert values["state"] == {"delivered", "retrying", "dead", "discarded"}


def shown_metrics(stack: Stack) -> list[tuple[str, dict[str, str]]]:
    """Name and dimensions of our metrics in the dashboard, which is JSON in pieces around references."""
    (dashboard,) = stack.of_type("AWS::CloudWatch::Dashboard").values()
    body = dashboard["DashboardBody"]
    parts = [body] if isinstance(body, str) else body["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "x" for part in parts)
    found = []
    for widget in json.loads(text)["widgets"]:
        for namespace, name, *rest in widget["properties"]["metrics"]:
            if namespace == NAMESPACE:
                pairs = [one for one in rest if isinstance(one, str)]
                found.append((name, dict(zip(pairs[::2], pairs[1::2], strict=True))))
    return found


def test_every_event_of_the_bus_goes_to_the_queue_of_fan_out(dev: Stack) -> None:
    ((_, rule),) = dev.of_type("AWS::Events::Rule").items()
    (target,) = rule["Targets"]

    assert rule["EventPattern"] == {"account": [{"Ref": "AWS::AccountId"}]}
    assert "QueuesEvents" in json.dumps(target["Arn"])
    assert "QueuesEventsDeadLetters" in json.dumps(target["DeadLetterConfig"])


def test_eventbridge_sends_to_that_queue_from_this_rule_alone(dev: Stack) -> None:
    ((name, _),) = dev.of_type("AWS::Events::Rule").items()
    allowed = [
        statement
        for policy in dev.of_type("AWS::SQS::QueuePolicy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]

    assert allowed
    for statement in allowed:
        assert statement["Principal"] == {"Service": "events.amazonaws.com"}
        assert name in json.dumps(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
