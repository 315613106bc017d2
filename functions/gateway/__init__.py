"""The gateway: authenticate a tenant's user, admit the call, run it and send the response.

Handler: ``handler`` (HTTP API ``/api/ext``). It logs in to the database as ``fn_gateway``, which reads the registry and
the tenant's installs. It invokes the runner and writes to the executions queue.
"""
