"""The VPC: private subnets with a NAT gateway for functions, isolated subnets for the database."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.retention import retention_days
from infra.stages import StageSettings

POSTGRESQL_PORT = 5432


class Network(Construct):
    """Subnets in two availability zones, an endpoint for S3, flow logs, and a security group for each side.

    Functions may reach every address, because tenants grant extensions hosts of their choice; the runner decides per
    call which address a guest may reach. The database accepts connections of these functions only.
    """

    def __init__(self, scope: Construct, name: str, stage: StageSettings) -> None:
        super().__init__(scope, name)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=2,
            nat_gateways=stage.nat_gateways,
            restrict_default_security_group=False,  # it would add a function of CDK's own; nothing uses the group
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False
                ),
                ec2.SubnetConfiguration(name="functions", subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                ec2.SubnetConfiguration(name="database", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ],
        )
        # Without it, artifacts of every cold start would be paid for as traffic of the NAT gateway.
        self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        flows = logs.LogGroup(
            self,
            "FlowLogs",
            retention=retention_days(stage.log_retention_days),
            removal_policy=RemovalPolicy.RETAIN if stage.protect_data else RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log("Flows", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flows))
        self.functions = ec2.SecurityGroup(
            self, "FunctionsGroup", vpc=self.vpc, description="Functions that need the database or egress"
        )
        self.database = ec2.SecurityGroup(
            self, "DatabaseGroup", vpc=self.vpc, description="The database", allow_all_outbound=False
        )
        self.database.add_ingress_rule(self.functions, ec2.Port.tcp(POSTGRESQL_PORT), "functions")
