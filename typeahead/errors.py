"""Every error that this package raises on purpose.

::

    TypeaheadError
    ├── TextError            a text that cannot be encoded          (.position)
    │   ├── TextTooLong      more code points than the limit        (.length, .limit)
    │   └── BadEdit          an edit outside the text
    ├── EncoderError         an encoder that gave what is no vector
    ├── ModelError           a model folder that cannot be used     (.folder)
    │   ├── ModelNotFound
    │   ├── ModelCorrupt     a missing file, a wrong sha256, broken weights
    │   └── ModelTooNew      written in a later format
    ├── IndexFolderError     an index folder that cannot be used    (.folder)
    │   ├── IndexNotFound
    │   ├── IndexCorrupt     cut short, or its parts disagree
    │   ├── IndexTooNew
    │   ├── ReplacementRefused  too few documents to replace an index (.before, .after)
    │   └── TeacherMismatch  built in another embedding space       (.index_teacher, .encoder_teacher)
    ├── SearchError          a search that cannot be answered
    │   ├── AddressError     no back end has such an address        (.address)
    │   ├── BackendClosed    it was closed                          (.address)
    │   ├── DeadlinePassed   it did not answer in time
    │   ├── FilterError      a filter that makes no sense
    │   └── UnsupportedFilter  one that the back end cannot apply   (.kinds)
    ├── SourceError          documents that cannot be read          (.path, .line)
    ├── PassageCacheError    passage vectors on disk that cannot be used (.path), in typeahead.evaluate
    │   └── ShardDamaged     one file of them
    ├── ProtocolError        a message that breaks the wire contract (.code, .seq)
    ├── ConfigError          a server setting that makes no sense   (.setting), in typeahead.server
    ├── ListenError          an address that cannot be listened on  (.host, .port), in typeahead.server
    ├── VariableError        an environment variable that makes no sense (.variable)
    └── MissingExtra         an optional dependency is not installed (.extra)

Each message says what was wrong, with the offending value, and what to do.
"""

from __future__ import annotations

from pathlib import Path

from typeahead.installation import install_command


class TypeaheadError(Exception):
    """Root of all errors of this package."""


class TextError(TypeaheadError, ValueError):
    """A text that cannot be encoded: not valid Unicode, or not a string.

    ``position`` is the offending code point's position in the text, where there is one.
    """

    def __init__(self, message: str, *, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class TextTooLong(TextError):
    """A text of more code points than the session's limit."""

    def __init__(self, length: int, limit: int) -> None:
        super().__init__(f"the text has {length} code points, the limit is {limit}: shorten it or raise the limit")
        self.length = length
        self.limit = limit


class BadEdit(TextError):
    """An edit whose range does not lie within the text."""


class EncoderError(TypeaheadError):
    """An encoder gave what is no vector: NaN, or infinite."""


class ModelError(TypeaheadError):
    """A model folder that cannot be used."""

    def __init__(self, message: str, *, folder: Path | None = None) -> None:
        super().__init__(message)
        self.folder = folder


class ModelNotFound(ModelError):
    """No folder of that name."""


class ModelCorrupt(ModelError):
    """A file is missing, does not have the sha256 that the configuration states, or cannot be read."""


class ModelTooNew(ModelError):
    """Written in a later format than this version reads."""


class IndexFolderError(TypeaheadError):
    """An index folder that cannot be used."""

    def __init__(self, message: str, *, folder: Path | None = None) -> None:
        super().__init__(message)
        self.folder = folder


class IndexNotFound(IndexFolderError):
    """No index at that path."""


class IndexCorrupt(IndexFolderError):
    """Cut short, or its parts disagree."""


class IndexTooNew(IndexFolderError):
    """Written in a later format than this version reads."""


class TeacherMismatch(IndexFolderError):
    """The index holds vectors of another teacher than the one whose space the encoder shares."""

    def __init__(self, index_teacher: str, encoder_teacher: str, *, folder: Path | None = None) -> None:
        super().__init__(
            f"the index was built with {index_teacher!r}, the encoder answers in the space of {encoder_teacher!r}: "
            "build the index again, or load an encoder of that teacher",
            folder=folder,
        )
        self.index_teacher = index_teacher
        self.encoder_teacher = encoder_teacher


class ReplacementRefused(IndexFolderError):
    """A new index holds too few documents to take the place of the old one, which stays in force.

    ``before`` is the number of documents in force, ``None`` where there is no index; ``after`` that of the new one.
    """

    def __init__(self, message: str, *, before: int | None, after: int, folder: Path | None = None) -> None:
        super().__init__(message, folder=folder)
        self.before = before
        self.after = after


class SearchError(TypeaheadError):
    """A search that cannot be answered."""


class AddressError(SearchError):
    """No back end has such an address."""

    def __init__(self, address: str, message: str) -> None:
        super().__init__(f"{address!r}: {message}")
        self.address = address


class BackendClosed(SearchError):
    """The back end was closed."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} was closed: open it again")
        self.address = address


class DeadlinePassed(SearchError):
    """The back end did not answer in time."""


class FilterError(SearchError, ValueError):
    """A filter that makes no sense."""


class UnsupportedFilter(SearchError):
    """A filter with nodes that the back end cannot apply; ``kinds`` names them."""

    def __init__(self, address: str, kinds: frozenset[str]) -> None:
        super().__init__(f"{address} cannot filter by {', '.join(sorted(kinds))}: leave that out of the filter")
        self.kinds = kinds


class SourceError(TypeaheadError):
    """Documents that cannot be read."""

    def __init__(self, message: str, *, path: Path | None = None, line: int | None = None) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(place + message)
        self.path = path
        self.line = line


class ProtocolError(TypeaheadError):
    """A message that breaks the wire contract; ``code`` is sent to the client."""

    def __init__(self, code: str, message: str, *, seq: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.seq = seq


class VariableError(TypeaheadError):
    """An environment variable with a value that makes no sense."""

    def __init__(self, variable: str, value: str, wanted: str) -> None:
        super().__init__(f"the environment variable {variable} is {value!r}: {wanted}")
        self.variable = variable


class MissingExtra(TypeaheadError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: {install_command(extra)}")
        self.extra = extra
