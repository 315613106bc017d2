"""The HTTP API: the host application's door to gateway and registry."""

import json
from typing import Final, cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk.aws_apigatewayv2_integrations import HttpLambdaIntegration
from constructs import Construct

from infra.retention import retention_days
from infra.stages import StageSettings
from topology.routes import API_DEFAULT, METHODS, ROUTES

# No path and no query: they may name persons, or hold what a tenant searches for; the record of a call has its path,
# for as long as records are kept. No token. The client's address is what an operator needs to find a flood.
_LOGGED: Final = {
    "requestId": "$context.requestId",
    "time": "$context.requestTime",
    "method": "$context.httpMethod",
    "route": "$context.routeKey",
    "status": "$context.status",
    "responseLength": "$context.responseLength",
    "latencyMs": "$context.responseLatency",
    "sourceIp": "$context.identity.sourceIp",
    "error": "$context.error.message",
    "integrationError": "$context.integrationErrorMessage",
}


class HttpApi(Construct):
    """One API with one stage. It has no CORS settings: with them it would answer in place of the gateway.

    Attributes:
        url: the base URL, without a slash at the end.
    """

    def __init__(self, scope: Construct, name: str, stage: StageSettings, functions: dict[str, lambda_.Alias]) -> None:
        super().__init__(scope, name)
        self.api = apigateway.HttpApi(
            self,
            "Api",
            api_name=f"alga-ext-{stage.name}",
            create_default_stage=False,
            disable_execute_api_endpoint=bool(stage.api_domain),
            # Paths without a route: the gateway's answer is a problem document, API Gateway's would not be.
            default_integration=HttpLambdaIntegration("DefaultIntegration", functions[API_DEFAULT]),
        )
        integrations = {
            function: HttpLambdaIntegration(f"{function.capitalize()}Integration", functions[function])
            for function in sorted({route.function for route in ROUTES if route.front == "api"})
        }
        for route in ROUTES:
            if route.front != "api":
                continue
            any_method = route.methods == METHODS
            for path in (route.prefix, f"{route.prefix}/{{proxy+}}"):
                self.api.add_routes(
                    path=path,
                    methods=[apigateway.HttpMethod.ANY]
                    if any_method
                    else [apigateway.HttpMethod(method) for method in route.methods],
                    integration=integrations[route.function],
                )
        access = logs.LogGroup(
            self,
            "AccessLogs",
            retention=retention_days(stage.log_retention_days),
            removal_policy=RemovalPolicy.RETAIN if stage.protect_data else RemovalPolicy.DESTROY,
        )
        domain = self._domain(stage)
        api_stage = apigateway.HttpStage(
            self,
            "Stage",
            http_api=self.api,
            stage_name="$default",
            auto_deploy=True,
            throttle=apigateway.ThrottleSettings(rate_limit=stage.api_rate_per_s, burst_limit=stage.api_burst),
            domain_mapping=apigateway.DomainMappingOptions(domain_name=domain) if domain else None,
        )
        resource = cast("apigateway.CfnStage", api_stage.node.default_child)
        resource.access_log_settings = apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=access.log_group_arn, format=json.dumps(_LOGGED)
        )
        self.url = f"https://{stage.api_domain}" if stage.api_domain else self.api.api_endpoint

    def _domain(self, stage: StageSettings) -> apigateway.DomainName | None:
        if not stage.api_domain:
            return None
        domain = apigateway.DomainName(
            self,
            "Domain",
            domain_name=stage.api_domain,
            certificate=certificates.Certificate.from_certificate_arn(self, "Certificate", stage.api_certificate_arn),
            security_policy=apigateway.SecurityPolicy.TLS_1_2,
        )
        zone = route53.HostedZone.from_hosted_zone_attributes(
            self, "Zone", hosted_zone_id=stage.hosted_zone_id, zone_name=stage.hosted_zone_name
        )
        route53.ARecord(
            self,
            "Name",
            zone=zone,
            record_name=stage.api_domain,
            target=route53.RecordTarget.from_alias(
                targets.ApiGatewayv2DomainProperties(domain.regional_domain_name, domain.regional_hosted_zone_id)
            ),
        )
        return domain
