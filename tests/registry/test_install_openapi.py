"""The OpenAPI document of an install, through the registry's routes."""

import openapi_spec_validator

from tests.support.registry import RegistryWorld
from tests.support.server_extension import change, publish_server


def test_a_viewer_reads_the_endpoints_of_the_version_that_is_installed(world: RegistryWorld) -> None:
    world.register()
    publish_server(world, api={"endpoints": [{"method": "GET", "path": "/notes"}]})
    install = world.install()
    path = f"/installs/{install['install_id']}/openapi.json"
    first = world.call("GET", path, world.tenant_viewer())

    assert first.status == 200, first
    openapi_spec_validator.validate(first.body)
    assert first.body["servers"] == [{"url": f"/api/ext/{install['install_id']}"}]
    assert list(first.body["paths"]) == ["/notes"]

    change(world, install, "disable")
    again = world.call("GET", path, world.tenant_admin())
    assert (again.body, again.headers["etag"]) == (first.body, first.headers["etag"])

    publish_server(world, "1.1.0", api={"endpoints": [{"method": "GET", "path": "/notes/:id"}]})
    assert change(world, install, "update", {}).status == 200
    updated = world.call("GET", path, world.tenant_viewer())
    assert (updated.body["info"]["version"], list(updated.body["paths"])) == ("1.1.0", ["/notes/{id}"])
    assert updated.headers["etag"] != first.headers["etag"]
