"""Hostile guests, one table for each kind of attack."""
