"""XML as labelling tools leave it: in any encoding, with bare ampersands, control characters or a late declaration."""

import codecs
import re
from pathlib import Path
from xml.etree import ElementTree

from tracklearn.errors import UserError
from tracklearn.files import UTF_16

OR_ADOPT = "or bring the folder into order: python -m tracklearn.voc.adopt"

# Files that declare a standard of East Asia often hold letters of its later, larger version.
LARGER_ENCODINGS = {
    **dict.fromkeys(["gb2312", "gb_2312-80", "gbk", "euc-cn"], "gb18030"),
    **dict.fromkeys(["shift_jis", "shift-jis", "sjis", "windows-31j"], "cp932"),
    **dict.fromkeys(["euc-kr", "ks_c_5601-1987"], "cp949"),
    "big5": "big5hkscs",
}

# ASSUME: the order in which other encodings are tried. gb18030 instead of gb2312 would accept many Western words.
_ASSUMED = ("utf-8-sig", "gb2312", "cp1252", "latin-1")


def read_xml(path: Path) -> ElementTree.Element:
    """The root of an annotation, read as `parse_leniently` reads it.

    Raises:
        FileNotFoundError: no such file.
        UserError: the file is not XML, or declares an unknown encoding.
    """
    data = path.read_bytes()
    try:
        codecs.lookup(_declared_encoding(data) or "utf-8")
        return parse_leniently(data)[0]
    except (LookupError, UserError) as error:
        raise UserError(f"{path}: not well-formed XML ({error}); expected a VOC annotation, {OR_ADOPT}") from error


def parse_leniently(data: bytes) -> tuple[ElementTree.Element, str]:
    """Parse XML, and mend what a strict parser refuses.

    Args:
        data: the bytes of an XML file.

    Returns:
        The root, and how the text was read if a strict parser refuses it, otherwise "".

    Raises:
        UserError: the mended text is not XML either; the message is the parser's reason alone.
    """
    try:
        return ElementTree.fromstring(data), ""
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        reason = str(error)
    utf_16 = ("utf-16",) if data.startswith(UTF_16) else ()
    for encoding in (*utf_16, _declared_encoding(data), *_ASSUMED):
        try:
            root = ElementTree.fromstring(_mended(data.decode(encoding)))
        except (ElementTree.ParseError, ValueError, LookupError):
            continue
        return root, f"read as {encoding} ({reason})"
    raise UserError(reason)


def _declared_encoding(data: bytes) -> str:
    """The encoding that an XML file declares, or its larger version; "" if it declares none."""
    declared = re.match(rb"""\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)""", data)
    name = declared[1].decode("ascii").lower() if declared else ""
    return LARGER_ENCODINGS.get(name, name)


def _mended(text: str) -> str:
    text = re.sub(r"^\s*<\?xml.*?\?>", "", text.strip().removeprefix("\ufeff"), count=1, flags=re.DOTALL)
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)
    return re.sub(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)", "&amp;", text)
