"""The small world of the demo: textured things before clutter, in videos, labelled pictures and a folder of classes."""
