"""Turning videos into pairs of patches (paper §4): filter the frames, track the query box, pack the patches."""
