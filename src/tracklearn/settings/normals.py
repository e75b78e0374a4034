"""Settings of the block `normals`: surface normals of NYUv2 (Table 2)."""

from typing import Annotated, ClassVar, Literal, Self

from annotated_types import Interval
from pydantic import model_validator

from tracklearn.settings.base import Count, Natural, NotNegative, Positive, Settings, Share, setting

Decoding = Literal["soft", "triangle"]
LABELED, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"  # NYUv2's files


class PlaneFits(Settings):
    """Normals from depth: a plane fitted to the neighbours of each pixel that lie on the same surface."""

    where: ClassVar[str] = "normals.plane_fits"

    window: Positive = setting(
        36,
        "Side of the square window of neighbours, for images of 640 pixels width; scaled with the width",
        unit="pixels",
        assume="the paper takes its truth from others; wide windows even out the sensor's noise",
    )
    depth_share: Share = setting(
        0.03,
        "A neighbour is on the pixel's surface if their depths differ by at most this share of the pixel's depth plus "
        "`depth_margin`",
        assume="a fit to all neighbours invents surfaces at the edges of objects",
    )
    depth_margin: NotNegative = setting(0.04, "See `depth_share`", unit="m", assume="see `depth_share`")
    sharpness: Share = setting(
        0.3,
        "A pixel takes the plane of a window whose centre lies a quarter or half a window away if that plane passes "
        "through the pixel and the mean square of its residuals is below this share of that of the pixel's own plane; "
        "0 keeps every pixel's own plane",
        assume="where walls meet, a window sees both of them",
    )
    least: Share = setting(
        0.1,
        "A pixel with fewer neighbours on its surface than this share of the window has no normal",
        assume="a few neighbours determine no plane",
    )


class Codebook(Settings):
    """The words in which a network answers."""

    where: ClassVar[str] = "normals.codebook"

    words: Annotated[int, Interval(ge=4, le=1000)] = setting(20, "Number of words", paper="§6.2.2")
    cells: Count = setting(20, "Number of rows and of columns of cells, each with one word", paper="§6.2.2")
    sample: Count = setting(
        200, "Number of random pixels of each training image that k-means sees", unit="pixels", assume="159,000 in all"
    )
    seed: Natural = setting(0, "Seed of the sample and of k-means")
    decoding: Decoding = setting(
        "soft",
        "How a normal is made from the probabilities of the words: `soft`, their mean over all words; `triangle`, over "
        "the three words of the triangle on the sphere with the largest summed probability",
        assume="both are in the authors' code",
    )


class Normals(Settings):
    """Surface normals of NYUv2."""

    where: ClassVar[str] = "normals"

    nyuv2: str = setting("data/nyuv2", "Folder of nyu_depth_v2_labeled.mat and splits.mat")
    download: bool = setting(True, "Whether files that are missing in `nyuv2` are downloaded to it (3 GB)")
    split: Literal["official", "tuning"] = setting(
        "official",
        "Which images train and which are evaluated. `official` is NYUv2's split into 795 and 654 images; `tuning` "
        "evaluates on a fixed fifth of the training images and trains on the others, so that settings can be chosen "
        "without a look at the test images",
    )
    given: str | None = setting(
        None,
        "File or folder of normals that somebody else computed, in the order and the size of NYUv2's images: a MATLAB "
        "or HDF5 file with the array `norms`, `normals` or `all_normals`, a pickled dictionary with `all_normals`, or "
        "a folder of PNG files whose colours are normals; null computes them from the depth",
    )
    axes: str = setting(
        "x y z",
        "Which components of the given file's normals, with which signs, point right, up and towards the camera, such "
        "as `x -y -z` for a file with y down and z into the room",
        pattern=r"^-?[xyz] -?[xyz] -?[xyz]$",
    )
    plane_fits: PlaneFits = setting(PlaneFits(), "Normals from depth")
    input_size: int | None = setting(
        None,
        "Side of the input of networks trained on normals; `null` takes that of `network`. Their parents may have "
        "another input: conv1 to conv5 have the same weights at any size",
        unit="pixels",
        ge=67,
    )
    fc7_std: Positive = setting(
        0.001,
        "Standard deviation of the initial weights of fc7, the answer",
        assume="as small as that, the first gradients of fc6 and of conv1 to conv5 do not undo what these layers know",
    )
    codebook: Codebook = setting(Codebook(), "The words in which a network answers")
    bootstrap: Count = setting(1000, "Number of draws of the test images behind each 95% interval", unit="draws")

    @model_validator(mode="after")
    def _each_axis_once(self) -> Self:
        if sorted(part[-1] for part in self.axes.split()) != ["x", "y", "z"]:
            raise ValueError(f"axes is {self.axes!r}; expected x, y and z once each, such as 'x -y -z'")
        return self
