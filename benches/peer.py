#!/usr/bin/env python3
"""What one writes without msdata: a loop over image files with Pillow and ONNX Runtime.

    pip install numpy pillow onnxruntime
    python peer.py MODEL BATCH THREADS FILE_LIST VECTORS < COMMANDS

FILE_LIST names an image a line. For each line of standard input, one line of seconds is written: `loop` opens the
model and embeds all files (the vectors go to VECTORS as float32, in the order of the list); `windows K` cuts the windows
of sides 1/2 to 1/K out of each and embeds them; `bare` runs the same session on tensors that are in memory already,
which is as fast as ONNX Runtime goes by default.
"""
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

EDGE, SIDE = 256, 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)


def open_model(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def tensor(path):
    """Resize 256 bicubic, centre crop 224, normalise: as the encoder's preprocessor_config.json."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = image.size
    scale = (EDGE, EDGE * height // width) if width <= height else (EDGE * width // height, EDGE)
    image = image.resize(scale, Image.BICUBIC)
    left, top = (scale[0] - SIDE) // 2, (scale[1] - SIDE) // 2
    return normalised(image.crop((left, top, left + SIDE, top + SIDE)))


def normalised(image):
    return ((np.asarray(image, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def windows(path, finest):
    """Each window squashed to the network's input."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    for k in range(2, finest + 1):
        side = min(image.size) // k
        columns, rows = ([i * (length - side) // (2 * k - 2) for i in range(2 * k - 1)] for length in image.size)
        for x, y in ((x, y) for y in rows for x in columns):
            yield normalised(image.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.BICUBIC))


def embed(session, tensors):
    name = session.get_outputs()[0].name
    output = session.run([name], {"pixel_values": np.stack(tensors)})[0]
    return output[:, 0] if output.ndim == 3 else output


def main():
    model, batch, threads, list_path, vectors_path = sys.argv[1:]
    batch, files = int(batch), Path(list_path).read_text().splitlines()
    batches = [files[at : at + batch] for at in range(0, len(files), batch)]
    session = open_model(model, int(threads))
    warm = [tensor(path) for path in batches[0]]
    for command in sys.stdin:
        start = time.perf_counter()
        if command.strip() == "loop":
            opened = open_model(model, int(threads))
            vectors = [embed(opened, [tensor(path) for path in some]) for some in batches]
            np.concatenate(vectors).tofile(vectors_path)
        elif command.startswith("windows"):
            opened = open_model(model, int(threads))
            for path in files:
                tensors = list(windows(path, int(command.split()[1])))
                for at in range(0, len(tensors), batch):
                    embed(opened, tensors[at : at + batch])
        else:
            for _ in batches:
                embed(session, warm)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
