"""Opens exported tables with DuckDB, pandas, pyarrow, fastparquet, Polars and SQLite, and asks each for the same table.

usage: interop.py EXPORT CATALOG EXPECTED.json

EXPECTED.json lists {model, subject_count, images, similarity, scr_04} for the encoder dinov2-small, as
`msdata report` computed them. Fails loudly on the first difference above 1e-12.
"""

import json
import math
import sqlite3
import sys
from pathlib import Path

import duckdb
import fastparquet
import pandas
import polars
import pyarrow.compute
import pyarrow.parquet

ENCODER = "dinov2-small"


def with_duckdb(tables):
    return duckdb.sql(f"""
        WITH per_image AS (
            SELECT model, prompt_id, seed, subject_count, avg(similarity) AS similarity, avg((similarity < 0.4)::INT) AS scr
            FROM '{tables}/subject_scores.parquet' WHERE encoder = '{ENCODER}' GROUP BY ALL)
        SELECT model, subject_count, count(*), avg(similarity), avg(scr) FROM per_image GROUP BY ALL""").fetchall()


def with_pandas(tables, engine="pyarrow"):
    scores = pandas.read_parquet(tables / "subject_scores.parquet", engine=engine)
    scores = scores[scores.encoder == ENCODER].assign(scr=lambda s: s.similarity < 0.4)
    images = scores.groupby(["model", "prompt_id", "seed", "subject_count"], observed=True)[["similarity", "scr"]].mean().reset_index()
    cells = images.groupby(["model", "subject_count"], observed=True).agg(n=("scr", "size"), s=("similarity", "mean"), c=("scr", "mean"))
    return [(*key, *row) for key, row in zip(cells.index, cells.itertuples(index=False))]


def with_polars(tables):
    scores = polars.scan_parquet(tables / "subject_scores.parquet").filter(polars.col("encoder") == ENCODER)
    images = scores.group_by("model", "prompt_id", "seed", "subject_count").agg(
        polars.col("similarity").mean(), (polars.col("similarity") < 0.4).mean().alias("scr"))
    cells = images.group_by("model", "subject_count").agg(polars.len(), polars.col("similarity").mean(), polars.col("scr").mean())
    return cells.collect().rows()


def with_pyarrow(tables):
    scores = pyarrow.parquet.read_table(tables / "subject_scores.parquet").filter(pyarrow.compute.field("encoder") == ENCODER)
    below = pyarrow.compute.cast(pyarrow.compute.less(scores["similarity"], 0.4), "float64")
    images = scores.append_column("scr", below).group_by(["model", "prompt_id", "seed", "subject_count"]).aggregate(
        [("similarity", "mean"), ("scr", "mean")])
    cells = images.group_by(["model", "subject_count"]).aggregate(
        [("seed", "count"), ("similarity_mean", "mean"), ("scr_mean", "mean")])
    columns = ["model", "subject_count", "seed_count", "similarity_mean_mean", "scr_mean_mean"]
    return list(zip(*(cells[c].to_pylist() for c in columns)))


def with_sqlite(catalog):
    return sqlite3.connect(f"file:{catalog}?mode=ro", uri=True).execute(
        "SELECT model, subject_count, images, similarity, scr_04 FROM cells_by_subject_count WHERE encoder = ?", [ENCODER]).fetchall()


def check_vectors(tables):
    """Each reader gets float32 vectors of one length, none null; an export of an encoder is one table."""
    files = sorted((tables / "embeddings" / ENCODER).glob("part-*.parquet"))
    assert files, "no vectors were exported"
    table = pyarrow.parquet.read_table(files[0])
    kind = table.schema.field("embedding").type
    assert kind.value_type == pyarrow.float32() and kind.list_size > 0, kind
    metadata = pyarrow.parquet.read_metadata(files[0]).metadata
    assert b"msdata.fingerprint" in metadata and b"msdata.provenance" in metadata, metadata
    frame = pandas.read_parquet(files[0])
    assert frame.embedding.map(len).nunique() == 1
    assert len(fastparquet.ParquetFile(files[0]).to_pandas(["embedding"])) == len(frame)
    first = polars.read_parquet(files[0])["embedding"]
    assert first.null_count() == 0
    (n,), = duckdb.sql(f"SELECT count(*) FROM '{files[0]}' WHERE len(embedding) = {kind.list_size}").fetchall()
    assert n == len(frame), (n, len(frame))


def main(export, catalog, expected):
    tables = Path(export)
    expected = {(row["model"], row["subject_count"]): row for row in json.loads(Path(expected).read_text())}
    readers = {
        "duckdb": with_duckdb(tables), "pandas": with_pandas(tables), "polars": with_polars(tables),
        "pyarrow": with_pyarrow(tables), "fastparquet": with_pandas(tables, "fastparquet"), "sqlite": with_sqlite(catalog),
    }
    for reader, cells in readers.items():
        assert len(cells) == len(expected), f"{reader}: {len(cells)} cells, not {len(expected)}"
        for model, count, images, similarity, scr in cells:
            row = expected[(model, count)]
            same = images == row["images"] and math.isclose(similarity, row["similarity"], rel_tol=0, abs_tol=1e-12)
            assert same and math.isclose(scr, row["scr_04"], rel_tol=0, abs_tol=1e-12), (reader, model, count, row)
        print(f"{reader}: {len(cells)} cells agree")
    check_vectors(tables)


main(*sys.argv[1:])
