"""Code that two or more functions share; Lambda mounts it as a layer at ``/opt/python``.

Nothing is re-exported: importing one module must not load the others, because every import adds to the time of a
cold start.
"""
