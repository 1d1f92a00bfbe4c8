"""Bytes -> characters: what encoding a file is in, chosen or found out. Knows nothing of what a text should look like.

The order (it is the order that works): byte order mark, then the chosen encoding. With none chosen (auto) strict UTF-8,
then UTF-16 and UTF-32 by their zero bytes, then UTF-8 with a little damage, then Windows-1252, which every Western text
of before 2005 fits. What is broken in a text that is otherwise right becomes U+FFFD and is counted.
"""

import codecs
import unicodedata
from dataclasses import dataclass

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
VENDOR = {"shift_jis": "cp932", "big5": "big5hkscs"}  # files of that name hold more: circled numbers, rare names
CP1252 = bytes(range(256)).decode("cp1252", "replace")  # byte -> character; five bytes stand for none
REPLACEMENT = "\ufffd"
LOOK_BYTES = 65_536  # how much of a file is looked at to tell what it is
MOST_BROKEN = 0.1  # of what could be broken in a text: more, and it is in another encoding
MOST_CONTROLS = 0.05  # of a text's bytes; random bytes have 0.11
MOST_CONTROLS_UTF8 = 0.3  # UTF-8 proves itself, and may be full of stray zero bytes


@dataclass(frozen=True)
class Decoded:
    """Characters, the encoding that they were in, and notes on what was assumed and mended."""

    text: str
    encoding: str
    notes: tuple[str, ...] = ()


def decoded(data: bytes, chosen: str = "auto") -> Decoded:
    """The characters of a file. Raises TextError for what is no text, or does not fit the chosen encoding.

    A byte order mark is believed before anything else, a chosen encoding before any guess.
    """
    _refuse_other_kinds(data)
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark) and (chosen, encoding) != ("utf-16", "utf-32-le"):  # FF FE 00 00 can be either
            note = f"byte order mark of {name_of(encoding)} removed"
            if chosen != "auto" and not encoding.startswith(chosen):
                note += f"; it is not read as {name_of(chosen)}"
            return _read(data[len(mark) :], encoding, note)
    if chosen == "auto":
        return _guessed(data)
    if chosen in ("utf-16", "utf-32"):
        return _wide(data, chosen)
    _refuse_noise(data[:LOOK_BYTES], MOST_CONTROLS_UTF8 if chosen == "utf-8" else MOST_CONTROLS)
    return _read(data, chosen)


def name_of(encoding: str) -> str:
    """An encoding as people write it."""
    return NAMES.get(encoding, encoding.upper())


def counted(count: int, noun: str) -> str:
    """ "1 character", "2 characters"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


# --- an encoding that is known ----------------------------------------------------------------------------------------


def _read(data: bytes, encoding: str, *notes: str) -> Decoded:
    """A little damage is mended; TextError when so much does not fit that it is another encoding."""
    codec, place = VENDOR.get(encoding, encoding), 0
    for attempt in (encoding, codec):
        try:
            return Decoded(data.decode(attempt), encoding, notes)
        except UnicodeDecodeError as error:
            place = error.start + 1
    mended = _mended(data, codec)
    if mended is None:
        raise _misfit(encoding, place)
    text, broken = mended
    note = f"{counted(broken, 'place')} that {name_of(encoding)} does not allow (byte {place:,}) became {REPLACEMENT}"
    return Decoded(text, encoding, (*notes, note))


def _mended(data: bytes, codec: str) -> tuple[str, int] | None:
    """Text and number of broken places, unless they are too many of what could break: non-ASCII, in wide codes all.

    A file that was cut inside a character, or joined from two, is still in its encoding.
    """
    text = data.decode(codec, "replace")
    broken = len(text) - len(data.decode(codec, "ignore"))
    is_wide = codec.startswith(("utf-16", "utf-32"))
    breakable = len(text) if is_wide else len(text) - len(text.encode("ascii", "ignore"))
    return (text, broken) if broken <= MOST_BROKEN * breakable else None


def _wide(data: bytes, chosen: str) -> Decoded:
    """UTF-16 or UTF-32 as chosen, without a byte order mark."""
    encoding = f"{chosen}-{_byte_order(data[:LOOK_BYTES], int(chosen[-2:]) // 8)}"
    read = _read(data, encoding, f"no byte order mark; read as {name_of(encoding)}")
    if not _is_plausible(read.text[:LOOK_BYTES]):
        raise _misfit(encoding, 1)
    return read


def _misfit(encoding: str, place: int) -> TextError:
    return TextError(
        "This is not {encoding}: byte {place:,} does not fit. Choose another encoding, or auto.",
        encoding=name_of(encoding), place=place,
    )  # fmt: skip


# --- an encoding that is not known ------------------------------------------------------------------------------------


def _guessed(data: bytes) -> Decoded:
    text, place, head = "", 0, data[:LOOK_BYTES]
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = error.start + 1  # 0: it is UTF-8
    wide = _wide_encoding(head, is_utf8=not place)
    if wide:
        return _read(data, wide, f"no byte order mark; the zero bytes say {name_of(wide)}")
    _refuse_noise(head, MOST_CONTROLS if place else MOST_CONTROLS_UTF8)
    if not place:
        return Decoded(text, "utf-8")
    if _mended(data, "utf-8"):
        return _read(data, "utf-8")
    text = codecs.charmap_decode(data, "strict", CP1252)[0]
    note = f"not UTF-8 (byte {place:,}); read as {name_of('cp1252')}"
    if REPLACEMENT in text:
        note += f", where {counted(text.count(REPLACEMENT), 'byte')} without a meaning became {REPLACEMENT}"
    return Decoded(text, "cp1252", (note,))


def _wide_encoding(head: bytes, is_utf8: bool) -> str:
    """UTF-16 or UTF-32 without a mark, "" for neither. Other texts have no zero bytes, or few and anywhere."""
    head = head[: len(head) // 4 * 4]
    if len(head) < 8 or b"\0" not in head:
        return ""
    candidates, order = ["utf-32-le", "utf-32-be"], _byte_order(head, 2)
    high, low = (head[place::2].count(0) for place in ((0, 1) if order == "be" else (1, 0)))
    if not is_utf8 or (high > len(head) / 100 and low < high / 10):
        candidates.append(f"utf-16-{order}")
    for encoding in candidates:
        try:
            text = codecs.getincrementaldecoder(encoding)().decode(head)  # which takes a pair cut in two for no error
        except UnicodeDecodeError:
            continue
        if _is_plausible(text):
            return encoding
    return ""


def _byte_order(head: bytes, width: int) -> str:
    """Of characters so many bytes wide. The byte that varies less is the high one: a text keeps to a few scripts."""
    return "be" if len(set(head[::width])) < len(set(head[width - 1 :: width])) else "le"


def _is_plausible(text: str) -> bool:
    """Whether nearly all characters have a meaning: a wrong wide encoding finds many that have none."""
    odd = sum(unicodedata.category(char) in ("Cc", "Cn", "Co") and char not in "\t\n\r" for char in text)
    return odd + text.count(REPLACEMENT) <= 0.02 * len(text)


# --- no text at all ---------------------------------------------------------------------------------------------------


def _refuse_other_kinds(data: bytes) -> None:
    """What is plainly no text is refused by name: trained on, it would only teach noise."""
    if not data:
        raise TextError("The file is empty. Choose a text with at least 100 characters.")
    for mark, kind in FILE_KINDS:
        if data.startswith(mark):
            raise TextError("This is {kind}, not a text. Save it as plain text (.txt, UTF-8) first.", kind=kind)


def _refuse_noise(head: bytes, most: float) -> None:
    """More control codes than any text has."""
    controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\f\r\x1b")
    if controls > most * len(head):
        raise TextError(
            "This is not a text: {share:.0%} of its first bytes are control codes."
            " Save it as plain text (UTF-8) first, or choose its encoding.",
            share=controls / len(head),
        )  # fmt: skip
