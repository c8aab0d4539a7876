#!/usr/bin/env python3
"""Builds `builtin-texture`, the image encoder that is compiled into msdata.

    pip install numpy onnx onnxruntime
    python build_builtin_texture.py model.onnx

It is a fixed function of the pixels: colour and oriented texture, pooled over grids. Nothing is trained and no
photograph is used; the one thing that is not written down here by hand, the centre and spread of each number, is
measured on pictures that this script draws. It knows nothing of identities and is no DINOv2: it exists so that the
tool runs without a download.

Input   `pixel_values` float32 [batch, 3, 224, 224], RGB in [0, 1]: shortest edge 256 bicubic, centre crop 224 (floor),
        rescaled by 1/255, mean 0, std 1 (`preprocessor_config.json` is written beside the model).
Output  `image_embeds` float32 [batch, 1933]; compare by cosine.

The numbers, each block centred, scaled and given the same total variance on the drawn pictures:
  texture   log energy of Gabor pairs, 6 orientations x 3 scales, mean over grids of 1, 2 and 4 cells a side
  colour    share of each of 64 colours (soft histogram), its square root, over the same grids
  presence  the largest share of each colour in any cell of a 7 x 7 grid: a subject may stand anywhere
  layout    mean colour of each cell of a 7 x 7 grid

The same versions give the same bytes. Everything computed is rounded before it is stored, so that a last digit that
differs between machines does not show.
"""
import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SIDE = 224
ORIENTATIONS = 6
GRIDS = (1, 2, 4)
FINE_GRID = 7
TEXTURE_SCALES = (2, 4, 8)  # the luminance is shrunk by these before the filters
GABOR_SIZE, GABOR_WAVELENGTH, GABOR_SIGMA = 7, 4.0, 2.0
LOG_FLOOR = 0.01  # energy (of a luminance in [0, 1]) below which texture is no longer told from flat
COLOUR_SHRINK, COLOUR_SIGMA = 4, 0.12  # half the distance of two colours of the palette, about
DRAWN_PICTURES = 240

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
    "image_mean": [0.0, 0.0, 0.0],
    "image_std": [1.0, 1.0, 1.0],
}


class Graph:
    """ONNX nodes in the order they are added."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def constant(self, values, decimals=6):
        name = f"weight_{len(self.weights)}"
        rounded = np.round(np.asarray(values, np.float64), decimals).astype(np.float32) + 0.0  # no negative zero
        self.weights.append(numpy_helper.from_array(rounded, name))
        return name

    def add(self, op, *inputs, **attributes):
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], name, **attributes))
        return name

    def shrink(self, value, factor):
        return value if factor == 1 else self.add("AveragePool", value, kernel_shape=[factor] * 2, strides=[factor] * 2)

    def model(self, output, size):
        rename = helper.make_node("Identity", [output], ["image_embeds"], "image_embeds")
        graph = helper.make_graph(
            self.nodes + [rename],
            "builtin-texture",
            [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
            [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", size])],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="msdata", ir_version=8)
        model.doc_string = "builtin-texture: pooled colour and oriented texture; nothing trained; no identity encoder"
        onnx.checker.check_model(model, full_check=True)
        return model


def opponent_axes():
    """Luminance, red against green, yellow against blue: rows over R, G, B."""
    return np.array([[1 / 3, 1 / 3, 1 / 3], [1, -1, 0], [0.5, 0.5, -1]])


def palette():
    """64 colours on a regular lattice of the opponent axes; chroma to 0.45, where nearly all natural colours lie."""
    luminances, chroma = (np.arange(4) + 0.5) / 4, np.linspace(-0.45, 0.45, 4)
    return np.array([(l, a, b) for l in luminances for a in chroma for b in chroma])


def gabor_pairs():
    """Even and odd filter of each orientation, even ones without a mean, each of unit absolute sum."""
    half = GABOR_SIZE // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    window = np.exp(-(x * x + y * y) / (2 * GABOR_SIGMA**2))
    filters = []
    for i in range(ORIENTATIONS):
        angle = np.pi * i / ORIENTATIONS
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / GABOR_WAVELENGTH
        even, odd = window * np.cos(phase), window * np.sin(phase)
        even -= window * even.sum() / window.sum()
        filters += [even / np.abs(even).sum(), odd / np.abs(odd).sum()]
    return np.array(filters)[:, None]


def features(graph):
    """Adds the blocks to the graph: [(output, size, whether numbers are scaled one by one or the block as one)]."""
    axes = opponent_axes()
    blocks = []

    energies = []
    luminance = graph.add("Conv", "pixel_values", graph.constant(axes[:1, :, None, None]))
    filters, quarter_turn = graph.constant(gabor_pairs()), np.zeros((ORIENTATIONS, 2 * ORIENTATIONS, 1, 1))
    for i in range(ORIENTATIONS):
        quarter_turn[i, [2 * i, 2 * i + 1]] = 1
    pads, pairs, tiny = [0, 0, GABOR_SIZE // 2, GABOR_SIZE // 2] * 2, graph.constant(quarter_turn), graph.constant(1e-8, 9)
    pads_name = "pads"
    graph.weights.append(numpy_helper.from_array(np.array(pads, np.int64), pads_name))
    for scale in TEXTURE_SCALES:
        padded = graph.add("Pad", graph.shrink(luminance, scale), pads_name, mode="edge")
        response = graph.add("Conv", padded, filters)
        energy = graph.add("Conv", graph.add("Mul", response, response), pairs)
        energies.append((graph.add("Sqrt", graph.add("Add", energy, tiny)), SIDE // scale))
    floor = graph.constant(LOG_FLOOR)
    for cells in GRIDS:
        pooled = [graph.add("Flatten", graph.shrink(e, side // cells), axis=1) for e, side in energies]
        logs = graph.add("Log", graph.add("Add", graph.add("Concat", *pooled, axis=1), floor))
        blocks.append((logs, len(TEXTURE_SCALES) * ORIENTATIONS * cells**2, True))

    small = graph.shrink("pixel_values", COLOUR_SHRINK)
    opponent, side = graph.add("Conv", small, graph.constant(axes[:, :, None, None])), SIDE // COLOUR_SHRINK
    # Shares of exp(-|o - c|^2 / 2s^2), spelled out: the operator Softmax turns the tensor over and back, and takes four
    # times as long. Every colour is so near to one of the palette that no sum is zero.
    colours, twice_variance = palette(), 2 * COLOUR_SIGMA**2
    weights, biases = 2 * colours / twice_variance, -(colours**2).sum(1) / twice_variance
    products = graph.add("Conv", opponent, graph.constant(weights[:, :, None, None], 4), graph.constant(biases, 4))
    own = graph.constant(np.full((1, 3, 1, 1), -1 / twice_variance), 4)
    squares = graph.add("Conv", graph.add("Mul", opponent, opponent), own)
    nearness = graph.add("Exp", graph.add("Add", products, squares))
    shares = graph.add("Div", nearness, graph.add("Conv", nearness, graph.constant(np.ones((1, len(colours), 1, 1)))))
    for cells in GRIDS:
        pooled = graph.add("Flatten", graph.shrink(shares, side // cells), axis=1)
        blocks.append((graph.add("Sqrt", pooled), len(colours) * cells**2, False))
    strongest = graph.add("GlobalMaxPool", graph.shrink(shares, side // FINE_GRID))
    blocks.append((graph.add("Sqrt", graph.add("Flatten", strongest, axis=1)), len(colours), False))
    layout = graph.add("Flatten", graph.shrink(opponent, side // FINE_GRID), axis=1)
    blocks.append((layout, 3 * FINE_GRID**2, True))
    return blocks


def centre_and_scale(values, blocks):
    """Of each number over the drawn pictures: its mean, and the factor that gives each block the same variance."""
    scales, start = [], 0
    for _, size, one_by_one in blocks:
        spread = values[:, start : start + size].std(0)
        if one_by_one:
            # A number that hardly varies is not blown up beyond ten times the liveliest of its block.
            scales.append(1 / np.maximum(spread, 0.1 * spread.max()) / np.sqrt(size))
        else:
            # Rare colours stay small, as in any histogram: one factor for the block.
            scales.append(np.full(size, 1 / np.sqrt((spread**2).sum())))
        start += size
    return values.mean(0), np.concatenate(scales)


def noise(rng, exponent):
    """Noise of amplitude 1/f^exponent and unit variance."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE)))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum * frequency**-exponent, (SIDE, SIDE))
    return field / field.std()


def colour(rng):
    """Any lightness, muted chroma."""
    tint = rng.standard_normal(3) * 0.12
    return np.clip(rng.uniform(0.05, 0.95) + tint - tint.mean(), 0, 1)


def draw_leaf(rng, picture, radius, x0, y0, grounds):
    """A turned, rounded shape of one shaded colour and a little grain, over what is there."""
    flat, angle = rng.uniform(0.5, 1.0), rng.uniform(0, np.pi)
    columns = slice(max(0, int(x0 - radius)), min(SIDE, int(x0 + radius) + 1))
    rows = slice(max(0, int(y0 - radius)), min(SIDE, int(y0 + radius) + 1))
    y, x = np.mgrid[rows, columns]
    along = ((x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)) / radius
    across = ((y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)) / (radius * flat)
    corner = rng.choice([2.0, 4.0, 10.0])  # from ellipse to rectangle
    distance = (np.abs(along) ** corner + np.abs(across) ** corner) ** (1 / corner)
    cover = np.clip((1 - distance) * radius + 0.5, 0, 1)[..., None]
    grain = grounds[rng.integers(len(grounds))][rows, columns] * rng.uniform(0, 0.12)
    paint = colour(rng) * (1 + rng.uniform(-0.4, 0.4) * along[..., None]) + grain[..., None]
    picture[rows, columns] = picture[rows, columns] * (1 - cover) + np.clip(paint, 0, 1) * cover


def draw_pictures(count, seed=0):
    """Dead leaves: opaque shapes of a power law of sizes over grainy grounds, the simplest pictures whose statistics
    resemble those of photographs (Lee, Mumford and Huang 2001); from one large shape to some three hundred."""
    rng = np.random.Generator(np.random.PCG64(seed))
    grounds = [noise(rng, exponent) for exponent in (0.6, 0.8, 1.0, 1.0, 1.2, 1.5) for _ in range(3)]
    pictures = []
    for _ in range(count):
        picture = np.ones((SIDE, SIDE, 3)) * colour(rng)
        picture += (grounds[rng.integers(len(grounds))] * rng.uniform(0, 0.15))[..., None]
        shapes = int(np.exp(rng.uniform(0, np.log(300))))
        for _ in range(shapes):
            radius = rng.uniform(110.0**-2, 6.0**-2) ** -0.5 if shapes > 10 else rng.uniform(40, 110)
            draw_leaf(rng, picture, radius, *rng.uniform(0, SIDE, 2), grounds)
        pictures.append(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    return np.stack(pictures)


def run(model, pictures):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # one order of additions
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    pixels = pictures.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    return np.concatenate([session.run(None, {"pixel_values": pixels[i : i + 1]})[0] for i in range(len(pixels))])


def build():
    raw = Graph()
    blocks = features(raw)
    size = sum(size for _, size, _ in blocks)
    joined = raw.add("Concat", *[output for output, _, _ in blocks], axis=1)
    values = run(raw.model(joined, size), draw_pictures(DRAWN_PICTURES)).astype(np.float64)
    centre, scale = centre_and_scale(values, blocks)
    centred = raw.add("Sub", joined, raw.constant(centre, 3))
    return raw.model(raw.add("Mul", centred, raw.constant(scale, 3)), size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="where the model is written; preprocessor_config.json goes beside it")
    out = parser.parse_args().model
    data = build().SerializeToString(deterministic=True)
    out.write_bytes(data)
    config = out.with_name("preprocessor_config.json")
    config.write_text(json.dumps(PREPROCESSING, indent=1) + "\n", encoding="utf-8")
    print(f"{out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
