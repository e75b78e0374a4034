"""The true normals of all images, computed or given, in one HDF5 file."""

from pathlib import Path

import numpy as np

from tracklearn.errors import UserError
from tracklearn.hdf5 import new_hdf5
from tracklearn.normals.given import GivenNormals
from tracklearn.normals.nyuv2 import Nyuv2
from tracklearn.normals.plane_fits import normals_from_depth
from tracklearn.normals.truth import REPORTED, SCALE
from tracklearn.report import Report, silent
from tracklearn.settings.base import Block
from tracklearn.settings.normals import Normals


def write_truth(
    nyuv2: str | Path, out: str | Path, settings: Block = None, *, report: Report = silent
) -> dict[str, float]:
    """Write the normals of every image of a file in NYUv2's layout, zero in pixels that the Kinect did not measure.

    Args:
        settings: `settings.normals.Normals`, of which `given`, `axes` and `plane_fits` count.
        out: HDF5 file, see `truth.Truth`.

    Returns:
        Number of images, and the share of pixels with a normal.

    Raises:
        UserError: damaged files, an image without any normal, or given normals of other images or other axes.
    """
    normals_settings = Normals.read(settings)
    source, fits = normals_settings.given, normals_settings.plane_fits
    known = 0
    with (
        Nyuv2(nyuv2) as photos,
        new_hdf5(out, len(photos) * photos.camera.height * photos.camera.width * 3 * 2) as file,
    ):
        count, camera = len(photos), photos.camera
        size = (camera.height, camera.width)
        given = GivenNormals(source, (count, *size), normals_settings.axes) if source else None
        stored = file.create_dataset(
            "normals", (count, *size, 3), np.int16, chunks=(1, *size, 3), compression="lzf", shuffle=True
        )
        stored.attrs["source"] = f"given: {Path(source).name}" if source else "planes fitted to the depth"
        stored.attrs["mask"] = "measured by the Kinect" if photos.has_raw else "where the truth is defined"
        for image in range(count):
            normals = given[image] if given else normals_from_depth(photos.depth(image), camera, fits)
            normals[~photos.measured(image)] = 0
            if not normals.any():
                raise UserError(f"{source or nyuv2}: no pixel of image {image + 1} has a normal; leave the image out")
            stored[image] = np.round(SCALE * normals)
            known += int(np.count_nonzero(normals.any(axis=-1)))
            if (image + 1) % REPORTED == 0:
                report(image + 1, {"images": image + 1})
    return {"images": float(count), "known": known / (count * size[0] * size[1])}
