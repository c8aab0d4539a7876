"""Writes image files into the directory given, and beside each the pixels that Pillow sees: upright RGB with alpha
dropped, and laid on white and on black."""

import io
import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin

out = Path(sys.argv[1])
rng = np.random.default_rng(1)
W, H = 23, 17
XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


def noise(channels):
    return rng.integers(0, 256, (H, W, channels), dtype=np.uint8)


def put(name, data):
    path = out / name
    path.write_bytes(data)
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode == "CMYK":
        image = image.convert("RGB")
    for how in ("drop", "white", "black"):
        if how == "drop":
            seen = image.convert("RGB")
        else:
            top = image.convert("RGBA")
            seen = Image.alpha_composite(Image.new("RGBA", top.size, how), top).convert("RGB")
        header = struct.pack("<II", *seen.size)
        (out / f"{name}.{how}").write_bytes(header + seen.tobytes())


def saved(image, form, **options):
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


rgb, rgba = Image.fromarray(noise(3), "RGB"), Image.fromarray(noise(4), "RGBA")
la = Image.fromarray(noise(2), "LA")
palette = rgb.quantize(64)
clear = palette.copy()
clear.info["transparency"] = 3
for form, extension in (("PNG", "png"), ("TIFF", "tif")):
    put(f"rgba.{extension}", saved(rgba, form))
    put(f"la.{extension}", saved(la, form))
put("rgba.webp", saved(rgba, "WEBP", lossless=True, exact=True))
put("palette.png", saved(palette, "PNG"))
put("clear.png", saved(palette, "PNG", transparency=3))
put("key.png", saved(rgb, "PNG", transparency=rgb.getpixel((2, 2))))
put("clear.gif", saved(clear, "GIF", transparency=3))
for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    name = compression or "raw"
    put(f"palette_{name}.tif", saved(palette, "TIFF", compression=compression))
    put(f"ycbcr_{name}.tif", saved(rgb.convert("YCbCr"), "TIFF", compression=compression) if compression is None else
        saved(rgb, "TIFF", compression=compression))

for n in range(1, 9):
    packet = (XMP % n).encode()
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet.decode(), zip=n % 2 == 0)
    put(f"xmp{n}.png", saved(rgba, "PNG", pnginfo=info))
    put(f"xmp{n}.webp", saved(rgb, "WEBP", lossless=True, xmp=packet))
    put(f"xmp{n}.tif", saved(rgb, "TIFF", tiffinfo={700: packet}))
    element = f"<tiff:Orientation>{n}</tiff:Orientation>".encode()
    put(f"xmp{n}.jpg", saved(rgb, "JPEG", xmp=element))
    exif = Image.Exif()
    exif[0x0112] = n
    put(f"both{n}.webp", saved(rgb, "WEBP", lossless=True, exif=exif, xmp=XMP.encode() % 6))
    raw = exif.tobytes()
    text = "\nexif\n%8d\n%s\n" % (len(raw), raw.hex())
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", text, zip=n % 2 == 0)
    put(f"profile{n}.png", saved(rgb, "PNG", pnginfo=info))

for width, height in ((1, 1), (2, 3), (7, 5), (8, 8), (17, 33), (64, 48), (101, 67)):
    y, x = np.mgrid[:height, :width]
    slope = np.stack([x * 5 + y * 3, 255 - x * 2 + y, x * y // 3], -1) + rng.integers(0, 24, (height, width, 3))
    smooth = Image.fromarray((slope % 256).astype(np.uint8))
    rough = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    for kind, picture in (("smooth", smooth), ("rough", rough)):
        def jpeg(name, picture, **options):
            put(f"{kind}{width}x{height}_{name}.jpg", saved(picture, "JPEG", **options))

        for subsampling in range(3):
            jpeg(f"base{subsampling}", picture, subsampling=subsampling, quality=95)
            jpeg(f"progressive{subsampling}", picture, subsampling=subsampling, quality=60, progressive=True)
            jpeg(f"restarts{subsampling}", picture, subsampling=subsampling, quality=30, restart_marker_blocks=2)
        jpeg("optimised", picture, optimize=True, quality=10)
        jpeg("tables16", picture, qtables=[[16 + 9 * n for n in range(64)], [300] * 64])
        jpeg("rgb", picture, keep_rgb=True)
        jpeg("grey", picture.convert("L"))
        jpeg("cmyk", picture.convert("CMYK"), progressive=kind == "rough")


def tiff(name, tags, strip, big=False):
    """A TIFF by hand: tags as (type, values), the strip behind the directory."""
    order, mark = (">", b"MM\0*") if big else ("<", b"II*\0")
    tags = {**tags, 273: (4, [0]), 279: (4, [len(strip)])}
    count = len(tags)
    behind, at, entries = b"", 8 + 2 + 12 * count + 4, []
    sizes = {1: "B", 3: "H", 4: "I"}
    place = at + sum(len(v) * struct.calcsize(sizes[t]) for t, v in tags.values() if len(v) * struct.calcsize(sizes[t]) > 4)
    tags[273] = (4, [place])
    for tag in sorted(tags):
        kind, values = tags[tag]
        data = struct.pack(order + str(len(values)) + sizes[kind], *values)
        if len(data) > 4:
            field = struct.pack(order + "I", at + len(behind))
            behind += data
        else:
            field = data.ljust(4, b"\0")
        entries.append(struct.pack(order + "HHI", tag, kind, len(values)) + field)
    head = mark + struct.pack(order + "I", 8) + struct.pack(order + "H", count)
    put(name, head + b"".join(entries) + b"\0" * 4 + behind + strip)


def base(bits, samples, photometric, **more):
    tags = {256: (3, [W]), 257: (3, [H]), 258: (3, [bits] * samples), 259: (3, [1]), 262: (3, [photometric]),
            277: (3, [samples]), 278: (3, [H])}
    return {**tags, **{int(k[1:]): v for k, v in more.items()}}


for big in (False, True):
    order = "be" if big else "le"
    for bits in (1, 2, 4, 8):
        row = (W * bits + 7) // 8
        strip = rng.integers(0, 256, row * H, dtype=np.uint8).tobytes()
        table = rng.integers(0, 65536, 3 << bits).tolist()
        tiff(f"palette{bits}_{order}.tif", base(bits, 1, 3, t320=(3, table)), strip, big)
        for photometric in (0, 1):
            tiff(f"grey{bits}_{photometric}_{order}.tif", base(bits, 1, photometric), strip, big)
    for extra in (0, 1, 2):
        # Multiplied colours are not above their alpha.
        pixels = noise(4)
        if extra == 1:
            pixels[..., :3] = pixels[..., :3].astype(np.uint16) * pixels[..., 3:] // 255
        tiff(f"rgb_extra{extra}_{order}.tif", base(8, 4, 2, t338=(3, [extra])), pixels.tobytes(), big)
    tiff(f"grey_extra2_{order}.tif", base(8, 2, 1, t338=(3, [2])), noise(2).tobytes(), big)
