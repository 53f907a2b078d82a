"""The towers, drawn for Kedro-Viz."""

from kedro.pipeline.preview_contract import MermaidPreview

TOWERS = """
graph BT
  history["history: item ids [B, T]"] --> parts
  candidates["candidates: item ids [Q]"] --> parts
  users["users: ids [B]"] --> own
  subgraph item ["item tower, shared<br/>(or another of the same make for histories)"]
    parts["id and feature embeddings:<br/>sum, mean or side by side"]
    parts --> layers["layers, if any"]
  end
  subgraph query ["query: history, profile or both"]
    encoder["mean: prefix means, ReLU layers<br/>transformer: causal attention blocks"]
    own["profile: id and feature embeddings, layers"]
    encoder --> fusion["fusion, where there are both"]
    own --> fusion
  end
  layers -- "[B, T, D]" --> encoder
  fusion -- "[P, D]" --> score
  layers -- "[Q, D]" --> score
  score["cosine or dot product / temperature"] --> loss
  loss["objective: positive against negatives, less log q"]
"""


def draw_towers() -> MermaidPreview:
    """Return both towers as a diagram, from ids at the bottom to the loss on top."""
    return MermaidPreview(content=TOWERS)
