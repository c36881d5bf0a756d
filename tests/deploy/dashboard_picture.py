"""Draws a dashboard as Grafana would show it: `draw` reads its document and asks a Prometheus for every panel."""

import math
import pathlib
import re
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import colors, pyplot, ticker  # noqa: E402
from PIL import Image  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "deploy/grafana"))
import make_dashboard  # noqa: E402

CELL = 0.5, 0.285  # inches of a column and of a row of Grafana's grid
BACK, PANEL, TEXT, DIM, GRID = "#111217", "#181b1f", "#d8d9dd", "#9aa0a8", "#2c3036"
COLOURS = ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c", "#b877d9", "#8ab8ff", "#ffb357", "#96d98d", "#fade2a"]


# What each unit of Grafana's looks like.

def scaled(value, steps):
    for size, name in steps:
        if abs(value) >= size:
            return f"{value / size:.3g} {name}".rstrip()
    return f"{value / steps[-1][0]:.3g} {steps[-1][1]}".rstrip()


def shown(value, unit):
    if unit == "s":
        return "0 s" if value == 0 else scaled(value, ((60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")))
    if unit == "bytes":
        return "0 B" if value == 0 else scaled(value, ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")))
    if unit == "percentunit":
        return f"{100 * value:.3g} %"
    suffix = {"reqps": "/s", "ops": "/s", "celsius": " °C", "watt": " W"}.get(unit, "")
    number = f"{value:.3g}" if abs(value) < 1000 else scaled(value, ((1e9, "B"), (1e6, "M"), (1e3, "K")))
    return number + suffix


class Source:
    """What the panels' queries say between two times."""

    def __init__(self, prometheus, start, end):
        self.prometheus, self.start, self.end = prometheus, start, end

    def series(self, target):
        """(name, seconds since the start, values) of each."""
        expression = re.sub(r"\$(instance|model|training_job)\b", ".*", target["expr"].replace("$__rate_interval", "10s"))
        for one in self.prometheus.query_range(expression, self.start, self.end):
            labels = one["metric"]
            name = re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), target["legendFormat"]).strip()
            points = [(float(at) - self.start, float(value)) for at, value in one["values"] if value not in ("NaN", "+Inf")]
            if points:
                yield name, [at for at, _ in points], [value for _, value in points], labels


def draw_lines(axes, panel, source, unit):
    custom = panel["fieldConfig"]["defaults"]["custom"]
    found = [one for target in panel["targets"] for one in source.series(target)]
    if not found:
        return False
    if "stacking" in custom:
        times = sorted({at for _, ats, _, _ in found for at in ats})
        heights = [[dict(zip(ats, values)).get(at, 0) for at in times] for _, ats, values, _ in found]
        axes.stackplot(times, heights, colors=COLOURS, alpha=0.55, labels=[name for name, *_ in found], linewidth=0)
    else:
        for colour, (name, ats, values, _) in zip(COLOURS * 5, found):
            axes.plot(ats, values, color=colour, linewidth=1.2, label=name)
            if "scaleDistribution" not in custom:
                axes.fill_between(ats, values, color=colour, alpha=0.08, linewidth=0)
    defaults = panel["fieldConfig"]["defaults"]
    if "scaleDistribution" in custom:
        axes.set_yscale("log", base=2)
        axes.yaxis.set_major_locator(ticker.LogLocator(base=2, numticks=6))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
    else:
        axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
        if unit == "bytes":
            axes.yaxis.set_major_locator(ticker.MultipleLocator(2 ** math.ceil(math.log2(max(axes.get_ylim()[1], 1) / 5))))
    axes.yaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: shown(value, unit)))
    if "max" in defaults:
        axes.set_ylim(top=defaults["max"])
    if "min" in defaults:
        axes.set_ylim(bottom=defaults["min"])
    names = [name for name, _, values, _ in found if name and any(values)]
    if names:
        # As many as two lines have room for.
        columns = max(1, int(panel["gridPos"]["w"] * CELL[0] / (0.055 * max(map(len, names)) + 0.35)))
        handles = dict(zip([name for name, *_ in found], axes.collections if "stacking" in custom else axes.lines))
        names = names[:2 * columns]
        axes.legend([handles[name] for name in names], names, loc="upper center", bbox_to_anchor=(0.46, -0.11), ncols=columns,
                    frameon=False, fontsize=6, labelcolor=DIM, handlelength=1, columnspacing=1.2)
    return True


def draw_heat(axes, panel, source, unit):
    buckets = {float(labels["le"]): dict(zip(ats, values)) for target in panel["targets"]
               for _, ats, values, labels in source.series(target) if labels["le"] != "+Inf"}
    if not buckets:
        return False
    edges, times = sorted(buckets), sorted({at for one in buckets.values() for at in one})
    rows, below = [], [0] * len(times)
    for edge in edges:
        upto = [buckets[edge].get(at, 0) for at in times]
        rows.append([max(0, here - there) for here, there in zip(upto, below)])
        below = upto
    most = max(max(row) for row in rows) or 1
    palette = colors.LinearSegmentedColormap.from_list("heat", [PANEL, "#7a2c00", "#ff7f0e", "#ffe0b0"])
    axes.imshow(rows, aspect="auto", origin="lower", extent=(times[0], times[-1], 0, len(edges)), cmap=palette,
                norm=colors.PowerNorm(0.4, vmin=0, vmax=most), interpolation="nearest")
    ticks = range(0, len(edges), max(1, len(edges) // 6))
    axes.set_yticks([tick + 1 for tick in ticks], [shown(edges[tick], unit) for tick in ticks])
    return True


def draw_stat(axes, panel, source, unit):
    found = [one for target in panel["targets"] for one in source.series(target)]
    axes.axis("off")
    if not found:
        return False
    _, ats, values, _ = found[0]
    if unit == "dateTimeFromNow":
        words = f"{(source.end - values[-1] / 1000) / 60:.0f} minutes ago"
    else:
        words = shown(values[-1], unit)
        axes.fill_between(ats, values, color=COLOURS[0], alpha=0.15, linewidth=0)
        axes.plot(ats, values, color=COLOURS[0], linewidth=0.8, alpha=0.6)
        axes.set_ylim(bottom=0)
    axes.text(0.5, 0.55, words, transform=axes.transAxes, ha="center", va="center", color=COLOURS[0], fontsize=13, weight="bold")
    return True


def draw_bars(axes, panel, source, unit):
    found = [one for target in panel["targets"] for one in source.series(target)]
    if not found:
        return False
    for row, (name, _, values, _) in enumerate(reversed(found)):
        axes.barh(row, 1, color=GRID, height=0.5)
        axes.barh(row, values[-1], color=COLOURS[0], height=0.5)
        axes.text(0, row + 0.34, f"{name}  {shown(values[-1], unit)}", color=TEXT, fontsize=7, va="bottom")
    axes.set(xlim=(0, 1), ylim=(-0.6, len(found)))
    axes.axis("off")
    return True


def draw_table(axes, panel, source, _unit):
    found = [one for target in panel["targets"] for one in source.series(target)]
    axes.axis("off")
    if not found:
        return False
    hidden = {"__name__", "instance", "job"}
    lines = [f"{key}: {value}" for key, value in found[0][3].items() if key not in hidden]
    axes.text(0, 0.95, "\n".join(lines), transform=axes.transAxes, va="top", color=TEXT, fontsize=6)
    return True


DRAW = {"timeseries": draw_lines, "heatmap": draw_heat, "stat": draw_stat, "bargauge": draw_bars, "table": draw_table}


def draw(document, source, picture):
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in document["panels"])
    width, height = make_dashboard.WIDTH * CELL[0], rows * CELL[1]
    figure = pyplot.figure(figsize=(width, height), facecolor=BACK)
    for panel in document["panels"]:
        at = panel["gridPos"]
        left, top = at["x"] * CELL[0] / width, 1 - at["y"] * CELL[1] / height
        if panel["type"] == "row":
            figure.text(left + 0.004, top - 0.6 * CELL[1] / height, panel["title"], color=TEXT, fontsize=11, weight="bold", va="center")
            continue
        box = at["w"] * CELL[0] / width, at["h"] * CELL[1] / height
        gap = 0.04 / width, 0.04 / height
        figure.add_artist(pyplot.Rectangle((left + gap[0], top - box[1] + gap[1]), box[0] - 2 * gap[0], box[1] - 2 * gap[1],
                                           facecolor=PANEL, edgecolor=GRID, linewidth=0.5, zorder=-1))
        figure.text(left + 0.09 / width, top - 0.17 / height, panel["title"], color=TEXT, fontsize=8, va="center")
        margins = {"timeseries": (0.55, 0.52), "heatmap": (0.55, 0.3)}.get(panel["type"], (0.12, 0.1))  # inches at the left, below
        axes = figure.add_axes((left + margins[0] / width, top - box[1] + margins[1] / height, box[0] - (margins[0] + 0.12) / width,
                                box[1] - (margins[1] + 0.34) / height), facecolor=PANEL)
        axes.tick_params(colors=DIM, labelsize=6, length=0)
        axes.grid(color=GRID, linewidth=0.5)
        axes.set_axisbelow(True)
        axes.spines[:].set_visible(False)
        if not DRAW[panel["type"]](axes, panel, source, panel["fieldConfig"]["defaults"]["unit"]):
            axes.clear()
            axes.axis("off")
            axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", va="center", color=DIM, fontsize=8)
        elif panel["type"] in ("timeseries", "heatmap"):
            axes.set_xlim(0, source.end - source.start)
            axes.xaxis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{int(value) // 60}:{int(value) % 60:02}"))
    figure.savefig(picture, dpi=100)
    # Few colours are in it, and a palette of them is half of the bytes.
    Image.open(picture).convert("RGB").quantize(224, dither=Image.Dither.NONE).save(picture, optimize=True)
