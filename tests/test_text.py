"""text and encoding: whatever bytes a stranger sends become a text with a stated encoding, or one sentence."""

import codecs
import gzip
import io
import random
import struct
import time
import unicodedata
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from charlm.config import ENCODINGS, TextConfig
from charlm.encoding import decoded, name_of
from charlm.errors import TextError
from charlm.text import MAX_MARKS, Text, clean_text, conventional, decode_text

ENGLISH = "The quick brown fox jumps over the lazy dog, and then it rests.\n" * 8
FRENCH = "Où est l’été ? Là-bas, près du cœur, disait-elle à « Zoé ».\n" * 8
RUSSIAN = "Съешь же ещё этих мягких французских булок, да выпей чаю.\n" * 8
GREEK = "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία, είπε ο Γιώργος.\n" * 8
POLISH = "Zażółć gęślą jaźń, powiedział źrebak do łabędzia.\n" * 8
JAPANESE = "いろはにほへと、ちりぬるを。私は東京の古い家に住んでいます。\n" * 8
CHINESE = "河边的茶馆里，一位老人慢慢地讲着他年轻时候的故事。\n" * 8
TAIWANESE = "河邊的茶館裡，一位老人慢慢地講著他年輕時候的故事。\n" * 8
KOREAN = "언덕 위의 작은 빵집에서 할머니가 매일 아침 빵을 굽는다.\n" * 8
LANGUAGES = {
    "english": ENGLISH, "french": FRENCH, "russian": RUSSIAN, "greek": GREEK, "japanese": JAPANESE, "chinese": CHINESE,
    "korean": KOREAN,
}  # fmt: skip
every_language = pytest.mark.parametrize("text", LANGUAGES.values(), ids=LANGUAGES)
WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
MARKS = {"utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
MARKS |= {"utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE}


def read(data: bytes, encoding: str = "auto", **more: object) -> Text:
    return decode_text(data, TextConfig(encoding=encoding, **more))


def notes(found: Text) -> list[str]:
    """What the report says, in English."""
    return list(map(str, found.report.notes))


def refusal(data: bytes, encoding: str = "auto") -> str:
    """The sentence with which it is refused."""
    with pytest.raises(TextError) as caught:
        read(data, encoding)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png() -> bytes:
    dice = random.Random(0)
    rows = b"".join(b"\0" + dice.randbytes(300) for _ in range(100))
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II5B", 100, 100, 8, 2, 0, 0, 0) + zlib.compress(rows)


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("text.txt", ENGLISH)
    return file.getvalue()


# --- what is no text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (png(), "a PNG picture"),
        (gzip.compress(ENGLISH.encode()), "a gzip archive"),
        (zipped(), "a zip archive or an office document"),
        (b"%PDF-1.7\n" + ENGLISH.encode(), "a PDF document"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(100), "a JPEG picture"),
        (b"{\\rtf1\\ansi Hello}", "a rich text document"),
    ],
)
@pytest.mark.parametrize("encoding", ["auto", "utf-8", "latin-1"])
def test_other_files_are_refused_by_name(data: bytes, kind: str, encoding: str) -> None:
    assert refusal(data, encoding).startswith(f"This is {kind}, not a text.")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_empty_file(encoding: str) -> None:
    assert refusal(b"", encoding).startswith("The file is empty.")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(
    "data", [random.Random(1).randbytes(50_000), png()[8:], bytes(10_000)], ids=["random", "compressed", "zero"]
)
def test_noise_is_refused(data: bytes, encoding: str) -> None:
    """Compressed, random and zero bytes without a name: not in any of the encodings."""
    assert refusal(data, encoding).startswith(("This is not a text: ", "This is not "))


@pytest.mark.parametrize(
    "text", ["ID3 is an algorithm.", "GIF89 is old.", "Rar! it said.", "OggS", "PK", "BZh", "%PDF"]
)
def test_words_that_look_like_a_mark_are_text(text: str) -> None:
    assert read(text.encode()).text == text


# --- byte order marks and wide encodings ------------------------------------------------------------------------------


@every_language
@pytest.mark.parametrize("encoding", MARKS)
def test_a_byte_order_mark_is_believed_and_removed(text: str, encoding: str) -> None:
    found = read(MARKS[encoding] + text.encode(encoding))
    assert (found.text, found.report.encoding) == (text, encoding)
    assert notes(found) == [f"byte order mark of {encoding.upper()} removed"]
    family = encoding.removesuffix("-le").removesuffix("-be")
    assert read(MARKS[encoding] + text.encode(encoding), family) == found


def test_a_byte_order_mark_is_believed_before_a_choice() -> None:
    found = read(codecs.BOM_UTF8 + FRENCH.encode(), "cp1252")
    assert (found.text, found.report.encoding) == (FRENCH, "utf-8")
    assert notes(found) == ["byte order mark of UTF-8 removed; it is not read as Windows-1252"]


def test_a_mark_that_two_encodings_share() -> None:
    """FF FE 00 00 begins UTF-32, or UTF-16 with a zero character."""
    data = codecs.BOM_UTF16_LE + ("\0" + ENGLISH).encode("utf-16-le")
    found = read(data, "utf-16")
    assert (found.text, found.report.encoding) == (ENGLISH, "utf-16-le")
    assert notes(found)[-1] == "control characters removed: 1"


@pytest.mark.parametrize("encoding", MARKS)
def test_a_mark_alone_is_an_empty_text(encoding: str) -> None:
    assert read(MARKS[encoding]).text == ""


@every_language
@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("is_chosen", [False, True])
def test_wide_encodings_without_a_mark(text: str, encoding: str, is_chosen: bool) -> None:
    found = read(text.encode(encoding), encoding[:6] if is_chosen else "auto")
    assert (found.text, found.report.encoding) == (text, encoding)
    verb = "read as" if is_chosen else "the zero bytes say"
    assert notes(found) == [f"no byte order mark; {verb} {encoding.upper()}"]


@pytest.mark.parametrize("encoding", WIDE)
def test_a_pair_cut_where_looking_ends_is_no_error(encoding: str) -> None:
    for shift in range(4):
        text = "ab "[:shift] + "👋 hello\n" * 9000
        assert read(text.encode(encoding)).text == text


def test_utf16_chinese_without_line_ends_is_read_when_chosen() -> None:
    """Not a zero byte in it, so nothing tells what it is: who says so is believed, who does not is told how."""
    text = CHINESE.replace("\n", "").replace("一", "")
    for encoding in ("utf-16-le", "utf-16-be"):
        assert b"\0" not in text.encode(encoding)
        assert read(text.encode(encoding), "utf-16").text == text
        assert refusal(text.encode(encoding)).endswith("or choose its encoding.")


@pytest.mark.parametrize("nuls", [1, 3, 40])
@pytest.mark.parametrize("text", [ENGLISH, FRENCH, CHINESE], ids=["english", "french", "chinese"])
def test_a_few_zero_bytes_do_not_make_utf16(text: str, nuls: int) -> None:
    dice, chars = random.Random(nuls), list(text)
    for _ in range(nuls):
        chars.insert(dice.randrange(len(chars)), "\0")
    found = read("".join(chars).encode())
    assert (found.text, found.report.encoding) == (text, "utf-8")
    assert notes(found) == [f"control characters removed: {nuls}"]


def test_zero_bytes_anywhere_between_words_do_not_make_utf16() -> None:
    """Two letters side by side are a Chinese character in UTF-16; where the zero bytes stand tells what they are."""
    dice = random.Random(0)
    words = ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 12))) for _ in range(60)]
    data = "\0".join(words).encode()
    assert len(data[: len(data) // 2 * 2].decode("utf-16-le")) == len(data) // 2
    found = read(data)
    assert (found.text, found.report.encoding) == ("".join(words), "utf-8")


def test_what_is_not_utf16_or_utf32_is_refused() -> None:
    assert "This is not UTF-32-" in refusal(ENGLISH.encode(), "utf-32")
    assert "This is not UTF-8: byte 1 does not fit" in refusal(codecs.BOM_UTF8[:1] + FRENCH.encode("cp1252"), "utf-8")


# --- one-byte and East Asian encodings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "utf-8"), (FRENCH, "cp1252"), (FRENCH.replace("’", "'").replace("œ", "oe"), "latin-1"),
        (POLISH, "cp1250"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (GREEK, "cp1253"), (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"), (CHINESE, "gb18030"), (TAIWANESE, "big5"), (KOREAN, "cp949"),
    ],
)  # fmt: skip
def test_a_chosen_encoding(text: str, encoding: str) -> None:
    found = read(text.encode(encoding), encoding)
    assert (found.text, found.report.encoding, found.report.notes) == (text, encoding, ())


def test_every_choice_is_an_encoding() -> None:
    for encoding in ENCODINGS[1:]:
        assert read("plain ASCII text\n".encode(encoding), encoding).text == "plain ASCII text\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r"), (JAPANESE, "shift_jis"), (JAPANESE, "euc_jp"), (CHINESE, "gb18030"),
        (TAIWANESE, "big5"), (KOREAN, "cp949"), (POLISH, "cp1250"), (GREEK, "cp1253"), (FRENCH, "cp1252"),
        ("全球人工智能技术发展迅速，许多公司投入大量资金进行研究，这将改变我们的生活方式。", "gb18030"),
        ("東京は日本の首都である。カタカナのテキストもコンピューターでよく使われます。", "shift_jis"),
        ("Реве та стогне Дніпр широкий, сердитий вітер завива, додолу верби гне високі.", "cp1251"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy. Nějaká řeč, kterou všichni znají.", "cp1250"),
        ("El niño comió piñas; ¿dónde está el camión? Mañana irá él también según mamá.", "cp1252"),
        ("Não há ações que não são emoções; a canção é do coração, e à manhã vão lá.", "cp1252"),
        ("Får får får? Nej, får får lamm. På ön är ån så här lång och öde i år.", "cp1252"),
        ("ÉTÉ À LA MER, DÉJÀ VU, ÇA ET LÀ, NOËL À PÂQUES", "cp1252"),
    ],
)  # fmt: skip
def test_auto_tells_encodings_by_their_letters(text: str, encoding: str) -> None:
    """And says which one it took, and from which byte on it is no UTF-8."""
    data = text.encode(encoding)
    found = read(data)
    with pytest.raises(UnicodeDecodeError) as caught:
        data.decode("utf-8")
    assert (found.text, found.report.encoding) == (text, encoding)
    assert notes(found) == [
        f"not UTF-8 (byte {caught.value.start + 1}), so read as {name_of(encoding)};"
        " if its beginning looks wrong, choose its encoding"
    ]


def test_auto_falls_back_to_windows_1252() -> None:
    """Of an encoding that it does not know: wrong letters, but stated, and never a traceback."""
    data = "ไทยเป็นภาษาที่มีวรรณยุกต์ และเขียนติดกันโดยไม่เว้นวรรค".encode("cp874")
    found = read(data)
    assert found.report.encoding == "cp1252" and "so read as Windows-1252" in notes(found)[0]
    broken = sum(byte in b"\x81\x8d\x8f\x90\x9d" for byte in data)
    assert found.text.count("\ufffd") == broken


def test_auto_reads_western_texts_right() -> None:
    found = read(FRENCH.encode("cp1252"))
    assert (found.text, found.report.encoding) == (FRENCH, "cp1252")
    guess = "not UTF-8 (byte 2), so read as Windows-1252; if its beginning looks wrong, choose its encoding"
    assert notes(found) == [guess]
    rare = ENGLISH + "The café.\n"  # one accent in five hundred letters is no damaged UTF-8
    assert read(rare.encode("cp1252")).text == rare
    quotes = "“Yes” – it’s ‘€5’…\n" * 9
    assert read(quotes.encode("cp1252")).text == quotes


def test_windows_1252_with_bytes_that_stand_for_nothing() -> None:
    data = "é".encode("cp1252") * 60 + b"\x81 \x9d"
    found = read(data)
    assert found.text == "é" * 60 + "\ufffd \ufffd"
    assert notes(found)[1:] == ["bytes without a meaning, each now \ufffd: 2"]
    chosen = read(data, "cp1252")
    assert chosen.text == found.text
    damage = "damaged places, each now \ufffd: 2 (the first, byte 61, is not Windows-1252)"
    assert notes(chosen) == [damage]
    assert refusal(b"\x81" * 50 + "é".encode("cp1252"), "cp1252").startswith("This is not Windows-1252: byte 1 does")


@pytest.mark.parametrize(
    ("text", "torn", "encoding"),
    [
        (FRENCH, "é", "utf-8"), (CHINESE, "中", "utf-8"), (JAPANESE, "中", "shift_jis"), (CHINESE, "中", "gb18030"),
        (FRENCH, "é", "utf-16-le"),
    ],
)  # fmt: skip
def test_a_file_cut_inside_a_character_keeps_its_encoding(text: str, torn: str, encoding: str) -> None:
    """As by `head -c`. In Windows-1252 all of its accents would be wrong."""
    data = (text + torn).encode(encoding)[:-1]
    found = read(data, {"utf-8": "auto", "utf-16-le": "utf-16"}.get(encoding, encoding))
    assert (found.text, found.report.encoding) == (text + "\ufffd", encoding)
    assert notes(found)[-1].startswith("damaged places, each now \ufffd: 1 (the first, byte ")


def test_a_little_damage_is_counted() -> None:
    data = bytearray(FRENCH.encode())
    dice, bad = random.Random(3), 4
    for place in dice.sample([i for i, byte in enumerate(data) if byte == ord("e")], bad):
        data[place] = 0xFF
    found = read(bytes(data))
    assert found.report.encoding == "utf-8" and found.text.count("\ufffd") == bad
    damage = f"damaged places, each now \ufffd: {bad} (the first, byte {data.index(0xFF) + 1:,}, is not UTF-8)"
    assert notes(found) == [damage]


def test_shift_jis_and_big5_as_windows_writes_them() -> None:
    text = "①髙橋さん㈱\n" * 20
    assert read(text.encode("cp932"), "shift_jis").text == text
    with pytest.raises(UnicodeDecodeError):
        text.encode("cp932").decode("shift_jis")
    text = "香港嘅茶餐廳\n" * 20
    assert read(text.encode("big5hkscs"), "big5").text == text


# --- the conventions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "note"),
    [
        ("a\r\nb\r\n", "a\nb\n", "line ends made LF: 2 (CRLF: 2, CR: 0)"),
        ("a\rb\r", "a\nb\n", "line ends made LF: 2 (CRLF: 0, CR: 2)"),
        ("a\r\nb\rc\n\r\n", "a\nb\nc\n\n", "line ends made LF: 3 (CRLF: 2, CR: 1)"),
        ("a\r", "a\n", "line ends made LF: 1 (CRLF: 0, CR: 1)"),
        ("\0a\0b\x07", "ab", "control characters removed: 3"),
        ("é\x85\x7f\ufeff中\ufffe\uffff", "é中", "control characters removed: 5"),
        ("e\u0301te\u0301", "été", "composed to Unicode NFC (é is one character, not e and an accent)"),
        ("\u1112\u1161\u11ab", "한", "composed to Unicode NFC (é is one character, not e and an accent)"),
        ("a\ud800b", "a\ufffdb", "halves of characters, each now \ufffd: 1"),
        ("\udc80\udcff!", "\ufffd\ufffd!", "halves of characters, each now \ufffd: 2"),
        ("\ufffd\ud800", "\ufffd\ufffd", "halves of characters, each now \ufffd: 1"),
        ("\ud83d\udc4b", "👋", "halves of characters joined to whole ones: 1"),
    ],
)
def test_each_change_is_a_note(before: str, after: str, note: str) -> None:
    found = clean_text(before)
    assert (found.text, notes(found)) == (after, [note])
    assert (found.report.encoding, found.report.chars) == ("pasted", len(after))
    assert conventional(before) == after


def test_bytes_of_broken_file_names_are_replaced() -> None:
    text = b"caf\xe9 au lait".decode("utf-8", "surrogateescape")
    assert clean_text(text).text == "caf\ufffd au lait"


@pytest.mark.parametrize(
    "text",
    [
        "", "a", " ", "\n", "\t\n", "👨‍👩‍👧‍👦 🏳️‍🌈 👋🏽", "🇫🇷🇪🇸🇰🇷", "1️⃣ ❤️", "x̂ q̃ n̈", "漢字かな、𠮷野家", "한국어 문장",
        "שלום עולם", "\u202bمرحبا\u202c \u200e\u2067x\u2069", "ﬁ ½ ２ Ⅷ ﷺ", "a\u00a0b\u2028c\u2029d\u3000e",
        "\u00ad\u200b", "\ue000 \U000f0000", "don’t – “stop”…", "\ufffd",
    ],
)  # fmt: skip
def test_what_is_left_alone(text: str) -> None:
    """Clusters, scripts, directions, blanks and compatibility characters (never NFKC)."""
    for found in (clean_text(text), *([read(text.encode())] if text else [])):
        assert (found.text, found.report.notes, found.report.chars) == (text, (), len(text))


def test_the_unit_is_the_code_point() -> None:
    assert read("👨‍👩‍👧‍👦".encode()).report.chars == 7
    assert read("🇫🇷".encode()).report.chars == 2


def test_what_a_control_character_kept_apart_is_joined() -> None:
    """So that cleaning twice is cleaning once."""
    assert clean_text("e\0\u0301").text == "é"
    found = clean_text("a\r\0\nb")
    assert (found.text, len(found.report.notes)) == ("a\nb", 2)


@pytest.mark.parametrize("marks", ["\u0301\u0316", "\u0301", "\U0001d165\U0001d16d"])
def test_a_mountain_of_accents_is_refused(marks: str) -> None:
    """Python sorts the marks of a letter by insertion: 200,000 would take a minute, a million half an hour."""
    began = time.process_time()
    with pytest.raises(TextError, match=r"More than 100 accents follow one letter \(character 10\)"):
        clean_text("Zalgo e\u0301a" + marks * 200_000)
    assert time.process_time() - began < 2


def test_many_accents_are_composed_like_few() -> None:
    text = "Z" + "\u0301\u0316" * (MAX_MARKS // 2) + "algo"
    assert clean_text(text).text == unicodedata.normalize("NFC", text) != text
    flags = "🇫🇷" * 300 + "e\u0301"  # a long run of the second plane is no run of marks
    assert clean_text(flags).text == "🇫🇷" * 300 + "é"


# --- folding and length -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Où est l’été ?", "Ou est l'ete ?"), ("“Yes” – no… «ça»", '"Yes" - no... "ca"'),
        ("cœur Æsop Straße", "coeur AEsop Strasse"), ("ﬁ ２", "fi 2"), ("Łódź Ørsted", "Lodz Orsted"),
        ("a\u00a0b", "a b"), ("日本 ok 👋!", " ok !"),
    ],
)  # fmt: skip
def test_folding_to_ascii(before: str, after: str) -> None:
    found = clean_text(before, TextConfig(ascii=True))
    assert found.text == after
    assert notes(found) == [f"folded to ASCII ({len(before)} characters became {len(after)})"]


def test_ascii_has_nothing_to_fold() -> None:
    assert clean_text(ENGLISH, TextConfig(ascii=True)).report.notes == ()


def test_only_the_first_characters() -> None:
    found = read(ENGLISH.encode(), max_chars=100)
    assert found.text == ENGLISH[:100]
    assert (found.report.chars, notes(found)) == (100, ["only the first 100 of 512 characters"])
    assert clean_text(ENGLISH, TextConfig(max_chars=512)).report.notes == ()
    assert clean_text("œ" * 10, TextConfig(ascii=True, max_chars=6)).text == "oeoeoe"  # of what is learned


# --- any text, any bytes ----------------------------------------------------------------------------------------------

CONFIGS = st.builds(TextConfig, ascii=st.booleans(), max_chars=st.integers(0, 20))
TRICKY = st.text(
    st.sampled_from("ae\r\n\0\x85\ufeff\u0301\u0316\u0327é한\u1112\u1161\ud83d\udc4b\ufffd👋œ") | st.characters()
)


@settings(max_examples=300)
@given(TRICKY, CONFIGS)
def test_clean_twice_is_clean_once(text: str, config: TextConfig) -> None:
    once = clean_text(text, config)
    again = clean_text(once.text, config)
    assert again.text == once.text
    assert again.report.notes == ()
    assert unicodedata.is_normalized("NFC", once.text) and not set(once.text) & set("\0\r\x85\ufeff")
    once.text.encode("utf-8")
    assert (once.text == text) or once.report.notes
    assert not config.ascii or once.text.isascii()
    assert not config.max_chars or len(once.text) <= config.max_chars


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(ENCODINGS))
def test_any_bytes_are_a_text_or_one_sentence(data: bytes, encoding: str) -> None:
    try:
        found = read(data, encoding)
    except TextError as error:
        assert len(str(error)) < 200 and "\n" not in str(error)
    else:
        assert found.report.encoding and clean_text(found.text).text == found.text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"]), min_size=1))
def test_any_utf8_is_read_as_it_is(text: str) -> None:
    found = decoded(text.encode("utf-8"))
    assert found.text == text.removeprefix("\ufeff")
    assert found.encoding == "utf-8"


# --- time -------------------------------------------------------------------------------------------------------------

LARGE = {  # 50 MB in one line each
    "ascii": b"abcdefghi " * 5_000_000,
    "chinese": "河边的茶馆里，".encode() * 2_400_000,
    "windows-1252": "déjà vu. ".encode("cp1252") * 5_500_000,
    "nothing but zero bytes after the first page": b"a" * 65_536 + bytes(50_000_000),
    "bytes without a meaning": b"a\x81" * 25_000_000,
}


@pytest.mark.parametrize("name", LARGE)
def test_fifty_megabytes_in_one_line(name: str) -> None:
    began = time.process_time()
    found = read(LARGE[name])
    assert time.process_time() - began < 10  # takes under 2; a loop over characters takes over 20
    assert found.report.chars > 60_000
