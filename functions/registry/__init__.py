"""The record of what may run where.

Handlers: ``handler`` (HTTP API ``/api/registry/v1``), ``assets`` (queue ``prepared``), ``recorder`` (queue
``executions``) and ``migrate`` (invoked at deployment). Logs in as ``fn_registry``; writes the registry, install,
audit and execution tables, bundles, components, UI files and release records.
"""
