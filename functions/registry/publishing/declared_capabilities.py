"""Compare the capabilities that a manifest declares with the interfaces that the component imports (pure)."""

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls import capabilities
from alga_ext.calls.messages import PreparedMessage, Reason


def compare_capabilities(message: PreparedMessage, manifest: Manifest) -> tuple[list[Reason], list[str]]:
    """Return the reasons to reject the version, and the capabilities that are imported but not declared."""
    reasons = list(message.reasons)
    if not message.ok and not reasons:
        reasons.append(Reason(code="component_invalid", detail="The component could not be prepared."))
    if manifest.runtime is None:
        return reasons, []
    declared = {capability.name for capability in manifest.capabilities}
    imported = capabilities.imported(name.partition("@")[0] for name in message.imports)
    used = set(imported)
    if "cap:http.fetch" in imported and any(secret.hosts for secret in manifest.secrets):
        used.add("cap:secrets.get")  # the platform injects a bound secret; the guest imports nothing for it
    missing = sorted(declared - used - capabilities.ALWAYS_GRANTED)
    if message.ok and missing:
        reasons.append(
            Reason(
                code="capability_not_imported",
                detail=f"The manifest declares {', '.join(missing)}, but the component does not import the interface. "
                "Remove the capability from the manifest, or use it.",
            )
        )
    return reasons, sorted(imported - declared - capabilities.ALWAYS_GRANTED)
