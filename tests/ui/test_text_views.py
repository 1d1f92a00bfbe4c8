"""What is shown of texts: the packed probabilities read back as the script reads them, and what is said of copies."""

import re
from pathlib import Path

import numpy as np
import pytest

from charlm.copies import Copies, copies
from charlm.insight import Surprise, surprise_of
from charlm.ui import next_bars, written_text
from charlm.ui.text_views import BARS, bars_value, copies_view, packed, replaced_view
from charlm.ui.words import LANGUAGES, say
from charlm.vocabulary import Vocabulary

SYMBOLS = Vocabulary(("\n", " ", "a", "é", "한", "😀", "\N{REPLACEMENT CHARACTER}"))


def expected(rows: int = 20) -> tuple[Surprise, list[int]]:
    dice = np.random.default_rng(0)
    ids = dice.integers(len(SYMBOLS), size=rows).tolist()
    return surprise_of((5 * dice.normal(size=(rows, len(SYMBOLS)))).astype(np.float32), ids), ids


def test_probabilities_read_back_as_thousandths() -> None:
    surprise, _ = expected()
    shares, others = packed(surprise, SYMBOLS)
    numbers = np.array([int(shares[i : i + 2], 36) for i in range(0, len(shares), 2)]).reshape(20, 6)
    assert np.abs(numbers[:, 0] - 1000 * surprise.probability).max() <= 0.51
    assert np.abs(numbers[:, 1:] - 1000 * surprise.shares).max() <= 0.51
    assert [SYMBOLS.id_of[char] for char in others] == surprise.likeliest.ravel().tolist()
    assert shares.isascii() and len(others) == 100


@pytest.mark.parametrize(
    ("probability", "told"), [(0.0, "00"), (0.00049, "00"), (0.035, "0z"), (0.5, "dw"), (1.0, "rs")]
)
def test_every_probability_has_two_digits(probability: float, told: str) -> None:
    one = Surprise(np.float32([probability]), np.zeros((1, 0), np.intp), np.zeros((1, 0), np.float32))
    assert packed(one, SYMBOLS) == (told, "")


def test_bars_are_the_likeliest_and_the_rest() -> None:
    many = Vocabulary(tuple(map(chr, range(97, 97 + 26))))
    chances = np.random.default_rng(1).dirichlet(np.ones(26)).astype(np.float32)
    value = bars_value(chances, many)
    ranked = sorted(zip(chances.tolist(), many.symbols, strict=True), reverse=True)
    assert [symbol for symbol, _ in value["bars"]] == [symbol for _, symbol in ranked[:BARS]]
    assert [share for _, share in value["bars"]] == pytest.approx([share for share, _ in ranked[:BARS]])
    assert value["count"] == 26 - BARS
    assert value["others"] == pytest.approx(sum(share for share, _ in ranked[BARS:]), abs=1e-6)


def test_what_cannot_be_drawn_has_no_bar() -> None:
    value = bars_value(np.float32([0, 0.25, 0, 0.75, 0, 0, 0]), SYMBOLS)
    assert value == {"bars": [["é", 0.75], [" ", 0.25]], "others": 0.0, "count": 0}


def test_what_was_not_known_of_a_prompt_is_named() -> None:
    assert replaced_view(SYMBOLS.encode_prompt("a é")) == ""
    told = replaced_view(SYMBOLS.encode_prompt("a<b>"), "fr")
    assert "\\<" in told and "\\>" in told and "'b'" in told.replace("\\", "")


# --- copies -----------------------------------------------------------------------------------------------------------

TRAINING = "".join(f"{one} {two} {one + two}; " for one in "abcdefgh" for two in "stuvwxyz") * 3
NEW = "0123456789" * 8


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("text", "key"),
    [(TRAINING[20:120], "copies_quoting"), (NEW + TRAINING[20:50] + NEW, "copies_partly"), (NEW, "copies_inventing")],
)
def test_it_says_whether_a_text_is_quoted(text: str, key: str, language: str) -> None:
    found = copies(text, TRAINING, 20)
    told = copies_view(found, copies("other pages", TRAINING, 20), language)
    start, end = found.longest
    verdict = say(key, language, share=100 * found.share, least=20, longest=end - start)
    assert told.startswith(verdict) and verdict.startswith("**")
    assert say("copies_share", language, gram=8, share=100 * found.unseen[8]) in told
    assert told.count("\n\n") == 2  # and the author's own pages


def test_hardly_any_text_is_not_judged() -> None:
    assert copies_view(copies("abc", TRAINING, 20), copies("", TRAINING, 20)) == say("copies_short")
    alone = copies_view(Copies(100, (0, 8), {4: 0.25}, (), 20), copies("", TRAINING, 20), "es")
    assert alone.count("\n\n") == 1 and "4: 25\u00a0%" in alone


# --- looks ------------------------------------------------------------------------------------------------------------


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def level_colours(style: str, theme: str) -> list[tuple[str, str]]:
    """Background and text of levels 1 to 4."""
    found = []
    for level in range(1, 5):
        for place in (rf":not\(.is-plain\) .paper::highlight\(charlm-level-{level}\)", rf" .legend ul .level-{level}"):
            rule = rf"^{theme}\.written-text{place} {{ background-color: (#\w+); color: (#\w+); }}$"
            found += re.findall(rule, style, re.MULTILINE)
        assert found[-1] == found[-2], "the legend shows the colours of the text"
        found.pop()
    return found


@pytest.mark.parametrize("theme", ["", r"\.dark "])
def test_colours_of_probabilities_can_be_read_and_told_apart_without_hue(theme: str) -> None:
    colours = level_colours(Path(written_text.STYLE).read_text("utf-8"), theme)
    for background, ink in colours:
        low, high = sorted((luminance(background), luminance(ink)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (background, ink)
    lights = [luminance(background) for background, _ in colours]
    assert lights == sorted(lights, reverse=not theme)  # less probable is farther from the page
    ratios = [
        max(a, b) / min(a, b) for a, b in zip([x + 0.05 for x in lights], [x + 0.05 for x in lights[1:]], strict=False)
    ]
    assert min(ratios) > 1.2


def test_scripts_put_text_nowhere_but_into_text() -> None:
    for script in (written_text.SCRIPT, next_bars.SCRIPT):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)
        assert "textContent" in script
