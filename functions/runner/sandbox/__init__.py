"""The sandbox: what runs inside the child process, and what drives it from outside.

``child`` and everything it imports run in the confined process and must stay small: no module here imports
``alga_ext``. ``process`` and ``pool`` run in the parent. ``wire`` is all that the two share at run time.
"""
