"""Scenes: whole photos classified by their features, and by GIST."""
