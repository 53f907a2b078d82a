"""The towers, drawn for Kedro-Viz."""

from kedro.pipeline.preview_contract import MermaidPreview

TOWERS = """
graph BT
  history["history: item ids [B, T]"] --> shared
  candidates["candidates: item ids [N]"] --> shared
  subgraph item ["item tower, shared"]
    shared["id embedding + genres + year + title words"]
  end
  shared -- "[B, T, D]" --> choice
  subgraph user ["user tower"]
    choice["mean: prefix means, ReLU layers<br/>transformer: causal attention blocks"]
  end
  choice -- "unit length [B, T, D]" --> score
  shared -- "unit length [N, D]" --> score
  score["cosine / temperature, less log q"] --> loss["softmax over candidates"]
"""


def draw_towers() -> MermaidPreview:
    """Return both towers as a diagram, from ids at the bottom to the loss on top."""
    return MermaidPreview(content=TOWERS)
