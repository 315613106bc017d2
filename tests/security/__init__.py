"""Hostile guests, forged artifacts, a hostile sandbox, canaries and a soak: what the runner must withstand."""
