"""picture: both losses as an SVG, read by the standard library, and as a PNG, read by Pillow."""

import io
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image, ImageColor

from charlm.events import Evaluated, Event, Measured, Sampled, Step
from charlm.history import History, history_of
from charlm.picture import HEIGHT, SCALE, TRAINING, VALIDATION, WIDTH, Legend, loss_picture, loss_png

SVG = "{http://www.w3.org/2000/svg}"


def step(number: int, loss: float) -> Event:
    return Step(number, 0.0, loss, 0.0, 0.0, 0, 0.0, 0.0)


def learning() -> History:
    """Losses that fall on a straight line, and two yardsticks."""
    events = [step(i, 4.0 - i / 100) for i in range(1, 101)]
    events += [Evaluated(i, 0.0, 3.9 - i / 100, 0.0, True, 0.0) for i in (50, 100)]
    return history_of([*events, Measured("5-gram", 3.2), Measured("1-gram", 3.5)])


def lines(picture: str) -> list[list[tuple[float, float]]]:
    """The points of every line of an SVG but the rules."""
    drawn = (line.attrib["points"] for line in ElementTree.fromstring(picture).iter(f"{SVG}polyline"))
    found = [[(float(x), float(y)) for x, y in (p.split(",") for p in points.split())] for points in drawn]
    return found[6:]


def test_it_shows_both_curves_and_the_best_counting() -> None:
    picture = loss_picture(learning())
    level, training, validation = lines(picture)
    assert level[0][1] == level[1][1]
    assert len(training) == 100 and [y for _, y in training] == sorted(y for _, y in training)  # down is less
    assert len(validation) == 2 and validation[1][0] == training[-1][0]
    assert validation[1][1] > level[0][1] > training[0][1]
    words = [word.text for word in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert {"training", "validation", "best n-gram", "100"} <= set(words)


def test_it_speaks_the_readers_language() -> None:
    legend = Legend("<aprendizaje>", "validación", "pasos", "5-gramas", lambda value, spec: f"≈{value:.0f}")
    words = [word.text for word in ElementTree.fromstring(loss_picture(learning(), legend)).iter(f"{SVG}text")]
    assert {"<aprendizaje>", "validación", "pasos", "5-gramas", "≈100"} <= set(words)


def test_the_png_has_the_same_curves() -> None:
    image = Image.open(io.BytesIO(loss_png(learning()))).convert("RGB")
    assert image.size == (WIDTH * SCALE, HEIGHT * SCALE)
    _, training, validation = lines(loss_picture(learning()))
    for (x, y), colour in ((training[50], TRAINING), (validation[1], VALIDATION)):
        seen = image.getpixel((round(x * SCALE) - 2, round(y * SCALE)))
        assert isinstance(seen, tuple)
        apart = [abs(ours - theirs) for ours, theirs in zip(seen, ImageColor.getrgb(colour), strict=True)]
        assert max(apart) < 60, (seen, colour)
    assert loss_png(learning()) == loss_png(learning())


@pytest.mark.parametrize(
    "events",
    [[], [step(1, float("nan"))], [step(1, 2.0)], [step(0, 1.0)], [step(1, 1e308), step(2, -1e308), step(3, 1.0)]],
    ids=["none", "nan", "one", "at zero", "huge"],
)
def test_any_history_makes_a_picture(events: list[Event]) -> None:
    history = history_of(events)
    picture = loss_picture(history)
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "nan" not in picture and "inf" not in picture
    assert loss_png(history).startswith(b"\x89PNG")


def test_no_word_of_a_stranger_gets_into_it() -> None:
    events = [step(1, 2.0), Measured("<script>-gram", 1.0), Sampled(1, "<b>", "<script>", 1.0, 1)]
    assert "script" not in loss_picture(history_of(events))
