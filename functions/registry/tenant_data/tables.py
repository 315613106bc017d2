"""Which tables have rows of tenants, and what an erasure and an export do with each (pure).

A test compares these lists with the database's catalogue: a new table of tenants must be entered here.
"""

from typing import Final

ERASED: Final = (
    "call_rate",
    "call_idempotency",
    "idempotency_record",
    "extension_execution_lines",
    "extension_log_day",
    "extension_execution_log",
    "extension_metric_total",
    "extension_endpoint_total",
    "extension_egress_day",
    "extension_egress_trial",
    "extension_quota_event",
    "extension_quota_usage",
    "extension_limit",
    "tenant_activity",
    "extension_storage_entry",
    "extension_storage_usage",
    "extension_schedule_change",
    "extension_schedule_request",
    "extension_delivery",
    "extension_event",
    "extension_schedule",
    "extension_event_subscription",
    "extension_install_secret",
    "extension_install_request",
    "extension_install_disabling",
    "tenant_extension_install",
)
"""Tables whose rows of the tenant an erasure deletes, in this order: what refers to an install before the install."""

AUDIT: Final = "audit_event"

KEPT: Final = {
    AUDIT: "who changed what stays provable; the fields that could name a person are blanked",
    "tenant_erasure": "the receipt of the erasure itself",
    "tenant_export": "the receipt of an export, whose objects are deleted when it expires",
    "tenant_export_part": "the objects of an export, as its receipt",
}
"""Tables whose rows of the tenant outlive an erasure, each with the reason."""

EXPORTED: Final = (*ERASED, AUDIT)
"""Tables that an export contains. The receipts are the operator's."""

WIDE: Final = frozenset({"call_idempotency", "extension_execution_lines", "extension_storage_entry"})
"""Tables whose rows may have hundreds of KiB. Few of them are read at a time."""
