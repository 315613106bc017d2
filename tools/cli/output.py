"""Output of commands: answers on standard output, everything else on standard error."""

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

CONSOLE = Console(stderr=True, highlight=False)


class CommandError(Exception):
    """A command cannot do what it was asked to; has what was wrong and how to fix it."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def answer(text: str) -> None:
    """Write text of the answer, and a newline."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def answer_json(document: Any) -> None:
    """Write the answer as JSON."""
    answer(json.dumps(document, indent=2, ensure_ascii=False))


def note(text: str) -> None:
    """Show text that is not part of the answer."""
    CONSOLE.print(text, markup=False)


def complain(code: str, problem: str, remedy: str = "", explanation: Sequence[str] = ()) -> None:
    """Show what was wrong, further lines about it and, if known, how to fix it."""
    CONSOLE.print(f"[bold red]✗[/] {code}", end="" if code else "\r")
    CONSOLE.print(f"{': ' if code else ''}{problem}", markup=False, soft_wrap=True)
    for line in explanation:
        CONSOLE.print(f"  {line}", markup=False, soft_wrap=True)
    if remedy:
        CONSOLE.print(f"  → {remedy}", markup=False, soft_wrap=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show that a step is running, then one line with the time it took."""
    started = time.monotonic()
    if not CONSOLE.is_terminal:
        CONSOLE.print(f"… {title}")
    with CONSOLE.status(title):
        yield
    CONSOLE.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")
