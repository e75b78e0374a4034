"""Limits of working memory. None of them changes a result."""

DECODED_IMAGES_BYTES = 8e9  # decoded photos that a training keeps in memory; the others are decoded again each time
BOOTSTRAP_VALUES = 4_000_000  # values of one working array of the bootstrap: 32 MB in double precision
