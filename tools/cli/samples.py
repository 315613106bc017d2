"""The sample extensions on a fresh platform: built from source, published by `samples`, installed for tenant `acme`.

The topic that they subscribe to is registered too, as the host application's.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.cli.bundles import Packed, pack_folder, sign_bundle
from tools.cli.client import Client
from tools.cli.grants import asked_for
from tools.cli.output import CommandError
from tools.local.keys import LocalKeys
from tools.local.processes import start_module
from tools.local.state import ROOT

PUBLISHER = "samples"
TENANTS = ("acme", "globex")
SAMPLES = ROOT / "samples"
BUILT = ROOT / ".build" / "extensions"
PUBLISH_TIMEOUT_S = 180.0

TOPIC = "ticket.created"
TOPIC_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"ticket_id": {"type": "string"}},
    "required": ["ticket_id"],
}

# The claims of one token for each role, by the name of its file.
TOKENS: Mapping[str, dict[str, Any]] = {
    "operator": {"sub": "operator", "roles": ["platform_admin"]},
    "publisher": {"sub": "samples-ci", "roles": ["publisher"], "publishers": [PUBLISHER]},
    "acme-admin": {"sub": "ann", "name": "Ann", "tenant_id": "acme", "roles": ["tenant_admin"]},
    "acme-user": {"sub": "uma", "name": "Uma", "tenant_id": "acme", "roles": ["tenant_user"]},
    "acme-viewer": {"sub": "vic", "name": "Vic", "tenant_id": "acme", "roles": ["tenant_viewer"]},
    "acme-events": {"sub": "tickets", "tenant_id": "acme", "roles": ["event:publish"]},
    "globex-admin": {"sub": "gus", "name": "Gus", "tenant_id": "globex", "roles": ["tenant_admin"]},
    "globex-user": {"sub": "gil", "name": "Gil", "tenant_id": "globex", "roles": ["tenant_user"]},
}


def sample_folders() -> list[Path]:
    """Return the folder of every sample that has a manifest."""
    return sorted(manifest.parent for manifest in SAMPLES.glob("*/manifest.json"))


async def build_samples(work: Path, log: Path) -> list[Packed]:
    """Build all samples at the same time, each in its own process that ends with this one, and pack them.

    Builds come from the cache when nothing changed. Archives go to `work`. Raises CommandError with the end of the log.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    folders = sample_folders()
    children = [
        await start_module("tools.guests", [str(folder)], environment=os.environ, folder=ROOT, log=log)
        for folder in folders
    ]
    try:
        statuses = [await child.wait() for child in children]
    finally:
        for child in children:
            child.kill()
    if any(statuses):
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
        raise CommandError(f"a sample could not be built (log: {log}):\n{tail}", "`make setup` installs the builders")
    jobs = (asyncio.to_thread(pack_folder, BUILT / f.name, work / f"{f.name}.tar.zst") for f in folders)
    return await asyncio.gather(*jobs)


def register_topic(operator: Client) -> None:
    """Register the topic of the samples. Raises ApiError."""
    operator.json("PUT", f"/topics/{TOPIC}", {"description": "A ticket was created.", "schema": TOPIC_SCHEMA})


async def publish_samples(api: str, keys: LocalKeys, samples: list[Packed]) -> list[dict[str, Any]]:
    """Register topic and publisher, publish every sample and install it for acme; return the installs.

    Raises ApiError and CommandError.
    """
    operator = Client(api, keys.token(TOKENS["operator"]))
    await asyncio.to_thread(register_topic, operator)
    await asyncio.to_thread(operator.create_publisher, PUBLISHER, "Sample extensions")
    await asyncio.to_thread(operator.add_key, PUBLISHER, keys.publisher.public_pem)
    jobs = (asyncio.to_thread(_publish_sample, api, keys, sample) for sample in samples)
    return await asyncio.gather(*jobs)


def _publish_sample(api: str, keys: LocalKeys, sample: Packed) -> dict[str, Any]:
    publisher = Client(api, keys.token(TOKENS["publisher"]))
    version = publisher.publish(sample.archive, sign_bundle(sample.archive, keys.publisher), PUBLISHER)
    version = publisher.wait_until_decided(version["version_id"], PUBLISH_TIMEOUT_S)
    if version["state"] != "ready":
        raise CommandError(f"sample {sample.manifest.name} was rejected: {version['state_reasons']}")
    admin = Client(api, keys.token(TOKENS["acme-admin"]))
    install: dict[str, Any] = admin.install(version["name"], None, asked_for(admin, version["name"], None), {})
    return install


def component_hashes(api: str, keys: LocalKeys, installs: list[dict[str, Any]]) -> list[str]:
    """Return the sha256 of each installed sample's component; samples with only a UI have none."""
    publisher = Client(api, keys.token(TOKENS["publisher"]))
    versions = [publisher.json("GET", f"/versions/{install['version_id']}") for install in installs]
    return [version["component_sha256"] for version in versions if version["component_sha256"]]
