"""Every error that this package raises on purpose.

::

    TypeaheadError
    ├── TextError            a text that cannot be encoded          (.position)
    │   ├── TextTooLong      more code points than the limit        (.length, .limit)
    │   └── BadEdit          an edit outside the text
    ├── EncoderError         an encoder returned an invalid vector
    ├── ModelError           a model folder that cannot be used     (.folder)
    │   ├── ModelNotFound
    │   ├── ModelCorrupt     a missing file, a wrong sha256, broken weights
    │   └── ModelTooNew      has a newer format
    ├── IndexFolderError     an index folder that cannot be used    (.folder)
    │   ├── IndexNotFound
    │   ├── IndexCorrupt     truncated, or its parts disagree
    │   ├── IndexTooNew
    │   ├── IndexTooOld      an earlier release wrote it
    │   ├── ReplacementRefused  too few documents to replace an index (.before, .after)
    │   └── TeacherMismatch  uses another embedding space            (.index_teacher, .encoder_teacher)
    ├── SearchError          a search that cannot be answered
    │   ├── AddressError     no back end has this address           (.address)
    │   ├── BackendClosed    the back end is closed                 (.address)
    │   ├── BackendAway      the database behind it cannot be reached (.address)
    │   ├── DeadlinePassed   the back end did not answer in time
    │   ├── FilterError      an invalid filter
    │   │   └── UnknownField  a filter on a field that no document has (.field, .known)
    │   └── UnsupportedFilter  a filter that the back end cannot apply (.kinds)
    ├── SourceError          documents that cannot be read          (.path, .line)
    ├── PassageCacheError    cached passage vectors that cannot be used (.path), in typeahead.evaluate
    │   └── ShardDamaged     a damaged file of the cache
    ├── TrainingError        a training that cannot begin or continue, in training
    ├── ProtocolError        a message that violates the wire protocol (.code, .seq)
    ├── ConfigError          an invalid server setting             (.setting), in typeahead.server
    ├── ListenError          an address the server cannot listen on (.host, .port), in typeahead.server
    ├── VariableError        an environment variable with an invalid value (.variable)
    └── MissingExtra         an optional dependency is not installed (.extra)

Each message states the problem, with the offending value, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from typeahead.installation import install_command

#: Names that one message lists.
_LISTED: Final = 30


class TypeaheadError(Exception):
    """Base class of all errors in this package."""


class TextError(TypeaheadError, ValueError):
    """A text that cannot be encoded: it is not valid Unicode, or not a string.

    ``position`` is the offending code point's position in the text, if there is one.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class TextTooLong(TextError):
    """A text has more code points than the session allows."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"the text has {length} code points, but the limit is {limit}: shorten it or raise the limit")
        self.length = length
        self.limit = limit


class BadEdit(TextError):
    """An edit whose range is outside the text."""


class EncoderError(TypeaheadError):
    """An encoder returned an invalid vector: NaN or infinite."""


class ModelError(TypeaheadError):
    """A model folder that cannot be used."""

    def __init__(self, message: str, *, folder: Path | None = None) -> None:
        super().__init__(message)
        self.folder = folder


class ModelNotFound(ModelError):
    """There is no model with this name or path."""


class ModelCorrupt(ModelError):
    """A file is missing, does not match its sha256 in the configuration, or cannot be read."""


class ModelTooNew(ModelError):
    """The model has a newer format than this version can read."""


class IndexFolderError(TypeaheadError):
    """An index folder that cannot be used."""

    def __init__(self, message: str, *, folder: Path | None = None) -> None:
        super().__init__(message)
        self.folder = folder


class IndexNotFound(IndexFolderError):
    """There is no index at this path."""


class IndexCorrupt(IndexFolderError):
    """The index is truncated, or its parts disagree."""


class IndexTooNew(IndexFolderError):
    """The index has a newer format than this version can read."""


class IndexTooOld(IndexFolderError):
    """An earlier version wrote the index; ``typeahead index --upgrade`` makes it usable."""


class TeacherMismatch(IndexFolderError):
    """The index and the encoder belong to different teachers, and so to different embedding spaces."""

    def __init__(self, index_teacher: str, encoder_teacher: str, *, folder: Path | None = None) -> None:
        super().__init__(
            f"the index was built with {index_teacher!r}, but the encoder belongs to the space of {encoder_teacher!r}: "
            "rebuild the index, or load an encoder of the index's teacher",
            folder=folder,
        )
        self.index_teacher = index_teacher
        self.encoder_teacher = encoder_teacher


class ReplacementRefused(IndexFolderError):
    """A new index has too few documents to replace the previous one, which is kept.

    ``before`` is the number of documents in the previous index, ``None`` without one; ``after`` that in the new one.
    """

    def __init__(self, message: str, *, before: int | None, after: int, folder: Path | None = None) -> None:
        super().__init__(message, folder=folder)
        self.before = before
        self.after = after


class SearchError(TypeaheadError):
    """A search that cannot be answered."""


class AddressError(SearchError):
    """No back end has this address."""

    def __init__(self, address: str, message: str) -> None:
        super().__init__(f"{address!r}: {message}")
        self.address = address


class BackendClosed(SearchError):
    """The back end is closed."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} is closed: open it again")
        self.address = address


class BackendAway(SearchError):
    """The database behind the back end cannot be reached for now; ``reason`` is what it, or the network, said."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} cannot be reached ({reason}): it is tried again every few seconds")
        self.address = address


class RoleRefused(SearchError):
    """A role of the database, which a token names, cannot be used; ``reason`` is what the database said."""

    def __init__(self, role: str, reason: str) -> None:
        super().__init__(f"the role {role!r:.80} of a token cannot be used: {reason}")
        self.role, self.reason = role, reason


class DeadlinePassed(SearchError):
    """The back end did not answer in time."""


class FilterError(SearchError, ValueError):
    """An invalid filter."""


class UnknownField(FilterError):
    """A filter on a field that no document has; ``known`` are the fields that documents do have."""

    def __init__(self, field: str, known: Collection[str]) -> None:
        names = sorted(known)
        listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
        have = f"the fields are {listed}" if names else "no document has fields"
        super().__init__(f"no document has the field {field[:60]!r}: {have}")
        self.field = field
        self.known = frozenset(known)


class UnsupportedFilter(SearchError):
    """A filter with nodes that the back end does not support; ``kinds`` lists them."""

    def __init__(self, address: str, kinds: frozenset[str]) -> None:
        super().__init__(f"{address} cannot filter by {', '.join(sorted(kinds))}: leave that out of the filter")
        self.kinds = kinds


class DocumentRefused(SearchError):
    """A document that the index cannot hold as it is; ``code`` names the reason for programs."""

    code = "refused"


class FieldTypeError(DocumentRefused):
    """A field of a document has another kind of value than it has in the index."""

    code = "field_kind"


class WritesFull(SearchError):
    """The back end can take no more changes for now."""


class SourceError(TypeaheadError):
    """Documents that cannot be read."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + message)
        self.path = path
        self.line = line


class TrainingError(TypeaheadError, ValueError):
    """A training that cannot begin or continue, for a reason that its message states."""


class ProtocolError(TypeaheadError):
    """A message violates the wire protocol; the client receives ``code``."""

    def __init__(self, code: str, message: str, *, seq: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.seq = seq


class VariableError(TypeaheadError):
    """An environment variable has an invalid value."""

    def __init__(self, variable: str, value: str, wanted: str) -> None:
        super().__init__(f"the environment variable {variable} is {value!r}: {wanted}")
        self.variable = variable


class MissingExtra(TypeaheadError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: {install_command(extra)}")
        self.extra = extra
