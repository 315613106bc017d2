"""``python -m tests.bench``: every benchmark that needs no long preparation, one after the other."""

from tests.bench import runner

if __name__ == "__main__":
    runner.main()
