#!/usr/bin/env python3
"""Opens exported tables in the versions of Polars, DuckDB, pandas, fastparquet, DataFusion and Spark that people have.

    msdata export tables
    python older_readers.py tables ENCODER [--environments DIR] [--only duckdb]

Each version gets a virtual environment of its own (some 2 GB in all, kept in DIR and used again). All of them open every
file and make the paper's Table 1 (mean similarity and SCR@0.4 by model and subject count, without controls) from
`subject_scores.parquet`; the numbers must be equal. Prints a line for each; exits with 1 if one of them fails.
Python 3.11 has wheels for all; Spark needs Java 8, 11 or 17.
"""
import argparse
import json
import subprocess
import sys
import venv
from pathlib import Path

READERS = {
    "polars 1.0": ("polars", ["polars==1.0.0"]),
    "polars 1.30": ("polars", ["polars==1.30.0"]),
    "polars 1.42": ("polars", ["polars==1.42.0"]),
    "polars newest": ("polars", ["polars"]),
    "duckdb 0.8": ("duckdb", ["duckdb==0.8.1"]),
    "duckdb 1.2": ("duckdb", ["duckdb==1.2.2"]),
    "duckdb newest": ("duckdb", ["duckdb"]),
    "pandas 1.5, pyarrow 10": ("pandas", ["pandas==1.5.3", "pyarrow==10.0.1", "numpy<2"]),
    "pandas newest, pyarrow newest": ("pandas", ["pandas", "pyarrow"]),
    "fastparquet newest": ("fastparquet", ["fastparquet", "pandas<3"]),
    "datafusion 43": ("datafusion", ["datafusion==43.1.0", "pyarrow<20"]),
    "pyspark 3.5": ("pyspark", ["pyspark==3.5.3"]),
}

TABLE_1 = """
SELECT model, subject_count, count(*) AS pairs, avg(similarity) AS similarity,
       avg(CAST(similarity < 0.4 AS INT)) AS collapsed
FROM {table} WHERE encoder = '{encoder}' AND NOT control GROUP BY model, subject_count ORDER BY model, subject_count
"""


def files(tables):
    return sorted(tables.rglob("*.parquet"))


def of_frame(frame, encoder):
    """Table 1 of a pandas data frame."""
    frame = frame[(frame.encoder == encoder) & ~frame.control.astype(bool)].copy()
    frame["model"] = frame.model.astype(str)
    frame["collapsed"] = (frame.similarity < 0.4).astype(float)
    cells = frame.groupby(["model", "subject_count"])
    means = cells[["similarity", "collapsed"]].mean()
    return [[model, int(count), int(n), *map(float, means.loc[(model, count)])] for (model, count), n in cells.size().items()]


def read_polars(tables, encoder):
    import polars as pl

    counts = {str(f.relative_to(tables)): pl.read_parquet(f).height for f in files(tables)}
    cells = (
        pl.scan_parquet(tables / "subject_scores.parquet")
        .filter((pl.col("encoder") == encoder) & ~pl.col("control"))
        .group_by("model", "subject_count")
        .agg(
            pl.len().alias("pairs"),
            pl.col("similarity").mean(),
            (pl.col("similarity") < 0.4).mean().alias("collapsed"),
        )
        .sort("model", "subject_count")
    )
    return counts, [list(row) for row in cells.collect().rows()]


def read_duckdb(tables, encoder):
    import duckdb

    db = duckdb.connect()
    # Every column of every file is decoded, not only counted.
    counts = {str(f.relative_to(tables)): len(db.execute(f"SELECT * FROM '{f}'").fetchall()) for f in files(tables)}
    query = TABLE_1.format(table=f"'{tables / 'subject_scores.parquet'}'", encoder=encoder)
    return counts, [list(row) for row in db.execute(query).fetchall()]


def read_pandas(tables, encoder, engine="pyarrow"):
    import pandas as pd

    frames = {str(f.relative_to(tables)): pd.read_parquet(f, engine=engine) for f in files(tables)}
    return {name: len(frame) for name, frame in frames.items()}, of_frame(frames["subject_scores.parquet"], encoder)


def read_fastparquet(tables, encoder):
    return read_pandas(tables, encoder, "fastparquet")


def read_datafusion(tables, encoder):
    from datafusion import SessionContext

    context = SessionContext()
    counts = {}
    for at, file in enumerate(files(tables)):
        context.register_parquet(f"t{at}", str(file))
        counts[str(file.relative_to(tables))] = sum(len(b) for b in context.sql(f"SELECT * FROM t{at}").collect())
    context.register_parquet("subject_scores", str(tables / "subject_scores.parquet"))
    query = TABLE_1.format(table="subject_scores", encoder=encoder)
    rows = [row for batch in context.sql(query).collect() for row in batch.to_pylist()]
    return counts, [[r["model"], r["subject_count"], r["pairs"], r["similarity"], r["collapsed"]] for r in rows]


def read_pyspark(tables, encoder):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    counts = {str(f.relative_to(tables)): len(spark.read.parquet(str(f)).collect()) for f in files(tables)}
    spark.read.parquet(str(tables / "subject_scores.parquet")).createOrReplaceTempView("subject_scores")
    return counts, [list(row) for row in spark.sql(TABLE_1.format(table="subject_scores", encoder=encoder)).collect()]


def install(home, packages):
    """The interpreter of an environment with these packages, made where it is not there."""
    python = home / "bin" / "python"
    done = home / "installed"
    if not done.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run(pip, check=True)
        done.touch()
    return python


def differs(table, other):
    """Whether two tables have other keys or counts, or numbers that differ by more than the order of additions explains."""
    far = lambda a, b: abs(float(a) - float(b)) > 1e-12
    return len(table) != len(other) or any(
        list(a[:3]) != list(b[:3]) or far(a[3], b[3]) or far(a[4], b[4]) for a, b in zip(table, other)
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="what `msdata export` wrote")
    parser.add_argument("encoder", help="the encoder whose scores are read")
    parser.add_argument("--environments", type=Path, default=Path("target/older-readers"))
    parser.add_argument("--only", default="", help="readers whose name contains this")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        counts, cells = globals()[f"read_{args.read}"](args.tables, args.encoder)
        print("RESULT" + json.dumps([counts, cells], default=float))
        return 0
    expected, failed = None, 0
    for name, (kind, packages) in READERS.items():
        if args.only not in name:
            continue
        try:
            python = install(args.environments.resolve() / name.replace(" ", "-").replace(",", ""), packages)
        except subprocess.CalledProcessError:
            print(f"{name}: cannot be installed: {' '.join(packages)}", flush=True)
            failed += 1
            continue
        command = [str(python), __file__, str(args.tables.resolve()), args.encoder, "--read", kind]
        ended = subprocess.run(command, capture_output=True, text=True)
        result = next((line[6:] for line in ended.stdout.splitlines() if line.startswith("RESULT")), None)
        if result is None:
            lines = [line for line in ended.stderr.splitlines() if "Error" in line or "Exception" in line]
            print(f"{name}: failed: {lines[-1] if lines else ended.returncode}", flush=True)
            failed += 1
            continue
        counts, cells = json.loads(result)
        expected = expected or (counts, cells)
        same = counts == expected[0] and not differs(cells, expected[1]) and cells
        failed += not same
        verdict = "the same Table 1" if same else f"ANOTHER RESULT: {counts} {cells[:1]}"
        print(f"{name}: {len(counts)} files, {sum(counts.values())} rows, {len(cells)} cells, {verdict}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
