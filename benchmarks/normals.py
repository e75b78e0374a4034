"""How fast are normals computed from depth, and how wrong are they?

Measured on rendered views of known normals at NYUv2's 640 x 480 pixels: a slanted plane 2 m away, a ball of radius 1 m
before a wall, and a room of 4 x 2.8 x 5 m with a cupboard and a ball. `clean` is the exact depth; `Kinect` has steps
of inverse depth and Gaussian noise of half a step; `8 bits` is the depth of PNG files in steps of 1 / 25.5 m.
"""

import sys
import time
from pathlib import Path

import numpy as np

from tracklearn.normals.angular_errors import angles
from tracklearn.normals.camera import KINECT
from tracklearn.normals.plane_fits import normals_from_depth

sys.path.insert(0, str(Path(__file__).parent.parent / "demo"))

from tests.worlds.rooms import View, plane, room, sphere

ROUNDS = 5


def main() -> None:
    """Print the speed and a table of errors."""
    views = {"plane": plane(KINECT, (0.4, 0.3, 1), 2), "ball": sphere(KINECT), "room": room(KINECT)}
    normals_from_depth(views["room"].depth, KINECT)  # compiles
    began = time.process_time()
    for _ in range(ROUNDS):
        normals_from_depth(views["room"].depth, KINECT)
    print(f"{ROUNDS / (time.process_time() - began):.1f} images of 640 x 480 pixels a second and core\n")
    print("| view | depth | mean error | median | pixels without a normal |")
    print("|---|---|---|---|---|")
    for name, view in views.items():
        rng = np.random.default_rng(0)
        for kind, seen in {"clean": view, "Kinect": view.noisy(rng), "8 bits": view.in_8_bits()}.items():
            print(f"| {name} | {kind} | {_figures(seen)} |")


def _figures(view: View) -> str:
    found = normals_from_depth(view.depth, KINECT)
    errors = angles(view.normals, found)
    missing = (view.depth > 0).mean() - found.any(axis=-1).mean()
    return f"{errors.mean():.2f} | {np.median(errors):.2f} | {missing:.1%}"


if __name__ == "__main__":
    main()
