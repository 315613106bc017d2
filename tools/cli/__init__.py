"""`alga-ext`: build, pack, sign, publish, install and call extensions, and run the platform on one machine.

The commands contain no rules: these are in `alga_ext` and in the registry. Answers go to standard output, progress and
errors to standard error. Exit code 0 means done, 1 refused or failed, 2 wrong arguments. Secrets are never arguments:
tokens come from ALGA_TOKEN or a file, keys from files.
"""
