"""What all figures have in common: colours that colour-blind people tell apart, axes, legends, and SVG for a page."""

import io
import re

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from sparring.report.summary import tidy

COLOURS = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#e69f00",
    "#4d4d4d",
    "#8c6d31",
)  # Okabe and Ito, 2008; and brown
MARKERS = "osD^vPX"
LINES = ("-", "--", "-.", ":")
INK, MUTED, RULE = "#1c2430", "#5a6472", "#dfe4ea"
LOOK = {
    "svg.hashsalt": "sparring",  # the same figure has the same bytes
    "svg.fonttype": "none",  # figures stay text
    "text.parse_math": False,  # a name with dollar signs is a name
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so every machine measures alike
    "font.size": 10,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "hatch.linewidth": 1.0,
}
_LEGEND_NAME = 26  # characters


def colour(place: int) -> str:
    """Of the card at this place on the page."""
    return COLOURS[place % len(COLOURS)]


def canvas(height: float) -> tuple[Figure, Axes]:
    """Empty axes of a figure so many inches high."""
    figure = Figure(figsize=(5.0, height), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def percent_axis(axes: Axes, label: str) -> None:
    axes.set_ylim(0, 100)
    axes.set_yticks(range(0, 101, 25), [f"{tick} %" for tick in range(0, 101, 25)])
    axes.set_ylabel(label)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=RULE, linewidth=0.8)


def legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = 3 if sum(map(len, labels)) < 44 else 2 if sum(map(len, labels[:2])) < 44 else 1
    figure.legend(
        handles, labels, loc="outside upper left", ncols=columns, frameon=False, fontsize=9.5, handlelength=2.2
    )


def told(name: str) -> str:
    """A name for a legend; matplotlib would leave out one that begins with an underscore."""
    text = tidy(name, _LEGEND_NAME)
    return f" {text}" if text.startswith("_") else text


def as_svg(figure: Figure, name: str, alt: str) -> str:
    """The figure as one <svg> element for a page: no prologue, dates, namespaces or styles; ids of its own."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=metadata, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<metadata>.*?</metadata>|<style [^>]*>.*?</style>", "", text, count=2, flags=re.DOTALL)
    text = re.sub(r"<[^<>]*>", lambda tag: _of_page(tag.group(), name), text)
    return re.sub(r"<svg[^>]*?(viewBox=\"[^\"]*\")[^>]*>", rf'<svg \1 role="img" aria-label="{alt}">', text, count=1)


def _of_page(tag: str, name: str) -> str:
    tag = re.sub(r' xmlns(:\w+)?="[^"]*"', "", tag).replace("xlink:href", "href")
    tag = re.sub(r'( id="|href="#|url\(#)', rf"\1{name}-", tag)
    return tag.replace("'DejaVu Sans'", "system-ui, sans-serif")


def panels(heights: list[float]) -> tuple[Figure, list[Axes]]:
    """Axes below each other, so many inches high."""
    figure = Figure(figsize=(5.0, sum(heights)), layout="constrained")
    FigureCanvasSVG(figure)
    found = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0].tolist()
    for axes in found:
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.set_axisbelow(True)
    return figure, found
