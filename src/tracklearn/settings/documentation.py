"""The tables of config/README.md and the schema of the configuration, written from the classes of settings."""

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from tracklearn.errors import UserError
from tracklearn.settings.base import Settings, expected, is_block, key_of, without_null
from tracklearn.settings.experiment import Configuration

TOP = "top level"
MARKED = re.compile(r"(?P<start><!-- settings: (?P<block>[^>]+?) -->\n)(?P<table>.*?)(?P<end><!-- end -->)", re.DOTALL)
START = re.compile(r"<!-- settings: ")


class _Schema(GenerateJsonSchema):
    """A JSON schema without a title for every key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schema() -> str:
    """The JSON schema of the configuration, for editors that complete and check YAML."""
    schema = Configuration.model_json_schema(schema_generator=_Schema)
    return json.dumps({"$schema": _Schema.schema_dialect, **schema}, indent=2, ensure_ascii=False) + "\n"


def with_tables(text: str) -> str:
    """A Markdown text with the table of each block between `<!-- settings: BLOCK -->` and `<!-- end -->`.

    Raises:
        UserError: a block that the configuration does not have, or a marker without its end.
    """
    starts, blocks = len(START.findall(text)), list(MARKED.finditer(text))
    if starts != len(blocks) or any(START.search(match["table"]) for match in blocks):
        raise UserError(f"{starts} markers of settings, but not as many ends; expected <!-- end --> after every table")
    return MARKED.sub(lambda match: f"{match['start']}{table(match['block'])}{match['end']}", text)


def table(block: str) -> str:
    """The table of a block's keys, in Markdown; blocks within it have tables of their own.

    Raises:
        UserError: no such block.
    """
    rows = [_row(key, field) for key, field in _keys(block) if not _has_own_table(field.annotation)]
    return "\n".join(["| key | default | value | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _keys(block: str) -> Iterator[tuple[str, FieldInfo]]:
    """Keys of a block; of several kinds of a block (schedules), each key once."""
    kinds: list[type[Settings]] = [Configuration]
    for part in [] if block == TOP else block.split("."):
        fields = {key_of(name, field): field for kind in kinds for name, field in kind.model_fields.items()}
        kinds = _blocks(fields[part].annotation) if part in fields else []
        if not kinds:
            raise UserError(f"settings: {block} is no block of the configuration; write its path, or {TOP!r}")
    yield from {key_of(name, field): field for kind in kinds for name, field in kind.model_fields.items()}.items()


def _blocks(kind: Any) -> list[type[Settings]]:
    """Classes of settings that an annotation holds, alone or as elements."""
    kind = without_null(kind)
    if is_block(kind):
        return [kind]
    return [block for inner in get_args(kind) for block in _blocks(inner)]


def _has_own_table(kind: Any) -> bool:
    return bool(_blocks(kind)) and without_null(kind) is kind


def _row(key: str, field: FieldInfo) -> str:
    facts: dict[str, Any] = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    default = "required" if field.is_required() else f"`{_in_yaml(field.default)}`"
    value = "; ".join(filter(None, [facts.get("unit"), expected(field.annotation, field.metadata)]))
    source = [f"PAPER {facts['paper']}"] if "paper" in facts else []
    source += [f"ASSUME: {facts['assume']}"] if "assume" in facts else []
    meaning = ". ".join([field.description or "", *source])
    return " | ".join(["| `" + key + "`", default, _escaped(value), _escaped(meaning) + " |"])


def _in_yaml(value: Any) -> str:
    """A default as the configuration writes it."""
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_in_yaml, value))}]"
    return json.dumps(value)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
