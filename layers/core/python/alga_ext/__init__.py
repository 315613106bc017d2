"""The language the four functions speak; Lambda mounts it as a layer at ``/opt/python``.

Only what two or more functions share lives here. Nothing is re-exported: importing one module must not
load the others, because every import is paid at cold start.
"""
