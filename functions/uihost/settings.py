"""Settings of the UI host."""

from collections.abc import Mapping
from typing import Annotated

from alga_ext.settings import HttpUrl, Range, RootKeys, Settings, StoreBase, TrustBundleSetting, trust_faults
from alga_ext.trust.list_lifetime import LifetimeSetting


class UiHostSettings(Settings, frozen=True, kw_only=True):
    """Settings that the UI host reads from its environment.

    Attributes:
        bundle_store_base: ``s3://bucket[/prefix]`` of release records, UI files and the list of withdrawn bundles.
        signing_trust_bundle: the trust bundle, which holds the release keys: its content, path or ``s3://bucket/key``.
        trust_root_keys: public keys in PEM, of which one must have signed a trust bundle in the object store.
        runner_public_base: public base URL of the UI host. Its origin stands in the documents' Content-Security-Policy.
            Without it, each request has CloudFront's own name in the header ``x-alga-ui-host``.
        frame_ancestors: origins of the host application that may show extensions in a frame, separated by spaces.
        withdrawn_list_lifetime_s: for how many seconds at most a list of withdrawn bundles is used after its issue.
        ui_cache_bytes: how many bytes of small files are kept in memory.
        extensions_enabled: when false, every request is answered with ``extensions_disabled``.
    """

    section = "UI host"

    bundle_store_base: StoreBase
    signing_trust_bundle: TrustBundleSetting
    trust_root_keys: RootKeys = ""
    runner_public_base: HttpUrl = ""
    frame_ancestors: str = "'none'"
    withdrawn_list_lifetime_s: LifetimeSetting = 3_600
    ui_cache_bytes: Annotated[int, Range(0)] = 32 * 1024 * 1024
    extensions_enabled: bool = True

    @classmethod
    def faults_together(cls, given: Mapping[str, str]) -> list[str]:
        """See ``Settings.faults_together``: a trust bundle in the object store needs root keys."""
        return [*super().faults_together(given), *trust_faults(given)]
