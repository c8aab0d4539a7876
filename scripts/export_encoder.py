#!/usr/bin/env python3
"""Exports a checkpoint of the hub to a directory that `msdata --encoder DIR` reads.

    pip install torch transformers onnx onnxscript onnxruntime
    python export_encoder.py facebook/dinov2-giant encoders/dinov2-giant
    msdata encoders add encoders/dinov2-giant

CHECKPOINT is a hub repository or a local directory of DINOv2 (`dinov2`), DINO v1 (`vit`) or CLIP (`clip`). Written are
`model.onnx` (with `model.onnx_data` beside it above 2 GiB), or `vision_model.onnx`, `text_model.onnx` and `tokenizer.json`
for CLIP; `preprocessor_config.json` and
`msdata.toml` with the preprocessing that published scores were made with. Each model is run once in onnxruntime and
compared with torch before the script says it is done.

    python export_encoder.py facebook/dinov2-small DIR --random

gives the same architecture with random weights, without a hub: for benchmarks, never for scores.
"""
import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import transformers

OPSET = 17
SIDE = 224
TOKENS = 77
# Random weights need no checkpoint, only its shape: hidden size, layers, heads, patch; for CLIP of both towers.
SHAPES = {
    "facebook/dinov2-small": ("dinov2", 384, 12, 6, 14),
    "facebook/dinov2-base": ("dinov2", 768, 12, 12, 14),
    "facebook/dinov2-large": ("dinov2", 1024, 24, 16, 14),
    "facebook/dinov2-giant": ("dinov2", 1536, 40, 24, 14),
    "facebook/dino-vits16": ("vit", 384, 12, 6, 16),
    "facebook/dino-vitb16": ("vit", 768, 12, 12, 16),
    "openai/clip-vit-base-patch32": ("clip", 768, 12, 12, 32, 512, 8, 512),
    "openai/clip-vit-base-patch16": ("clip", 768, 12, 12, 16, 512, 8, 512),
    "openai/clip-vit-large-patch14": ("clip", 1024, 24, 16, 14, 768, 12, 768),
}
# Both DINOs as the published evaluations prepare them (torchvision), which for DINO v1 is not what its own
# configuration says; CLIP as its processor does.
PREPROCESSING = {
    "dinov2": (256, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "half_even"),
    "vit": (256, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], "half_even"),
    "clip": (224, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711], "floor"),
}


class ImageTower(torch.nn.Module):
    """Pixels to `last_hidden_state` (DINO) or `image_embeds` (CLIP)."""

    def __init__(self, model, output):
        super().__init__()
        self.model, self.output = model, output
        if model.config.model_type == "dinov2":
            # The positions for 224 pixels are made once, here, by torch; the graph holds them as a constant
            # and no Resize whose arithmetic could differ.
            embeddings = model.embeddings
            with torch.no_grad():
                grid = SIDE // model.config.patch_size
                tokens = torch.zeros(1, grid * grid + 1, model.config.hidden_size)
                positions = embeddings.interpolate_pos_encoding(tokens, SIDE, SIDE).clone()
            self.register_buffer("positions", positions)
            embeddings.interpolate_pos_encoding = lambda *_: self.positions

    def forward(self, pixel_values):
        return getattr(self.model(pixel_values=pixel_values), self.output)


class TextTower(torch.nn.Module):
    """Token ids to `text_embeds`."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).text_embeds


def random_config(checkpoint):
    family, hidden, layers, heads, patch, *text = SHAPES[checkpoint]
    if family == "dinov2":
        swiglu = checkpoint.endswith("giant")
        return transformers.Dinov2Config(
            hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, patch_size=patch, image_size=518,
            use_swiglu_ffn=swiglu, attn_implementation="eager",
        )
    if family == "vit":
        return transformers.ViTConfig(
            hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * hidden,
            patch_size=patch, image_size=SIDE, attn_implementation="eager",
        )
    text_hidden, text_heads, projection = text
    vision = dict(
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * hidden,
        patch_size=patch, image_size=SIDE, projection_dim=projection,
    )
    words = dict(
        hidden_size=text_hidden, num_hidden_layers=12, num_attention_heads=text_heads, intermediate_size=4 * text_hidden,
        projection_dim=projection, eos_token_id=49407,
    )
    return transformers.CLIPConfig(
        text_config=words, vision_config=vision, projection_dim=projection, attn_implementation="eager"
    )


def load(kind, checkpoint, revision, config, **options):
    """The checkpoint's weights, or random ones where a configuration is given."""
    if config is not None:
        torch.manual_seed(0)
        return kind(config, **options).eval()
    return kind.from_pretrained(checkpoint, revision=revision, attn_implementation="eager", **options).eval()


def towers(checkpoint, revision, config):
    """The family, and [(file, module, example inputs by name, output)]."""
    family = (config or transformers.AutoConfig.from_pretrained(checkpoint, revision=revision)).model_type
    pixels = {"pixel_values": torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))}
    if family == "dinov2":
        model = load(transformers.Dinov2Model, checkpoint, revision, config)
        return family, [("model.onnx", ImageTower(model, "last_hidden_state"), pixels, "last_hidden_state")]
    if family == "vit":
        model = load(transformers.ViTModel, checkpoint, revision, config, add_pooling_layer=False)
        return family, [("model.onnx", ImageTower(model, "last_hidden_state"), pixels, "last_hidden_state")]
    if family == "clip":
        vision_config, text_config = (config.vision_config, config.text_config) if config else (None, None)
        vision = load(transformers.CLIPVisionModelWithProjection, checkpoint, revision, vision_config)
        text = load(transformers.CLIPTextModelWithProjection, checkpoint, revision, text_config)
        ids = torch.tensor([[49406, 320, 1929, 49407, 49407, 49407], [49406, 320, 2368, 537, 1929, 49407]])
        mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
        words = {"input_ids": ids, "attention_mask": mask}
        return family, [
            ("vision_model.onnx", ImageTower(vision, "image_embeds"), pixels, "image_embeds"),
            ("text_model.onnx", TextTower(text), words, "text_embeds"),
        ]
    raise SystemExit(f"error: {checkpoint} is a {family} model; known are dinov2, vit (DINO v1) and clip")


def export(path, module, inputs, output):
    axes = {name: {0: "batch"} | ({1: "tokens"} if value.dim() == 2 else {}) for name, value in inputs.items()}
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        model = Path(scratch) / path.name
        torch.onnx.export(
            module, tuple(inputs.values()), str(model), input_names=list(inputs), output_names=[output], opset_version=OPSET,
            dynamic_axes=axes | {output: {0: "batch"}}, do_constant_folding=True, dynamo=False,
        )
        if len(os.listdir(scratch)) == 1:
            model.replace(path)
        else:
            # More than one ONNX file may hold (2 GiB): torch wrote a file a tensor; one for all is tidier.
            data = path.name + "_data"
            path.with_name(data).unlink(missing_ok=True)  # onnx would append
            onnx.save_model(onnx.load(model), path, save_as_external_data=True, location=data)


def largest_difference(path, module, inputs, output):
    """Between torch and onnxruntime, on a batch and a text of other sizes than the export saw."""
    inputs = {name: torch.cat([value, value.flip(0)[:1]]) for name, value in inputs.items()}
    if "input_ids" in inputs:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        longer = (0, TOKENS - ids.shape[1])
        pad = torch.nn.functional.pad
        inputs = {"input_ids": pad(ids, longer, value=49407), "attention_mask": pad(mask, longer, value=0)}
    with torch.no_grad():
        wanted = module(**inputs).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = session.run([output], {name: value.numpy() for name, value in inputs.items()})[0]
    if wanted.shape != given.shape:
        raise SystemExit(f"error: {path}: onnxruntime gives {given.shape}, torch {wanted.shape}")
    return float(np.abs(wanted - given).max()), float(np.abs(wanted).max())


def write_preprocessing(directory, family, name, random):
    edge, mean, std, offset = PREPROCESSING[family]
    config = {
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": edge},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    # A table of random weights must not pass for the real encoder's, in name least of all.
    name = f"random-{name}" if random else name
    settings = f'# Written by export_encoder.py.\nname = "{name}"\ncrop_offset = "{offset}"\n'
    (directory / "msdata.toml").write_text(settings, encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="hub repository or local directory")
    parser.add_argument("directory", type=Path, help="what is made")
    parser.add_argument("--revision", help="branch, tag or commit of the hub repository")
    parser.add_argument("--name", help="what msdata calls it; the last part of CHECKPOINT unless given")
    parser.add_argument("--random", action="store_true", help="random weights in the shape of a known checkpoint; no hub")
    parser.add_argument("--tokenizer", type=Path, help="a tokenizer.json to copy, where the checkpoint is not at hand")
    given = parser.parse_args()
    if given.random and given.checkpoint not in SHAPES:
        parser.error(f"--random knows the shapes of {', '.join(SHAPES)}")

    directory, name = given.directory, given.name or Path(given.checkpoint).name
    directory.mkdir(parents=True, exist_ok=True)
    config = random_config(given.checkpoint) if given.random else None
    family, parts = towers(given.checkpoint, given.revision, config)
    for file, module, inputs, output in parts:
        path = directory / file
        export(path, module, inputs, output)
        difference, largest = largest_difference(path, module, inputs, output)
        print(f"{path}: {output}, onnxruntime and torch differ by {difference:.2e} at most (values to {largest:.2f})")
        if difference > 1e-3 * max(1.0, largest):
            raise SystemExit(f"error: {path} does not compute what the checkpoint does")
    if family == "clip" and given.tokenizer:
        (directory / "tokenizer.json").write_bytes(given.tokenizer.read_bytes())
    elif family == "clip" and not given.random:
        tokenizer = transformers.AutoTokenizer.from_pretrained(given.checkpoint, revision=given.revision, use_fast=True)
        tokenizer.backend_tokenizer.save(str(directory / "tokenizer.json"))
    elif family == "clip":
        print("no tokenizer.json written: give one with --tokenizer to embed texts")
    write_preprocessing(directory, family, name, given.random)
    print(f"{directory} is ready: msdata encoders add {directory}")


if __name__ == "__main__":
    main()
