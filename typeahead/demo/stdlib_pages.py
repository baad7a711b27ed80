"""The documented modules of the standard library, and their pages on docs.python.org.

``demo`` makes documents from their content. The names cover Python 3.11 to 3.14; a module that the running Python lacks
is skipped when its import fails.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping

# Not documented on docs.python.org, or useless without a display, a browser or another system. Names that start with an
# underscore are excluded anyway.
_LEFT_OUT = frozenset(
    [
        "antigravity",
        "distutils",
        "encodings",
        "genericpath",
        "idlelib",
        "lib2to3",
        "nt",
        "ntpath",
        "nturl2path",
        "opcode",
        "posix",
        "posixpath",
        "pydoc_data",
        "pyexpat",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "test",
        "this",
        "turtledemo",
        "xxlimited",
        "xxlimited_35",
        "xxsubtype",
    ]
)

#: Documented submodules, and pages named differently from their module. Other parts of packages are implementation
#: details and not searched.
_PAGES: Mapping[str, str] = {
    **dict.fromkeys(
        [
            "collections.abc",
            "compression.bz2",
            "compression.gzip",
            "compression.lzma",
            "compression.zlib",
            "compression.zstd",
            "concurrent.futures",
            "concurrent.interpreters",
            "curses.ascii",
            "curses.panel",
            "email.charset",
            "email.contentmanager",
            "email.encoders",
            "email.errors",
            "email.generator",
            "email.header",
            "email.headerregistry",
            "email.iterators",
            "email.message",
            "email.parser",
            "email.policy",
            "email.utils",
            "html.entities",
            "html.parser",
            "http.client",
            "http.cookiejar",
            "http.cookies",
            "http.server",
            "importlib.metadata",
            "importlib.resources",
            "importlib.resources.abc",
            "logging.config",
            "logging.handlers",
            "multiprocessing.shared_memory",
            "os.path",
            "string.templatelib",
            "tkinter.colorchooser",
            "tkinter.dnd",
            "tkinter.font",
            "tkinter.messagebox",
            "tkinter.scrolledtext",
            "tkinter.ttk",
            "unittest.mock",
            "urllib.error",
            "urllib.parse",
            "urllib.request",
            "urllib.robotparser",
            "xml.dom",
            "xml.dom.minidom",
            "xml.dom.pulldom",
            "xml.etree.ElementTree",
            "xml.sax",
            "xml.sax.handler",
            "xmlrpc.client",
            "xmlrpc.server",
        ],
        "",
    ),
    "cProfile": "profile",
    "ctypes.util": "ctypes",
    "ctypes.wintypes": "ctypes",
    "curses.textpad": "curses",
    "dbm.dumb": "dbm",
    "dbm.gnu": "dbm",
    "dbm.ndbm": "dbm",
    "dbm.sqlite3": "dbm",
    "email.mime.application": "email.mime",
    "email.mime.audio": "email.mime",
    "email.mime.base": "email.mime",
    "email.mime.image": "email.mime",
    "email.mime.message": "email.mime",
    "email.mime.multipart": "email.mime",
    "email.mime.nonmultipart": "email.mime",
    "email.mime.text": "email.mime",
    "importlib.abc": "importlib",
    "importlib.machinery": "importlib",
    "importlib.util": "importlib",
    "multiprocessing.connection": "multiprocessing",
    "multiprocessing.dummy": "multiprocessing",
    "multiprocessing.managers": "multiprocessing",
    "multiprocessing.pool": "multiprocessing",
    "multiprocessing.sharedctypes": "multiprocessing",
    "pstats": "profile",
    "tkinter.commondialog": "dialog",
    "tkinter.filedialog": "dialog",
    "tkinter.simpledialog": "dialog",
    "urllib.response": "urllib.request",
    "wsgiref.handlers": "wsgiref",
    "wsgiref.headers": "wsgiref",
    "wsgiref.simple_server": "wsgiref",
    "wsgiref.types": "wsgiref",
    "wsgiref.util": "wsgiref",
    "wsgiref.validate": "wsgiref",
    "xml.parsers.expat": "pyexpat",
    "xml.sax.saxutils": "xml.sax.utils",
    "xml.sax.xmlreader": "xml.sax.reader",
}

#: asyncio has one page per topic; the module that defines an item determines its page.
_ASYNCIO_PAGES: Mapping[str, str] = {
    "base_events": "eventloop",
    "events": "eventloop",
    "exceptions": "exceptions",
    "futures": "future",
    "locks": "sync",
    "mixins": "sync",
    "proactor_events": "eventloop",
    "protocols": "protocol",
    "queues": "queue",
    "runners": "runner",
    "selector_events": "eventloop",
    "streams": "stream",
    "subprocess": "subprocess",
    "transports": "protocol",
    "unix_events": "policy",
    "windows_events": "policy",
}

#: Built-in types with their own section on the page about types; the others are on the page about functions.
_BUILTIN_TYPES = frozenset(
    [
        "bytearray",
        "bytes",
        "dict",
        "frozenset",
        "list",
        "memoryview",
        "range",
        "set",
        "str",
        "tuple",
    ]
)


def public_modules() -> list[str]:
    """Return the names of the documented modules, packages before their parts; some may not exist here."""
    top = {name for name in sys.stdlib_module_names if not name.startswith("_") and name not in _LEFT_OUT}
    return sorted(top | _PAGES.keys())


def documentation_url(home: str, name: str, defined: str) -> str:
    """Link to docs.python.org for ``name`` (empty for the module itself) of the module ``home``.

    ``defined`` is the module that defines it. Anchors follow Sphinx; if the page has no such anchor, the link leads to
    the top of the page.
    """
    base = f"https://docs.python.org/{sys.version_info[0]}.{sys.version_info[1]}/library/"
    if home == "builtins":
        if not name:
            return f"{base}builtins.html#module-builtins"
        first, _, member = name.partition(".")
        if isinstance(thing := getattr(builtins, first, None), type) and issubclass(thing, BaseException):
            return f"{base}exceptions.html#{name}"
        return f"{base}{'stdtypes' if member or first in _BUILTIN_TYPES else 'functions'}.html#{name}"
    page = _PAGES.get(home) or home
    if home == "asyncio" and name:
        page = f"asyncio-{_ASYNCIO_PAGES.get(defined.rpartition('.')[2].removeprefix('_'), 'task')}"
    anchor = f"{home}.{name}" if name else f"module-{home}"
    return f"{base}{page.lower()}.html#{anchor}"
