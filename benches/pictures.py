#!/usr/bin/env python3
"""Draws pictures that cost what photographs cost to decode.

    pip install numpy pillow
    python pictures.py DIR COUNT [--megapixels 0.3 2] [--only jpeg] [--square]

One great scene is drawn: noise in octaves, each half as fine and half as strong as the one before, as in photographs,
with flat shapes before it, whose edges are hard, and a camera's grain. Every picture is another window of it: two of
three a JPEG as cameras and web sites write them (quality 90, 4:2:0), the third a PNG. The same versions give the same
bytes.
"""
import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SCENE = (4096, 3072)
FINEST = 9  # octaves: from 8 to 2048 cells across
GRAIN = 4.0  # standard deviation, of 255; of brightness, the same in all colours


def scene(random):
    width, height = SCENE
    light = np.zeros((height, width, 3), np.float32)
    for octave in range(FINEST):
        cells = random.standard_normal((6 << octave, 8 << octave, 3)).astype(np.float32)
        planes = [Image.fromarray(cells[:, :, channel]).resize(SCENE, Image.BICUBIC) for channel in range(3)]
        noise = np.stack([np.asarray(plane) for plane in planes], axis=2)
        # Mostly brightness: the colours of a photograph vary together.
        light += (0.7 * noise.mean(axis=2, keepdims=True) + 0.3 * noise) * 0.5**octave
    picture = Image.fromarray(np.clip(128 + 45 * light, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture, "RGBA")
    for _ in range(400):
        x, y, size = random.integers(0, width), random.integers(0, height), random.integers(20, 300)
        colour = tuple(int(c) for c in random.integers(0, 256, 3)) + (160,)
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape([int(x), int(y), int(x + size), int(y + size * random.uniform(0.4, 2))], fill=colour)
    grain = GRAIN * random.standard_normal((height, width, 1), dtype=np.float32)
    return Image.fromarray(np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--megapixels", type=float, nargs=2, default=(0.3, 2.0), metavar=("LEAST", "MOST"))
    parser.add_argument("--only", choices=("jpeg", "png"))
    parser.add_argument("--square", action="store_true")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    random = np.random.Generator(np.random.PCG64(7))
    whole = scene(random)
    for number in range(arguments.count):
        pixels = 1e6 * random.uniform(*arguments.megapixels)
        shape = 1 if arguments.square else random.choice([3 / 4, 1, 4 / 3, 3 / 2])  # width to height
        width, height = round((pixels * shape) ** 0.5), round((pixels / shape) ** 0.5)
        left, top = int(random.integers(0, SCENE[0] - width)), int(random.integers(0, SCENE[1] - height))
        window = whole.crop((left, top, left + width, top + height))
        if arguments.only == "png" or (number % 3 == 2 and not arguments.only):
            window.save(arguments.directory / f"{number:05}.png", compress_level=6)
        else:
            window.save(arguments.directory / f"{number:05}.jpg", quality=90, subsampling="4:2:0")


if __name__ == "__main__":
    main()
