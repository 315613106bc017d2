"""The limits as numbers.

Other tests take a limit from the module, so that they test what happens at it. A limit that moved would not fail them.
"""

from importlib import import_module

import pytest

KIB, MIB = 1 << 10, 1 << 20
LIMITS = {
    # How long something that was once verified is trusted, in seconds.
    "alga_ext.calls.execution_token.LIFETIME_S": 60,
    "alga_ext.calls.execution_token._SKEW_S": 5,
    "alga_ext.calls.operator_token.LIFETIME_S": 60,
    "alga_ext.calls.operator_token._SKEW_S": 5,
    "alga_ext.edge.tokens._SKEW_S": 30,
    "alga_ext.edge.fetched_key_set.CURRENT_S": 300,
    "alga_ext.edge.fetched_key_set.USABLE_S": 3_600,
    "alga_ext.edge.fetched_key_set.FAILURE_PAUSE_S": 10,
    "alga_ext.edge.fetched_key_set.UNKNOWN_KEY_PAUSE_S": 30,
    "alga_ext.trust.releases.VERDICT_LIFETIME_S": 60,
    "functions.runner.imports.application.client.TOKEN_LIFETIME_S": 60,
    "alga_ext.trust.list_lifetime.REFRESH_S": 30,
    "alga_ext.trust.list_lifetime.MAX_LIFETIME_S": 86_400,
    "functions.runner.replay._KEPT_FOR_S": 70,
    # How large what strangers send may be.
    "alga_ext.bundles.archive.ARCHIVE_LIMIT_BYTES": 200 * MIB,
    "alga_ext.bundles.declared_headers.HEADERS_LIMIT": 16,
    "alga_ext.bundles.manifest.MANIFEST_LIMIT_BYTES": 256 * KIB,
    "alga_ext.bundles.paths.DEPTH_LIMIT": 32,
    "alga_ext.bundles.tar_members._EXTENSION_LIMIT_BYTES": 8 * KIB,
    "alga_ext.bundles.tar_members._RECORDS_LIMIT": 64,
    "alga_ext.bundles.zstd_frame.BLOCKS_LIMIT": 65_536,
    "alga_ext.bundles.zstd_frame.WINDOW_LIMIT_BYTES": 64 * MIB,
    "alga_ext.calls.envelope.CONFIG_LIMIT_BYTES": 64 * KIB,
    "alga_ext.calls.metrics.DECLARED_LIMIT": 20,
    "alga_ext.edge.fetched_key_set.SIZE_LIMIT_BYTES": 256 * KIB,
    "alga_ext.edge.tokens._IDENTITY_LIMIT_CHARS": 255,
    "alga_ext.edge.tokens._TOKEN_LIMIT_CHARS": 8 * KIB,
    "alga_ext.stores.sealing.SECRET_LIMIT_BYTES": 64 * KIB,
    "alga_ext.strict_json.DEPTH_LIMIT": 64,
    "alga_ext.trust.log_proof.PROOF_LIMIT_BYTES": MIB,
    "alga_ext.trust.signing.ENVELOPE_LIMIT_BYTES": 64 * KIB,
    "alga_ext.trust.trust_document.TRUST_BUNDLE_LIMIT_BYTES": MIB,
    "functions.gateway.admission.BODY_LIMIT_BYTES": 4 * MIB,
    "functions.gateway.headers.HEADERS_LIMIT_BYTES": 8 * KIB,
    "functions.registry.api.registry.BODY_LIMIT_BYTES": 512 * KIB,
    "functions.registry.api.registry.BUNDLE_BODY_LIMIT_BYTES": 7 * MIB,
    "functions.registry.api.registry.MEMBERS_LIMIT": 50,
    "functions.registry.schemas.config_schema.CONFIG_STEPS_LIMIT": 200_000,
    "functions.registry.schemas.config_schema.NODES_LIMIT": 1_000,
    "alga_ext.calls.install_config.DEFAULTS_LIMIT_BYTES": 64 * KIB,
    "alga_ext.calls.install_config.DEFAULTS_STEPS_LIMIT": 50_000,
    "functions.registry.schemas.config_schema.SCHEMA_STEPS_LIMIT": 300_000,
    "functions.registry.schemas.config_schema.TOTAL_POSITIONS_LIMIT": 20_000,
    "functions.registry.schemas.linear_patterns.POSITIONS_LIMIT": 5_000,
    "functions.registry.schemas.metering.PATTERN_STEPS_LIMIT": 20_000_000,
    # What a guest may use.
    "alga_ext.bundles.manifest.CALL_TIMEOUT_LIMIT_MS": 29_000,
    "functions.runner.envelope.HEADERS_LIMIT": 256,
    "functions.runner.envelope.HEADER_BYTES_LIMIT": 32 * KIB,
    "functions.runner.imports.application.records.BODY_LIMIT_BYTES": MIB,
    "functions.runner.imports.application.ui_proxy.BODY_LIMIT_BYTES": 4 * MIB,
    "functions.runner.imports.broker.CALLS_LIMIT": 1_000,
    "functions.runner.imports.http.responses.HEADERS_LIMIT": 100,
    "functions.runner.imports.http.responses.HEAD_LIMIT_BYTES": 32 * KIB,
    "functions.runner.imports.http.fetch.BODY_LIMIT_BYTES": 4 * MIB,
    "functions.runner.imports.http.fetch.FETCHES_LIMIT": 100,
    "functions.runner.imports.http.fetch.HEADER_BYTES_LIMIT": 32 * KIB,
    "functions.runner.imports.scheduler.rules.PAYLOAD_BYTES": 64 * KIB,
    "functions.runner.imports.scheduler.rules.SCHEDULES_LIMIT": 50,
    "functions.runner.imports.storage.rules.BATCH_BYTES": 512 * KIB,
    "functions.runner.imports.storage.rules.INSTALL_BYTES": 256 * MIB,
    "functions.runner.imports.storage.rules.PAGE_BYTES": 2 * MIB,
    "functions.runner.imports.storage.rules.PAGE_LIMIT": 100,
    "functions.runner.imports.storage.rules.TTL_SECONDS": range(60, 2_592_001),
    "functions.runner.imports.storage.rules.VALUE_BYTES": 64 * KIB,
    "alga_ext.confinement.confine._ADDRESS_SPACE_BYTES": 64 << 30,
    "functions.runner.sandbox.child.guest.INSTANCES_LIMIT": 100,
    "functions.runner.sandbox.child.guest.MEMORIES_LIMIT": 10,
    "functions.runner.sandbox.child.guest.TABLES_LIMIT": 20,
    "functions.runner.sandbox.child.guest.TABLE_ELEMENTS_LIMIT": 200_000,
    "functions.runner.sandbox.child.local_imports.LOG_LINES_LIMIT": 1_000,
    "functions.runner.sandbox.child.local_imports.LOG_LINE_LIMIT_BYTES": 8 * KIB,
    "functions.runner.sandbox.protocol.channel.FRAME_LIMIT_BYTES": 8 * MIB,
}


@pytest.mark.parametrize(("name", "number"), LIMITS.items())
def test_a_limit_is_this_number(name: str, number: object) -> None:
    module, _, constant = name.rpartition(".")

    assert getattr(import_module(module), constant) == number
