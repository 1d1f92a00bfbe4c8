"""A text and its conventions, with a report of what was found and what was changed. Knows nothing of vocabularies.

Control characters out, line ends to LF, Unicode NFC; on request plain ASCII, or only the beginning. The unit is the
code point: a flag is two characters, a family of four is seven. How bytes become characters is in `encoding`.
"""

import functools
import re
import unicodedata
from dataclasses import dataclass

from charlm.config import TextConfig
from charlm.encoding import REPLACEMENT, decoded
from charlm.errors import TextError
from charlm.notes import Note, note

ASCII_CONTROL = bytes(byte for byte in range(128) if byte < 32 or byte == 127).translate(None, b"\t\n\r")
OTHER_CONTROL = re.compile("[\x80-\x9f\ufeff\ufffe\uffff]+")
ASCII_FORMS = {  # of what NFKD leaves alone
    "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-",
    "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
}  # fmt: skip
MAX_MARKS = 100  # combining marks in a row; Unicode's own stream-safe format allows 30


@dataclass(frozen=True)
class TextReport:
    """What was found and changed. A note for every change; none: it is as it was."""

    encoding: str
    chars: int
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Text:
    """A text as it will be learned, and how it came to be so."""

    text: str
    report: TextReport


def decode_text(data: bytes, config: TextConfig | None = None) -> Text:
    """The text of a file. Raises TextError for what is no text, or does not fit the chosen encoding."""
    config = config or TextConfig()
    read = decoded(data, config.encoding)
    return clean_text(read.text, config, read.encoding, read.notes)


def clean_text(
    text: str, config: TextConfig | None = None, encoding: str = "pasted", notes: tuple[Note, ...] = ()
) -> Text:
    """The text under the conventions, and what `config` asks for. Each change is a note; clean twice is clean once."""
    config = config or TextConfig()
    found = list(notes)
    text = conventional(text, found)
    if config.ascii:
        text = _folded(text, found)
    if config.max_chars and len(text) > config.max_chars:
        found.append(note("only the first {used:,} of {chars:,} characters", used=config.max_chars, chars=len(text)))
        text = text[: config.max_chars]
    return Text(text, TextReport(encoding, len(text), tuple(found)))


def conventional(text: str, notes: list[Note] | None = None) -> str:
    """No control characters, line ends LF, NFC: what a corpus and a prompt have in common. Each change joins `notes`.

    Control characters first: what they separated (CR and LF, a letter and its accent) may belong together.
    """
    notes = [] if notes is None else notes
    text = _without_surrogates(text, notes)
    text = _without_controls(text, notes)
    text = _with_line_feeds(text, notes)
    return _composed(text, notes)


def _without_surrogates(text: str, notes: list[Note]) -> str:
    """Halves of UTF-16 pairs, as a browser or a file name can bring them: pairs are joined, single ones replaced."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        single = whole.count(REPLACEMENT) - text.count(REPLACEMENT)
        joined = len(text) - len(whole)
        notes += [note("halves of characters, each now {mark}: {n:,}", mark=REPLACEMENT, n=single)] if single else []
        notes += [note("halves of characters joined to whole ones: {n:,}", n=joined)] if joined else []
        return whole


def _without_controls(text: str, notes: list[Note]) -> str:
    data = text.encode("utf-8")  # in which a control character of ASCII is one byte: many times faster than a pattern
    plain = data.translate(None, ASCII_CONTROL)
    clean = text if len(plain) == len(data) else plain.decode("utf-8")
    if not clean.isascii():
        clean = OTHER_CONTROL.sub("", clean)
    if len(clean) < len(text):
        notes.append(note("control characters removed: {count:,}", count=len(text) - len(clean)))
    return clean


def _with_line_feeds(text: str, notes: list[Note]) -> str:
    if "\r" not in text:
        return text
    pairs, returns = text.count("\r\n"), text.count("\r")
    single = returns - pairs
    told = note("line ends made LF: {all:,} (CRLF: {pairs:,}, CR: {single:,})", all=returns, pairs=pairs, single=single)
    notes.append(told)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _composed(text: str, notes: list[Note]) -> str:
    """NFC. Sorting the marks of one letter takes time that grows with their square, so they are counted first."""
    if unicodedata.is_normalized("NFC", text):
        return text
    for run in _mark_runs().finditer(text):
        if all(map(unicodedata.combining, run[0])):
            raise TextError(
                "More than {most} accents follow one letter (character {place:,}). Remove them first.",
                most=MAX_MARKS, place=run.start() + 1,
            )  # fmt: skip
    notes.append(note("composed to Unicode NFC (é is one character, not e and an accent)"))
    return unicodedata.normalize("NFC", text)


@functools.cache
def _mark_runs() -> re.Pattern[str]:
    """Runs of more than MAX_MARKS characters that may be combining marks. All of the second plane may: its few marks
    named one by one make the search thirty times slower.
    """
    marks = "".join(char for char in map(chr, range(0x300, 0x10000)) if unicodedata.combining(char))
    return re.compile(f"[{marks}\U00010000-\U0001ffff]{{{MAX_MARKS + 1}}}")


def _folded(text: str, notes: list[Note]) -> str:
    """Plain ASCII: letters lose their marks (NFKD), what has no ASCII form is dropped. The tutorials' way."""
    if text.isascii():
        return text
    folded = text
    for char, form in ASCII_FORMS.items():
        folded = folded.replace(char, form)
    folded = unicodedata.normalize("NFKD", folded).encode("ascii", "ignore").decode("ascii")
    notes.append(note("folded to ASCII ({before:,} characters became {after:,})", before=len(text), after=len(folded)))
    return folded
