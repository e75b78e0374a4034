"""The description of a run, which MLflow shows above its figures: Markdown, with links to the pages made from it."""

from collections.abc import Sequence
from itertools import accumulate

STAGES = {
    "videos": "Downloads or probes the videos of a shard of the list.",
    "mining": "Mines pairs: finds moving patches by SURF and follows each by KCF (section 4 of the paper).",
    "patches": "Cuts the mined pairs from their frames and packs them into a shard, or draws and counts the pairs.",
    "voc": "Prepares the photos: downloads them, proposes windows by selective search, or crops labelled objects.",
    "models": "Makes a network: draws its weights, or trains it from its parent.",
    "features": "Computes a network's features of the proposed windows.",
    "detection": "Detects objects as R-CNN does: linear SVMs on features, scored windows, average precision.",
    "retrieval": "Retrieves the nearest windows of objects (section 6 of the paper).",
    "scenes": "Classifies the photos of MIT Indoor-67 (section 6 of the paper).",
    "frozen": "Evaluates the features of a network that is trained no further.",
    "normals": "Predicts surface normals on NYUv2 (Table 2 of the paper).",
    "tables": "Joins cells into a table or a page.",
    "figures": "Draws the paper's figures from this run's networks and data.",
}


def description(rule: str, line: str, pages: Sequence[tuple[str, str]], length: int) -> str:
    """What a stage did, what the job said at its end, and the pages on which its result stands.

    Args:
        rule: its first word is the stage.
        line: the job's last line, or "".
        pages: path of each page and its address, or "" if there is no address.
        length: characters that the text may have; pages for which there is no room are counted.
    """
    links = [f"[{path}]({address})" if address else f"`{path}`" for path, address in pages]
    text = "\n\n".join(filter(None, [STAGES.get(rule.partition("_")[0], ""), line, "Pages: " if links else ""]))
    if len(text) + len(", ".join(links)) > length:
        room = length - len(text) - len(_more(len(links)))
        shown = sum(end <= room for end in accumulate(len(link) + len(", ") for link in links))
        links = [*links[:shown], _more(len(links) - shown)]
    return text + ", ".join(links)


def _more(number: int) -> str:
    return f"and {number} more, see results/index.html"
