"""The report of a run: one page that needs nothing else, and in which nobody's words are more than words."""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest

from charlm.checkpoint import read_config
from charlm.events import Evaluated, Event, Finished, Measured, Sampled, Started, Step
from charlm.history import History, history_of
from charlm.log import read_events
from charlm.ui.report import MOST_CHARS, MOST_SAMPLES, report_page
from charlm.ui.words import LANGUAGES, knob_words, number, say

HOSTILE = "</pre><script>hit()</script><img src=x onerror=hit()>&lt;b&gt; \"' {0} {name} ${x}"
ALONE = {"meta", "br", "line", "polyline"}  # elements without an end


class Reader(HTMLParser):
    """What a browser would see: elements, what they refer to, and the text of the samples."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags, self.refers, self.samples = set[str](), list[str](), list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.refers += [f"{name}={value}" for name, value in attributes if name in ("src", "href", "onerror", "action")]
        if tag not in ALONE:
            self.open.append(tag)
        if tag == "pre":
            self.samples.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in ALONE:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "pre" in self.open:
            self.samples[-1] += data


def told(samples: int = 3, text: str = "abc") -> History:
    events: list[Event] = [Started(1234, 900, 100, 90, 30, 5, "cpu", "fp32", 1)]
    for i in range(1, samples + 1):
        step = 10 * i
        events += [
            Step(step, i / 2, 3.0 / i, 1.0, 0.1, 100, 1.0 * i, i / samples),
            Evaluated(step, i, 2.5 / i, 2.4, True, i),
        ]
        events += [Sampled(step, "", f"{i}{text}", 0.8, 1)]
    events += [Measured("5-gram", 1.5), Measured("stream", 1.25), Measured("cold-256", 1.375)]
    return history_of([*events, Finished(10 * samples, "budget", 3.0)])


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_tells_all_of_a_run(language: str, trained: Path) -> None:
    config, history = read_config(trained), history_of(read_events(trained))
    page = report_page("my run", config, history, language)
    seen = Reader(page)
    assert seen.open == [] and not seen.tags & {"script", "img", "link", "iframe", "form", "a"} and seen.refers == []
    for key in ("final_figures", "curve", "settings", "samples"):
        assert f"<h2>{say(key, language)}</h2>" in page
    assert number(history.measured["stream"], ".4f", language) in page
    assert knob_words("window", "", language)[0] in page
    assert seen.samples == [sample.prompt + sample.text for sample in history.samples]


def test_nothing_of_it_can_be_fetched_or_run(trained: Path) -> None:
    page = report_page("x", read_config(trained), told())
    assert "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    assert "prefers-color-scheme: dark" in page


def test_somebodys_words_are_only_words(trained: Path) -> None:
    config = dataclasses.replace(read_config(trained), title=HOSTILE, recipe=HOSTILE)
    history = told(text=HOSTILE)
    history.measured[HOSTILE] = 1.0
    seen = Reader(report_page(HOSTILE, config, history))
    assert seen.open == [] and not seen.tags & {"script", "img", "b"} and seen.refers == []
    assert seen.samples[0] == f"1{HOSTILE}"


def test_a_long_run_makes_a_small_page(trained: Path) -> None:
    history = told(samples=190, text="x" * 10_000)
    history.measured.update({f"{i}-gram": 1.0 + i for i in range(2000)})
    page = report_page("x", read_config(trained), history)
    seen = Reader(page)
    assert len(seen.samples) == MOST_SAMPLES and max(map(len, seen.samples)) == MOST_CHARS
    assert seen.samples[0].startswith("1x") and seen.samples[-1].startswith("190x")
    assert len(page) < 300_000


def test_the_curve_is_a_picture_in_the_readers_language(trained: Path) -> None:
    page = report_page("x", read_config(trained), told(), "fr")
    picture = page[page.index("<svg") : page.index("</svg>") + 6]
    texts = [part.text for part in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]
    assert {say("training", "fr"), say("validation", "fr"), say("best_counting", "fr")} <= set(texts)
    assert "0,83" in texts and not any(re.search(r"\d\.\d", text or "") for text in texts)  # 2.5 / 3, with a comma


def test_a_run_that_has_not_begun_has_a_report_too(trained: Path) -> None:
    page = report_page("x", read_config(trained), History())
    assert say("settings") in page and "<svg" not in page and "<pre>" not in page
    assert Reader(page).open == []
