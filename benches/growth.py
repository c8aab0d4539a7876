#!/usr/bin/env python3
"""Seconds and peak memory of every command, as the data set grows.

    growth.py MSDATA OUT [--sizes 1,10,100,1000] [--limit 90] [--minutes 15]

Size 1 is the paper's stress test: 75 prompts, three models, three seeds, 675 images, a pool of 30 subjects. Size k has 75 k
prompts, and a pool that grows with the cube root of k. Images are PNG files of some 1 KB, no two alike; vectors of 64 numbers
are imported. What runs a network (`builtin-texture`) is measured on a second data set, of the same images, up to size 10, and
with windows at size 1.

The table goes to standard output and to OUT/growth.md, a figure to OUT/growth.svg. Times stand beside exponents: 1 is linear,
0 is flat. Bold is what grows faster than it should: time by more than n^1.15, memory by more than n^0.5. A command that would
take longer than --limit seconds, by its time at the size before, is not tried; one that does take longer is ended. After
--minutes no other command is begun. What was not tried is an empty cell.

Needs numpy and pyarrow (`make bench` sets a Python that has them).
"""
import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True  # what is imported lies in the source tree

from growth_figure import draw
from timed import digits, markdown, timed

LINEAR, FLAT = 1.15, 0.5
# Shorter than this, or smaller, a run is mostly the start of the process.
SHORT, SMALL = 0.1, 40
# The largest sizes that a network sees, and whose images are searched window by window.
EMBEDDED, SEARCHED = 10, 1
TEXTURE = ["--encoder", "builtin-texture", "--device", "cpu"]


def paper(k):
    return 675 * k


def commands(lab, data, size):
    """What is measured, in this order: name, arguments, name in the figure if it is shown there. Later ones build on earlier
    ones."""
    manifests = [word for kind in ("subjects", "prompts", "generations") for word in (f"--{kind}", f"{lab}/{kind}.jsonl")]
    fresh = iter(range(1000))
    out = lambda end="": f"{lab}/out{next(fresh)}{end}"
    page, tables = out(), out()
    yield "`ingest` of manifests, new", ["ingest", "--no-embed", *manifests], "ingest"
    yield "`ingest`, unchanged", ["ingest", "--no-embed", *manifests], "ingest, unchanged"
    yield "`ingest --rehash`, unchanged", ["ingest", "--no-embed", "--rehash", *manifests], ""
    yield "`ingest --embeddings`, of the images", ["ingest", "--no-embed", "--embeddings", f"{lab}/generations.parquet"], "import of vectors"
    yield "the same of references: all scores", ["ingest", "--no-embed", "--embeddings", f"{lab}/references.parquet"], "score"
    yield "`score`, nothing to do", ["score"], ""
    yield "`msdata` alone", [], ""
    yield "`report`", ["report"], "report"
    yield "`report --by model,kind,size`", ["report", "--by", "model,kind,size"], ""
    yield "`report --by prompt_id`", ["report", "--by", "model,prompt_id", "--format", "csv"], ""
    yield "`report --thresholds 0:1:0.01`", ["report", "--thresholds", "0:1:0.01", "--format", "csv"], ""
    yield "`report --ci`", ["report", "--ci"], "report --ci"
    yield "`report --controls --curve`", ["report", "--controls", "--curve"], ""
    yield "`report --html`", ["report", "--html", page], "report --html"
    yield "`report --html`, once more", ["report", "--html", page], ""
    yield "`report --html --single-file`", ["report", "--html", out(".html"), "--single-file"], ""
    yield "`compare A B`", ["compare", "model-0", "model-1"], "compare"
    yield "`compare --all`", ["compare", "--all"], ""
    yield "`compare --leaderboard`", ["compare", "--leaderboard", "--measure", "scr@0.5"], ""
    yield "`audit`", ["audit", "--format", "csv"], "audit"
    # The others want CLIP, the paper's three encoders, or windows.
    for kind in ("trend", "scene", "curve", "heatmap"):
        yield f"`plot {kind}`", ["plot", kind, "--out", out(".svg")], "plot heatmap" if kind == "heatmap" else ""
    yield "`sql`, images by model", ["sql", "SELECT model, count(*) FROM generations GROUP BY 1"], ""
    yield "`sql`, every similarity", ["sql", "--format", "parquet", "--out", out(".parquet"), "SELECT * FROM subject_scores"], "sql, all scores"
    yield "`export`", ["export", tables], "export"
    yield "`report --tables`", ["report", "--tables", tables], ""
    yield "`publish`", ["publish", "--card", f"{lab}/card.toml", out()], ""
    yield "`digest`", ["digest"], "digest"
    yield "`verify`", ["verify"], "verify"
    yield "`verify --sample 5%`", ["verify", "--sample", "5%"], ""
    yield "`verify --deep`", ["verify", "--deep"], ""
    yield "`backup`", ["backup", out(".tar")], ""
    yield "`gc`", ["gc"], ""
    yield "`subjects check`", ["subjects", "check"], ""
    yield "`bench check`", ["bench", "check"], ""
    yield "`bench export --for jsonl`", ["bench", "export", "--for", "jsonl", "--model", "new", out()], ""
    yield "`relocate --dry-run`", ["relocate", f"{lab}/images", f"{lab}/images", "--dry-run"], ""
    yield "`remove --model --dry-run`", ["remove", "--model", "model-2", "--dry-run"], ""
    yield "`remove --model`", ["remove", "--model", "model-2"], "remove"
    # On data sets of their own, whose vectors the program makes.
    second, shards = ["-d", f"{lab}/second"], out()
    if size <= EMBEDDED:
        yield "`init`", ["init", second[1]], ""
        yield "`ingest`, for what follows", [*second, "ingest", "--no-embed", *manifests], ""
        yield "`embed`, without windows", [*second, "embed", *TEXTURE, "--windows", "none"], "embed"
        yield "`shard plan`", ["shard", "plan", *manifests, "--encoder", "builtin-texture", "--shards", "1", shards], ""
        yield "`shard run`", ["shard", "run", shards, "0", "--device", "cpu"], ""
        yield "`init`, for the merge", ["init", f"{lab}/third"], ""
        yield "`shard merge`", ["-d", f"{lab}/third", "shard", "merge", shards], ""
        yield "`controls make`", [*second, "controls", "make", "--device", "cpu", "--windows", "none"], ""
    if size <= SEARCHED:
        yield "`embed --windows fast`", [*second, "embed", *TEXTURE, "--windows", "fast"], ""
        yield "`report` of windows", [*second, "report"], ""
        yield "`report --ci` of windows", [*second, "report", "--ci"], ""
        yield "`compare --leaderboard` of windows", [*second, "compare", "--leaderboard"], ""
        yield "`plot cscr`", [*second, "plot", "cscr", "--out", out(".svg")], ""
        yield "`plot cscr-curve`", [*second, "plot", "cscr-curve", "--out", out(".svg")], ""
        yield "`digest` of windows", [*second, "digest"], ""
        yield "`verify --deep` of windows", [*second, "verify", "--deep"], ""


def measure(given, size, deadline, found):
    """All commands on a new data set of one size; into `found`, by name."""
    before = max((other for other in given.sizes if other < size), default=None)
    with tempfile.TemporaryDirectory(prefix="growth", dir=given.out) as lab:
        started = time.perf_counter()
        subprocess.run([sys.executable, Path(__file__).with_name("growth_set.py"), lab, str(size)], check=True)
        data = f"{lab}/data"
        subprocess.run([given.msdata, "-q", "init", data], check=True)
        print(f"{paper(size):,} images, made in {time.perf_counter() - started:.0f} s", file=sys.stderr)
        for name, arguments, label in commands(lab, data, size):
            runs = found.setdefault(name, {"label": label})
            last = runs.get(before)
            if time.perf_counter() > deadline:
                print(f"  {name}: not tried, for lack of time", file=sys.stderr)
                continue
            if last and (last.late or last.seconds * size / before > given.limit):
                print(f"  {name}: not tried, {last.seconds:.0f} s at the size before", file=sys.stderr)
                continue
            run = timed([given.msdata, "-q", "--progress", "none", *arguments], given.limit, cwd=lab, env={**os.environ, "MSDATA_DATASET": data})
            runs[size] = run
            fault = "" if run.done else f"  STATUS {run.status}: {run.said}"
            print(f"  {name}: {run.seconds:.3f} s ({run.processor:.3f} of processors), {run.mebibytes:.0f} MiB{fault}", file=sys.stderr, flush=True)


def exponent(less, more, ratio):
    return math.log(max(more, 1e-6) / max(less, 1e-6)) / math.log(ratio)


def marked(grows, most):
    return f"**n^{grows:.2f}**" if grows > most else f"n^{grows:.2f}"


def rows(found, sizes):
    for name, runs in found.items():
        cells = []
        for size in sizes:
            run = runs.get(size)
            if run is None:
                cells += ["", ""]
            elif run.late:
                cells += [f"over {run.seconds:.0f}", digits(run.mebibytes)]
            elif not run.done:
                cells += ["**failed**", ""]
            else:
                cells += [digits(run.seconds), f"{run.mebibytes:.0f}"]
        there = [size for size in sizes if size in runs and runs[size].done]
        growth = ["", ""]
        if len(there) > 1:
            less, more = runs[there[-2]], runs[there[-1]]
            ratio = there[-1] / there[-2]
            time_grows, memory_grows = exponent(less.seconds, more.seconds, ratio), exponent(less.mebibytes, more.mebibytes, ratio)
            if more.seconds > SHORT:
                growth[0] = marked(time_grows, LINEAR)
            growth[1] = marked(memory_grows, FLAT if more.mebibytes > SMALL else math.inf)
        yield [name, *cells, *growth]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("msdata", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("out", type=Path)
    parser.add_argument("--sizes", type=lambda text: sorted(map(int, text.split(","))), default=[1, 10, 100, 1000])
    parser.add_argument("--limit", type=float, default=90, help="seconds that a command may take")
    parser.add_argument("--minutes", type=float, default=15, help="minutes that all may take")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    given.out = given.out.resolve()
    began, found, sizes = time.perf_counter(), {}, []
    deadline = began + 60 * given.minutes
    for size in given.sizes:
        # To make a data set of the next size and let it go again takes its time too.
        if size > given.sizes[0] and time.perf_counter() - began > 0.6 * (deadline - began):
            print(f"{paper(size):,} images: not tried, for lack of time", file=sys.stderr)
            break
        measure(given, size, deadline, found)
        sizes.append(size)
    head = ["command"]
    for size in sizes:
        head += [f"{paper(size):,}: s", "MiB"]
    table = markdown(head + ["time", "memory"], rows(found, sizes))
    (given.out / "growth.md").write_text(table)
    (given.out / "growth.svg").write_text(draw(found, sizes, paper))
    print(table)
    failed = [name for name, runs in found.items() if any(not runs[size].done and not runs[size].late for size in sizes if size in runs)]
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
