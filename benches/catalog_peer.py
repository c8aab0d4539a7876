#!/usr/bin/env python3
"""What one does without msdata; prints seconds.

    catalog_peer.py rows INPUT SQLITE                      read manifests, hash images, insert
    catalog_peer.py scores INPUT REFERENCES GENERATIONS    cosines with numpy, inserted into SQLite in memory
    catalog_peer.py numpy INPUT REFERENCES GENERATIONS     cosines with numpy, kept as arrays
    catalog_peer.py duckdb INPUT REFERENCES GENERATIONS    cosines with DuckDB's array_cosine_similarity, kept as a table
    catalog_peer.py report CATALOG                         means and SCR by DuckDB, attached to the same SQLite file
    catalog_peer.py make CATALOG DIRECTORY                 write tables of scores
    catalog_peer.py tables DIRECTORY                       means and SCR of them by DuckDB
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


def read_prompts(directory):
    with open(Path(directory) / "prompts.jsonl") as lines:
        return {row["prompt_id"]: row["subjects"] for row in map(json.loads, lines)}


def read(path):
    table = pq.read_table(path)
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(len(table), -1)
    return table, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scores(directory, references, generations):
    prompts = read_prompts(directory)
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


def numpy_alone(directory, references, generations):
    prompts = read_prompts(directory)
    table, pool = read(references)
    place = {subject: i for i, subject in enumerate(table["subject_id"].to_pylist())}
    wanted = {prompt: np.array([place[subject] for subject in subjects]) for prompt, subjects in prompts.items()}
    table, vectors = read(generations)
    cosines = vectors @ pool.T
    of = [cosines[n, wanted[prompt]] for n, prompt in enumerate(table["prompt_id"].to_pylist())]
    return [row.mean() for row in of]


def duckdb_alone(directory, references, generations):
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 2")
    width = pq.read_schema(generations).field("embedding").type.list_size
    db.execute(
        f"""
        CREATE TABLE score AS
        WITH wanted AS (SELECT prompt_id, unnest(subjects) AS subject_id, generate_subscripts(subjects, 1) AS ordinal
                        FROM read_json('{directory}/prompts.jsonl'))
        SELECT g.model, g.prompt_id, g.seed, w.ordinal,
               array_cosine_similarity(g.embedding::FLOAT[{width}], r.embedding::FLOAT[{width}]) AS similarity
        FROM '{generations}' g JOIN wanted w USING (prompt_id) JOIN '{references}' r ON r.subject_id = w.subject_id"""
    )


CELLS = """
    WITH image AS (SELECT {key}, avg(similarity) AS similarity, count(*) AS n, sum((similarity < 0.4)::INT) AS a,
                          sum((similarity < 0.5)::INT) AS b, sum((similarity < 0.6)::INT) AS c FROM {scores} GROUP BY {key})
    SELECT {cell}, count(*), avg(similarity), avg(a / n), avg(b / n), avg(c / n) FROM image {joins} GROUP BY ALL ORDER BY ALL"""


def attached(catalog):
    import duckdb
    import duckdb_extension_sqlite_scanner

    extension = next(Path(duckdb_extension_sqlite_scanner.__file__).parent.glob("extensions/*/sqlite_scanner.duckdb_extension"))
    db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    db.execute(f"LOAD '{extension}'")
    db.execute(f"ATTACH '{catalog}' AS d (TYPE sqlite, READ_ONLY)")
    db.execute("SET threads = 2")
    return db


def make_tables(catalog, directory):
    """The tables that reports are made of, as `msdata export` names them; the catalog has no vectors to export."""
    Path(directory).mkdir()
    db = attached(catalog)
    keys = "m.name AS model, m.control = 1 AS control, p.prompt_id, g.seed, p.scene_type"
    of = "JOIN d.prompt p ON p.id = g.prompt JOIN d.model m ON m.id = g.model"
    for name, query in {
        "subjects": "SELECT subject_id, label, source, kind FROM d.subject",
        "prompts": """SELECT p.prompt_id, p.scene_type, list(s.subject_id ORDER BY n.ordinal) AS subjects
                      FROM d.prompt p JOIN d.prompt_subject n ON n.prompt = p.id JOIN d.subject s ON s.id = n.subject GROUP BY ALL""",
        "generations": f"SELECT {keys} FROM d.generation g {of}",
        "image_scores": f"""SELECT {keys}, 'dinov2-small' AS encoder, c.similarity, c.clip_t
                            FROM d.image_score c JOIN d.generation g ON g.id = c.generation {of}""",
        "subject_scores": f"""SELECT {keys}, c.ordinal, 'dinov2-small' AS encoder, c.similarity
                              FROM d.subject_score c JOIN d.generation g ON g.id = c.generation {of}""",
    }.items():
        db.execute(f"COPY ({query}) TO '{directory}/{name}.parquet' (COMPRESSION zstd)")


def report(catalog):
    db = attached(catalog)
    joins = "JOIN d.generation g ON g.id = generation JOIN d.prompt p ON p.id = g.prompt JOIN d.model m ON m.id = g.model"
    key = {"key": "generation", "scores": "d.subject_score", "cell": "m.name, n, p.scene_type", "joins": joins}
    return db.execute(CELLS.format(**key)).fetchall()


def tables(directory):
    import duckdb

    db = duckdb.connect()
    db.execute("SET threads = 2")
    key = {"key": "model, prompt_id, seed, scene_type", "scores": f"'{directory}/subject_scores.parquet'", "cell": "model, n, scene_type", "joins": ""}
    return db.execute(CELLS.format(**key)).fetchall()


started = time.perf_counter()
jobs = {"rows": rows, "scores": scores, "numpy": numpy_alone, "duckdb": duckdb_alone, "report": report, "tables": tables, "make": make_tables}
jobs[sys.argv[1]](*sys.argv[2:])
print(time.perf_counter() - started)
