"""Hypothesis for all unit tests: no deadlines, because other work on the machine is no reason to fail."""

from hypothesis import HealthCheck, settings

settings.register_profile("unit", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")
