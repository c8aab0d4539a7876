#!/usr/bin/env python3
"""Writes an encoder directory with the architecture of DINOv2 ViT-S/14 and random weights, to measure speed with.

    pip install numpy onnx
    python random_vit.py DIR

The network costs what the real one costs, and its vectors mean nothing. 224 x 224 pixels are 256 patches of 14 x 14
and a class token, of 384 numbers each; 12 pre-norm layers with 6 heads, LayerScale, an MLP of 1536 and the exact (erf)
GELU. The graph spells these out in the basic operators that exporters write, so that ONNX Runtime fuses what it would
fuse there. The same versions give the same bytes.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, PATCH = 224, 14
PATCHES = (SIDE // PATCH) ** 2
WIDTH, LAYERS, HEADS, MLP = 384, 12, 6, 1536
EPSILON = 1e-6

PREPROCESSING = {
    "do_convert_rgb": True,
    "do_resize": True,
    "size": {"shortest_edge": 256},
    "resample": 3,
    "do_center_crop": True,
    "crop_size": {"height": SIDE, "width": SIDE},
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
}


class Graph:
    """ONNX nodes in the order they are added, and their weights."""

    def __init__(self, seed):
        self.random = np.random.Generator(np.random.PCG64(seed))
        self.nodes, self.weights = [], []

    def constant(self, values):
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *shape, around=0.0, spread=0.02):
        values = around + spread * self.random.standard_normal(shape, dtype=np.float32)
        return self.constant(values.astype(np.float32))

    def add(self, op, *inputs, **attributes):
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def linear(self, value, inner, outer):
        # Spread so that numbers keep their size from layer to layer.
        product = self.add("MatMul", value, self.weight(inner, outer, spread=inner**-0.5))
        return self.add("Add", product, self.weight(outer))

    def norm(self, value):
        scale, bias = self.weight(WIDTH, around=1.0), self.weight(WIDTH)
        return self.add("LayerNormalization", value, scale, bias, axis=-1, epsilon=EPSILON)

    def heads(self, value, order):
        split = self.add("Reshape", value, self.constant(np.array([0, 0, HEADS, WIDTH // HEADS])))
        return self.add("Transpose", split, perm=order)

    def attention(self, value):
        query = self.heads(self.linear(value, WIDTH, WIDTH), [0, 2, 1, 3])
        key = self.heads(self.linear(value, WIDTH, WIDTH), [0, 2, 3, 1])
        values = self.heads(self.linear(value, WIDTH, WIDTH), [0, 2, 1, 3])
        scale = self.constant(np.float32((WIDTH // HEADS) ** -0.5))
        weights = self.add("Softmax", self.add("Mul", self.add("MatMul", query, key), scale), axis=-1)
        mixed = self.add("Transpose", self.add("MatMul", weights, values), perm=[0, 2, 1, 3])
        return self.linear(self.add("Reshape", mixed, self.constant(np.array([0, 0, WIDTH]))), WIDTH, WIDTH)

    def gelu(self, value):
        erf = self.add("Erf", self.add("Div", value, self.constant(np.float32(2**0.5))))
        product = self.add("Mul", value, self.add("Add", erf, self.constant(np.float32(1))))
        return self.add("Mul", product, self.constant(np.float32(0.5)))

    def layer(self, value):
        for branch in (self.attention, self.mlp):
            scaled = self.add("Mul", branch(self.norm(value)), self.weight(WIDTH, around=0.5))
            value = self.add("Add", value, scaled)
        return value

    def mlp(self, value):
        return self.linear(self.gelu(self.linear(value, WIDTH, MLP)), MLP, WIDTH)

    def embeddings(self):
        kernel = self.weight(WIDTH, 3, PATCH, PATCH, spread=(3 * PATCH * PATCH) ** -0.5)
        patches = self.add("Conv", "pixel_values", kernel, self.weight(WIDTH), kernel_shape=[PATCH] * 2, strides=[PATCH] * 2)
        patches = self.add("Reshape", patches, self.constant(np.array([0, WIDTH, PATCHES])))
        patches = self.add("Transpose", patches, perm=[0, 2, 1])
        batch = self.add("Gather", self.add("Shape", patches), self.constant(np.array([0])), axis=0)
        shape = self.add("Concat", batch, self.constant(np.array([1, WIDTH])), axis=0)
        token = self.add("Expand", self.weight(1, 1, WIDTH), shape)
        return self.add("Add", self.add("Concat", token, patches, axis=1), self.weight(1, PATCHES + 1, WIDTH))


def model(seed):
    graph = Graph(seed)
    value = graph.embeddings()
    for _ in range(LAYERS):
        value = graph.layer(value)
    graph.norm(value)
    graph.nodes[-1].output[0] = "last_hidden_state"
    built = helper.make_graph(
        graph.nodes,
        "random-vit-s14",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", PATCHES + 1, WIDTH])],
        graph.weights,
    )
    built = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)], producer_name="msdata", ir_version=8)
    built.doc_string = "DINOv2 ViT-S/14's architecture with random weights: its vectors mean nothing"
    onnx.checker.check_model(built, full_check=True)
    return built


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--seed", type=int, default=14)
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    (arguments.directory / "preprocessor_config.json").write_text(json.dumps(PREPROCESSING, indent=2) + "\n")
    (arguments.directory / "model.onnx").write_bytes(model(arguments.seed).SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
