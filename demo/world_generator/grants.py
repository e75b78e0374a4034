"""What a world grants the method: the demo's world grants all of it, and a harder world goes without some of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Grants:
    """What makes a world easy for the method, or saves it from a shortcut.

    - `known_categories`: the photos show the categories of the clips. Without this, no clip shows a category, an
      outline or a texture of a photo.
    - `large_things`: a thing nearly fills the tracked box. Without this, it is a third to three fifths as wide.
    - `equal_backgrounds`: all backgrounds have the same statistics. Without this, there is a kind of background for
      each category of the clips: half of the clips take the kind of their category, and half take any.
    - `equal_hues`: the hues of all things swing through the same band. Without this, each thing has a hue of its own.
    - `even_categories`: the clips show the categories in turn. Without this, each clip draws its category.
    """

    known_categories: bool = True
    large_things: bool = True
    equal_backgrounds: bool = True
    equal_hues: bool = True
    even_categories: bool = True

    @classmethod
    def without(cls, names: Iterable[str]) -> Grants:
        """All grants but the named ones."""
        return cls(**dict.fromkeys(names, False))


GRANTS = tuple(field.name for field in fields(Grants))
ALL = Grants()
