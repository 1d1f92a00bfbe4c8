"""Bytes -> text, with a report of what was found and what was changed. Knows nothing of vocabularies or corpora.

The order (it is the order that works): byte order mark, then strict UTF-8, then UTF-16 by its zero bytes, then the
chosen encoding (auto: Windows-1252, which every Western text of before 2005 fits). Then NFC, line ends to LF, control
characters out. The unit is the Unicode code point: a flag is two characters, a family of four is seven.
"""

import codecs
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
    (b"\x89PNG", "a PNG picture"), (b"\xff\xd8\xff", "a JPEG picture"), (b"GIF8", "a GIF picture"),
    (b"PK\x03\x04", "a zip archive or an office document"), (b"\x1f\x8b", "a gzip archive"), (b"%PDF", "a PDF document"),
    (b"7z\xbc\xaf", "a 7z archive"), (b"Rar!", "a rar archive"), (b"\x7fELF", "a program"), (b"MZ\x90", "a program"),
    (b"\xfd7zXZ", "an xz archive"), (b"OggS", "a sound file"), (b"ID3", "a sound file"), (b"\xd0\xcf\x11\xe0", "an office document"),
)  # fmt: skip
NAMES = {"cp1252": "Windows-1252", "cp1251": "Windows-1251", "cp1250": "Windows-1250", "cp1253": "Windows-1253"}
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
SURROGATE = re.compile("[\ud800-\udfff]")
LOOK_BYTES = 65_536  # how much of a file is looked at to tell what it is


@dataclass(frozen=True)
class TextReport:
    """What was found and changed. `notes` are sentences for people, one for every change; none: the text is as it was."""

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
    """The text conventions: NFC, LF, no control characters, and what `config` asks for. Each change is a note."""
    config = config or TextConfig()
    found = list(notes)
    text = _without_surrogates(text, found)
    text = conventional(text, found)
    if config.ascii:
        text = _folded(text, found)
    if config.max_chars and len(text) > config.max_chars:
        found.append(f"the first {config.max_chars:,} of {len(text):,} characters are used")
        text = text[: config.max_chars]
    return Text(text, TextReport(encoding, len(text), tuple(found)))


def conventional(text: str, notes: list[str] | None = None) -> str:
    """NFC, line ends to LF, control characters out: what a corpus and a prompt have in common."""
    notes = [] if notes is None else notes
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        notes.append("composed to Unicode NFC (é is one character, not e and an accent)")
    if "\r" in text:
        both = text.count("\r\n")
        notes.append(f"{text.count(chr(13)):,} line ends made LF (CRLF: {both:,}, CR: {text.count(chr(13)) - both:,})")
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    nuls = text.count("\0")
    text, count = CONTROL.subn("", text)
    if count:
        notes.append(f"{count:,} control characters removed" + (f" ({nuls:,} of them NUL)" if nuls else ""))
    return text


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
        if data.startswith(mark) and chosen in ("auto", encoding[:6].rstrip("-"), encoding[:5]):
            return _strict(data[len(mark) :], encoding), encoding, (f"byte order mark of {encoding.upper()} removed",)
    if chosen != "auto":
        return _strict(data, chosen), chosen, ()
    wide = _wide_encoding(data[:LOOK_BYTES])
    if wide:
        return _strict(data, wide), wide, (f"no byte order mark; the zero bytes say {wide.upper()}",)
    try:
        return data.decode("utf-8"), "utf-8", ()
    except UnicodeDecodeError as error:
        _refuse_noise(data[:LOOK_BYTES])
        note = f"not UTF-8 (byte {error.start + 1:,}); read as Windows-1252"
        return data.decode("cp1252", errors="replace"), "cp1252", (note,)


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, UnicodeError) as error:
        place = getattr(error, "start", 0) + 1
        raise TextError(
            "This is not {encoding}: byte {place:,} does not fit. Choose another encoding, or auto.",
            encoding=NAMES.get(encoding, encoding.upper()), place=place,
        ) from error  # fmt: skip


def _wide_encoding(head: bytes) -> str:
    """UTF-16 or UTF-32 without a mark, told by where the zero bytes of its Latin letters, blanks and line ends stand."""
    if len(head) < 8 or b"\0" not in head:
        return ""
    quarter = len(head) // 4
    zeros = [head[place::4].count(0) / quarter for place in range(4)]
    if zeros[2] > 0.9 and zeros[3] > 0.9 and zeros[0] < 0.5:
        return "utf-32-le"
    if zeros[0] > 0.9 and zeros[1] > 0.9 and zeros[3] < 0.5:
        return "utf-32-be"
    even, odd = (zeros[0] + zeros[2]) / 2, (zeros[1] + zeros[3]) / 2
    if odd > 0.1 and even < odd / 10:
        return "utf-16-le"
    return "utf-16-be" if even > 0.1 and odd < even / 10 else ""


def _refuse_noise(head: bytes) -> None:
    """Neither UTF-8 nor a text in any one-byte encoding: more control bytes than any text has."""
    controls = sum(head.count(byte) for byte in range(32) if byte not in (9, 10, 12, 13, 27))
    if controls > len(head) / 50:
        raise TextError(
            "This is not a text: {share:.0%} of its first bytes are control codes. Save it as plain text (UTF-8) first.",
            share=controls / len(head),
        )


def _without_surrogates(text: str, notes: list[str]) -> str:
    text, count = SURROGATE.subn("\ufffd", text)
    if count:
        notes.append(f"{count:,} halves of broken characters replaced")
    return text


def _folded(text: str, notes: list[str]) -> str:
    """Plain ASCII: letters lose their marks (NFKD), what has no ASCII form is dropped. The tutorials' way."""
    folded = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    if folded != text:
        notes.append(f"folded to ASCII ({len(text):,} characters became {len(folded):,})")
    return folded
