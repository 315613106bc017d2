"""The runner function, which runs guests in a sandbox, and the prepare function, which compiles their programs."""
