"""The code that runs in confined processes: the sandbox child (``child``) and the compile worker (``compiler``).

This code must stay small, so of ``alga_ext`` it imports ``confinement`` only, which takes a process's rights away and
imports the standard library. ``protocol`` contains what the confined processes and the parent share. The parent's
side is in ``functions.runner.sandboxes``.
"""
