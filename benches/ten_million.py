#!/usr/bin/env python3
"""Seconds and peak memory of every command that reads, on a data set of any size; made for ten million generations.

    msdata init DATASET && large_catalog.py DATASET --vectors FILE && msdata -d DATASET ingest --no-embed --embeddings FILE
    ten_million.py MSDATA DATASET [--lab DIR] [--limit 600] [--minutes 30] [--only report,compare]

DATASET is read and not changed. What commands write goes to a directory in --lab (the system's temporary one), where each
thing is removed when its command has ended; the greatest are the page, the tables and the archive. The table is Markdown, on
standard output. A data set of large_catalog.py has no image files, and one encoder: what a command needs of these and does not
find it says, and the table repeats it. A command ends after --limit seconds at the latest; after --minutes no other is begun.
"""
import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True  # what is imported lies in the source tree

from card import CARD
from timed import digits, markdown, timed

FIGURES = ("trend", "scene", "curve", "tradeoff", "radar", "heatmap", "cscr", "cscr-scene", "cscr-curve")
QUERIES = (
    "SELECT model, count(*) FROM generations GROUP BY 1",
    "SELECT model, scene_type, avg(similarity) FROM subject_scores GROUP BY 1, 2",
    "SELECT * FROM subject_scores WHERE model = '{model}' AND prompt_id = '{prompt}' AND seed = {seed}",
)


def commands(models, prompt, seed, lab):
    """The command, its other arguments, and what it writes and nothing needs any more."""
    first, second = models[:2]
    out = f"{lab}/out"
    yield "msdata", [], None
    yield "report", [], None
    yield "report", ["--by", "model,subject_count,scene_type"], None
    yield "report", ["--by", "model,kind"], None
    yield "report", ["--by", "model,subject_id", "--format", "csv"], None
    yield "report", ["--by", "model,prompt_id", "--format", "csv"], None
    yield "report", ["--thresholds", "0:1:0.01", "--format", "csv"], None
    yield "report", ["--curve", "--format", "json"], None
    yield "report", ["--ci", "95"], None
    yield "report", ["--controls"], None
    yield "report", ["--published"], None
    yield "report", ["--models", f"{first},{second}"], None
    yield "report", ["--html", out], out
    yield "compare", [first, second], None
    yield "compare", ["--baseline", first], None
    yield "compare", ["--all"], None
    yield "compare", ["--leaderboard", "--measure", "scr@0.5"], None
    for kind in FIGURES:
        yield "plot", [kind, "--out", f"{out}.svg"], f"{out}.svg"
    yield "subjects check", [], None
    yield "bench check", [], None
    yield "bench export", ["--for", "jsonl", "--model", "new", out], out
    for query in QUERIES:
        yield "sql", [query.format(model=first, prompt=prompt, seed=seed)], None
    yield "sql", ["SELECT * FROM subject_scores", "--format", "parquet", "--out", f"{out}.parquet"], f"{out}.parquet"
    tables = f"{lab}/tables"
    yield "export", [tables], None
    yield "report", ["--tables", tables, "--by", "model,subject_count,scene_type"], tables
    Path(lab, "card.toml").write_text(CARD)
    yield "publish", ["--card", f"{lab}/card.toml", "--images", "beside", out], out
    yield "verify", [], None
    yield "verify", ["--sample", "1%"], None
    yield "digest", [], None
    yield "backup", [f"{out}.tar"], f"{out}.tar"
    yield "gc", [], None
    yield "remove", ["--model", second, "--dry-run"], None
    yield "relocate", ["/nowhere", lab, "--dry-run"], None
    yield "audit", ["--format", "csv"], None  # last, because it takes longest


def clear(path):
    """Removes what a command wrote."""
    if path and Path(path).is_dir():
        shutil.rmtree(path)
    elif path:
        Path(path).unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("msdata", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("dataset", type=lambda path: Path(path).resolve())
    parser.add_argument("--lab", type=lambda path: Path(path).resolve())
    parser.add_argument("--limit", type=float, default=600)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--only", type=lambda text: text.split(","), help="of these commands alone")
    given = parser.parse_args()
    with sqlite3.connect(f"file:{given.dataset}/catalog.sqlite?mode=ro", uri=True) as db:
        models = [name for (name,) in db.execute("SELECT name FROM model ORDER BY name")]
        ((generations,),) = db.execute("SELECT count(*) FROM generation")
        first = "SELECT prompt, seed FROM generation WHERE model = (SELECT id FROM model ORDER BY name) LIMIT 1"
        ((prompt, seed),) = db.execute(f"SELECT prompt_id, seed FROM ({first}) JOIN prompt ON prompt.id = prompt")
    db.close()
    began, rows = time.perf_counter(), []
    with tempfile.TemporaryDirectory(prefix="ten-million", dir=given.lab) as lab:
        for command, arguments, written in commands(models, prompt, seed, lab):
            if given.only and command not in given.only:
                continue
            name = " ".join([command, *arguments]).replace(lab, "…")
            if time.perf_counter() - began > 60 * given.minutes:
                rows.append([f"`{name}`", "", "", "", "left out, for lack of time"])
                continue
            words = [given.msdata, "-q", "--progress", "none", *command.removeprefix("msdata").split(), *arguments]
            run = timed(words, given.limit, cwd=lab, env={**os.environ, "MSDATA_DATASET": str(given.dataset)})
            said = f"not done in {given.limit:.0f} s" if run.late else "" if run.done else run.said.replace("|", "\\|").replace(f"{given.dataset}/", "")
            rows.append([f"`{name}`", digits(run.seconds), digits(run.processor), f"{run.mebibytes:,.0f}", said])
            print(f"{name}: {run.seconds:.2f} s, {run.mebibytes:.0f} MiB {said}", file=sys.stderr, flush=True)
            clear(written)
    print(f"{generations:,} generations\n")
    print(markdown(["command", "seconds", "of processors", "MiB", "if it was not done"], rows))


if __name__ == "__main__":
    main()
