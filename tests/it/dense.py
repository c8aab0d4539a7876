"""Random encoders with a spatial output, and what dense windows are to say by them, computed with Pillow and NumPy alone.

    dense.py make DIR                 writes the encoders DIR/vit and DIR/map
    dense.py expect WORK              reads WORK/work.json, prints the expected similarities as JSON
"""

import json
import math
import pathlib
import sys

import numpy as np
from PIL import Image

SIZE = 64  # of the encoders' own preprocessing
SIDE = 448  # of dense windows
WIDTH, HEADS, PATCH, PREFIX = 24, 2, 16, 3
rng = np.random.default_rng(7)


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


W = {
    "patch": normal(WIDTH, 3, PATCH, PATCH, scale=0.12),
    "first": normal(1, PREFIX, WIDTH),
    **{name: normal(WIDTH, WIDTH, scale=0.35) for name in ("q", "k", "v", "o")},
    "up": normal(WIDTH, 2 * WIDTH, scale=0.4),
    "down": normal(2 * WIDTH, WIDTH, scale=0.4),
    "gain": 1 + normal(WIDTH, scale=0.2),
    "bias": normal(WIDTH, scale=0.2),
    "head": normal(WIDTH, 16, scale=0.3),
    "conv": normal(20, 3, 32, 32, scale=0.05),
    "mix": normal(28, 20, 1, 1, scale=0.3),
}


def make(directory):
    from onnx import TensorProto, helper, numpy_helper, save

    def write(name, nodes, weights, outputs, settings):
        place = directory / name
        place.mkdir(parents=True, exist_ok=True)
        constants = [numpy_helper.from_array(value, key) for key, value in weights.items()]
        info = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node(op, inputs, [out], **more) for op, inputs, out, more in nodes],
            name,
            [info("pixel_values", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
            [info(out, TensorProto.FLOAT, shape) for out, shape in outputs],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        save(model, place / "model.onnx")
        (place / "preprocessor_config.json").write_text(json.dumps({
            "image_processor_type": "ViTImageProcessor", "size": {"height": SIZE, "width": SIZE}, "resample": 3,
            "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
        }))
        (place / "msdata.toml").write_text(settings)

    integers = lambda *values: np.array(values, np.int64)
    norm = lambda given, out: ("LayerNormalization", [given, "gain", "bias"], out, {"axis": -1, "epsilon": 1e-6})
    split = lambda name: [
        ("MatMul", ["normed", name], f"{name}1", {}),
        ("Reshape", [f"{name}1", "heads"], f"{name}2", {}),
        ("Transpose", [f"{name}2"], f"{name}3", {"perm": [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3]}),
    ]
    vit = [
        ("Conv", ["pixel_values", "patch"], "grid", {"strides": [PATCH, PATCH]}),
        ("Reshape", ["grid", "flat"], "lines", {}),
        ("Transpose", ["lines"], "patches", {"perm": [0, 2, 1]}),
        ("Shape", ["patches"], "shape", {}),
        ("Gather", ["shape", "zero"], "batch", {}),
        ("Concat", ["batch", "ones"], "target", {"axis": 0}),
        ("Expand", ["first", "target"], "prefix", {}),
        ("Concat", ["prefix", "patches"], "tokens", {"axis": 1}),
        norm("tokens", "normed"),
        *split("q"), *split("k"), *split("v"),
        ("MatMul", ["q3", "k3"], "products", {}),
        ("Mul", ["products", "scale"], "scaled", {}),
        ("Softmax", ["scaled"], "weights", {"axis": -1}),
        ("MatMul", ["weights", "v3"], "seen", {}),
        ("Transpose", ["seen"], "seen2", {"perm": [0, 2, 1, 3]}),
        ("Reshape", ["seen2", "joined"], "seen3", {}),
        ("MatMul", ["seen3", "o"], "attended", {}),
        ("Add", ["tokens", "attended"], "x", {}),
        norm("x", "x1"),
        ("MatMul", ["x1", "up"], "x2", {}),
        ("Div", ["x2", "root"], "x3", {}),
        ("Erf", ["x3"], "x4", {}),
        ("Add", ["x4", "one"], "x5", {}),
        ("Mul", ["x2", "x5"], "x6", {}),
        ("Mul", ["x6", "half"], "x7", {}),
        ("MatMul", ["x7", "down"], "x8", {}),
        ("Add", ["x", "x8"], "x9", {}),
        norm("x9", "last_hidden_state"),
        ("Gather", ["last_hidden_state", "first_token"], "class", {"axis": 1}),
        ("MatMul", ["class", "head"], "image_embeds", {}),
    ]
    number = lambda value: np.array(value, np.float32)
    weights = {name: W[name] for name in ("patch", "first", "q", "k", "v", "o", "up", "down", "gain", "bias", "head")}
    weights |= {
        "flat": integers(0, WIDTH, -1), "zero": integers(0), "ones": integers(1, 1), "first_token": np.array(0, np.int64),
        "heads": integers(0, 0, HEADS, WIDTH // HEADS), "joined": integers(0, 0, WIDTH),
        "scale": number(1 / math.sqrt(WIDTH // HEADS)), "root": number(math.sqrt(2)), "one": number(1), "half": number(0.5),
    }
    outputs = [("last_hidden_state", ["batch", "tokens", WIDTH]), ("image_embeds", ["batch", 16])]
    write("vit", vit, weights, outputs, f'spatial = "last_hidden_state"\nprefix_tokens = {PREFIX}\n')
    feature_map = [
        ("Conv", ["pixel_values", "conv"], "a", {"strides": [32, 32]}),
        ("Relu", ["a"], "b", {}),
        ("Conv", ["b", "mix"], "feature_map", {}),
        ("GlobalAveragePool", ["feature_map"], "c", {}),
        ("Flatten", ["c"], "image_embeds", {"axis": 1}),
    ]
    outputs = [("feature_map", ["batch", 28, "rows", "columns"]), ("image_embeds", ["batch", 28])]
    write("map", feature_map, {"conv": W["conv"], "mix": W["mix"]}, outputs, 'spatial = "feature_map"\n')


def patches(pixels, side):
    """[3, H, W] as [H/side, W/side, 3 · side · side]."""
    channels, height, width = pixels.shape
    cut = pixels.reshape(channels, height // side, side, width // side, side)
    return cut.transpose(1, 3, 0, 2, 4).reshape(height // side, width // side, -1)


def layer_norm(x):
    spread = np.sqrt(((x - x.mean(-1, keepdims=True)) ** 2).mean(-1, keepdims=True) + 1e-6)
    return (x - x.mean(-1, keepdims=True)) / spread * W["gain"] + W["bias"]


def vit_cells(pixels):
    """The patch tokens, rows × columns × numbers."""
    grid = patches(pixels, PATCH) @ W["patch"].reshape(WIDTH, -1).T.astype(np.float64)
    rows, columns, _ = grid.shape
    tokens = np.concatenate([W["first"][0], grid.reshape(rows * columns, WIDTH)])
    normed = layer_norm(tokens)
    part = lambda name: (normed @ W[name]).reshape(len(tokens), HEADS, -1).transpose(1, 0, 2)
    scores = part("q") @ part("k").transpose(0, 2, 1) / math.sqrt(WIDTH // HEADS)
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    seen = (scores / scores.sum(-1, keepdims=True)) @ part("v")
    x = tokens + seen.transpose(1, 0, 2).reshape(len(tokens), WIDTH) @ W["o"]
    up = layer_norm(x) @ W["up"]
    x = x + (up * (1 + np.vectorize(math.erf)(up / math.sqrt(2))) / 2) @ W["down"]
    return layer_norm(x)[PREFIX:].reshape(rows, columns, WIDTH)


def map_cells(pixels):
    cells = patches(pixels, 32) @ W["conv"].reshape(20, -1).T.astype(np.float64)
    return np.maximum(cells, 0) @ W["mix"].reshape(28, 20).T


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def expect(work):
    said = json.loads((work / "work.json").read_text())
    open_image = lambda name: Image.open(work / name).convert("RGB")

    def pixels(image, side):
        resized = image.resize((side, side), Image.Resampling.BICUBIC)
        return ((np.asarray(resized, np.float64) / 255 - 0.5) / 0.5).transpose(2, 0, 1)

    out = []
    for encoder, cells_of in (("vit", vit_cells), ("map", map_cells)):
        whole = lambda name: cells_of(pixels(open_image(name), SIZE)).mean((0, 1))
        references = [unit(np.array([whole(name) for name in names])) for names in said["subjects"]]
        mean = np.mean([vectors.mean(0) for vectors in references], axis=0)
        for name in said["images"]:
            image = open_image(name)
            cells = cells_of(pixels(image, SIDE))
            rows, columns, _ = cells.shape
            vectors, places = [], []
            for k in (2, 3, 4):
                high, wide = max(1, round(rows / k)), max(1, round(columns / k))
                for y in np.round(np.linspace(0, rows - high, 2 * k - 1)).astype(int):
                    for x in np.round(np.linspace(0, columns - wide, 2 * k - 1)).astype(int):
                        vectors.append(cells[y : y + high, x : x + wide].mean((0, 1)))
                        left, top = math.floor(x * image.width / columns), math.floor(y * image.height / rows)
                        right = math.ceil((x + wide) * image.width / columns)
                        bottom = math.ceil((y + high) * image.height / rows)
                        places.append([left, top, right - left, bottom - top])
            vectors = unit(np.array(vectors))
            for subject, own in enumerate(references):
                centred = (unit(vectors - mean) @ unit(own - mean).T).max(1)
                best = int(centred.argmax())
                # A place is only expected where no other window comes near.
                rest = np.delete(centred, [i for i, place in enumerate(places) if place == places[best]])
                clear = bool(centred[best] - rest.max() > 1e-4)
                out.append({
                    "encoder": encoder, "image": name, "subject": subject, "local": centred[best],
                    "uncentred": (vectors @ own.T).max(), "place": places[best] if clear else None,
                })
    print(json.dumps(out))


if sys.argv[1] == "make":
    make(pathlib.Path(sys.argv[2]))
else:
    expect(pathlib.Path(sys.argv[2]))
