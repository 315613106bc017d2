"""The tenants' door: authenticate, admit, dispatch, reply.

Handler: ``handler`` (HTTP API ``/api/ext``). Logs in as ``fn_gateway``, which reads the registry and the tenant's
installs; invokes the runner and writes to the executions queue.
"""
