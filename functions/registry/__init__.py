"""The registry: which publishers, extensions, versions and installs exist, and what may run.

Handlers: ``handler`` (HTTP API ``/api/registry/v1``), ``assets`` (queue ``prepared``), ``recorder`` (queue
``executions``), ``sweeper`` (schedule) and ``migrations.handler`` (invoked at deployment). They log in to the database
as ``fn_registry``, except for the last, which logs in as the owner of the schema. They write the registry, install,
audit and execution tables, and bundles, components, UI files and release records.
"""
