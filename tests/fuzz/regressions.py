"""Seeds of the inputs that failed before the readers were mended."""

FAILED_ONCE: dict[str, tuple[int, ...]] = {
    "caffemodel": (58, 66, 80),
    "hdf5": (3, 13, 23, 27, 30, 35, 62, 88, 90, 120, 127, 134, 143, 173, 182, 194, 207, 220, 229, 256, 289),
    "photos": (230,),
    "safetensors": (2, 13, 153),
    "settings": (13, 22, 48),
    "spool": (2, 4, 6, 24),
    "tables": (1, 3, 5, 6, 10, 13, 19, 46, 54, 63, 64, 67, 69, 72, 108, 125, 131, 203, 270),
    "tars": (4, 27, 65, 67, 218),
}
