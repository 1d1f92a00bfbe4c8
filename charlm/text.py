"""Bytes -> text, with a report of what was found and what was changed. Knows nothing of vocabularies or corpora.

The order (it is the order that works): byte order mark, then the chosen encoding. With none chosen (auto) strict UTF-8,
then UTF-16 and UTF-32 by their zero bytes, then UTF-8 with a little damage, then Windows-1252, which every Western text
of before 2005 fits. What is broken in a text that is otherwise right becomes U+FFFD and is counted.
Then control characters out, line ends to LF, NFC. The unit is the Unicode code point: a flag is two characters, a
family of four is seven.
"""

import codecs
import functools
import re
import unicodedata
from dataclasses import dataclass

from charlm.config import TextConfig
from charlm.errors import TextError

BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
FILE_KINDS = (
    (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF87a", "a GIF picture"),
    (b"GIF89a", "a GIF picture"), (b"%PDF-", "a PDF document"), (b"{\\rtf", "a rich text document"),
    (b"PK\x03\x04", "a zip archive or an office document"), (b"\xd0\xcf\x11\xe0", "an office document"),
    (b"\x1f\x8b", "a gzip archive"), (b"BZh91AY&SY", "a bzip2 archive"), (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"7z\xbc\xaf", "a 7z archive"), (b"Rar!\x1a\x07", "a rar archive"), (b"\xfd7zXZ", "an xz archive"),
    (b"\x7fELF", "a program"), (b"MZ\x90", "a program"), (b"OggS\x00", "a sound file"), (b"ID3\x03", "a sound file"),
    (b"ID3\x04", "a sound file"), (b"SQLite format 3\x00", "a database"),
)  # fmt: skip
NAMES = {"cp1250": "Windows-1250", "cp1251": "Windows-1251", "cp1252": "Windows-1252", "cp1253": "Windows-1253"}
VENDOR = {"shift_jis": "cp932", "big5": "big5hkscs"}  # what files of that name hold besides: circled numbers, rare names
CP1252 = bytes(range(256)).decode("cp1252", "replace")  # byte -> character; five bytes stand for none
REPLACEMENT = "\ufffd"
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]+")
ASCII_CONTROL = bytes(byte for byte in range(128) if CONTROL.match(chr(byte)))
ASCII_FORMS = str.maketrans({
    "‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "–": "-", "—": "-", "−": "-",
    "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L",
})  # fmt: skip
LOOK_BYTES = 65_536  # how much of a file is looked at to tell what it is
MAX_MARKS = 100  # combining marks in a row; Unicode's own stream-safe format allows 30


@dataclass(frozen=True)
class TextReport:
    """What was found and changed. `notes` are sentences for people, one for every change; none: it is as it was."""

    encoding: str
    chars: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Text:
    """A text as it will be learned, and how it came to be so."""

    text: str
    report: TextReport


def decode_text(data: bytes, config: TextConfig | None = None) -> Text:
    """The text of a file. Raises TextError for what is no text, or does not fit the chosen encoding."""
    config = config or TextConfig()
    _refuse_other_kinds(data)
    text, encoding, notes = _decoded(data, config.encoding)
    return clean_text(text, config, encoding, notes)


def clean_text(
    text: str, config: TextConfig | None = None, encoding: str = "pasted", notes: tuple[str, ...] = ()
) -> Text:
    """The text under the conventions, and what `config` asks for. Each change is a note; clean twice is clean once."""
    config = config or TextConfig()
    found = list(notes)
    text = conventional(text, found)
    if config.ascii:
        text = _folded(text, found)
    if config.max_chars and len(text) > config.max_chars:
        found.append(f"the first {config.max_chars:,} of {len(text):,} characters are used")
        text = text[: config.max_chars]
    return Text(text, TextReport(encoding, len(text), tuple(found)))


# --- the conventions --------------------------------------------------------------------------------------------------


def conventional(text: str, notes: list[str] | None = None) -> str:
    """No control characters, line ends LF, NFC: what a corpus and a prompt have in common. Each change joins `notes`.

    Control characters first: what they separated (CR and LF, a letter and its accent) may belong together.
    """
    notes = [] if notes is None else notes
    text = _without_surrogates(text, notes)
    text = _without_controls(text, notes)
    text = _with_line_feeds(text, notes)
    return _composed(text, notes)


def _without_surrogates(text: str, notes: list[str]) -> str:
    """Halves of UTF-16 pairs, as a browser or a file name can bring them: pairs are joined, single ones replaced."""
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:
        fixed = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        count = fixed.count(REPLACEMENT) - text.count(REPLACEMENT)
        notes.append(f"{count:,} halves of broken characters replaced" if count else "halves of characters joined")
        return fixed


def _without_controls(text: str, notes: list[str]) -> str:
    if text.isascii():  # the plain case of a large text: ten times faster
        clean = text.encode("ascii").translate(None, ASCII_CONTROL).decode("ascii")
    else:
        clean = CONTROL.sub("", text)
    if clean == text:
        return text
    count, nuls = len(text) - len(clean), text.count("\0")
    notes.append(f"{count:,} control characters removed" + (f" ({nuls:,} of them NUL)" if nuls else ""))
    return clean


def _with_line_feeds(text: str, notes: list[str]) -> str:
    if "\r" not in text:
        return text
    both, all_returns = text.count("\r\n"), text.count("\r")
    notes.append(f"{all_returns:,} line ends made LF (CRLF: {both:,}, CR: {all_returns - both:,})")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _composed(text: str, notes: list[str]) -> str:
    """NFC. Sorting the marks of one letter takes time that grows with their square, so they are counted first."""
    if unicodedata.is_normalized("NFC", text):
        return text
    run = _too_many_marks().search(text)
    if run:
        raise TextError(
            "More than {most} accents follow one letter (character {place:,}). Remove them, or choose another text.",
            most=MAX_MARKS, place=run.start() + 1,
        )  # fmt: skip
    notes.append("composed to Unicode NFC (é is one character, not e and an accent)")
    return unicodedata.normalize("NFC", text)


@functools.cache
def _too_many_marks() -> re.Pattern[str]:
    """More than MAX_MARKS combining marks in a row. The first is U+0300; none stands beyond the second plane."""
    marks = "".join(char for char in map(chr, range(0x300, 0x20000)) if unicodedata.combining(char))
    return re.compile(f"[{marks}]{{{MAX_MARKS + 1}}}")


def _folded(text: str, notes: list[str]) -> str:
    """Plain ASCII: letters lose their marks (NFKD), what has no ASCII form is dropped. The tutorials' way."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text.translate(ASCII_FORMS))
    folded = plain.encode("ascii", "ignore").decode("ascii")
    notes.append(f"folded to ASCII ({len(text):,} characters became {len(folded):,})")
    return folded


# --- the encoding -----------------------------------------------------------------------------------------------------


def _refuse_other_kinds(data: bytes) -> None:
    """What is plainly no text is refused by name: trained on, it would only teach noise."""
    if not data:
        raise TextError("The file is empty. Choose a text with at least 100 characters.")
    for mark, kind in FILE_KINDS:
        if data.startswith(mark):
            raise TextError("This is {kind}, not a text. Save it as plain text (.txt, UTF-8) first.", kind=kind)


def _decoded(data: bytes, chosen: str) -> tuple[str, str, tuple[str, ...]]:
    """Text, encoding, notes. A byte order mark is believed before anything else, a chosen encoding before any guess."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark) and not (chosen == "utf-16" and encoding == "utf-32-le"):  # FF FE 00 00 is both
            note = f"byte order mark of {_name(encoding)} removed"
            if chosen != "auto" and not encoding.startswith(chosen):
                note += f"; so it was not read as {_name(chosen)}"
            text, notes = _read(data[len(mark) :], encoding)
            return text, encoding, (note, *notes)
    if chosen == "auto":
        return _guessed(data)
    if chosen not in ("utf-16", "utf-32"):
        return *_read(data, chosen)[:1], chosen, _read(data, chosen)[1]
    order = "le"
    text, notes = _read(data, chosen)
    return text, chosen, notes
