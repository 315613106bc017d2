"""A function whose module cannot be imported."""

raise RuntimeError("the configuration is missing")
