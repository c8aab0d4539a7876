"""Similarities of the authors' images by an encoder, computed with Pillow and onnxruntime alone.

usage: reference_run.py REPOSITORY ENCODER > similarities.jsonl

One line for each (model, prompt_id, seed, subject) whose image is there. Shares no code with msdata.
"""

import json
import sys
from pathlib import Path

import numpy
import onnxruntime
from PIL import Image, ImageOps


def main(repository, encoder):
    repository, encoder = Path(repository), Path(encoder)
    config = json.loads((encoder / "preprocessor_config.json").read_text())
    session = onnxruntime.InferenceSession(encoder / "model.onnx", providers=["CPUExecutionProvider"])
    edge, crop = config["size"]["shortest_edge"], config["crop_size"]["height"]
    mean, std = numpy.float32(config["image_mean"]), numpy.float32(config["image_std"])

    def embed(path):
        image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        width, height = image.size
        longer = int(edge * max(width, height) / min(width, height))
        image = image.resize((edge, longer) if width <= height else (longer, edge), Image.Resampling(config["resample"]))
        left, top = (image.width - crop) // 2, (image.height - crop) // 2
        pixels = numpy.asarray(image.crop((left, top, left + crop, top + crop)), numpy.float32) / 255
        tensor = ((pixels - mean) / std).transpose(2, 0, 1)[None]
        vector = session.run(["image_embeds"], {"pixel_values": tensor})[0].reshape(-1).astype(numpy.float64)
        return vector / numpy.linalg.norm(vector)

    references = {}
    for meta in sorted(repository.glob("results/*/*/meta.json")):
        entries = json.loads(meta.read_text())
        for entry in entries if isinstance(entries, list) else [entries]:
            image = meta.parent / f"{entry['seed']}.png"
            if not image.exists():
                continue
            generation = embed(image)
            for subject in entry["subjects"]:
                name, path = subject["name"], subject["image"]
                if name not in references:
                    references[name] = embed(repository / path[path.index("val_dataset/"):])
                print(json.dumps([entry["model"], entry["prompt_id"], entry["seed"], name, float(generation @ references[name])]))


main(*sys.argv[1:])
