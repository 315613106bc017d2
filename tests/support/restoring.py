"""Backups of a registry: its database at one instant, its bucket at another, and combinations of the two.

A copy of a database stands for Aurora's restore to a point in time: both give a new database with the state of one
instant. The bucket is versioned, as the deployment's, and goes to an instant by its versions.
"""

import uuid

from tests.conftest import Databases
from tests.support.registry import RegistryWorld
from tools.local.postgres import make_database

Instant = dict[str, str]
"""Which version each object of a bucket had: key → version id."""


class Backups:
    """Takes and restores backups of one registry, whose bucket becomes versioned.

    Args:
        world: the registry.
        server: URL of the PostgreSQL server's superuser.
    """

    def __init__(self, world: RegistryWorld, server: str) -> None:
        self._world = world
        self._server = server
        self._s3 = world.client("s3")
        self.bucket = world.bucket
        self.made: list[str] = []
        """Names of the databases that were made."""
        self._s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"})

    def take_database(self) -> str:
        """Keep the database as it is now, and return the name of the backup."""
        self._world.close()  # a database that is copied must have no connections
        return self._copy(self._world.databases.owner.rpartition("/")[2])

    def restore_database(self, backup: str) -> None:
        """Use a new database with the state of a backup from now on."""
        self._world.close()
        name = self._copy(backup)
        server = self._world.databases.owner.rpartition("/")[0]
        self._world.databases = Databases(f"{server}/{name}")

    def take_bucket(self) -> Instant:
        """Return which objects the bucket has now."""
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket)
        found = [version for page in pages for version in page.get("Versions", ()) if version["IsLatest"]]
        return {version["Key"]: version["VersionId"] for version in found}

    def restore_bucket(self, instant: Instant) -> None:
        """Bring the bucket to an instant without writing an object: newer versions and delete markers are removed.

        An object that the instant lacks gets a delete marker.
        """
        pages = list(self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket))
        markers = [entry for page in pages for entry in page.get("DeleteMarkers", ())]
        versions = [entry for page in pages for entry in page.get("Versions", ())]
        for entry in markers:
            if entry["Key"] in instant:
                self._delete(entry["Key"], entry["VersionId"])
        for key in {entry["Key"] for entry in versions}:
            own = [entry["VersionId"] for entry in versions if entry["Key"] == key]  # the newest first
            if key not in instant:
                self._s3.delete_object(Bucket=self.bucket, Key=key)
                continue
            for version_id in own[: own.index(instant[key])]:
                self._delete(key, version_id)

    def _delete(self, key: str, version_id: str) -> None:
        self._s3.delete_object(Bucket=self.bucket, Key=key, VersionId=version_id)

    def _copy(self, template: str) -> str:
        name = f"backup_{uuid.uuid4().hex[:12]}"
        make_database(self._server, name, template)
        self.made.append(name)
        return name
