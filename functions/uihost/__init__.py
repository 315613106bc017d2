"""Serve the static UI of extensions, by bundle hash. It only reads.

Handler: ``handler`` (function URL behind CloudFront).
"""
