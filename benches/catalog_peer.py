#!/usr/bin/env python3
"""What one writes without msdata; prints seconds.

    catalog_peer.py rows INPUT SQLITE                      read manifests, hash images, insert
    catalog_peer.py scores INPUT REFERENCES GENERATIONS    cosines with numpy, inserted too
"""
import hashlib
import json
import os
import sqlite3
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq


def rows(directory, database):
    directory = Path(directory)
    db = sqlite3.connect(database)
    db.execute("PRAGMA journal_mode = wal")
    db.execute("CREATE TABLE generation (model, prompt_id, seed, path, bytes, mtime, hash, UNIQUE (prompt_id, model, seed))")

    def read():
        with open(directory / "generations.jsonl") as lines:
            for row in map(json.loads, lines):
                path = directory / row["path"]
                stat = os.stat(path)
                yield row["model"], row["prompt_id"], row["seed"], str(path), stat.st_size, stat.st_mtime_ns, hashlib.blake2b(path.read_bytes()).digest()

    with db:
        db.executemany("INSERT INTO generation VALUES (?, ?, ?, ?, ?, ?, ?)", read())


def scores(directory, references, generations):
    prompts = {}
    with open(Path(directory) / "prompts.jsonl") as lines:
        for row in map(json.loads, lines):
            prompts[row["prompt_id"]] = row["subjects"]

    def read(path):
        table = pq.read_table(path)
        vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
        return table, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    table, pool = read(references)
    place = {subject: i for i, subject in enumerate(table["subject_id"].to_pylist())}
    table, vectors = read(generations)
    keys = zip(table["model"].to_pylist(), table["prompt_id"].to_pylist(), table["seed"].to_pylist())
    cosines = vectors @ pool.T
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE score (model, prompt_id, seed, ordinal, similarity)")
    found = ((m, p, s, k, float(cosines[n, place[subject]])) for n, (m, p, s) in enumerate(keys) for k, subject in enumerate(prompts[p]))
    with db:
        db.executemany("INSERT INTO score VALUES (?, ?, ?, ?, ?)", found)


started = time.perf_counter()
{"rows": rows, "scores": scores}[sys.argv[1]](*sys.argv[2:])
print(time.perf_counter() - started)
