"""XML as labelling tools leave it: in any encoding, with bare ampersands, control characters or a late declaration."""

import re
from xml.etree import ElementTree

from tracklearn.errors import UserError
from tracklearn.voc.annotations import LARGER_ENCODINGS

_DECLARATION = re.compile(rb"""\s*<\?xml[^>]*encoding=["']([\w.:-]+)""")

# ASSUME: the order in which other encodings are tried. gb18030 instead of gb2312 would accept many Western words.
_ASSUMED = ("utf-8-sig", "gb2312", "cp1252", "latin-1")


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
    declared = _DECLARATION.match(data)
    name = declared[1].decode("ascii").lower() if declared else ""
    utf_16 = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ()
    for encoding in (*utf_16, LARGER_ENCODINGS.get(name, name), *_ASSUMED):
        try:
            root = ElementTree.fromstring(_mended(data.decode(encoding)))
        except (ElementTree.ParseError, ValueError, LookupError):
            continue
        return root, f"read as {encoding} ({reason})"
    raise UserError(reason)


def _mended(text: str) -> str:
    text = re.sub(r"^\s*<\?xml.*?\?>", "", text.strip().removeprefix("\ufeff"), count=1, flags=re.DOTALL)
    text = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", "", text)
    return re.sub(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)", "&amp;", text)
