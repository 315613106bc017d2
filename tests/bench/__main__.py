"""``python -m tests.bench``: every benchmark, one after the other; each also runs alone, as ``tests.bench.runner``."""

from tests.bench import installs, runner

if __name__ == "__main__":
    runner.main()
    installs.main()
