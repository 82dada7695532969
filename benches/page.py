"""The page that measurements are written to."""

from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def write(name, text):
    """Puts a text between the marks of this name."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    page = PAGE.read_text()
    head, tail = page[: page.index(begin) + len(begin)], page[page.index(end) :]
    PAGE.write_text(f"{head}\n\n{text}\n\n{tail}")
