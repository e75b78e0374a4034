"""What all blocks of the configuration share: how they are read, what errors say, how a setting is declared."""

import difflib
import math
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeAlias, Union, get_args, get_origin

from annotated_types import Ge, Gt, Interval, MinLen
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from tracklearn.errors import UserError

Share = Annotated[float, Interval(ge=0, le=1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Count = Annotated[int, Ge(1)]
Natural = Annotated[int, Ge(0)]
Names = Annotated[tuple[str, ...], MinLen(1)]

LIMITS = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "pattern")
LONGEST_VALUE = 100  # characters of a value that an error message quotes
KINDS = {
    float: ("a number", "numbers"),
    int: ("a whole number", "whole numbers"),
    str: ("text", "names"),
    bool: ("true or false", "true or false"),
}


class Settings(BaseModel):
    """A block of the configuration, checked and immutable.

    Numbers are never taken from text or from true and false. Whole numbers and numbers are taken for each other where
    no digit is lost, and NaN and infinity are refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    where: ClassVar[str] = ""
    """Place of the block in the configuration, for example "mining.filter"; empty for the whole."""

    @classmethod
    def read(cls, values: "Block" = None, *, where: str | None = None) -> Self:
        """Check a block; what it does not say has its default.

        Args:
            values: settings by their key in the configuration; None gives the defaults, settings that were read before
                are returned as they are.
            where: place of the block in error messages, by default that of the class.

        Raises:
            UserError: an unknown key, a missing key or a wrong value; names its place, the value and what was expected.
        """
        if isinstance(values, cls):
            return values
        given = {} if values is None else values
        try:
            return cls.model_validate(dict(given) if isinstance(given, Mapping) else given)
        except ValidationError as error:
            raise UserError(_explained(cls, given, cls.where if where is None else where, error)) from None

    def complete(self) -> dict[str, Any]:
        """The block with its defaults, keys in the order of the class, in types that JSON and YAML have."""
        return self.model_dump(mode="json", by_alias=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_declared(cls, value: Any, info: ValidationInfo) -> Any:
        """Take lists for tuples, any mapping for a dict, and 3.0 for a whole number."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, float) and value.is_integer() and _number(kind) is int:
            return int(value)
        return _plain(value)


Block: TypeAlias = Settings | Mapping[str, Any] | None
"""A block of the configuration as a function takes it: settings that were read, a mapping, or None for the defaults."""


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    paper: str = "",
    assume: str = "",
    **options: Any,
) -> Any:
    """Declare a setting.

    Args:
        default: its default, `...` where it has none.
        meaning: what it is, for config/README.md and the schema.
        unit: unit of its numbers.
        paper: section of the paper that the default is from.
        assume: why the default was chosen where the paper does not say.
        options: range (`gt`, `ge`, `lt`, `le`, `min_length`, `pattern`) and other arguments of pydantic's `Field`.
    """
    facts = {"unit": unit, "paper": paper, "assume": assume}
    return Field(
        default,
        description=meaning,
        json_schema_extra={name: fact for name, fact in facts.items() if fact},
        **options,
    )


def key_of(name: str, field: FieldInfo) -> str:
    """Key of a field in the configuration; it differs from the field's name where that would be a word of Python."""
    return field.alias or name


def without_null(kind: Any) -> Any:
    """An annotation without `| None`."""
    if get_origin(kind) in (Union, UnionType):
        kinds = [one for one in get_args(kind) if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007
    return kind


def is_block(kind: Any) -> bool:
    """Whether an annotation is a class of settings."""
    return isinstance(kind, type) and issubclass(kind, Settings)


def expected(kind: Any, limits: Sequence[Any] = (), *, plural: bool = False) -> str:
    """What a value may be, in words: "a whole number, at least 1", "one of hog, opencv", "a number, or null".

    Args:
        kind: annotation of the setting.
        limits: constraints that stand beside the annotation, as in `FieldInfo.metadata`.
        plural: word it as elements of a list: "whole numbers, at least 1".
    """
    inner = get_args(kind)
    if get_origin(kind) is Annotated:
        return expected(inner[0], (*limits, *inner[1:]), plural=plural)
    if NoneType in inner:
        return f"{expected(without_null(kind), limits)}, or null"
    bounds = {name: getattr(limit, name) for limit in limits for name in LIMITS if hasattr(limit, name)}
    return _words(kind, {name: bound for name, bound in bounds.items() if bound is not None})[plural]


def _words(kind: Any, bounds: Mapping[str, Any]) -> tuple[str, str]:
    """What one value of a kind is called, and what several are."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        values = ", ".join(map(str, inner))
        return f"one of {values}", values
    if origin is tuple:
        elements = _elements(inner, bounds)
        return f"a list of {elements}", f"lists of {elements}"
    if origin is dict:
        values = expected(inner[1], plural=True)
        return f"a block that maps names to {values}", f"blocks that map names to {values}"
    if is_block(kind):
        keys = ", ".join(key_of(name, field) for name, field in kind.model_fields.items())
        return f"a block with the keys {keys}", f"blocks with the keys {keys}"
    if kind not in KINDS:  # one of several blocks
        return "a block", "blocks"
    one, several = KINDS[kind]
    return one + _range(bounds), several + _range(bounds)


def _elements(kinds: tuple[Any, ...], bounds: Mapping[str, Any]) -> str:
    words = expected(kinds[0], plural=True)
    if kinds[-1] is not Ellipsis:
        return f"{len(kinds)} {words}"
    if bounds.get("min_length"):
        return f"one or more of {words}" if get_origin(kinds[0]) is Literal else f"one or more {words}"
    return words


def _range(bounds: Mapping[str, Any]) -> str:
    if "pattern" in bounds:
        return f" that matches {bounds['pattern']}"
    if {"ge", "le"} <= set(bounds):
        return f" from {bounds['ge']} to {bounds['le']}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most", "multiple_of": "a multiple of"}
    parts = [f"{words[name]} {bounds[name]}" for name in words if name in bounds]
    return (", " if parts and parts[0].startswith("at") else " " if parts else "") + " and ".join(parts)


def _number(kind: Any) -> type | None:
    """The type of a setting that is a number or null; None for other settings."""
    kind = without_null(kind)
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return kind if kind in (int, float) else None


def _plain(values: Any) -> Any:
    """Values as pydantic's strict mode takes them: dicts for mappings, tuples for lists."""
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return tuple(map(_plain, values))
    return values


class _Place(NamedTuple):
    """A value within a block: what it may be, where it stands, what it is."""

    kind: Any
    limits: Sequence[Any]
    path: str
    value: Any

    def within(self, part: Any) -> "_Place | None":
        """The value under a key or at an index; None where errors speak of the whole value."""
        kind = without_null(self.kind)
        inner = get_args(kind)
        if is_block(kind):
            fields = {key_of(name, field): field for name, field in kind.model_fields.items()}
            if part not in fields:
                return None
            return _Place(fields[part].annotation, fields[part].metadata, join(self.path, part), self.value.get(part))
        if get_origin(kind) is dict:
            return _Place(inner[1], (), join(self.path, part), self.value[part])
        if get_origin(kind) is tuple and is_block(inner[0]):
            return _Place(inner[0], (), f"{self.path}[{part}]", self.value[part])
        return None


def join(path: str, key: Any) -> str:
    """Place of a key within the block at `path`."""
    return f"{path}.{key}" if path else str(key)


def _explained(settings: type[Settings], values: Any, where: str, error: ValidationError) -> str:
    """The line for one error of a block: its first unknown key, or else its first error."""
    unknown = ("extra_forbidden", "invalid_key")
    first = min(error.errors(), key=lambda one: one["type"] not in unknown)
    place, *rest = _Place(settings, (), where, values), *first["loc"]
    while rest and (inner := place.within(rest[0])):
        place, rest = inner, rest[1:]
    if first["type"] in unknown:
        return _unknown_key(without_null(place.kind), place.path, rest[0])
    if first["type"] == "missing" and not rest:
        return f"{place.path} is missing; it has no default"
    if first["type"] == "value_error":
        return join(place.path, first["ctx"]["error"])
    if rest == ["[key]"]:
        return f"{place.path}: the name is {first['input']!r}; expected text: put it in quotes"
    return _wrong_value(place)


def _unknown_key(block: type[Settings], path: str, key: Any) -> str:
    known = [key_of(name, field) for name, field in block.model_fields.items()]
    close = difflib.get_close_matches(str(key), known, n=1)
    remedy = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"{join(path, key)}: unknown key; {remedy}"


def _wrong_value(place: _Place) -> str:
    shown = repr(place.value)
    if len(shown) > LONGEST_VALUE:
        shown = f"{shown[:LONGEST_VALUE]}..."
    message = f"{place.path or 'top level'} is {shown}; expected {expected(place.kind, place.limits)}"
    if isinstance(place.value, str) and _number(place.kind) and (number := _in_yaml(place.value)):
        return f"{message}: YAML reads {shown} as text, write {number}"
    return message


def _in_yaml(text: str) -> str:
    """How YAML 1.1 writes the number that a text holds, 1.0e-3 for 1e-3; empty where it holds none."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    digits, _, exponent = text.strip().lower().partition("e")
    if not exponent:
        return digits
    return f"{digits if '.' in digits else f'{digits}.0'}e{int(exponent):+d}"
