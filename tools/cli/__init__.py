"""`alga-ext`: build, pack, sign, publish, install and call extensions, and run the platform on one machine.

Every command is thin: rules live in `alga_ext`, the record in the registry. Answers go to standard output, progress and
errors to standard error; exit code 0 is done, 1 refused or failed, 2 wrongly called. Secrets are never arguments:
tokens come from ALGA_TOKEN or a file, keys from files.
"""
