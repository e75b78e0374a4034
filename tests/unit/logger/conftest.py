from worlds.terminals import terminal

__all__ = ["terminal"]
