"""The figure of benches/growth.py: two panels, seconds and memory by images, on logarithmic axes. Plain SVG, the same bytes for
the same numbers, whose colours follow the reader's light or dark mode."""
import math

WIDTH, HEIGHT = 880, 440
PANEL, TOP, BOTTOM = 250, 46, 56  # width of a panel's plot; margins
LEFT = (62, 492)  # where the two panels' plots begin
LABEL = 12.5  # least distance of two labels
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #222; } .title { font-weight: 600; font-size: 13px; } .note { fill: #666; }
.grid { stroke: #ddd; } .line { fill: none; stroke-width: 1.6; } .linear { stroke: #888; stroke-dasharray: 4 3; opacity: 0.5; }
.leader { stroke-width: 0.6; fill: none; }
@media (prefers-color-scheme: dark) { text { fill: #e6e6e6; } .note { fill: #aaa; } .grid { stroke: #3a3a3a; } }
"""
# Told apart on white and on black, and by readers who see fewer colours: labels name the lines.
COLOURS = ("#0077bb", "#cc3311", "#009988", "#aa7700", "#8855cc", "#d0417e", "#558822", "#5577aa", "#b05a2a", "#778877")


class Axis:
    """From a number to a place; over whole powers of ten, or from the least to the largest number."""

    def __init__(self, values, start, end, whole=True):
        self.low, self.high = math.log10(min(values)), math.log10(max(values))
        if whole:
            self.low, self.high = math.floor(self.low), math.ceil(self.high)
        self.high = max(self.high, self.low + 1)
        self.start, self.end = start, end

    def place(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self):
        return [10.0**power for power in range(self.low, self.high + 1)]


def text(x, y, words, more=""):
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{words}</text>\n'


def named(value):
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def spread(places, top, bottom):
    """Moves labels apart, each as near to its place as the others allow; `places` is sorted."""
    placed = list(places)
    for at in range(1, len(placed)):
        placed[at] = max(placed[at], placed[at - 1] + LABEL)
    if placed and placed[-1] > bottom:
        placed[-1] = bottom
        for at in reversed(range(len(placed) - 1)):
            placed[at] = min(placed[at], placed[at + 1] - LABEL)
    return [max(place, top) for place in placed]


def panel(left, title, series, images):
    """One plot; `series` has, by name, a colour and numbers by place of `images`."""
    right, top, bottom = left + PANEL, TOP, HEIGHT - BOTTOM
    across = Axis(images, left, right, whole=False)
    down = Axis([value for _, points in series.values() for _, value in points], bottom, top)
    svg = text(left - 40, 18, title, ' class="title"')
    for value in down.ticks():
        y = down.place(value)
        svg += f'<line class="grid" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>\n' + text(left - 6, y + 4, named(value), ' text-anchor="end"')
    for value in images:
        x = across.place(value)
        svg += f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>\n' + text(x, bottom + 16, f"{value:,}", ' text-anchor="middle"')
    svg += text((left + right) / 2, bottom + 34, "generated images", ' text-anchor="middle" class="note"')
    # Parallels to what is linear.
    decades = across.high - across.low
    for power in range(down.low - math.ceil(decades), down.high):
        begin, end = max(power, down.low), min(power + decades, down.high)
        if end > begin:
            xs = [left + (at - power) / decades * PANEL for at in (begin, end)]
            ys = [down.place(10.0**at) for at in (begin, end)]
            svg += f'<line class="linear" x1="{xs[0]:.1f}" x2="{xs[1]:.1f}" y1="{ys[0]:.1f}" y2="{ys[1]:.1f}"/>\n'
    ends = []
    for name, (colour, points) in series.items():
        places = [(across.place(images[at]), down.place(value)) for at, value in points]
        svg += f'<polyline class="line" stroke="{colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}"/>\n'
        svg += "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.4" fill="{colour}"/>\n' for x, y in places)
        ends.append((places[-1][1], places[-1][0], name, colour))
    ends.sort()
    for (y, x, name, colour), label in zip(ends, spread([end[0] for end in ends], top, bottom)):
        svg += f'<polyline class="leader" stroke="{colour}" points="{x:.1f},{y:.1f} {right + 4:.1f},{y:.1f} {right + 14:.1f},{label:.1f}"/>\n'
        svg += text(right + 17, label + 4, name, f' style="fill: {colour}"')
    return svg


def draw(found, sizes, paper):
    """The SVG. `found` has, by name, a command's label (none: it is not shown) and its runs by size."""
    images = [paper(size) for size in sizes]
    shown = {runs["label"]: runs for runs in found.values() if runs["label"]}
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(shown)}

    def series(value):
        points = {name: [(at, value(runs[size])) for at, size in enumerate(sizes) if size in runs and runs[size].done] for name, runs in shown.items()}
        return {name: (colours[name], there) for name, there in points.items() if there}

    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">\n<style>{STYLE}</style>\n'
        + panel(LEFT[0], "seconds (dashed: linear)", series(lambda run: run.seconds), images)
        + panel(LEFT[1], "peak memory, MiB (dashed: linear)", series(lambda run: run.mebibytes), images)
        + "</svg>\n"
    )
