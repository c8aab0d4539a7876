#!/usr/bin/env python3
"""Fills an empty data set with scored generations, straight through SQL: rows as `msdata` would have written them, without
the images and without the work.

    msdata init DATASET
    large_catalog.py DATASET [--models 10] [--prompts 100000] [--seeds 10]

Prompts have 2, 4, 6, 8 and 10 subjects of a pool of 30, in the paper's three scene types; similarities are random.
"""
import argparse
import sqlite3
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("dataset", type=Path)
parser.add_argument("--models", type=int, default=10)
parser.add_argument("--prompts", type=int, default=100_000)
parser.add_argument("--seeds", type=int, default=10)
given = parser.parse_args()

POOL = 30
generations = given.models * given.prompts * given.seeds
db = sqlite3.connect(given.dataset / "catalog.sqlite")
db.executescript("PRAGMA synchronous = off; PRAGMA cache_size = -400000; PRAGMA foreign_keys = off;")
COUNT = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {})"
OK = "'ok', NULL, 1000, 0, CAST(printf('%032d', {}) AS BLOB), 'png', {}, {}"
with db:
    db.execute("INSERT INTO encoder (id, name, fingerprint, dimension) VALUES (1, 'dinov2-small', 'made', 8)")
    db.execute("INSERT INTO part (id, encoder, provenance, rows, bytes, blake3) VALUES (1, 1, 'imported', ?, 1, zeroblob(32))", [generations + POOL])
    db.executemany("INSERT INTO model (id, name) VALUES (?, ?)", [(m + 1, f"model-{m:04}") for m in range(given.models)])
    for s in range(POOL):
        db.execute("INSERT INTO subject (id, subject_id, label) VALUES (?, ?, 'thing')", [s + 1, f"S{s:02}"])
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
    db.execute(COUNT.format(generations) + f" INSERT INTO image_vector SELECT 1, i + {POOL + 1}, 1, i, CAST(printf('%032d', i + {POOL + 1}) AS BLOB) FROM n")
    # A model's images follow each other, prompt by prompt.
    db.execute(
        COUNT.format(generations)
        + f" INSERT INTO generation (id, model, prompt, seed, image) SELECT i + 1, i / {given.prompts * given.seeds} + 1,"
        f" i / {given.seeds} % {given.prompts} + 1, i % {given.seeds}, i + {POOL + 1} FROM n"
    )
with db:
    db.execute("CREATE TEMP TABLE place (k INTEGER PRIMARY KEY)")
    db.executemany("INSERT INTO place VALUES (?)", [(k,) for k in range(10)])
    db.execute(
        "INSERT INTO subject_score SELECT g.id, 1, k, 0.5 + 0.4 * ((random() >> 11) / 4503599627370496.0)"
        " FROM generation g CROSS JOIN place WHERE k < 2 + 2 * ((g.prompt - 1) % 5)"
    )
with db:
    db.execute("INSERT INTO image_score SELECT generation, encoder, avg(similarity), NULL FROM subject_score GROUP BY generation, encoder")
db.execute("DELETE FROM seal")
db.commit()
db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
print(generations, "generations,", db.execute("SELECT count(*) FROM subject_score").fetchone()[0], "similarities")
