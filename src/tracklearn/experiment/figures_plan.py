"""The paper's figures, as the rules of figures.smk look them up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tracklearn.experiment.section6_plan import NO_ANNOTATIONS

if TYPE_CHECKING:
    from tracklearn.experiment.plan import Plan


class FiguresPlan:
    """What follows from the block `figures` of a plan's configuration."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def models(self, figure: str) -> list[str]:
        """The networks of figure 5 or 6, without those that lack data."""
        settings = self._plan.config["figures"]
        listed = {"figure5": filter(None, [settings["unit_model"]]), "figure6": settings["conv1_models"]}[figure]
        return [model for model in listed if not self._plan.lacking([model])]

    def weights(self, figure: str) -> list[str]:
        """The weights of the networks of figure 5 or 6."""
        return [self._plan.weights(model) for model in self.models(figure)]

    def pair_models(self) -> list[str]:
        """The networks whose pairs figures 2 and 3 show: those of Table 1 and of the figures that learn from pairs."""
        of_figures = [model for figure in ("figure5", "figure6") for model in self.models(figure)]
        return list(dict.fromkeys([*self._plan.ranking_models(), *self._plan.ranking_models(of_figures)]))

    def shards(self) -> list[str]:
        """The shards from which figures 2 and 3 are drawn: those that `pair_models` learn from."""
        return sorted({Path(path).stem for model in self.pair_models() for path in self._plan.subsets.shards(model)})

    def left_out(self) -> dict[str, str]:
        """The figures that are left out, each with the reason."""
        left_out: dict[str, str] = {}
        if not self.pair_models():
            left_out = dict.fromkeys(("figure2", "figure3"), "no network of the experiment learns from pairs")
        elif self._plan.config["patches"]["import"]:
            left_out["figure2"] = "the pairs are imported (patches.import), and their videos are not there"
        for figure, key in {"figure5": "unit_model", "figure6": "conv1_models"}.items():
            listed = self._plan.config["figures"][key]
            if not listed:
                left_out[figure] = f"figures.{key} names no model"
            elif not self.models(figure):
                left_out[figure] = self._plan.lack_of([listed] if figure == "figure5" else listed)
        if not self._plan.normals.pictured():
            left_out["figure8"] = "no network of Table 2 stands for one of the paper, or all lack their data"
        if not self._plan.protocol.annotated:
            left_out["figure5"] = f"its units are chosen by class, but {NO_ANNOTATIONS}"
        return left_out

    def figure6_notes(self) -> list[str]:
        """The networks that figure 6 lacks, each with the reason."""
        listed = self._plan.config["figures"]["conv1_models"]
        return [f"{model}: left out; {lack}" for model in listed if (lack := self._plan.lack_of([model]))]

    def files(self, suffix: str) -> list[str]:
        """One of the files of each figure that is not left out."""
        name, left_out = self._plan.protocol.name, self.left_out()
        figures = {
            "figure2": "figures/figure2",
            "figure3": "figures/figure3",
            "figure5": f"figures/{name}/figure5",
            "figure6": f"figures/{name}/figure6",
            "figure8": f"normals/{name}/figure8",
        }
        return [f"results/{path}{suffix}" for figure, path in figures.items() if figure not in left_out]

    def figure7_page(self) -> list[str]:
        """The page of figure 7, to which that of the figures links; none where no row of retrieval can be computed."""
        return [f"results/retrieval/{self._plan.protocol.name}/figure7.html"] if self._plan.section6.nearest() else []

    def pages(self) -> dict[str, str]:
        """The pages of single figures, to which that of the figures links."""
        pages = [*self.figure7_page(), *self._plan.normals.figure8_page()]
        return {Path(page).stem: page for page in pages}
