"""Show rows as a table of text. Extensions wrote parts of it, so nothing of it may control a terminal."""

from collections.abc import Iterator, Sequence

from tools.cli.call_texts import printable


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield a line of titles and a line for each row. Numbers stand to the right; None is ``-``.

    Without rows, nothing is yielded.
    """
    if not rows:
        return
    cells = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    are_numbers = [all(isinstance(row[place], int | float | None) for row in rows) for place in range(len(titles))]
    for line in (list(titles), *cells):
        aligned = (
            cell.rjust(width) if is_number else cell.ljust(width)
            for cell, width, is_number in zip(line, widths, are_numbers, strict=True)
        )
        yield "  ".join(aligned).rstrip()


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    text = f"{cell:,.0f}" if isinstance(cell, int | float) else str(cell)
    return printable(text).replace("\n", "\N{REPLACEMENT CHARACTER}").replace("\t", " ")
