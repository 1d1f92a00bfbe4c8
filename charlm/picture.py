"""The curve of a run as a picture that stands alone: an SVG for a page, a PNG for where SVG is not shown.

Drawn once, as lines and words, and then written in either way. Knows nothing of files, plots or languages: the words
come from outside, and are the only ones in the picture.
"""

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Literal

from charlm.history import Curve, History

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 360, 56, 16, 16, 44
TRAINING, VALIDATION, GREY, PALE = "#8a8fd8", "#d9480f", "#868e96", "#ced4da"
WHITE, FONT = "#ffffff", 12
TICKS = 5
SCALE = 2  # pixels of the PNG for one of the drawing
HUGE = 1e12  # no loss, and no number of steps
Point = tuple[float, float]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Legend:
    """The words of the picture, and how it writes numbers: English on a card, the reader's language in a report."""

    training: str = "training"
    validation: str = "validation"
    axes: str = "steps; loss in nats per character"
    counted: str = "best n-gram"
    number: Callable[[float, str], str] = format


@dataclass(frozen=True)
class Line:
    points: list[Point]
    colour: str
    width: float
    is_dashed: bool = False


@dataclass(frozen=True)
class Word:
    """`place` is where its base line begins, has its middle, or ends."""

    place: Point
    text: str
    anchor: Anchor
    colour: str = GREY


Drawing = list[Line | Word]


def loss_picture(history: History, legend: Legend | None = None) -> str:
    """Both losses against steps, and the best that counting achieves, as an SVG without a background."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    shapes = "".join(_svg(shape) for shape in loss_drawing(history, legend or Legend()))
    return f'{head} font-family="sans-serif" font-size="{FONT}">{shapes}</svg>\n'


def loss_png(history: History, legend: Legend | None = None) -> bytes:
    """The same as a PNG on white. Pillow, which comes with gradio, has a font for Latin letters alone."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), WHITE)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=FONT * SCALE)
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for shape in loss_drawing(history, legend or Legend()):
        if isinstance(shape, Word):
            place = (shape.place[0] * SCALE, shape.place[1] * SCALE)
            draw.text(place, shape.text, fill=shape.colour, font=font, anchor=anchors[shape.anchor])
        else:
            for piece in _pieces(shape):
                points = [(x * SCALE, y * SCALE) for x, y in piece]
                draw.line(points, fill=shape.colour, width=round(shape.width * SCALE), joint="curve")
    file = io.BytesIO()
    image.quantize(64).save(file, "PNG", optimize=True)
    return file.getvalue()


# --- the drawing ------------------------------------------------------------------------------------------------------


def loss_drawing(history: History, legend: Legend) -> Drawing:
    """Lines and words, from the left and from above."""
    curves = [
        (legend.training, TRAINING, 1.2, _drawable(history.train)),
        (legend.validation, VALIDATION, 2.2, _drawable(history.validation)),
    ]
    points = [point for *_, curve in curves for point in curve]
    if not points:
        return [Word((WIDTH / 2, HEIGHT / 2), legend.axes, "middle")]
    level = min((loss for name, loss in history.measured.items() if _is_gram(name, loss)), default=math.nan)
    right = max(x for x, _ in points) or 1.0
    low, high = _range([y for _, y in points] + ([] if math.isnan(level) else [level]))

    def place(x: float, y: float) -> Point:
        across, down = x / right, (high - min(y, high)) / (high - low)
        return LEFT + across * (WIDTH - LEFT - RIGHT), TOP + down * (HEIGHT - TOP - BOTTOM)

    shapes = _axes(place, right, low, high, legend)
    if not math.isnan(level):
        shapes.append(Line([place(0, level), place(right, level)], GREY, 1.0, is_dashed=True))
        shapes.append(Word((WIDTH - RIGHT, place(0, level)[1] - 5), legend.counted, "end"))
    for i, (name, colour, width, curve) in enumerate(curves):
        shapes.append(Line([place(x, y) for x, y in curve], colour, width))
        shapes.append(Word((WIDTH - RIGHT, TOP + 14 + 18 * i), name, "end", colour))
    return shapes


def _axes(place: Callable[[float, float], Point], right: float, low: float, high: float, legend: Legend) -> Drawing:
    shapes: Drawing = [Word((WIDTH / 2, HEIGHT - 6), legend.axes, "middle")]
    for loss in (low + (high - low) * i / TICKS for i in range(TICKS + 1)):
        _, y = place(0, loss)
        shapes.append(Line([(LEFT, y), (WIDTH - RIGHT, y)], PALE, 0.5))
        shapes.append(Word((LEFT - 6, y + 4), legend.number(loss, ".2f"), "end"))
    anchors: tuple[Anchor, ...] = ("start", "middle", "middle", "middle", "end")
    for i, anchor in enumerate(anchors):
        step = right * i / (len(anchors) - 1)
        shapes.append(Word((place(step, low)[0], HEIGHT - 24), legend.number(step, ",.0f"), anchor))
    return shapes


def _drawable(curve: Curve) -> list[Point]:
    """Its points that can be drawn; a history may come from anybody."""
    return [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if 0 <= x < HUGE and abs(y) < HUGE]


def _is_gram(name: str, loss: float) -> bool:
    return name.endswith("-gram") and abs(loss) < HUGE


def _range(values: list[float]) -> tuple[float, float]:
    """From the lowest up, without the first steps' peaks, which would press all the rest together."""
    low, high = min(values), sorted(values)[math.ceil(0.99 * len(values)) - 1]
    return (low, high) if high - low > 1e-6 else (low - 0.5, low + 0.5)


# --- how it is written ------------------------------------------------------------------------------------------------


def _svg(shape: Line | Word) -> str:
    if isinstance(shape, Word):
        x, y = shape.place
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{shape.anchor}" fill="{shape.colour}"'
        return f"<text {place}>{escape(shape.text)}</text>"
    dashes = ' stroke-dasharray="5 4"' if shape.is_dashed else ""
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
    look = f'fill="none" stroke="{shape.colour}" stroke-width="{shape.width:g}"{dashes}'
    return f'<polyline {look} points="{places}"/>'


def _pieces(line: Line) -> list[list[Point]]:
    """A dashed line, which is a level one, as its dashes."""
    if not line.is_dashed:
        return [line.points]
    (left, y), (right, _) = line.points
    return [[(x, y), (min(x + 5, right), y)] for x in range(round(left), round(right), 9)]
