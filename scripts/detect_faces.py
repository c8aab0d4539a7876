#!/usr/bin/env python3
"""Finds the faces in the images of a data set and writes them as a region file.

    pip install facenet-pytorch
    python detect_faces.py my-data faces.jsonl
    msdata -d my-data ingest --regions faces.jsonl --set faces

The detector is MTCNN; its weights come with the package, so nothing else is fetched. Looked at are all generations that can
be read, and the references of subjects of kind `human` (with --all-references, of all subjects). An image without a face
gets a row with `regions: []`; an image that cannot be read gets none, and is named.

Boxes are [x, y, width, height] in pixels of the upright image, as the detector gives them: they may reach outside the image.
"""
import argparse
import json
import os
import subprocess
import sys

GENERATIONS = """SELECT model, prompt_id, seed, full_path(path) AS path FROM generations WHERE status = 'ok'
                 ORDER BY model, prompt_id, seed"""
REFERENCES = """SELECT subject_id, j.key AS reference_index, full_path(j.value) AS path
                FROM subjects, json_each("references") j WHERE kind = 'human' OR {every} ORDER BY subject_id, j.key"""


def rows(arguments, query):
    """Rows of a query, as dictionaries."""
    command = [arguments.msdata, "-d", arguments.data, "sql", query, "--format", "jsonl"]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    except FileNotFoundError:
        sys.exit(f"error: there is no program {arguments.msdata}; say with --msdata where it is")
    except subprocess.CalledProcessError:
        sys.exit(1)  # it has said why
    return [json.loads(line) for line in done.stdout.decode("utf-8").splitlines()]


def faces(detector, path, min_score):
    """The faces in an image, the surest first."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    boxes, scores = detector.detect(upright)
    found = []
    for (x1, y1, x2, y2), score in zip([] if boxes is None else boxes.tolist(), scores):
        if score >= min_score and x2 > x1 and y2 > y1:
            box = [round(n, 2) for n in (x1, y1, x2 - x1, y2 - y1)]
            found.append({"box": box, "score": round(float(score), 4), "label": "face"})
    return sorted(found, key=lambda region: -region["score"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the data set")
    parser.add_argument("out", help="the region file to write")
    parser.add_argument("--msdata", default="msdata", help="the program (default: msdata on the PATH)")
    parser.add_argument("--min-score", type=float, default=0.9, help="leave out less sure faces (default: 0.9)")
    parser.add_argument("--min-side", type=int, default=20, help="smallest face looked for, in pixels (default: 20)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, … (default: cpu)")
    parser.add_argument("--models", help="only the generations of these models, separated by commas")
    parser.add_argument("--all-references", action="store_true", help="look at references of every kind, not of humans alone")
    arguments = parser.parse_args()
    try:
        from facenet_pytorch import MTCNN
    except ImportError as e:
        sys.exit(f"error: {e}\nhint: pip install facenet-pytorch")
    detector = MTCNN(keep_all=True, min_face_size=arguments.min_side, device=arguments.device)

    images = rows(arguments, GENERATIONS)
    if arguments.models:
        wanted = arguments.models.split(",")
        unknown = set(wanted) - {image["model"] for image in images}
        if unknown:
            sys.exit(f"error: no generation of {', '.join(sorted(unknown))} can be read")
        images = [image for image in images if image["model"] in wanted]
    images += rows(arguments, REFERENCES.format(every=int(arguments.all_references)))

    part, found, empty, unread = arguments.out + ".part", 0, 0, 0
    with open(part, "w", encoding="utf-8") as out:
        for done, row in enumerate(images):
            if sys.stderr.isatty():
                print(f"\r{done} of {len(images)} images", end="", file=sys.stderr)
            path = row.pop("path")
            try:
                regions = faces(detector, path, arguments.min_score)
            except (OSError, ValueError) as e:
                unread += 1
                print(f"warning: {path}: {e}; no row is written for it", file=sys.stderr)
                continue
            found, empty = found + len(regions), empty + (not regions)
            out.write(json.dumps({**row, "regions": regions}, ensure_ascii=False) + "\n")
    os.replace(part, arguments.out)
    read = len(images) - unread
    print(f"{found} faces in {read} images, {empty} of them without a face; {unread} images could not be read", file=sys.stderr)


if __name__ == "__main__":
    main()
