"""Pairs of patches: packed into shards, read, and looked at."""
