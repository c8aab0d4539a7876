#!/usr/bin/env python3
"""How published evaluations run: transformers and torch, an image at a time, on the CPU.

    pip install torch transformers pillow numpy
    python transformers_peer.py THREADS FILE_LIST < COMMANDS

The network is DINOv2 ViT-S/14 with random weights, so nothing is downloaded; it is made beforehand. FILE_LIST names an image a
line. For each line of standard input all files are opened, processed and embedded, and one line of seconds is written.
"""
import sys
import time
from pathlib import Path

import torch
from PIL import Image
from transformers import BitImageProcessorPil, Dinov2Config, Dinov2Model


def main():
    threads, list_path = sys.argv[1:]
    torch.set_num_threads(int(threads))
    files = Path(list_path).read_text().splitlines()
    # As facebook/dinov2-small, whose position embeddings are for 518 pixels; images are of 224, as its processor makes them.
    config = Dinov2Config(hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518, patch_size=14)
    model = Dinov2Model(config).eval()
    processor = BitImageProcessorPil(
        size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}, resample=3,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225], do_convert_rgb=True,
    )  # fmt: skip

    def embed(path):
        with Image.open(path) as image, torch.inference_mode():
            inputs = processor(images=image.convert("RGB"), return_tensors="pt")
            return model(**inputs).last_hidden_state[:, 0].numpy()

    embed(files[0])  # warm
    for _ in sys.stdin:
        start = time.perf_counter()
        for path in files:
            embed(path)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
