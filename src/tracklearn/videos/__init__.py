"""The list of videos, their download, and reading their frames; the loop over the videos of a shard."""
