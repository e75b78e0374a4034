"""The demo's small world: textured things on clutter, as videos, as labelled pictures and as a folder of classes."""
