"""Files as people have them: of other decades, systems and scripts, damaged, mislabelled, or no texts at all.

Each says what the page must do with it: read it (in which encoding, and a piece of it that must be seen), or refuse it
with which sentence, named by its English template. All are made here; none is real.
"""

import codecs
import io
import struct
import unicodedata
import zipfile
import zlib
from dataclasses import dataclass

ENGLISH = "It was the best of times, it was the worst of times, and nobody had written it down yet.\n" * 20
FRENCH = "Où est passé l'été ? À la fenêtre, Zoé écoute le garçon qui répète : « déjà vu ».\n" * 20
RUSSIAN = "Все счастливые семьи похожи друг на друга, и каждый вечер мы пьём чай на кухне.\n" * 20
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 20
CHINESE = "河边有一家茶馆，老人们每天早晨都来喝茶，说说昨天的事情，也说说明天的天气。\n" * 20
KOREAN = "언덕 위의 작은 빵집에서 할머니가 매일 아침 빵을 굽고, 아이들은 그 냄새를 따라 모인다.\n" * 20
ARABIC = "في المقهى القديم كان الرجل يكتب رسالة إلى صديقه البعيد.\n" * 20
HEBREW = "בבית הקפה הישן ישב האיש וכתב מכתב לחברו הרחוק.\n" * 20
SHORT = "The text has {chars} characters; at least {least} are needed. Choose a longer one."
SHORTENED = "The text has {chars} characters ({why}); at least {least} are needed. Choose a longer one."
EMPTY = "The file is empty. Choose a text with at least 100 characters."
OTHER_KIND = "This is {kind}, not a text. Save it as plain text (.txt, UTF-8) first."
NOISE = (
    "This is not a text: {share:.0%} of its first bytes are control codes."
    " Save it as plain text (UTF-8) first, or choose its encoding."
)
ONE_SYMBOL = "The text is one character, {char!r}, over and over. Choose another one."
ZALGO = "More than {most} accents follow one letter (character {place:,}). Remove them first."


@dataclass(frozen=True)
class OddFile:
    """`encoding` and `beginning` of what can be read; `refusal` of what cannot."""

    what: str
    data: bytes
    encoding: str = ""
    beginning: str = ""
    refusal: str = ""
    name: str = "text.txt"


def read(what: str, data: bytes, encoding: str, text: str, name: str = "text.txt") -> OddFile:
    return OddFile(what, data, encoding, text[:40], name=name)


def refused(what: str, data: bytes, refusal: str, name: str = "text.txt") -> OddFile:
    return OddFile(what, data, refusal=refusal, name=name)


def picture() -> bytes:
    rows = zlib.compress(b"\0" + bytes(range(256)) * 40)
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II5B", 64, 64, 8, 2, 0, 0, 0) + rows


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("novel.txt", ENGLISH)
    return file.getvalue()


def many_symbols() -> str:
    """100,000 distinct characters, most of them of the Chinese planes."""
    points = [*range(0x4E00, 0xA000), *range(0xAC00, 0xD7A4), *range(0x20000, 0x2A6E0), *range(0x2A700, 0x2EBE0)]
    points += range(0x30000, 0x323B0)
    return "".join(map(chr, points[:100_000]))


HTML = "<!doctype html><script>window.hit = 1</script><p onclick='window.hit=1'>The page &amp; the fox.</p>\n" * 20
EMOJI = "👩‍👩‍👧‍👦 met 🏳️‍🌈 and 👋🏽, then 🇫🇷🇪🇸🇰🇷 sang 1️⃣ ❤️ song.\n" * 20
NFD = unicodedata.normalize("NFD", FRENCH)
BIDI = f"\u202b{ARABIC[:60]}\u202c \u2067{HEBREW[:40]}\u2069\n" * 10
MIXED = ENGLISH.replace("\n", "\r\n", 7).replace("times,", "times,\r", 5)
LINE = "one line without an end and with all that was ever said in it, again and again; " * 26_215  # 2 MB
LONG_NAME = "a \"quoted\"; 'strange' ${name} 😀 <b>é</b> " + "x" * 150 + ".txt"

ODD_FILES = (
    refused("an empty file", b"", EMPTY),
    refused("one character", b"a", SHORT),
    refused("a byte order mark and nothing else", codecs.BOM_UTF8, SHORTENED),
    refused("blanks and line ends, fifty", b" \n" * 25, SHORT),
    read("UTF-8 with a byte order mark", codecs.BOM_UTF8 + FRENCH.encode(), "utf-8", FRENCH),
    read("UTF-16 LE with a mark", codecs.BOM_UTF16_LE + FRENCH.encode("utf-16-le"), "utf-16-le", FRENCH),
    read("UTF-16 BE with a mark", codecs.BOM_UTF16_BE + RUSSIAN.encode("utf-16-be"), "utf-16-be", RUSSIAN),
    read("UTF-16 LE without a mark", ENGLISH.encode("utf-16-le"), "utf-16-le", ENGLISH),
    read("UTF-16 BE without a mark", KOREAN.encode("utf-16-be"), "utf-16-be", KOREAN),
    read("UTF-32 with a mark", codecs.BOM_UTF32_LE + CHINESE.encode("utf-32-le"), "utf-32-le", CHINESE),
    read("UTF-32 without a mark", CHINESE.encode("utf-32-be"), "utf-32-be", CHINESE),
    read("Windows-1252", FRENCH.replace("'", "’").encode("cp1252"), "cp1252", FRENCH.replace("'", "’")),
    read("Latin-1 French", FRENCH.encode("latin-1"), "cp1252", FRENCH),
    read("Shift-JIS", JAPANESE.encode("shift_jis"), "shift_jis", JAPANESE),
    read("GB18030", CHINESE.encode("gb18030"), "gb18030", CHINESE),
    read("EUC-KR", KOREAN.encode("euc_kr"), "cp949", KOREAN),
    read("KOI8-R", RUSSIAN.encode("koi8-r"), "koi8-r", RUSSIAN),
    read("Windows-1251", RUSSIAN.encode("cp1251"), "cp1251", RUSSIAN),
    refused("a PNG named .txt", picture(), OTHER_KIND),
    refused("a zip named .txt", archive(), OTHER_KIND),
    refused("a PDF named .txt", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n" + ENGLISH.encode(), OTHER_KIND),
    refused("random bytes", bytes(range(256)) * 40, NOISE),
    read("NUL bytes here and there", ENGLISH.replace("best", "be\0st").encode(), "utf-8", ENGLISH),
    refused("NUL bytes alone", bytes(5000), NOISE),
    read("CRLF and CR mixed", MIXED.encode(), "utf-8", "It was the best of times,\n it was"),
    read("one line of 2 MB", LINE.encode(), "utf-8", LINE),
    refused("the same character all over", b"a" * 5000, ONE_SYMBOL),
    read("100,000 distinct characters", many_symbols().encode(), "utf-8", many_symbols()),
    read("emoji joined by ZWJ", EMOJI.encode(), "utf-8", EMOJI),
    read("combining marks (NFD)", NFD.encode(), "utf-8", FRENCH),
    refused("a mountain of accents", ("a" + "\u0301" * 300 + " ").encode() * 40, ZALGO),
    read("Arabic and Hebrew with directions", BIDI.encode(), "utf-8", BIDI),
    read("HTML with scripts", HTML.encode(), "utf-8", HTML, "page.html"),
    read("UTF-8 cut inside a character", (CHINESE + "茶").encode()[:-1], "utf-8", CHINESE),
    read("a name of quotes, emoji and 200 characters", ENGLISH.encode(), "utf-8", ENGLISH, LONG_NAME),
    read("a name with a line end", ENGLISH.encode(), "utf-8", ENGLISH, "two\nlines\t.txt"),
    read("a name that climbs", ENGLISH.encode(), "utf-8", ENGLISH, "../../etc/passwd"),
)  # fmt: skip
