"""Facts -> what is shown. Pure functions, no Gradio: a history becomes a plot value, a status, a sentence."""

import math
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from charlm.checkpoint import RunConfig
from charlm.corpus import Corpus
from charlm.encoding import name_of
from charlm.events import Changed
from charlm.history import History
from charlm.jobs import JobView
from charlm.metrics import PROTOCOLS, bits_per_char, perplexity
from charlm.ui.words import error_words, note_words, number, retold, say, separators

PREVIEW_CHARS = 300
MOST_SAMPLES = 24  # that are shown one below the other
LEVELS = ("entropy", "uniform", "1-gram", "2-gram", "3-gram")  # and the best n-gram, and xz
MEASURES = {"uniform": "uniform", "entropy": "entropy", "stream": "stream", "cold-256": "cold_256"}  # name -> key
ENOUGH = (  # characters, below which a text is enough for so much
    (3_000, "enough_letters"), (30_000, "enough_words"), (300_000, "enough_sentences"), (math.inf, "enough_style"),
)  # fmt: skip
UNITS: dict[str, Callable[[float], float]] = {"nats": float, "bits": bits_per_char, "perplexity": perplexity}
STALE = 4  # evaluations without a better one, before it is said that a run has stopped improving
GAP = 0.1  # nats that the training loss is below the best validation loss when a text is being learned by heart
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")  # all of ASCII: any of it may mean something to Markdown, HTML or LaTeX


def plain(text: str) -> str:
    """Somebody's words inside Markdown, shown as they are."""
    return PUNCTUATION.sub(r"\\\1", " ".join(text.split()))


def report_view(corpus: Corpus, language: str = "en") -> str:
    """What was read, in Markdown."""
    head = say(
        "report", language, title=plain(corpus.title), chars=len(corpus.text), symbols=len(corpus.counts),
        encoding=encoding_name(corpus.report.encoding, language), train=len(corpus.train),
        validation=len(corpus.validation),
    )  # fmt: skip
    head += f" {verdict_view(len(corpus.text), language)}"
    if not corpus.report.notes:
        return f"{head} {say('unchanged', language)}"
    notes = "\n".join(f"- {plain(note_words(note, language))}" for note in corpus.report.notes)
    return f"{head}\n\n{say('changed', language)}\n{notes}"


def encoding_name(encoding: str, language: str = "en") -> str:
    """What a text was read as, as people write it."""
    return say("as_pasted", language) if encoding == "pasted" else name_of(encoding)


def verdict_view(chars: int, language: str = "en") -> str:
    """What a text of so many characters is enough for."""
    return say(next(key for most, key in ENOUGH if chars < most), language)


def command_view(place: str, recipe: str, given: Mapping[str, Any]) -> str:
    """The train.py command of some settings."""
    words = ["python", "train.py", shlex.quote(place), *(["--recipe", recipe] if recipe else [])]
    for name, value in given.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{'' if value else 'no-'}{flag}")
        else:
            words += [f"--{flag}", f"{value:g}" if isinstance(value, float) else shlex.quote(str(value))]
    return " ".join(words)


def preview_view(corpus: Corpus) -> str:
    """The first characters of a text."""
    return corpus.text[:PREVIEW_CHARS]


def plot_view(run: str, history: History, language: str = "en", unit: str = "nats") -> dict[str, Any]:
    """The value of LivePlot: both losses and the yardsticks as levels, in one of UNITS; the learning rate below."""
    told = UNITS.get(unit, UNITS["nats"])
    curves = [
        {"name": say(name, language), "x": curve.x, "y": [round(told(y), 4) for y in curve.y], "is_thin": is_thin}
        for name, curve, is_thin in (("training", history.train, True), ("validation", history.validation, False))
    ]
    if not history.train.x:
        return empty_plot_view(language) | {"run": run, "message": say("starting", language)}
    levels = [{"name": measure_name(name, language), "y": round(told(y), 4)} for name, y in _levels(history).items()]
    return {
        **_plot_words(language),
        "run": run,
        "x": say("step", language),
        "y": say(unit if unit in UNITS else "nats", language),
        "curves": curves,
        "levels": levels,
        "rate": {"name": say("rate", language), "y": [float(f"{y:.3g}") for y in history.learning_rate.y]},
        "marks": [{"x": one.step, "name": change_view(one, language)} for one in history.changes],
    }


def change_view(change: Changed, language: str = "en") -> str:
    """What became another under way, in some words."""
    if change.knob == "learning_rate":
        return say("changed_rate", language, rate=change.value)
    return say("changed_budget", language)


def empty_plot_view(language: str = "en") -> dict[str, Any]:
    """The plot before there is a run."""
    return {**_plot_words(language), "run": "", "curves": [], "message": say("empty_plot", language)}


def idle_view(language: str = "en") -> dict[str, Any]:
    """The same on the screen of a run, with what it says and nothing to look at again."""
    return {**empty_plot_view(language), "status": say("idle", language), "moment": "", "next": ""}


def _plot_words(language: str) -> dict[str, Any]:
    """What the plot is called, its marks of decimals and thousands, and its buttons by Plotly's names for them."""
    buttons = {
        "Download plot as a PNG": "plot_picture", "Zoom": "plot_zoom", "Pan": "plot_move",
        "Zoom in": "plot_closer", "Zoom out": "plot_farther", "Reset axes": "plot_whole",
    }  # fmt: skip
    said = {name: say(key, language) for name, key in buttons.items()}
    return {
        "name": say("plot_name", language),
        "language": language,
        "separators": separators(language),
        "buttons": said,
    }


def measure_name(name: str, language: str = "en") -> str:
    """A yardstick or a protocol, as people read it; a name that is none of ours as it is."""
    if name in MEASURES:
        return say(MEASURES[name], language)
    count = name.removesuffix("-gram")
    return say("gram", language, count=count) if name.endswith("-gram") and count.isdecimal() else name


def _levels(history: History) -> dict[str, float]:
    """The yardsticks that are drawn: few enough to be read."""
    grams = {name: loss for name, loss in history.measured.items() if name.endswith("-gram")}
    best = min(grams, key=grams.__getitem__, default="")
    wanted = [*LEVELS, *([best] if best not in LEVELS else []), "xz"]
    return {name: history.measured[name] for name in wanted if name in history.measured}


def status_view(run: str, history: History, view: JobView, language: str = "en") -> str:
    """Where a run stands: what it does, its figures, how it ended. Paragraphs, of Markdown only ** and backslashes."""
    if not run:
        return say("idle", language)
    is_learning = history.finished is None and history.evaluated
    lines = [_doing(run, history, view, language), _figures(history, language)]
    lines.append(learning_view(history, language) if is_learning else _final(history, language))
    return "\n\n".join(line for line in lines if line)


def _doing(run: str, history: History, view: JobView, language: str) -> str:
    if view.state == "queued":
        return say("queued", language, place=view.place, wait=duration(view.wait_seconds, language))
    if view.state == "ended":
        return f"**{plain(run)}** · {_ended(history, view, language)}"
    step = history.last_step
    if step is None:
        return say("starting", language)
    if step.progress >= 1:
        return say("evaluating", language, run=plain(run))
    left = step.seconds / step.progress - step.seconds if step.progress else math.nan
    speed = step.chars_seen / step.seconds if step.seconds else 0.0
    return say(
        "running", language, run=plain(run), step=step.step, epoch=step.epoch, speed=speed,
        left=duration(left, language),
    )  # fmt: skip


def _ended(history: History, view: JobView, language: str) -> str:
    if view.error:
        return plain(error_words(view.error, language))
    if history.finished is None:
        return say("left", language)
    advice = plain(retold(history.finished.advice, language))
    return say(history.finished.reason, language, step=history.finished.step, advice=advice)


def _figures(history: History, language: str) -> str:
    if not history.evaluated or history.started is None:
        return ""
    last, started = history.evaluated[-1], history.started
    figures = say(
        "figures",
        language,
        train=last.train_loss,
        validation=last.loss,
        bits=bits_per_char(last.loss),
    )
    return f"{figures} · {say('part', language, chars=started.evaluated_chars, all=started.validation_chars)}"


def _final(history: History, language: str) -> str:
    if history.finished is None or any(protocol not in history.measured for protocol in PROTOCOLS):
        return ""
    stream, cold = (history.measured[protocol] for protocol in PROTOCOLS)
    grams = {name: loss for name, loss in history.measured.items() if name.endswith("-gram")}
    name = min(grams, key=grams.__getitem__, default="")
    verdict = ""
    if name:
        key = "verdict_better" if stream < grams[name] else "verdict_worse"
        verdict = say(key, language, name=plain(measure_name(name, language)), loss=grams[name])
    return say("final", language, stream=stream, cold=cold, verdict=verdict)


def learning_view(history: History, language: str = "en") -> str:
    """How a run gets on that has been evaluated: what it beats by now, or that it no longer gets better."""
    last, best = history.evaluated[-1], history.best or history.evaluated[-1]
    if sum(event.step > best.step for event in history.evaluated) >= STALE:
        key = "by_heart" if last.train_loss < best.loss - GAP else "no_better"
        return say(key, language, step=best.step, loss=best.loss)
    grams = {name: loss for name, loss in history.measured.items() if name.endswith("-gram")}
    beaten = {name: loss for name, loss in grams.items() if loss > last.loss}
    if not grams:
        return ""
    if not beaten:
        return say("below_counting", language)
    name = min(beaten, key=beaten.__getitem__)
    return say("above_counting", language, count=int(name.removesuffix("-gram")), loss=beaten[name])


def sample_view(history: History, language: str = "en", place: int = 0) -> tuple[str, str]:
    """The label and the text of a sample: the first is 1; the newest where there is no such place."""
    if not history.samples:
        return say("sample", language), ""
    one = history.samples[place - 1 if 1 <= place <= len(history.samples) else -1]
    return say("sample_at", language, step=one.step), one.prompt + one.text


def samples_view(history: History, language: str = "en") -> str:
    """The samples so far, one below the other from gibberish to style; of very many some, evenly chosen."""
    count, most = len(history.samples), min(len(history.samples), MOST_SAMPLES)
    chosen = [history.samples[round(i * (count - 1) / max(1, most - 1))] for i in range(most)]
    return "\n\n".join(f"— {say('sample_at', language, step=one.step)} —\n{one.prompt}{one.text}" for one in chosen)


def run_view(config: RunConfig, step: int, loss: float, language: str = "en") -> str:
    """One line about a run."""
    model, known = config.model, "–" if math.isnan(loss) else number(loss, ".4f", language)
    return say(
        "about_run",
        language,
        title=plain(config.title),
        cell=model.cell.upper(),
        hidden=model.hidden_size,
        step=step,
        loss=known,
    )


def duration(seconds: float, language: str = "en") -> str:
    """5 s, 3:20, 1:02:03; a dash for what is not known yet."""
    if not math.isfinite(seconds):
        return "–"
    whole = int(seconds + 0.5)
    if whole < 60:
        return say("brief", language, seconds=whole)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
