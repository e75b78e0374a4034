"""The list of videos, its shards, their download, and their frames in the paper's size."""
