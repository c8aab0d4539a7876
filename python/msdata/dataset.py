"""A data set, and what can be done with it: a method for each command."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import pyarrow
import pyarrow.parquet

from ._program import Error, Flag, Summary, run
from .results import Figure, Page, Table

#: Flags of `ingest` that take a table in memory as well as a file: no row of theirs names a file by a relative path.
TABLES = ("scores", "embeddings", "judgements")


class Dataset:
    """A data set in a directory, which need not exist yet: `msdata.open` and `msdata.init` look, this does not.

    Every keyword argument is a flag of the command: underscores stand for dashes, True for a flag without a value, a
    sequence for a flag that is repeated or a list of numbers. What the program does not know it refuses.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"msdata.open({str(self.path)!r})"

    def _run(self, command: str, *things: str | PathLike[str], **flags: Flag) -> Summary:
        return run([f"--dataset={self.path}", command], flags, *things, stacklevel=4)

    def _table(self, command: str, *things: str, **flags: Flag) -> Table:
        output = run([f"--dataset={self.path}", command, "--format=arrow"], flags, *things, stacklevel=4).output
        return Table(pyarrow.ipc.open_stream(output).read_all())

    def report(
        self, *, by: str | Sequence[str] | None = None, ci: float | bool | None = None, **flags: Flag
    ) -> Table:
        """Returns the tables' numbers: one row a cell, every number a column of its own."""
        return self._table("report", by=by, ci=ci, **flags)

    def compare(self, *models: str, **flags: Flag) -> Table:
        """Compares two models on the same prompts and seeds, or several with `baseline=`, or `all=True`."""
        return self._table("compare", *models, **flags)

    def leaderboard(self, **flags: Flag) -> Table:
        """Returns the models by rank; those that share a letter cannot be told apart."""
        return self._table("compare", leaderboard=True, **flags)

    def audit(self, **flags: Flag) -> Table:
        """Returns the images to look at before you believe the tables."""
        return self._table("audit", **flags)

    def sql(self, query: str) -> Table:
        """Runs one read-only SELECT statement over the catalog and its views."""
        return self._table("sql", query)

    def scores(self, of: str = "subject", *, encoder: str | None = None, model: str | None = None) -> Table:
        """Returns the scores of every (`of="subject"`) requested subject of every generation, or of every
        (`of="image"`) generation."""
        if of not in ("subject", "image"):
            raise ValueError(f"of={of!r}: expected 'subject' or 'image'")
        wanted = [(name, value) for name, value in (("encoder", encoder), ("model", model)) if value is not None]
        conditions = " AND ".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in wanted)
        return self.sql(f"SELECT * FROM {of}_scores" + (f" WHERE {conditions}" if wanted else ""))

    def embeddings(self, encoder: str) -> Table:
        """Returns an encoder's vectors of references, generations, prompts and regions, with their keys: the column
        `embedding` is a FixedSizeList of float32."""
        with tempfile.TemporaryDirectory() as directory:
            self._run("export", Path(directory, "vectors"), embeddings=encoder)
            files = sorted(Path(directory, "vectors").glob("*.parquet"))
            if not files:
                raise Error(f"{encoder} has no vectors in {self.path}", "`.embed()` makes them")
            return Table(pyarrow.concat_tables([_with_fixed_size(pyarrow.parquet.read_table(file)) for file in files]))

    def ingest(self, **flags: Flag) -> Summary:
        """Reads manifests and embeddings into the catalog, embeds what is new, and scores it.

        `scores`, `embeddings` and `judgements` take a table (pandas, Polars, pyarrow) as well as a file.
        `from_=(FORMAT, DIR)` is `--from FORMAT DIR`.
        """
        with tempfile.TemporaryDirectory() as directory:
            for name in TABLES:
                table = _in_memory(flags.get(name))
                if table is not None:
                    path = Path(directory, f"{name}.parquet")
                    pyarrow.parquet.write_table(table, path)
                    flags[name] = path
            return self._run("ingest", **flags)

    def embed(self, **flags: Flag) -> Summary:
        """Embeds what is missing, and scores it."""
        return self._run("embed", **flags)

    def score(self, **flags: Flag) -> Summary:
        """Scores what is embedded and not scored."""
        return self._run("score", **flags)

    def verify(self, **flags: Flag) -> Summary:
        """Checks every row and file. Raises Error, which lists the faults, where the data set is not sound."""
        found = self._run("verify", **flags)
        return Summary(tuple(found.output.decode().splitlines()))

    def digest(self) -> str:
        """Returns one hash of all results."""
        return self._run("digest").output.decode().strip()

    def export(self, directory: str | PathLike[str], **flags: Flag) -> Path:
        """Writes the Parquet tables into a new or empty directory and returns its path."""
        self._run("export", directory, **flags)
        return Path(directory)

    def plot(self, kind: str, *, format: str = "svg", **flags: Flag) -> Figure:
        """Draws a figure: trend, scene, curve, tradeoff, radar, heatmap, cscr, …"""
        return Figure(self._run("plot", kind, format=format, **flags).output, format)

    def page(self, directory: str | PathLike[str], **flags: Flag) -> Path:
        """Writes the page, with every image, into a directory; returns the path of the file to open."""
        return Path(self._run("report", html=directory, **flags).output.decode().removesuffix("\n"))

    def show(self, *, height: int = 800, max_size: str = "4MB", **flags: Flag) -> Page:
        """Returns the page with a sample of its images, for a notebook to show."""
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory, "page.html")
            self._run("report", html=file, single_file=True, max_size=max_size, **flags)
            return Page(file.read_text(encoding="utf-8"), height)


def _in_memory(value: object) -> pyarrow.Table | None:
    """A table of pandas, Polars or pyarrow as Arrow's; None where the value is no table."""
    if type(value).__module__.split(".")[0] == "pandas":
        table = pyarrow.Table.from_pandas(value)
    elif hasattr(value, "__arrow_c_stream__"):
        table = pyarrow.table(value)
    else:
        return None
    # The numbers that pandas gives to rows say nothing; an index that has a name is a column.
    return table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])


def _with_fixed_size(table: pyarrow.Table) -> pyarrow.Table:
    """Vectors as FixedSizeList, where Parquet gave lists."""
    vectors = table["embedding"].combine_chunks()
    if pyarrow.types.is_fixed_size_list(vectors.type):
        return table
    dimension = len(vectors.flatten()) // max(len(vectors), 1)
    fixed = pyarrow.FixedSizeListArray.from_arrays(vectors.flatten(), dimension)
    return table.set_column(table.schema.get_field_index("embedding"), "embedding", fixed)
