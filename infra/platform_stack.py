"""The whole platform as one stack."""

import json
from pathlib import Path
from typing import Final

from aws_cdk import Aws, CfnOutput, CfnRule, CfnRuleAssertion, Fn, Stack, Tags
from constructs import Construct

from infra.acknowledged import acknowledge
from infra.alarms import Alarms, Watched
from infra.dashboard import Dashboard
from infra.database import Database
from infra.environment import environment
from infra.functions import Functions
from infra.http_api import HttpApi
from infra.network import Network
from infra.pages import Pages
from infra.permissions import statements
from infra.places import Places, Region
from infra.queues import Queues
from infra.rollout import Migrations, Rollout
from infra.schedules import Schedules
from infra.stages import OWN_KEY, StageSettings
from infra.stores import Stores
from topology.access import ACCESS
from topology.functions import FUNCTIONS, SMOKE, UIHOST
from topology.layers import CORE
from topology.runtime import LAYERS_FOLDER, RDS_ROOTS_FOLDER

ROOT: Final = Path(__file__).parents[1]


class PlatformStack(Stack):
    """One stage of the platform.

    Args:
        scope: the app.
        stage: the operator's settings.
        assets: the folder that ``make build`` wrote.
    """

    def __init__(self, scope: Construct, stage: StageSettings, assets: Path) -> None:
        super().__init__(scope, f"alga-ext-{stage.name}", termination_protection=stage.protect_data)
        # CDK writes dependencies that references imply already (W3005). SAM's linter takes no option for it.
        self.template_options.metadata = {"cfn-lint": {"config": {"ignore_checks": ["W3005"]}}}
        self._check_region(assets)
        Tags.of(self).add("application", "alga-ext")
        Tags.of(self).add("stage", stage.name)
        network = Network(self, "Network", stage)
        stores = Stores(self, "Stores", stage)
        queues = Queues(self, "Queues", stage.name)
        database = Database(self, "Database", stage, network)
        places = Places(
            stage=stage.name,
            region=Region(self.partition, self.region, self.account),
            store_bucket=stores.store.bucket_name,
            trust_bucket=stores.trust.bucket_name,
            database_host=database.cluster.cluster_endpoint.hostname,
            database_port=str(database.cluster.cluster_endpoint.port),
            database_resource_id=database.cluster.cluster_resource_identifier,
            owner_secret_arn=database.owner_secret_arn,
            queues=queues.places(),
            signing_keys={name: key.key_arn for name, key in stores.signing_keys.items()} | stage.signing_keys,
            secrets_key_arns=tuple(stores.secrets_key.key_arn if key == OWN_KEY else key for key in stage.secrets_keys),
        )
        functions = Functions(self, "Functions", stage, places, network, assets)
        # The UI host comes first: CloudFront needs its function URL, and the others need CloudFront's address.
        own_base = f"https://{stage.ui_domain}" if stage.ui_domain else ""
        uihost = functions.add(UIHOST, environment(UIHOST, stage, places, own_base), statements(UIHOST, places, ""))
        pages = Pages(self, "Pages", stage, uihost, stores.logs)
        distribution = self.format_arn(
            service="cloudfront", region="", resource="distribution", resource_name=pages.distribution.distribution_id
        )
        for function in FUNCTIONS:
            if function not in (UIHOST, SMOKE):
                values = environment(function, stage, places, pages.url, pages.distribution.distribution_id)
                functions.add(function, values, statements(function, places, distribution))
        checked = json.dumps({name: places.function_name(name) for access in ACCESS for name in access.checks})
        smoke = environment(SMOKE, stage, places, pages.url, smoke_functions=checked)
        functions.add(SMOKE, smoke, statements(SMOKE, places, distribution))
        migrations = Migrations(
            self,
            "Migrations",
            functions,
            ROOT / "migrations",
            places.database_resource_id,
            is_restored=bool(stage.database_snapshot),
        )
        migrations.node.add_dependency(database, network)  # the network with its rules
        functions.connect_queues({name: queue.queue_arn for name, queue in queues.queues.items()})
        api = HttpApi(self, "Api", stage, functions.aliases)
        Schedules(self, "Schedules", stage, functions.aliases)
        alarms = Alarms(
            self,
            "Alarms",
            stage,
            Watched(functions.aliases, queues.queues, queues.dead_letters, database.cluster, api.api),
        )
        Dashboard(self, "Dashboard", stage, queues.queues, functions.aliases)
        Rollout(self, "Rollout", stage, functions, alarms.rollback)
        acknowledge(self, stage, functions)
        self._tell(stage, stores, api, pages, alarms)

    def _check_region(self, assets: Path) -> None:
        """Refuse a region for whose databases there are no certificates, before anything is made in it."""
        core = assets / "layers" / CORE.name / RDS_ROOTS_FOLDER.removeprefix(f"{LAYERS_FOLDER}/")
        regions = sorted(file.stem for file in core.glob("*.pem"))
        CfnRule(
            self,
            "Region",
            assertions=[
                CfnRuleAssertion(
                    assert_=Fn.condition_contains(regions, Aws.REGION),
                    assert_description="The core layer has no certificates of Amazon RDS for this region",
                )
            ],
        )

    def _tell(self, stage: StageSettings, stores: Stores, api: HttpApi, pages: Pages, alarms: Alarms) -> None:
        """Add the outputs that the how-to guides and the deployment workflow read."""
        outputs = {
            "ApiUrl": api.url,
            "UiUrl": pages.url,
            "StoreBucket": stores.store.bucket_name,
            "TrustBucket": stores.trust.bucket_name,
            "AlarmTopic": alarms.topic.topic_arn,
            **{
                f"{name.replace('_', ' ').title().replace(' ', '')}Arn": key.key_arn
                for name, key in stores.signing_keys.items()
            },
            "RunnerTenantCeiling": str(stage.tenant_ceiling or "unlimited"),
        }
        for name, value in outputs.items():
            CfnOutput(self, name, value=value)
