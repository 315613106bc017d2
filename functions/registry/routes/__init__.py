"""The registry API's routes, one module a subject."""
