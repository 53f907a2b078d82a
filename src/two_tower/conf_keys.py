"""Keys of the configuration that nothing reads, with the nearest name that is read."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from itertools import chain, permutations
from typing import Any, Final, NamedTuple

from omegaconf import DictConfig, OmegaConf

from two_tower.conf_files import read_conf_files, run_env
from two_tower.messages import suggest
from two_tower.parameter_names import all_names, find_nearest, unknown_names

COMMAND_LINE: Final = "--params"

ALIKE: Final = 0.8
"""Likeness from which a name counts as misspelt where names of one's own are free."""


class _File(NamedTuple):
    """A file of the configuration; `str()` is its path."""

    env: str
    path: str
    content: dict[str, Any]

    def __str__(self) -> str:
        return self.path


class ConfKeys:
    """The keys of a run's configuration: base, environment and `--params`."""

    def __init__(self, loader: Any, declared: Mapping[str, Any]) -> None:
        """Read the files of the configuration.

        Args:
            loader: the run's `OmegaConfigLoader`.
            declared: the parameters that nodes read, name → type hint.
        """
        self._loader = loader
        self._given: dict[str, Any] = loader.runtime_params or {}
        self._declared = declared
        self._global_files = _read(loader, "globals")
        self._files = _read(loader, "parameters")
        read = [*self._global_files, *self._files, *_read(loader, "catalog")]
        texts = [str(file.content) for file in read]
        self._globals = _find_all(r"\$\{globals:\s*(\w+)", texts)
        self._runtime_params = _find_all(r"\$\{runtime_params:\s*(\w+)", texts)
        self._formats = _find_all(r"\$\{_format\.([\w.]+)", texts)
        self._private = _find_all(r"(?:\$\{|:)(_\w+)", texts)

    def unread(self) -> Iterator[str]:
        """Yield a message for each key that nothing reads.

        Raises:
            OmegaConfBaseException: a reference of the parameters leads nowhere.
        """
        messages = chain(
            self.misspelt_references(),
            self._unread_parameters(),
            self._unread_in_presets(),
            self._unread_in_formats(),
            self._given_twice(),
        )
        yield from dict.fromkeys(messages)  # a chosen preset's keys are found twice

    def misspelt_references(self) -> Iterator[str]:
        """Yield a message for each name that others refer to and that is misspelt.

        The configuration can't be resolved where such a name is missing, so these are
        found in the files as they are.
        """
        yield from self._unread_globals()
        yield from self._misspelt_private_names()

    @cached_property
    def _parameters(self) -> dict[str, Any]:
        return dict(self._loader["parameters"])

    @cached_property
    def _known(self) -> set[str]:
        return all_names(self._declared, self._parameters)

    def _unread_globals(self) -> Iterator[str]:
        groups = {name.split(".")[0] for name in self._declared}
        for file in self._global_files:
            for name in file.content:
                if name in self._globals or name.startswith("_"):
                    continue
                if name.split(".")[0] in groups:
                    yield (
                        f"{file} gives {name}, which is a parameter; move it to a file "
                        "of parameters"
                    )
                else:
                    yield _unread(str(file), name, self._globals)

    def _unread_parameters(self) -> Iterator[str]:
        for name in self._given:
            if str(name).startswith("_"):
                yield (
                    f"{COMMAND_LINE} gives {name}, which only the files of the "
                    f"configuration read; give {_public(str(name))}.<key>"
                )
        public = {
            name: value
            for name, value in self._parameters.items()
            if not str(name).startswith("_")
        }
        for path in unknown_names(public, self._declared):
            source = self._find_source(path)
            if path[0] not in self._runtime_params:
                yield self._describe(path, source)
            elif source != COMMAND_LINE:
                yield (
                    f"{source} gives {path[0]}, which is read from the command line "
                    f"only; run: kedro run --params {path[0]}=<value>"
                )

    def _unread_in_presets(self) -> Iterator[str]:
        """Yield messages for keys of presets, whether chosen or not."""
        for file in self._files:
            for preset in _parts(file.content, "_presets"):
                for path in unknown_names({"training": preset}, self._declared):
                    yield self._describe(path, str(file))

    def _unread_in_formats(self) -> Iterator[str]:
        """Yield messages for keys of formats that no `${_format.<key>}` names."""
        for file in self._files:
            for part in _parts(file.content, "_formats"):
                for name in _names(part):
                    if not any(_overlap(name, read) for read in self._formats):
                        yield _unread(str(file), name, self._formats)

    def _misspelt_private_names(self) -> Iterator[str]:
        """Yield messages for names like a private one; others may hold anchors."""
        for file in self._files:
            for name in file.content:
                near = get_close_matches(name, self._private, n=1, cutoff=ALIKE)
                if name.startswith("_") and near and name not in self._private:
                    yield _unread(str(file), name, near)

    def _given_twice(self) -> Iterator[str]:
        """Yield messages for groups of two files of which one would be ignored.

        Kedro merges the files of one environment in no certain order, and a reference
        such as `${_presets.mean}` replaces a group.
        """
        for file, other in permutations(self._files, 2):
            for name, value in file.content.items():
                is_alone = file.env != other.env or name not in other.content
                if not (is_alone or isinstance(value, Mapping)):
                    yield (
                        f"{file} and {other} both give {name}, and only one of them "
                        "would be read; keep it in one file"
                    )

    def _describe(self, path: tuple[str, ...], source: str) -> str:
        """Return the message for a parameter that nothing reads."""
        name = ".".join(path)
        if dotted := [key for key in path if "." in key]:
            return (
                f"{source} gives a key with dots, {dotted[0]!r}, which nothing reads; "
                f"write groups: {_nested(dotted[0])}"
            )
        if name in self._globals:
            return (
                f"{source} gives {name}, which is a global; set it in the "
                "environment's globals.yml"
            )
        return _unread(source, name, self._known | self._runtime_params)

    def _find_source(self, path: tuple[str, ...]) -> str:
        """Return the last file that gives a parameter, or `--params`."""
        if _holds(self._given, path):
            return COMMAND_LINE
        for file in reversed(self._files):
            private = {
                name[1:]: value
                for name, value in file.content.items()
                if name.startswith("_")
            }
            presets = [{"training": one} for one in _parts(file.content, "_presets")]
            formats = _parts(file.content, "_formats")
            given = [file.content, private, *presets, *formats]
            if any(_holds(one, path) for one in given):
                return str(file)
        return "the configuration"


def _unread(source: str, name: str, known: Iterable[str]) -> str:
    names = set(known)
    siblings = {one for one in names if _group(one) == _group(name)}
    near = find_nearest(name, names)
    return f"{source} gives {name}, which nothing reads; {suggest(near, siblings)}"


def _read(loader: Any, kind: str) -> list[_File]:
    """Return the files of base and environment, the environment's last."""
    envs = dict.fromkeys([loader.base_env, run_env(loader)])
    return [
        _File(env, str(path), _plain(content))
        for env in envs
        for path, content in read_conf_files(loader, env, kind).items()
    ]


def _plain(content: DictConfig) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(content)
    return {str(key): value for key, value in (plain or {}).items()}


def _find_all(pattern: str, texts: Iterable[str]) -> set[str]:
    return {name for text in texts for name in re.findall(pattern, text)}


def _parts(content: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the groups of a private group, such as the presets of `_presets`."""
    parts = (content.get(name) or {}).values()
    return [dict(part) for part in parts if isinstance(part, Mapping)]


def _names(group: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the names of all keys, of groups too, with dots between them."""
    for key, value in group.items():
        yield ".".join([*path, str(key)])
        if isinstance(value, Mapping):
            yield from _names(value, (*path, str(key)))


def _overlap(one: str, other: str) -> bool:
    """Return whether one of two names is the other, or a group that holds it."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _holds(content: Any, path: Iterable[str]) -> bool:
    for key in path:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True


def _public(name: str) -> str:
    """Return the group that a private one of the files ends up in."""
    return {"_presets": "training"}.get(name, name.lstrip("_"))


def _group(name: str) -> str:
    return name.rpartition(".")[0]


def _nested(dotted: str) -> str:
    """Return `a.b` as YAML nests it, `a: { b: … }`."""
    *groups, option = dotted.split(".")
    opened = "".join(f"{group}: {{ " for group in groups)
    return f"{opened}{option}: …{' }' * len(groups)}"
