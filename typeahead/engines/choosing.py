"""Chooses where payloads have ids, titles, texts, URLs and fields: what an address names, otherwise usual names."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, Protocol, TypedDict

from typeahead.engines.payloads import Path, get, read_path
from typeahead.errors import AddressError

#: Names of keys by which they are known, the likeliest first.
USUAL: Final[Mapping[str, Sequence[str]]] = {
    "id": ("id", "doc_id", "document_id", "_id", "key"),
    "title": ("title", "headline", "name", "heading", "subject"),
    "text": (
        "text", "page_content", "body", "content", "contents", "passage", "chunk", "document", "description", "abstract"
    ),
    "url": ("url", "link", "href", "permalink", "uri", "source_url", "source"),
}  # fmt: skip
#: Keys of objects that hold fields.
_OBJECTS: Final = ("fields", "metadata", "meta")
#: Characters of a key's average text up to which it is taken for a field.
_SHORT: Final = 200


class Named(Protocol):
    """What an address says about payloads."""

    @property
    def shown(self) -> str:
        """The address for messages."""

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys that were named, by purpose: id, title, text and url."""

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The keys of fields that were named; None to look for them."""


class Chosen(TypedDict):
    """The arguments of :class:`.payloads.PayloadLayout` that say where things are."""

    id: Path | None
    title: Path | None
    text: Path | None
    url: Path | None
    objects: str | None
    top: frozenset[str] | None
    left_out: frozenset[str]


def choose(
    named: Named, payloads: Sequence[Mapping[str, Any]], *, sayable: Callable[[Path], bool] = lambda _: True
) -> Chosen:
    """Choose for a sample of payloads; ``sayable`` tells which paths the engine can be asked for.

    Raises :class:`~typeahead.errors.AddressError` for a key that no payload has, and if there is no text.
    """
    chooser = _Chooser(named, payloads, sayable)
    key, title, text, url = chooser.id(), chooser.of_text("title"), chooser.of_text("text"), chooser.of_text("url")
    if title is None and text is None:
        names = ", ".join(sorted({name for payload in payloads for name in payload})) or "none"
        raise AddressError(named.shown, f"no payload key of text is known: name one with text=KEY (keys: {names})")
    objects, top, left_out = chooser.fields([key, title, text, url])
    return {"id": key, "title": title, "text": text, "url": url, "objects": objects, "top": top, "left_out": left_out}


class _Chooser:
    def __init__(self, named: Named, payloads: Sequence[Mapping[str, Any]], sayable: Callable[[Path], bool]) -> None:
        self._address, self._payloads, self._sayable = named, payloads, sayable
        self._objects = next(
            (name for name in _OBJECTS if any(isinstance(payload.get(name), dict) for payload in payloads)), None
        )

    def id(self) -> Path | None:
        """The key of the ids: it has to tell rows apart."""
        if (named := self._named("id")) is not None:
            return named
        for path in self._usual("id") if self._payloads else ():
            values = [get(payload, path) for payload in self._payloads]
            if all(_is_id(value) for value in values) and len({str(value) for value in values}) == len(values):
                return path
        return None

    def of_text(self, purpose: str) -> Path | None:
        """The key of titles, texts or URLs, if there is one."""
        if (named := self._named(purpose)) is not None:
            return named
        for path in self._usual(purpose):
            if any(isinstance(get(payload, path), str) for payload in self._payloads):
                return path
        return None

    def fields(self, used: Collection[Path | None]) -> tuple[str | None, frozenset[str] | None, frozenset[str]]:
        """The key of objects of fields, the keys of fields outside of it, and those that are none."""
        names = self._address.fields
        taken = {path[0] for path in used if path is not None and len(path) == 1}
        if names is not None:
            objects = [name for name in names if any(isinstance(one.get(name), dict) for one in self._payloads)]
            if len(objects) > 1:
                raise AddressError(self._address.shown, f"fields {', '.join(objects)} hold objects: name one of them")
            return (objects[0] if objects else None), frozenset(names) - set(objects), frozenset()
        long = {name for name in self._keys() if self._average(name) > _SHORT}
        if self._objects is None:
            return None, None, frozenset(taken | long)
        return self._objects, frozenset(self._keys() - taken - long - {self._objects}), frozenset()

    def _keys(self) -> set[str]:
        return {name for payload in self._payloads for name in payload}

    def _average(self, name: str) -> float:
        texts = [len(value) for payload in self._payloads if isinstance(value := payload.get(name), str)]
        return sum(texts) / len(texts) if texts else 0.0

    def _usual(self, purpose: str) -> list[Path]:
        paths: list[Path] = [(name,) for name in USUAL[purpose]]
        return paths if self._objects is None else [*paths, *((self._objects, name) for name in USUAL[purpose])]

    def _named(self, purpose: str) -> Path | None:
        name = self._address.keys.get(purpose)
        if name is None:
            return None
        for path in ((name,), read_path(name)) if self._payloads else (read_path(name),):
            if not self._payloads or any(get(payload, path) is not None for payload in self._payloads):
                if not self._sayable(path):
                    raise AddressError(self._address.shown, f"{purpose}={name} has a quotation mark: rename the key")
                return path
        names = ", ".join(sorted(self._keys()))
        raise AddressError(self._address.shown, f"no point has the key {name!r} for {purpose}: there are {names}")


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""
