"""Seeds of the inputs that failed before the readers were mended."""

FAILED_ONCE: dict[str, tuple[int, ...]] = {}
