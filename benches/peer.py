#!/usr/bin/env python3
"""What one writes without msdata: a loop over image files with Pillow and ONNX Runtime.

    pip install numpy pillow onnxruntime
    python peer.py MODEL BATCH THREADS FILE_LIST VECTORS < COMMANDS

FILE_LIST names an image a line. For each line of standard input, one line of seconds is written:

- `loop` opens the model and embeds all files; the vectors go to VECTORS as float32, in the order of the list;
- `bare B N` runs N sessions side by side, which share the threads, in batches of B on tensors that are in memory already, as many
  images as there are files: as fast as ONNX Runtime goes;
- `windows K` cuts the windows of sides 1/2 to 1/K out of each and embeds them;
- `prepare` decodes, resizes and normalises all files; `decode` only decodes them; `resize` resizes and crops them when they
  are decoded already; one thread each.
"""
import sys
import time
from concurrent.futures import ThreadPoolExecutor
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


def decoded(path):
    with Image.open(path) as opened:
        return ImageOps.exif_transpose(opened).convert("RGB")


def resized(image):
    """Resize 256 bicubic, centre crop 224: as the encoder's preprocessor_config.json."""
    width, height = image.size
    scale = (EDGE, EDGE * height // width) if width <= height else (EDGE * width // height, EDGE)
    image = image.resize(scale, Image.BICUBIC)
    left, top = (scale[0] - SIDE) // 2, (scale[1] - SIDE) // 2
    return image.crop((left, top, left + SIDE, top + SIDE))


def tensor(path):
    return normalised(resized(decoded(path)))


def normalised(image):
    return ((np.asarray(image, np.float32) / 255 - MEAN) / STD).transpose(2, 0, 1)


def windows(path, finest):
    """Each window squashed to the network's input."""
    image = decoded(path)
    for k in range(2, finest + 1):
        side = min(image.size) // k
        columns, rows = ([i * (length - side) // (2 * k - 2) for i in range(2 * k - 1)] for length in image.size)
        for x, y in ((x, y) for y in rows for x in columns):
            yield normalised(image.crop((x, y, x + side, y + side)).resize((SIDE, SIDE), Image.BICUBIC))


def embed(session, tensors):
    name = session.get_outputs()[0].name
    output = session.run([name], {"pixel_values": np.stack(tensors)})[0]
    return output[:, 0] if output.ndim == 3 else output


class Bare:
    """Sessions on tensors in memory."""

    def __init__(self, model, threads, image):
        self.model, self.threads, self.image = model, threads, image
        self.sessions = {}

    def seconds(self, images, batch, count):
        if count not in self.sessions:
            self.sessions[count] = [open_model(self.model, max(1, self.threads // count)) for _ in range(count)]
        feed = {"pixel_values": np.stack([self.image] * batch)}
        runs = -(-images // (batch * count))

        def work(session, times):
            for _ in range(times):
                session.run(None, feed)

        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, self.sessions[count], [1] * count))  # warm
            start = time.perf_counter()
            list(pool.map(work, self.sessions[count], [runs] * count))
            # Of as many images as were asked for: the last runs may have had more.
            return (time.perf_counter() - start) * images / (runs * batch * count)


def main():
    model, batch, threads, list_path, vectors_path = sys.argv[1:]
    batch, threads, files = int(batch), int(threads), Path(list_path).read_text().splitlines()
    bare = Bare(model, threads, tensor(files[0]))
    images = []
    for line in sys.stdin:
        command, *numbers = line.split()
        numbers = [int(number) for number in numbers]
        if command == "resize" and not images:
            images = [decoded(path) for path in files]
        start = time.perf_counter()
        if command == "loop":
            opened = open_model(model, threads)
            batches = [files[at : at + batch] for at in range(0, len(files), batch)]
            vectors = [embed(opened, [tensor(path) for path in some]) for some in batches]
            np.concatenate(vectors).tofile(vectors_path)
        elif command == "windows":
            opened = open_model(model, threads)
            for path in files:
                tensors = list(windows(path, numbers[0]))
                for at in range(0, len(tensors), batch):
                    embed(opened, tensors[at : at + batch])
        elif command == "bare":
            print(bare.seconds(len(files), *numbers), flush=True)
            continue
        else:
            work = {"prepare": tensor, "decode": decoded, "resize": resized}[command]
            for item in images if command == "resize" else files:
                work(item)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
