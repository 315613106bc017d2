"""Running a fuzz target under atheris (libFuzzer).

A target is a module of this package with ``one_input`` and ``seeds``; ``python -m tests.fuzz.manifest`` fuzzes the
manifest for half a minute. Arguments are libFuzzer's: ``-max_total_time=600``, ``-runs=100000``, or files to try again
(``python -m tests.fuzz.manifest .build/fuzz/manifest/crash-…``). What was learnt is kept under .build/fuzz and used
again.

A target fails by any exception but ``PlatformError``, by more than 512 MB, or by one input that takes longer than
5 seconds.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import atheris

from alga_ext.errors import PlatformError
from tests.support.places import ROOT

DEFAULTS = (
    "-max_total_time=30",
    "-rss_limit_mb=512",
    "-timeout=5",
    "-max_len=65536",
    "-verbosity=0",
    "-print_final_stats=1",
)


def refused_or_read(call: Callable[[], object]) -> None:
    """Run ``call``; our own refusals are what it is for."""
    try:
        call()
    except PlatformError as error:
        if error.kind == "internal" and error.code != "trust_bundle_invalid":
            raise


def fuzz(
    name: str,
    one_input: Callable[[bytes], None],
    seeds: Iterable[bytes],
    arguments: Sequence[str],
    words: Iterable[str] = (),
) -> None:
    """Fuzz until libFuzzer ends the process: status 0 when nothing was found.

    Args:
        name: where crashes and the corpus are kept, below .build/fuzz.
        one_input: called with each input.
        seeds: honest inputs to begin with.
        arguments: libFuzzer's, from the command line.
        words: what inputs are made of, so that it need not be found by chance.
    """
    found = ROOT / ".build" / "fuzz" / name
    corpus = found / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    files = [argument for argument in arguments if not argument.startswith("-")]
    given = [option for option in DEFAULTS if not any(a.startswith(option.partition("=")[0] + "=") for a in arguments)]
    with tempfile.TemporaryDirectory(prefix="fuzz-seeds-") as folder:
        for number, seed in enumerate(seeds):
            Path(folder, f"seed-{number}").write_bytes(seed)
        places = files or [str(corpus), folder]
        dictionary = found / "words.dict"
        dictionary.write_text("".join(f"{json.dumps(word)}\n" for word in words))
        options = [*given, *(argument for argument in arguments if argument.startswith("-"))]
        if dictionary.stat().st_size:
            options.append(f"-dict={dictionary}")
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={found}/", *places], one_input)
        atheris.Fuzz()
