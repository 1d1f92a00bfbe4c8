"""Every sentence of the page, by key and language. Knows nothing of components.

A key that a language lacks is said in English. Values go in by name: say("place", place=2).
"""

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "CharLM",
        "about": "Teach a recurrent network your own text, and see how it learns.",
        "tab_train": "Train",
        "tab_generate": "Generate",
        "text": "Text",
        "source_named": "Built in",
        "source_pasted": "Paste",
        "source_file": "Upload",
        "named": "Which one",
        "pasted": "Your text",
        "pasted_hint": "Paste at least 100 characters; some thousands are better.",
        "file": "Your file (plain text)",
        "reading": "How it is read",
        "preview": "Its beginning",
        "cell": "Cell",
        "size": "Hidden units",
        "size_fitted": "fitted to text and time",
        "seconds": "Seconds of training",
        "seconds_info": "Evaluation and saving are not counted",
        "recipe": "Recipe",
        "recipe_fitted": "fitted to text and time",
        "more": "More settings",
        "more_info": "What is left empty is fitted to the text, or comes from the recipe.",
        "fitted": "fitted",
        "yes": "yes",
        "no": "no",
        "train": "Train",
        "stop": "Stop",
        "resume": "Resume",
        "loss_short": "nats per character",
        "step": "step",
        "training": "training",
        "validation": "validation",
        "sample": "What it writes now",
        "sample_at": "What it wrote at step {step:,}",
        "idle": "Choose a text and press **Train**.",
        "empty_plot": "Here the loss will fall: of the text it learns from, and of the text it has never seen.",
        "queued": "Waiting: place {place} in the queue, about {wait} to go.",
        "starting": "Starting …",
        "running": "**{run}** · step {step:,} · epoch {epoch:.1f} · {speed:,.0f} characters/s · {left} left",
        "evaluating": "**{run}** · the budget is used; evaluating …",
        "figures": "training {train} · validation {validation} nats ({bits} bits per character)",
        "part": "validation loss on {chars:,} of {all:,} characters, state carried (stream)",
        "budget": "Done: the budget is used.",
        "patience": "Done: no better evaluation for long enough.",
        "diverged": "Stopped: {advice}",
        "stopped": "Stopped and saved at step {step:,}. Resume goes on from exactly here.",
        "final": "Validation, whole: **stream {stream:.4f}** · **cold-256 {cold:.4f}** nats per character. {verdict}",
        "verdict_better": "Better than {name} ({loss:.3f}).",
        "verdict_worse": "{name} does better ({loss:.3f}): more time, or more text.",
        "left": "Its budget is used, or its process has ended; what it saved is kept.",
        "report": (
            "**{title}**: {chars:,} characters, {symbols:,} of them distinct, read as {encoding}."
            " {train:,} train, {validation:,} are kept for checking."
        ),
        "changed": "What was changed while reading:",
        "unchanged": "Nothing had to be changed while reading.",
        "run": "Run",
        "no_runs": "No runs yet: train one first.",
        "prompt": "Prompt",
        "prompt_hint": "The network goes on from here; empty: from the beginning of a line.",
        "temperature": "Temperature",
        "temperature_info": "0: always the likeliest character; 1: as it learned; above: wilder",
        "length": "Length",
        "length_info": "characters",
        "top_k": "Top-k",
        "top_k_info": "only the k likeliest; 0: all",
        "top_p": "Top-p",
        "top_p_info": "only the likeliest that together have this probability",
        "seed": "Seed",
        "seed_info": "the same seed writes the same text; -1: another each time",
        "generate": "Generate",
        "written": "What the network writes",
        "about_run": "{title} · {cell} {hidden} · step {step:,} · validation loss {loss}",
        "replaced": "The network does not know {chars}; it reads {known}.",
        "wrote": "{chars:,} characters, {speed:,.0f} a second, seed {seed}.",
        "text_limit": "The text has {size:,} bytes; at most {most:,} are taken here.",
        "parameter_limit": (
            "This network would have {parameters:,} parameters; at most {most:,} are allowed here."
            " Use fewer hidden units."
        ),
        "seconds_limit": "{seconds:,.0f} seconds are more than the {most:,.0f} that a run may take here.",
        "paste_first": "Paste a text first.",
        "upload_first": "Upload a file first.",
        "not_yours": "There is no such run.",
    },
}
LANGUAGES = tuple(WORDS)


def say(key: str, language: str = "en", **values: object) -> str:
    """A sentence in a language, with its values."""
    sentence = WORDS.get(language, {}).get(key) or WORDS["en"][key]
    return sentence.format(**values) if values else sentence
