"""Drawing of the towers in force, for the panel of the training node in Kedro-Viz."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kedro.pipeline.preview_contract import MermaidPreview, Meta

from two_tower.params import Params
from two_tower.training.params import Training

SHOWN_VALUES: Final = 4  # of a list
# Kedro-Viz would shrink the graph, and break lines that fit.
STYLE: Final[Meta] = {
    "flowchart": {
        "useMaxWidth": False,
        "wrappingWidth": 800,
        "rankSpacing": 30,
        "padding": 8,
    },
    "textStyle": {"whiteSpace": "nowrap"},
}


def preview_towers() -> MermaidPreview:
    """Return the towers of the environment and preset that Kedro-Viz runs with.

    Kedro-Viz calls it without arguments; its own catalog has the parameters.
    """
    from kedro_viz.data_access import data_access_manager

    parameters = data_access_manager.catalog.get_dataset("params:training").load()
    return MermaidPreview(content=draw_towers(parameters), meta=STYLE)


def draw_towers(training: Training) -> str:
    """Return a Mermaid graph of both towers, from ids at the bottom to the loss.

    A box lists the options of its part by their names in the parameters, without those
    that are off.
    """
    parts = [
        *_draw_items(training),
        *_draw_history(training),
        *_draw_profile(training),
        *_draw_query(training),
        *_draw_loss(training),
    ]
    return "\n".join(["graph BT", *parts])


def _draw_items(training: Training) -> list[str]:
    return [
        _box("candidates", "candidate items"),
        _box("item_tower", "item tower", training.item_tower),
        "candidates --> item_tower",
        'item_tower -- "item vectors" --> score',
    ]


def _draw_history(training: Training) -> list[str]:
    history, tower, parts = training.history, "item_tower", list[str]()
    if history.kind == "none":
        return parts
    if training.history_items == "separate":
        tower = "history_item_tower"
        parts += [_box(tower, "item tower of histories", training.history_item_tower)]
    return [
        *parts,
        _box("history", "history items"),
        _box("encoder", f"history: {history.kind}", history.chosen),
        f"history --> {tower} --> encoder",
    ]


def _draw_profile(training: Training) -> list[str]:
    if not training.profile.use:
        return []
    return [
        _box("users", "users"),
        _box("profile", "user profile", training.profile),
        "users --> profile",
    ]


def _draw_query(training: Training) -> list[str]:
    """Return the way from history encoder, profile or both to the score."""
    query = "encoder" if training.history.kind != "none" else "profile"
    parts = []
    if query == "encoder" and training.profile.use:
        query = "fusion"
        parts = [
            _box("fusion", "fusion", training.fusion),
            "encoder --> fusion",
            "profile --> fusion",
        ]
    return [*parts, f'{query} -- "query vectors" --> score']


def _draw_loss(training: Training) -> list[str]:
    score = "cosine" if training.scoring.normalise else "dot product"
    negatives, objective = training.negatives, training.objective
    return [
        _box(
            "score",
            f"score: {score}",
            dimension=training.dimension,
            temperature=training.scoring.temperature.model_dump(),
        ),
        _box("negatives", f"negatives: {negatives.kind}", negatives.chosen),
        _box(
            "loss",
            f"loss: {objective.kind}",
            objective.chosen,
            masks=training.masks.model_dump(),
            log_q=training.log_q.kind,
        ),
        "score --> loss",
        "negatives --> loss",
    ]


def _box(name: str, title: str, options: Params | None = None, **more: Any) -> str:
    """Return a box with a line for its title and one for each option that is on."""
    listed = (options.model_dump() if options else {}) | more
    return f'{name}["{"<br/>".join([f"<b>{title}</b>", *_list_options(listed)])}"]'


def _list_options(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield options that are on, those without a value first and together."""
    if flags := [name for name, value in options.items() if value is True]:
        yield ", ".join(flags)
    for name, value in options.items():
        if isinstance(value, Mapping):
            inner = list(_list_options(value))
            if name == "features":  # unnamed features are read unless opt_in
                inner += [f"no {key}" for key, is_read in value.items() if not is_read]
            if inner:
                yield f"{name}: {', '.join(inner)}"
        elif value and value is not True:
            yield f"{name} {_write(value)}"


def _write(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"({', '.join(_list_options(value))})"
    if isinstance(value, list | tuple):
        shown = [_write(item) for item in value[:SHOWN_VALUES]]
        return ", ".join(shown + ["…"] * (len(value) > SHOWN_VALUES))
    return str(value)
