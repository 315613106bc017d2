"""Aurora PostgreSQL Serverless v2: encrypted, with IAM logins, backups and without a proxy.

A proxy (RDS Proxy) would keep the database awake, and the functions' reserved concurrency already limits connections.
"""

import hashlib
from typing import Final, cast

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_rds as rds
from constructs import Construct

from infra.network import Network
from infra.places import DATABASE_NAME
from infra.stages import StageSettings

OWNER_ROLE: Final = "alga_owner"
"""The role that owns the database. RDS keeps its password in Secrets Manager and changes it every seven days."""
_PAUSE_AFTER: Final = Duration.minutes(5)  # the shortest that Aurora offers
_IDLE_SESSION_MS: Final = 60_000
"""An idle connection is closed after this time where the database may pause: the connections of functions that are
frozen would keep it awake."""


class Database(Construct):
    """One cluster with one serverless instance."""

    def __init__(self, scope: Construct, name: str, stage: StageSettings, network: Network) -> None:
        super().__init__(scope, name)
        engine = rds.DatabaseClusterEngine.aurora_postgres(version=rds.AuroraPostgresEngineVersion.VER_18_4)
        parameters = {
            "rds.force_ssl": "1",
            "max_connections": str(stage.database_max_connections),
            "log_min_duration_statement": "1000",
        }
        if stage.pauses:
            parameters["idle_session_timeout"] = str(_IDLE_SESSION_MS)
        # A restored database is a cluster of its own name: so everything that refers to it changes, and new versions of
        # the functions are published. With the old name, the aliases would go on using the old cluster.
        suffix = hashlib.sha256(stage.database_snapshot.encode()).hexdigest()[:8] if stage.database_snapshot else ""
        self.cluster = rds.DatabaseCluster(
            self,
            f"Cluster{suffix}",
            engine=engine,
            parameter_group=rds.ParameterGroup(self, "Parameters", engine=engine, parameters=parameters),
            writer=rds.ClusterInstance.serverless_v2("Writer", auto_minor_version_upgrade=True),
            serverless_v2_min_capacity=stage.database_min_acu,
            serverless_v2_max_capacity=stage.database_max_acu,
            serverless_v2_auto_pause_duration=_PAUSE_AFTER if stage.pauses else None,
            manage_master_user_password=True,
            credentials=rds.Credentials.from_username(OWNER_ROLE),
            default_database_name=DATABASE_NAME,
            vpc=network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            security_groups=[network.database],
            iam_authentication=True,
            storage_encrypted=True,
            backup=rds.BackupProps(retention=Duration.days(stage.database_backup_days)),
            deletion_protection=stage.protect_data,
            removal_policy=RemovalPolicy.SNAPSHOT if stage.protect_data else RemovalPolicy.DESTROY,
            copy_tags_to_snapshot=True,
            cloudwatch_logs_exports=["postgresql"],
        )
        self._resource = cast("rds.CfnDBCluster", self.cluster.node.default_child)
        if stage.database_snapshot:
            self._resource.snapshot_identifier = stage.database_snapshot
            # Both are the snapshot's, and CloudFormation's reference says not to give them.
            self._resource.master_username = None
            self._resource.storage_encrypted = None

    @property
    def owner_secret_arn(self) -> str:
        """The secret in which RDS keeps the owner's password."""
        return str(self._resource.attr_master_user_secret_secret_arn)
