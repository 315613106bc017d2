"""The code that runs in confined processes: the sandbox child (``child``) and the compile worker (``compiler``).

This code must stay small, so no module here imports ``alga_ext``. ``confinement`` takes a process's rights away.
``protocol`` contains what the confined processes and the parent share. The parent's side is in
``functions.runner.sandboxes``.
"""
