"""Which modules of the standard library are documented, and on which page of docs.python.org.

``demo`` makes documents of what is in them. Names here are those of Python 3.11 to 3.14; one that the running Python
does not have is left out when it cannot be imported.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping

# Not part of what docs.python.org documents, or of no use without a display, a browser or another system. Names that
# begin with an underscore are left out anyway.
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

#: Documented submodules, and pages that are not named like their module. Packages are searched no further: their
#: other parts are how they are made.
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

#: asyncio's pages go by subject; where a thing is defined tells which.
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

#: Built-in types whose own section is among the types; the others stand among the functions.
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
    """Names of the documented modules, packages before their parts; some may not exist here."""
    top = {name for name in sys.stdlib_module_names if not name.startswith("_") and name not in _LEFT_OUT}
    return sorted(top | _PAGES.keys())


def documentation_url(home: str, name: str, defined: str) -> str:
    """Link to docs.python.org for ``name`` (empty: the module itself) of the module ``home``.

    ``defined`` is the module that defines it. Anchors are Sphinx's; one that the page does not have leads to its
    beginning.
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
