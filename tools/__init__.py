"""Developer tools: the ``alga-ext`` CLI, the local platform and guest builds."""
