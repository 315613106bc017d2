"""What still keeps a stage from being deployed, though its template can be synthesised (pure)."""

from infra.stages import StageSettings

_PEM = "-----BEGIN PUBLIC KEY-----"


def missing(stage: StageSettings) -> list[str]:
    """Return what the operator has to give before ``cdk deploy``, each with how to do it."""
    faults = []
    if _PEM not in stage.trust_root_keys:
        faults.append("trust_root_keys is not a public key in PEM; docs/how-to/deploy.md says how to make one")
    examples = [
        name for name in ("auth_issuer", "auth_jwks_url", "frame_ancestors") if "example.com" in getattr(stage, name)
    ]
    if examples:
        faults.append(f"{', '.join(examples)}: still the example's; give those of the host application in cdk.json")
    return faults
