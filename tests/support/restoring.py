"""Backups of a registry: its database at one instant, its bucket at another, and combinations of the two.

A copy of a database stands for Aurora's restore to a point in time: both give a new database with the state of one
instant. The bucket is versioned, as the deployment's, and goes to an instant by its versions.
"""

import uuid

from alga_ext.stores import object_keys
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
        """Bring the bucket to an instant as an operator can, whose policy lets nobody replace an object.

        1. An object that the instant lacks gets a delete marker.
        2. Of an object that was deleted since, the delete markers are removed.
        3. The list of withdrawn versions, which alone is ever replaced, is copied from its version of that instant.
        """
        pages = list(self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket))
        for entry in (entry for page in pages for entry in page.get("Versions", ())):
            if entry["IsLatest"] and entry["Key"] not in instant:
                self._s3.delete_object(Bucket=self.bucket, Key=entry["Key"])  # (1)
        for entry in (entry for page in pages for entry in page.get("DeleteMarkers", ())):
            if entry["Key"] in instant:
                self._s3.delete_object(Bucket=self.bucket, Key=entry["Key"], VersionId=entry["VersionId"])  # (2)
        key = object_keys.withdrawn_list()
        if key in instant:
            source = {"Bucket": self.bucket, "Key": key, "VersionId": instant[key]}
            self._s3.copy_object(Bucket=self.bucket, Key=key, CopySource=source)  # (3)

    def _copy(self, template: str) -> str:
        name = f"backup_{uuid.uuid4().hex[:12]}"
        make_database(self._server, name, template)
        self.made.append(name)
        return name
