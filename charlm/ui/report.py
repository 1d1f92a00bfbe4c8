"""A run as one HTML page that opens anywhere, for good: settings, curve, yardsticks, figures, samples. No Gradio here.

It needs no network and no script: the curve is an inline SVG, so a page has some 50 kB, where Plotly alone would add
4.5 MB; the browser is told to fetch and run nothing. It is light or dark as the reader's system is. What people or
networks wrote is escaped, and bounded in length and number.
"""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from html import escape

from charlm import __version__
from charlm.checkpoint import RunConfig
from charlm.config import ModelConfig, TextConfig, TrainConfig
from charlm.events import Sampled
from charlm.history import History
from charlm.metrics import PROTOCOLS, bits_per_char, perplexity
from charlm.picture import Legend, loss_picture
from charlm.ui.views import measure_name
from charlm.ui.words import NOTHING, knob_words, number, say, value_words

MOST_SAMPLES = 40
MOST_CHARS = 2000  # of a sample
MOST_FIGURES = 40
PARTS = (("reading", TextConfig, "text"), ("network", ModelConfig, "model"), ("learning", TrainConfig, "training"))
LOCALES = {"zh": "zh-CN"}
HEAD = """<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1f2933; --soft: #5b6472; --line: #d5dae1; --ground: #ffffff; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e6eaf0; --soft: #a9b4c2; --line: #3a424d; --ground: #14181d; }}
}}
body {{ max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--ground);
  font: 1rem/1.55 system-ui, sans-serif; }}
h1 {{ margin-bottom: 0.2rem; overflow-wrap: anywhere; }}
h2 {{ margin-top: 2.2rem; font-size: 1.15rem; }}
p, footer, caption {{ color: var(--soft); text-align: start; overflow-wrap: anywhere; }}
div.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 0.25rem 1.2rem 0.25rem 0; text-align: start; border-bottom: 1px solid var(--line); }}
thead th {{ font-weight: 400; color: var(--soft); }}
tbody th {{ font-weight: 400; }}
tr.own th, tr.own td {{ font-weight: 700; }}
svg {{ max-width: 100%; height: auto; }}
pre {{ margin: 0.2rem 0 1.4rem; padding: 0.8rem 1rem; border: 1px solid var(--line); border-radius: 8px;
  white-space: pre-wrap; overflow-wrap: anywhere; font: 0.9rem/1.5 ui-monospace, monospace; }}
</style>
</head>
"""


def report_page(name: str, config: RunConfig, history: History, language: str = "en") -> str:
    """The page of a run that people call `name`, in a language."""
    parts = [
        HEAD.format(language=LOCALES.get(language, language), title=escape(f"{name} · CharLM")),
        f"<body>\n<h1>{escape(name)}</h1>\n<p>{escape(_about(config, history, language))}</p>",
        _section("final_figures", _figures(history, language), language),
        _section("curve", _curve(history, language), language),
        _section("settings", _settings(config, language), language),
        _section("samples", _samples(history, language), language),
        f"<footer>{escape(say('made_by', language, version=__version__))}</footer>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def _section(heading: str, body: str, language: str) -> str:
    return f"<h2>{escape(say(heading, language))}</h2>\n{body}" if body else ""


def _about(config: RunConfig, history: History, language: str) -> str:
    """The text and the network, in a line."""
    parts = [config.title, f"{config.model.cell.upper()} {config.model.hidden_size}"]
    if history.started:
        chars = history.started.train_chars + history.started.validation_chars
        parts += [
            say("so_many_characters", language, chars=chars),
            say("so_many_parameters", language, parameters=history.started.parameters),
        ]
    if history.last_step:
        parts.append(say("so_many_steps", language, steps=history.last_step.step))
    return " · ".join(part for part in parts if part)


def _figures(history: History, language: str) -> str:
    """Both protocols and the yardsticks, the best first; before the end the best evaluation."""
    told = {name: loss for name, loss in history.measured.items() if math.isfinite(loss)}
    if history.best and not any(protocol in told for protocol in PROTOCOLS):
        told["stream"] = history.best.loss
    rows = []
    for name, loss in sorted(told.items(), key=lambda one: one[1])[:MOST_FIGURES]:
        kinds = number(loss, ".4f", language), number(bits_per_char(loss), ".4f", language)
        row = [measure_name(name, language), *kinds, number(perplexity(loss), ",.2f", language)]
        rows.append(_row(row, "own" if name in PROTOCOLS else ""))
    heads = ["", *(say(unit, language) for unit in ("nats", "bits", "perplexity"))]
    return _table(heads, rows) + f"\n<p>{escape(say('protocols', language))}</p>" if rows else ""


def _curve(history: History, language: str) -> str:
    if not history.train.x:
        return ""
    legend = Legend(
        training=say("training", language), validation=say("validation", language),
        axes=f"{say('step', language)} · {say('nats', language)}", counted=say("best_counting", language),
        number=lambda value, spec: number(value, spec, language),
    )  # fmt: skip
    return f'<div class="wide">{loss_picture(history, legend)}</div>'


def _settings(config: RunConfig, language: str) -> str:
    rows = []
    for heading, kind, part in PARTS:
        rows.append(f'<tr class="own"><th colspan="2" scope="rowgroup">{escape(say(heading, language))}</th></tr>')
        for field in dataclasses.fields(kind):
            value = value_words(field.name, getattr(getattr(config, part), field.name), language)
            rows.append(_row([knob_words(field.name, "", language)[0], value]))
    if config.recipe:
        rows.insert(0, _row([say("recipe", language), config.recipe]))
    return _table([], rows)


def _samples(history: History, language: str) -> str:
    parts = []
    for sample in _spread(history.samples):
        heading = say("sample_of", language, step=sample.step, temperature=sample.temperature, seed=sample.seed)
        text = (sample.prompt + sample.text)[:MOST_CHARS]
        parts.append(f"<p>{escape(heading)}</p>\n<pre>{escape(text)}</pre>")
    return "\n".join(parts)


def _spread(samples: Sequence[Sampled]) -> Iterable[Sampled]:
    """From gibberish to style: the first, the last, and as many between as there is room for."""
    if len(samples) <= MOST_SAMPLES:
        return samples
    return [samples[place * (len(samples) - 1) // (MOST_SAMPLES - 1)] for place in range(MOST_SAMPLES)]


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in heads)
    top = f"<thead><tr>{head}</tr></thead>\n" if heads else ""
    return f'<div class="wide"><table>\n{top}<tbody>\n' + "\n".join(rows) + "\n</tbody>\n</table></div>"


def _row(cells: Sequence[str], kind: str = "") -> str:
    first, *rest = (escape(str(cell) or NOTHING) for cell in cells)
    others = "".join(f"<td>{cell}</td>" for cell in rest)
    return f'<tr class="{kind}"><th scope="row">{first}</th>{others}</tr>'
