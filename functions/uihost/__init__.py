"""Static UI of extensions, by bundle hash. Handler: ``handler`` (function URL behind CloudFront); it only reads."""
