#!/usr/bin/env python3
"""Writes the paper's stress test at a multiple of its size: manifests, small images, vectors.

    growth_set.py DIR SIZE

75 · SIZE prompts of 2, 4, 6, 8 and 10 subjects in three scene types, three models, three seeds; 30 · SIZE^(1/3) subjects. An
image's vector is the sum of those of the subjects that it shows, and noise: a model shows fewer of them the more are asked for.
The same versions give the same bytes.
"""
import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.dont_write_bytecode = True  # what is imported lies in the source tree

from card import CARD

MODELS, SEEDS, WIDTH, SIDE = 3, 3, 64, 48
SCENES = ("neutral", "occlusion", "interaction")
KINDS = ("human", "animal", "object")
DRAWN = 64  # images drawn; the others have their pixels and another comment
ROWS = 30_000  # of a row group
ENCODER = "dinov2-small"

EMBEDDINGS = pa.schema(
    [("encoder", pa.string()), ("kind", pa.string()), ("subject_id", pa.string()), ("reference_index", pa.int64())]
    + [("model", pa.string()), ("prompt_id", pa.string()), ("seed", pa.int64()), ("embedding", pa.list_(pa.float32()))]
)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def drawn(random):
    """A PNG of some 1 KB, without its end: some rectangles on a gradient."""
    pixels = np.add.outer(np.arange(SIDE), np.arange(SIDE))[:, :, None] * random.integers(0, 3, 3) % 256
    for _ in range(8):
        left, top, width, height = random.integers(0, SIDE, 4)
        pixels[top : top + height, left : left + width] = random.integers(0, 256, 3)
    pixels[:8] = random.integers(0, 64, (8, SIDE, 3))
    rows = np.hstack([np.zeros((SIDE, 1), np.uint8), pixels.astype(np.uint8).reshape(SIDE, -1)])
    head = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 6))


def main():
    directory, size = Path(sys.argv[1]), int(sys.argv[2])
    pool, prompts = round(30 * size ** (1 / 3)), 75 * size
    random = np.random.Generator(np.random.PCG64(5))
    images = [drawn(random) for _ in range(DRAWN)]
    end = chunk(b"IEND", b"")

    def image(number, name):
        text = chunk(b"tEXt", b"Comment\0" + str(number).encode())
        (directory / name).write_bytes(images[number % DRAWN] + text + end)
        return name

    def jsonl(name, rows):
        with open(directory / f"{name}.jsonl", "w") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)

    (directory / "references").mkdir()
    jsonl(
        "subjects",
        (
            {"subject_id": f"S{s:04}", "label": f"thing {s}", "kind": KINDS[s % 3], "references": [image(s, f"references/{s}.png")]}
            for s in range(pool)
        ),
    )
    asked = [[int(s) for s in random.choice(pool, 2 + 2 * (p % 5), replace=False)] for p in range(prompts)]
    scene = [SCENES[p // 5 % 3] for p in range(prompts)]

    def prompt(p):
        named = ", ".join(f"thing {s}" for s in asked[p])
        return {"prompt_id": f"p{p:06}", "text": f"{named}.", "scene_type": scene[p], "subjects": [f"S{s:04}" for s in asked[p]]}

    jsonl("prompts", map(prompt, range(prompts)))
    keys = [(model, p, seed) for model in range(MODELS) for p in range(prompts) for seed in range(SEEDS)]

    def generation(at):
        model, p, seed = keys[at]
        place = f"images/{model}/{p // 1000}"
        if p % 1000 == 0:
            (directory / place).mkdir(parents=True, exist_ok=True)
        name = image(pool + at, f"{place}/{p}-{seed}.png")
        return {"model": f"model-{model}", "prompt_id": f"p{p:06}", "seed": seed, "path": name}

    jsonl("generations", map(generation, range(len(keys))))

    def table(kind, vectors, **columns):
        """Rows of vectors; a column that is not given is null."""
        columns |= {"encoder": [ENCODER] * len(vectors), "kind": [kind] * len(vectors)}
        ends = pa.array(range(0, vectors.size + 1, WIDTH), pa.int32())
        columns["embedding"] = pa.ListArray.from_arrays(ends, pa.array(vectors.astype(np.float32).ravel()))
        null = [None] * len(vectors)
        return pa.Table.from_arrays([pa.array(columns.get(field.name, null), field.type) for field in EMBEDDINGS], schema=EMBEDDINGS)

    def unit(vectors):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)

    # With something in common, as vectors of real networks have.
    references = unit(unit(random.standard_normal((pool, WIDTH))) + 0.5 * unit(random.standard_normal(WIDTH)))
    subjects = {"subject_id": [f"S{s:04}" for s in range(pool)], "reference_index": [0] * pool}
    pq.write_table(table("reference", references, **subjects), directory / "references.parquet")
    with pq.ParquetWriter(directory / "generations.parquet", EMBEDDINGS) as out:
        for start in range(0, len(keys), ROWS):
            some = keys[start : start + ROWS]
            shown = np.zeros((len(some), pool))
            chance = random.random((len(some), 10))
            for row, (model, p, _) in enumerate(some):
                kept = chance[row, : len(asked[p])] < 1.1 - (0.03 + 0.02 * model) * len(asked[p])
                shown[row, [s for s, is_kept in zip(asked[p], kept) if is_kept]] = 1
            noise = unit(random.standard_normal((len(some), WIDTH)))
            columns = {"model": [f"model-{m}" for m, _, _ in some], "prompt_id": [f"p{p:06}" for _, p, _ in some], "seed": [s for _, _, s in some]}
            out.write_table(table("generation", unit(unit(shown @ references + 1e-3 * noise) + 0.6 * noise), **columns))
    (directory / "card.toml").write_text(CARD)


if __name__ == "__main__":
    main()
