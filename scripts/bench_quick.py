#!/usr/bin/env python3
"""Instructions that commands take on small made-up data sets, held against those in benches/quick.json.

    scripts/bench_quick.py PROGRAM            fails where a command takes 15 % more than it did
    scripts/bench_quick.py PROGRAM --update   writes what they take now

Instructions, counted by valgrind, are the same on a busy machine as on an idle one; seconds are not. They do not see memory
or disks: `make bench` measures those. The counts belong to the profile that `make test` builds.
"""
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "benches" / "quick.json"
LOSS = 1.15
GENERATIONS = 600


def manifests(place):
    """Subjects, prompts and generations, all with the same small image under different names."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head, pixel = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0), zlib.compress(bytes(4))
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    (place / "images").mkdir()

    def image(name):
        (place / "images" / name).write_bytes(png)
        return f"images/{name}"

    rows = {
        "subjects": [{"subject_id": f"S{s}", "label": "thing", "references": [image(f"r{s}.png")]} for s in range(10)],
        "prompts": [
            {"prompt_id": f"p{p}", "text": "Things.", "scene_type": "neutral", "subjects": [f"S{(p + k) % 10}" for k in range(2 + p % 4)]}
            for p in range(50)
        ],
        "generations": [
            {"model": "M", "prompt_id": f"p{n % 50}", "seed": n // 50, "path": image(f"{n}.png")} for n in range(GENERATIONS)
        ],
    }
    for name, all_rows in rows.items():
        (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in all_rows))
    return [word for name in rows for word in (f"--{name}", str(place / f"{name}.jsonl"))]


def counted(place, arguments):
    """How many instructions a command takes."""
    out = place / "counted"
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *arguments],
        capture_output=True, text=True, env={**os.environ, "RAYON_NUM_THREADS": "1"},
    )
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode not in (0, 3) or not found:
        sys.exit(f"{' '.join(arguments)}: {done.stderr}")
    return int(found.group(1))


def main():
    program, update = os.path.abspath(sys.argv[1]), "--update" in sys.argv
    if shutil.which("valgrind") is None:
        print("skipped: valgrind is not installed")
        return
    tried = ["valgrind", "--tool=none", program, "--version"]
    if subprocess.run(tried, capture_output=True).returncode != 0:
        print("skipped: valgrind cannot run the program on this processor")
        return
    with tempfile.TemporaryDirectory() as lab:
        lab = Path(lab)
        rows = manifests(lab)
        data, large = str(lab / "data"), str(lab / "large")
        for place in (data, large):
            subprocess.run([program, "init", place], check=True, capture_output=True)
        fill = [sys.executable, str(ROOT / "benches" / "large_catalog.py"), large]
        subprocess.run([*fill, "--models", "4", "--prompts", "250", "--seeds", "2"], check=True, capture_output=True)
        ingest = [program, "-q", "-d", data, "ingest", "--no-embed", *rows]
        by = ["--by", "model,scene_type", "--format", "csv"]
        found = {
            "--version": counted(lab, [program, "--version"]),
            "ingest, new": counted(lab, ingest),
            "ingest, unchanged": counted(lab, ingest),
            "report": counted(lab, [program, "-q", "-d", large, "report", *by]),
            "compare": counted(lab, [program, "-q", "-d", large, "compare", "--leaderboard", "--format", "csv"]),
        }
    if update:
        STORED.write_text(json.dumps(found, indent=2) + "\n")
    stored = json.loads(STORED.read_text())
    lost = False
    for name, count in found.items():
        ratio = count / stored[name]
        lost |= ratio > LOSS
        print(f"{name}: {count / 1e6:.1f} million instructions, {ratio:.2f} of what is stored{'  LOSS' if ratio > LOSS else ''}")
    sys.exit("a command takes over 15 % more than it did; if that is meant, write the new counts with --update" if lost else 0)


main()
