"""What the commands give: tables, figures, the page."""

from __future__ import annotations

import html
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow

if TYPE_CHECKING:
    import pandas
    import polars

#: Rows of a table that are shown.
SHOWN = 40


class Table:
    """A table of results: `.arrow` is a pyarrow.Table.

    It is also what libraries that speak Arrow take, such as `polars.DataFrame(table)`, and DuckDB queries `table.arrow`.
    """

    def __init__(self, arrow: pyarrow.Table) -> None:
        self.arrow = arrow

    def to_pandas(self) -> pandas.DataFrame:
        """Returns the table as a DataFrame of pandas."""
        frame: pandas.DataFrame = self.arrow.to_pandas()
        return frame

    def to_polars(self) -> polars.DataFrame:
        """Returns the table as a DataFrame of Polars."""
        import polars

        return polars.DataFrame(self.arrow)

    def to_pylist(self) -> list[dict[str, Any]]:
        """Returns the rows as dictionaries."""
        rows: list[dict[str, Any]] = self.arrow.to_pylist()
        return rows

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.arrow.column_names)

    def __len__(self) -> int:
        return int(self.arrow.num_rows)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.arrow.__arrow_c_stream__(requested_schema)

    def _texts(self) -> tuple[list[list[str]], str]:
        columns = [column.to_pylist() for column in self.arrow.slice(0, SHOWN).columns]
        rows = [[_text(value) for value in row] for row in zip(*columns)]
        return rows, f"{len(self)} rows" + (f", {SHOWN} shown" if len(self) > SHOWN else "")

    def __repr__(self) -> str:
        rows, count = self._texts()
        lines = [self.columns, *rows]
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines) + f"\n({count})"

    def _repr_html_(self) -> str:
        def line(cells: list[str], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        rows, count = self._texts()
        body = "".join(line(row, "td") for row in rows)
        return f"<table><thead>{line(self.columns, 'th')}</thead><tbody>{body}</tbody></table><p>{count}</p>"


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= 80 else text[:79] + "…"


@dataclass(frozen=True)
class Figure:
    """A figure, as bytes of a format: svg, png or pdf. A notebook shows the first two."""

    data: bytes
    format: str = "svg"

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the figure to a file."""
        Path(path).write_bytes(self.data)

    def _repr_svg_(self) -> str | None:
        return self.data.decode() if self.format == "svg" else None

    def _repr_png_(self) -> bytes | None:
        return self.data if self.format == "png" else None

    def __repr__(self) -> str:
        return f"<msdata.Figure: {self.format}, {len(self.data)} bytes>"


@dataclass(frozen=True)
class Page:
    """The page of a data set, in one document that needs nothing else; a notebook shows it in a frame."""

    html: str
    height: int = 800

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the page to a file."""
        Path(path).write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        style = f"width: 100%; height: {self.height}px; border: 1px solid #ccc"
        # In a sandbox, so that nothing in the page can reach the notebook.
        return f'<iframe title="Report" style="{style}" sandbox="allow-scripts allow-popups" srcdoc="{html.escape(self.html)}"></iframe>'

    def __repr__(self) -> str:
        return f"<msdata.Page: {len(self.html)} characters; `.save(FILE)` writes it, a notebook shows it>"
