"""Bytes -> characters: what encoding a file is in, chosen or found out. Knows nothing of what a text should look like.

The order (it is the order that works): byte order mark, then the chosen encoding. With none chosen (auto) strict UTF-8,
then UTF-16 and UTF-32 by their zero bytes, then UTF-8 with a little damage, then the encoding of before 2005 in which
the letters are those that its languages use most, then Windows-1252. What is broken in a text that is otherwise right
becomes U+FFFD and is counted.
"""

import codecs
import re
import unicodedata
from dataclasses import dataclass

from charlm.errors import TextError
from charlm.notes import Note, note

BYTE_ORDER_MARKS = (  # UTF-32 first: its mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
FILE_KINDS = (
    (b"\x89PNG", note("a {format} picture", format="PNG")),
    (b"\xff\xd8\xff", note("a {format} picture", format="JPEG")),
    (b"GIF87a", note("a {format} picture", format="GIF")),
    (b"GIF89a", note("a {format} picture", format="GIF")),
    (b"%PDF-", note("a PDF document")),
    (b"{\\rtf", note("a rich text document")),
    (b"PK\x03\x04", note("a zip archive or an office document")),
    (b"\xd0\xcf\x11\xe0", note("an office document")),
    (b"\x1f\x8b", note("a {format} archive", format="gzip")),
    (b"BZh91AY&SY", note("a {format} archive", format="bzip2")),
    (b"\x28\xb5\x2f\xfd", note("a {format} archive", format="zstd")),
    (b"7z\xbc\xaf", note("a {format} archive", format="7z")),
    (b"Rar!\x1a\x07", note("a {format} archive", format="rar")),
    (b"\xfd7zXZ", note("a {format} archive", format="xz")),
    (b"\x7fELF", note("a program")),
    (b"MZ\x90", note("a program")),
    (b"OggS\x00", note("a sound file")),
    (b"ID3\x03", note("a sound file")),
    (b"ID3\x04", note("a sound file")),
    (b"SQLite format 3\x00", note("a database")),
)
NAMES = {
    "cp1250": "Windows-1250", "cp1251": "Windows-1251", "cp1252": "Windows-1252", "cp1253": "Windows-1253",
    "shift_jis": "Shift-JIS", "euc_jp": "EUC-JP", "big5": "Big5", "cp949": "EUC-KR (CP949)",
}  # fmt: skip
# The letters that make up about half of any text in the languages of an encoding; read in another one, under a fifth.
RUSSIAN, KANA = "оеаинт", "のにはをたがでてとしれさるいもすかなこりまえっんくらうけよあンスルトリアイラク、。"
HANZI = "的一是不了在人有我他中大上到和你地出道也得就那要下以生自去之家可小心多天能好都日起成事只想看手十用主行方又"
FREQUENT = {
    "cp1251": RUSSIAN, "koi8-r": RUSSIAN, "cp1253": "αοιετσ", "shift_jis": KANA, "euc_jp": KANA,
    "gb18030": HANZI + "这来国个说们为时会过学对她里后么而然没还发当文无开如前所本见头面老从，。",
    "big5": HANZI + "這來國個說們為時會過學對她裡後麼而然沒還發當文無開如前所本見頭面老從，。",
    "cp949": "이다는을의에가고지로기하도사한나리어자아그인서대시정해수를일들은보있게라것전부제주만여",
}  # fmt: skip
LEAST_FREQUENT = 0.25
# Between ASCII letters: those of Central and of Western Europe. A text has nearly all of its own, three quarters of the
# other's.
CENTRAL = frozenset("ąćęłńóśźżáčďéěíňřšťúůýžöőüűäôĺľŕâ" + "ĄĆĘŁŃÓŚŹŻÁČĎÉĚÍŇŘŠŤÚŮÝŽÖŐÜŰÄ")
WESTERN = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüýÿœß" + "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŒ")
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
    notes: tuple[Note, ...] = ()


def decoded(data: bytes, chosen: str = "auto") -> Decoded:
    """The characters of a file. Raises TextError for what is no text, or does not fit the chosen encoding.

    A byte order mark is believed before anything else, a chosen encoding before any guess.
    """
    _refuse_other_kinds(data)
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark) and (chosen, encoding) != ("utf-16", "utf-32-le"):  # FF FE 00 00 can be either
            return _read(data[len(mark) :], encoding, _marked(encoding, chosen))
    if chosen == "auto":
        return _guessed(data)
    if chosen in ("utf-16", "utf-32"):
        return _wide(data, chosen)
    _refuse_noise(data[:LOOK_BYTES], MOST_CONTROLS_UTF8 if chosen == "utf-8" else MOST_CONTROLS)
    return _read(data, chosen)


def name_of(encoding: str) -> str:
    """An encoding as people write it."""
    return NAMES.get(encoding, encoding.upper())


# --- an encoding that is known ----------------------------------------------------------------------------------------


def _marked(encoding: str, chosen: str) -> Note:
    if chosen == "auto" or encoding.startswith(chosen):
        return note("byte order mark of {encoding} removed", encoding=name_of(encoding))
    return note(
        "byte order mark of {encoding} removed; it is not read as {chosen}",
        encoding=name_of(encoding), chosen=name_of(chosen),
    )  # fmt: skip


def _read(data: bytes, encoding: str, *notes: Note) -> Decoded:
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
    damage = note(
        "damaged places, each now {mark}: {broken:,} (the first, byte {place:,}, is not {encoding})",
        mark=REPLACEMENT, broken=broken, place=place, encoding=name_of(encoding),
    )  # fmt: skip
    return Decoded(text, encoding, (*notes, damage))


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
    read = _read(data, encoding, note("no byte order mark; read as {encoding}", encoding=name_of(encoding)))
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
        return _read(data, wide, note("no byte order mark; the zero bytes say {encoding}", encoding=name_of(wide)))
    _refuse_noise(head, MOST_CONTROLS if place else MOST_CONTROLS_UTF8)
    if not place:
        return Decoded(text, "utf-8")
    if _mended(data, "utf-8"):
        return _read(data, "utf-8")
    encoding = _by_letters(head)
    guess = note(
        "not UTF-8 (byte {place:,}), so read as {encoding}; if its beginning looks wrong, choose its encoding",
        place=place, encoding=name_of(encoding),
    )  # fmt: skip
    if encoding != "cp1252":
        return _read(data, encoding, guess)
    text = codecs.charmap_decode(data, "strict", CP1252)[0]
    broken = text.count(REPLACEMENT)
    damage = (note("bytes without a meaning, each now {mark}: {count:,}", mark=REPLACEMENT, count=broken),)
    return Decoded(text, "cp1252", (guess, *(damage if broken else ())))


def _by_letters(head: bytes) -> str:
    """The encoding whose languages use such letters most; Windows-1252 where none stands out.

    Letters outside ASCII stand between those of ASCII, alone or in twos, or nearly all are.
    """
    runs = re.findall(rb"[\x80-\xff]+", head)
    central, western = _share_of(CENTRAL, head, "cp1250"), _share_of(WESTERN, head, "cp1252")
    if len(b"".join(runs)) < 2.5 * len(runs) and max(central, western) > 0.5:
        return "cp1250" if central > western + 0.1 else "cp1252"
    shares = {encoding: _share_of(frozenset(most), head, encoding) for encoding, most in FREQUENT.items()}
    best = max(shares, key=shares.__getitem__)
    return best if shares[best] >= LEAST_FREQUENT else "cp1252"


def _share_of(letters: frozenset[str], head: bytes, encoding: str) -> float:
    """Of the characters outside ASCII, quotation marks and dashes left out. Fewer than three letters say nothing."""
    decoder = codecs.getincrementaldecoder(VENDOR.get(encoding, encoding))("replace")  # a cut character is no error
    odd = [char for char in decoder.decode(head) if char > "\x7f" and char not in "‘’“”„–—…«»°§¿¡\xa0€"]
    return sum(char in letters for char in odd) / len(odd) if len(letters.intersection(odd)) > 2 else 0.0


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
