"""Settings of the block `figures`: the paper's figures 2, 3, 5, 6 and 8, drawn from this experiment."""

from typing import ClassVar, Literal

from tracklearn.settings.base import Count, Natural, Settings, setting


class Figures(Settings):
    """What the figures show."""

    where: ClassVar[str] = "figures"

    seed: Natural = setting(
        0, "Seed by which the frames of figure 2, the pairs of figure 3 and the images of figure 8 are drawn"
    )
    frames: Count = setting(
        3,
        "Figure 2: number of frames of each verdict (accepted, rejected as noise, rejected as camera motion)",
        unit="frames",
    )
    pairs: Count = setting(20, "Figure 3: number of pairs", unit="pairs")
    unit_model: str | None = setting(
        None, "Figure 5: entry of `models` whose units of pool5 are shown; `null` leaves the figure out"
    )
    units: Count = setting(5, "Figure 5: number of units", unit="units", paper="figure 5")
    windows: Count = setting(6, "Figure 5: number of windows of each unit", unit="windows", paper="figure 5")
    proposals: Literal["objects", "all"] = setting(
        "objects",
        "Figure 5: the windows among which each unit's strongest ones are found. `objects` takes the proposals of the "
        "evaluation photos that overlap an object by more than half; `all` takes all proposals",
        assume="units are chosen by the classes of their windows, and a window off all objects has no class. About 4% "
        "of the proposals lie on objects, so `all` takes some 25 times as long",
    )
    conv1_models: tuple[str, ...] = setting(
        (), "Figure 6: entries of `models` whose filters of conv1 are shown side by side; `[]` leaves the figure out"
    )
    normals: Count = setting(
        6, "Figure 8: number of test images with their true and their predicted normals", unit="images"
    )
