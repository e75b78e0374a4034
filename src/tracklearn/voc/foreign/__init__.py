"""Photos and annotations as other people's tools leave them."""
