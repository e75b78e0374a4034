"""XML of any tool and encoding."""

import pytest

from tracklearn.errors import UserError
from tracklearn.voc.annotation_xml import parse_leniently


def xml(name, filename="?", folder=""):
    """An annotation of one object."""
    stated = f"<folder>{folder}</folder><filename>{filename}</filename>"
    return f"<annotation>{stated}<object><name>{name}</name></object></annotation>"


ENCODED = {
    "gb2312": ('<?xml version="1.0" encoding="gb2312"?>' + xml("苹果")).encode("gb2312"),
    "shift_jis": ('<?xml version="1.0" encoding="Shift_JIS"?>' + xml("りんご")).encode("shift_jis"),
    "euc-kr": ('<?xml version="1.0" encoding="euc-kr"?>' + xml("사과")).encode("euc-kr"),
    "utf-16": xml("苹果").encode("utf-16"),
    "said to be utf-8": ('<?xml version="1.0" encoding="utf-8"?>' + xml("p\u00eache")).encode("cp1252"),
    "utf-8 with a BOM": xml("苹果").encode("utf-8-sig"),
    "late declaration": ('\n <?xml version="1.0"?>' + xml("苹果")).encode(),
    "bare ampersand": xml("苹果", filename="C:\\a & b.jpg").encode(),
    "control character": xml("苹果", folder="\x01").encode(),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_xml_in_any_encoding(kind):
    root, mended = parse_leniently(ENCODED[kind])
    expected = {"shift_jis": "りんご", "euc-kr": "사과", "said to be utf-8": "p\u00eache"}.get(kind, "苹果")
    assert root.findtext("object/name") == expected
    assert bool(mended) == (kind not in ("utf-16", "utf-8 with a BOM"))


def test_what_is_not_xml_keeps_the_parsers_reason():
    with pytest.raises(UserError, match="no element found"):
        parse_leniently(b"")
