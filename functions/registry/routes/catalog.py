"""Routes for reading extensions and versions."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from functions.registry import compose, versions
from functions.registry.api import ExtensionOut, VersionOut, texts
from functions.registry.routes.caller import principal

router = APIGatewayHttpRouter()

PageSize = Annotated[int, Query(ge=1, le=100)]


@router.get("/extensions")
def list_extensions(after: Annotated[str, Query(max_length=255)] = "", page_size: PageSize = 25) -> list[ExtensionOut]:
    """List extensions by name; ``after`` is the last name of the page before."""
    principal(router)
    with compose.database().system() as tx:
        return [ExtensionOut.model_validate(texts(row)) for row in versions.list_extensions(tx, after, page_size)]


@router.get("/extensions/<reference>")
def get_extension(reference: str) -> ExtensionOut:
    """Get an extension by id or name."""
    principal(router)
    with compose.database().system() as tx:
        return ExtensionOut.model_validate(texts(versions.load_extension(tx, reference)))


@router.get("/extensions/<reference>/versions")
def list_versions(reference: str, page_size: PageSize = 25) -> list[VersionOut]:
    """List an extension's versions, newest first."""
    principal(router)
    with compose.database().system() as tx:
        extension = versions.load_extension(tx, reference)
        rows = versions.list_versions(tx, str(extension["extension_id"]), page_size)
    return [VersionOut.model_validate(texts(row)) for row in rows]


@router.get("/versions/<version_id>")
def get_version(version_id: str) -> VersionOut:
    """Get a version: its state tells how far its publication is, and why it was rejected."""
    principal(router)
    with compose.database().system() as tx:
        return VersionOut.model_validate(texts(versions.load_version(tx, version_id)))
