"""CloudFront in front of the UI host: the origin of extensions' pages."""

from pathlib import Path
from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_certificatemanager as certificates
from aws_cdk import aws_cloudfront as cloudfront
from aws_cdk import aws_cloudfront_origins as origins
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.stages import StageSettings
from topology.routes import ROUTES

UI_HOST_HEADER: Final = "x-alga-ui-host"
EXTENSION_HEADER: Final = "x-alga-extension"
"""The CloudFront function tells the UI host in them its public name, and the extension's id that it took out of the
URL, whatever the browser sent. They are not part of the cache key (ADR 0032)."""
_ERRORS: Final = (400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504)
"""CloudFront would keep an error of the origin for 10 s, and honours ``no-store`` for some of them only."""
_LONGEST: Final = Duration.days(365)
_CODE: Final = Path(__file__).parent / "cloudfront" / "page_url.js"


class Pages(Construct):
    """One distribution. Its origin is the UI host's function URL, which accepts requests of this distribution only.

    Attributes:
        distribution: of CloudFront.
        url: the base URL, without a slash at the end.
    """

    def __init__(
        self, scope: Construct, name: str, stage: StageSettings, uihost: lambda_.Alias, logs: s3.Bucket
    ) -> None:
        super().__init__(scope, name)
        url = uihost.add_function_url(auth_type=lambda_.FunctionUrlAuthType.AWS_IAM)
        origin = origins.FunctionUrlOrigin.with_origin_access_control(url)
        page_url = cloudfront.Function(
            self,
            "PageUrl",
            code=cloudfront.FunctionCode.from_file(file_path=str(_CODE)),
            runtime=cloudfront.FunctionRuntime.JS_2_0,
            comment="One spelling of every page's URL",
        )
        cached = cloudfront.CachePolicy(
            self,
            "FileCache",
            comment="As long as the UI host says; the path alone chooses the file",
            default_ttl=Duration.seconds(0),
            min_ttl=Duration.seconds(0),
            max_ttl=_LONGEST,
            enable_accept_encoding_brotli=True,
            enable_accept_encoding_gzip=True,
        )
        forwarded = cloudfront.OriginRequestPolicy(
            self,
            "Forwarded",
            comment="No cookie and no query reaches the UI host",
            header_behavior=cloudfront.OriginRequestHeaderBehavior.allow_list(UI_HOST_HEADER, EXTENSION_HEADER),
        )

        def behavior(policy: cloudfront.ICachePolicy) -> cloudfront.BehaviorOptions:
            return cloudfront.BehaviorOptions(
                origin=origin,
                cache_policy=policy,
                origin_request_policy=forwarded,
                viewer_protocol_policy=cloudfront.ViewerProtocolPolicy.HTTPS_ONLY,
                allowed_methods=cloudfront.AllowedMethods.ALLOW_GET_HEAD_OPTIONS,
                function_associations=[
                    cloudfront.FunctionAssociation(
                        event_type=cloudfront.FunctionEventType.VIEWER_REQUEST, function=page_url
                    )
                ],
            )

        cached_paths = [f"{route.prefix}/*" for route in ROUTES if route.front == "ui" and route.prefix != "/healthz"]
        self.distribution = cloudfront.Distribution(
            self,
            "Distribution",
            comment=f"Pages of extensions, {stage.name}",
            default_behavior=behavior(cloudfront.CachePolicy.CACHING_DISABLED),
            additional_behaviors={path: behavior(cached) for path in cached_paths},
            error_responses=[
                cloudfront.ErrorResponse(http_status=status, ttl=Duration.seconds(0)) for status in _ERRORS
            ],
            minimum_protocol_version=cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
            http_version=cloudfront.HttpVersion.HTTP2_AND_3,
            enable_logging=True,
            log_bucket=logs,
            log_file_prefix="cloudfront/",
            domain_names=[stage.ui_domain] if stage.ui_domain else None,
            certificate=certificates.Certificate.from_certificate_arn(self, "Certificate", stage.ui_certificate_arn)
            if stage.ui_domain
            else None,
        )
        if stage.ui_domain:
            zone = route53.HostedZone.from_hosted_zone_attributes(
                self, "Zone", hosted_zone_id=stage.hosted_zone_id, zone_name=stage.hosted_zone_name
            )
            target = route53.RecordTarget.from_alias(targets.CloudFrontTarget(self.distribution))
            route53.ARecord(self, "Name", zone=zone, record_name=stage.ui_domain, target=target)
            route53.AaaaRecord(self, "Name6", zone=zone, record_name=stage.ui_domain, target=target)
        self.url = f"https://{stage.ui_domain or self.distribution.distribution_domain_name}"
