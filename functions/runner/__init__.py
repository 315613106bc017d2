"""The runner: runs guests in a sandbox, and prepares their programs."""
