"""Host imports that need the parent's authority, one module per capability.

The child lifts the arguments and refuses what is not granted; ``broker`` checks again, here, and counts. In each
module the decision is pure and the action is behind it.
"""
