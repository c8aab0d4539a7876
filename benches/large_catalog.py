#!/usr/bin/env python3
"""Fills an empty data set with generations, straight through SQL: rows as `msdata` would have written them, without the images
and without the work.

    msdata init DATASET
    large_catalog.py DATASET [--models 10] [--prompts 100000] [--seeds 10]

Prompts have 2, 4, 6, 8 and 10 subjects of a pool of 30, in the paper's three scene types. Scores are made up, of vectors that
are not there. With `--vectors FILE` there are none, and the images are missing; vectors of 8 numbers are written to FILE (this
needs numpy and pyarrow), of which msdata makes the scores:

    msdata -d DATASET ingest --no-embed --embeddings FILE
"""
import argparse
import sqlite3
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("dataset", type=Path)
parser.add_argument("--models", type=int, default=10)
parser.add_argument("--prompts", type=int, default=100_000)
parser.add_argument("--seeds", type=int, default=10)
parser.add_argument("--vectors", type=Path)
given = parser.parse_args()

POOL = 30
generations = given.models * given.prompts * given.seeds
db = sqlite3.connect(given.dataset / "catalog.sqlite")
db.executescript("PRAGMA synchronous = off; PRAGMA cache_size = -400000; PRAGMA foreign_keys = off;")
COUNT = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {})"
OK = "'ok', NULL, 1000, 0, CAST(printf('%032d', {}) AS BLOB), 'png', {}, {}"
if given.vectors:
    OK = "'missing', 'no such file', NULL, NULL, NULL, NULL, NULL, NULL"
with db:
    if not given.vectors:
        db.execute("INSERT INTO encoder (id, name, fingerprint, dimension) VALUES (1, 'dinov2-small', 'made', 8)")
        db.execute("INSERT INTO part (id, encoder, provenance, rows, bytes, blake3) VALUES (1, 1, 'imported', ?, 1, zeroblob(32))", [generations + POOL])
    db.executemany("INSERT INTO model (id, name) VALUES (?, ?)", [(m + 1, f"model-{m:04}") for m in range(given.models)])
    for s in range(POOL):
        kind = ("human", "animal", "object")[s % 3]
        db.execute("INSERT INTO subject (id, subject_id, label, kind) VALUES (?, ?, 'thing', ?)", [s + 1, f"S{s:02}", kind])
        db.execute(f"INSERT INTO image VALUES (?, '/nowhere/r{s}.png', {OK.format(s + 1, 512, 512)})", [s + 1])
        db.execute("INSERT INTO reference_image VALUES (?, 0, ?)", [s + 1, s + 1])
    scenes = ["neutral", "occlusion", "interaction"]
    db.executemany(
        "INSERT INTO prompt (id, prompt_id, text, scene_type) VALUES (?, ?, 'Things.', ?)",
        ((p + 1, f"p{p:07}", scenes[p // 5 % 3]) for p in range(given.prompts)),
    )
    db.executemany(
        "INSERT INTO prompt_subject VALUES (?, ?, ?)",
        ((p + 1, k, (p + k) % POOL + 1) for p in range(given.prompts) for k in range(2 + 2 * (p % 5))),
    )
with db:
    db.execute(COUNT.format(generations) + f" INSERT INTO image SELECT i + {POOL + 1}, printf('/nowhere/%08d.png', i), {OK.format(f'i + {POOL + 1}', 1024, 1024)} FROM n")
    if not given.vectors:
        db.execute(COUNT.format(generations) + f" INSERT INTO image_vector SELECT 1, i + {POOL + 1}, 1, i, CAST(printf('%032d', i + {POOL + 1}) AS BLOB) FROM n")
    # A model's images follow each other, prompt by prompt.
    db.execute(
        COUNT.format(generations)
        + f" INSERT INTO generation (id, model, prompt, seed, image) SELECT i + 1, i / {given.prompts * given.seeds} + 1,"
        f" i / {given.seeds} % {given.prompts} + 1, i % {given.seeds}, i + {POOL + 1} FROM n"
    )


def made_up_scores():
    with db:
        db.execute("CREATE TEMP TABLE place (k INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO place VALUES (?)", [(k,) for k in range(10)])
        db.execute(
            "INSERT INTO subject_score SELECT g.id, 1, k, 0.5 + 0.4 * ((random() >> 11) / 4503599627370496.0)"
            " FROM generation g CROSS JOIN place WHERE k < 2 + 2 * ((g.prompt - 1) % 5)"
        )
    with db:
        db.execute(
            "INSERT INTO image_score SELECT generation, encoder, avg(similarity), NULL FROM subject_score GROUP BY generation, encoder"
        )
    print(db.execute("SELECT count(*) FROM subject_score").fetchone()[0], "similarities")


def vectors():
    """Vectors of references, and of generations: the sum of those that the prompt asks for, and noise."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    width, rows = 8, 200_000
    random = np.random.Generator(np.random.PCG64(5))
    references = random.standard_normal((POOL, width)) + 0.5
    asked = np.zeros((5 * POOL, POOL))
    for p in range(5 * POOL):  # after so many, prompts repeat their subjects
        asked[p, [(p + k) % POOL for k in range(2 + 2 * (p % 5))]] = 1
    sums = asked @ references
    names = {"subject_id": pa.string(), "reference_index": pa.int64(), "model": pa.string(), "prompt_id": pa.string(), "seed": pa.int64()}

    def table(kind, vectors, **columns):
        columns = {name: pa.array(columns[name], type) if name in columns else pa.nulls(len(vectors), type) for name, type in names.items()}
        fixed = {"encoder": ["dinov2-small"] * len(vectors), "kind": [kind] * len(vectors)}
        lists = pa.FixedSizeListArray.from_arrays(vectors.astype(np.float32).ravel(), width)
        return pa.table({**fixed, **columns, "embedding": lists})

    first = table("reference", references, subject_id=[f"S{s:02}" for s in range(POOL)], reference_index=[0] * POOL)
    with pq.ParquetWriter(given.vectors, first.schema) as out:
        out.write_table(first)
        for start in range(0, generations, rows):
            at = np.arange(start, min(start + rows, generations))
            model, prompt = at // (given.prompts * given.seeds), at // given.seeds % given.prompts
            # The later a model, the less of what it is asked for.
            made = sums[prompt % len(sums)] + (2 + model[:, None] / 4) * random.standard_normal((len(at), width))
            keys = {"model": [f"model-{m:04}" for m in model], "prompt_id": [f"p{p:07}" for p in prompt], "seed": at % given.seeds}
            out.write_table(table("generation", made, **keys))


vectors() if given.vectors else made_up_scores()
# As a killed writer leaves it: the next one seals the rows.
db.execute("UPDATE seal SET digest = NULL")
db.commit()
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
print(generations, "generations")
