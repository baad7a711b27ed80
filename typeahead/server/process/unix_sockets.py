"""A unix socket to listen on, for a proxy on the same machine; :mod:`typeahead.server.process.listening` has ports.

A file that a killed server left is replaced. A file that a running server listens on is not, unless the new server is
meant to take over. The socket gets its mode before it listens and its name after that, so that nobody connects whom the
mode keeps out, and nobody finds a file without a listener behind it.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from typeahead.server.process.listening import BACKLOG, ListenError

try:
    import fcntl
except ImportError:  # Windows, which has no unix sockets in Python either
    fcntl = None  # type: ignore[assignment]

#: Bytes of a path that the system takes (``sockaddr_un``), and what the name under which the socket is made adds to it.
_MAX_PATH: Final = 107
_SUFFIX: Final = ".new"


class UnixListener(socket.socket):
    """A listening unix socket whose file goes when it is closed, unless the file is another server's by then."""

    _file: tuple[Path, int, int] | None = None

    def owns(self, path: Path) -> None:
        """Remove ``path`` at the end."""
        found = path.stat()
        self._file = path, found.st_dev, found.st_ino

    def close(self) -> None:
        """Stop listening, and remove the file."""
        if self._file is not None:
            (path, device, inode), self._file = self._file, None
            with suppress(OSError):
                found = path.stat()
                if (found.st_dev, found.st_ino) == (device, inode):
                    path.unlink()
        super().close()


def listen_unix(path: Path, mode: int, *, take_over: bool = False) -> UnixListener:
    """Listen on a unix socket at ``path`` with these permissions.

    With ``take_over`` a running server loses the path: it keeps its connections, and new ones come here. Raises
    :class:`~typeahead.server.process.listening.ListenError` if the path is too long, is some other file, belongs to a
    running server, or cannot be written.
    """
    if fcntl is None or not hasattr(socket, "AF_UNIX"):
        raise ListenError(str(path), None, "this system has no unix sockets: leave socket out")
    made = path.with_name(path.name + _SUFFIX)
    if len(os.fsencode(made)) > _MAX_PATH:
        most = _MAX_PATH - len(_SUFFIX)
        raise ListenError(str(path), None, f"its path has more than {most} bytes: give a shorter one")
    try:
        with _alone(path.parent):
            if not take_over or not _is_socket(path):
                _check_free(path)
            with suppress(FileNotFoundError):
                made.unlink()
            return _listen(path, made, mode)
    except ListenError:
        raise
    except OSError as error:
        raise ListenError(
            str(path), None, f"{error.strerror}: give a path in a folder that this user may write"
        ) from error


def _listen(path: Path, made: Path, mode: int) -> UnixListener:
    listener = UnixListener(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(made))
        made.chmod(mode)
        listener.listen(BACKLOG)
        listener.setblocking(False)
        made.rename(path)
        listener.owns(path)
    except OSError:
        listener.close()
        with suppress(OSError):
            made.unlink()
        raise
    return listener


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other servers of this machine from looking at files of the folder and replacing them meanwhile."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _check_free(path: Path) -> None:
    """Raise :class:`ListenError` if there is a file that is no socket, or somebody listens."""
    if not path.is_symlink() and not path.exists():
        return
    if not _is_socket(path):
        raise ListenError(str(path), None, "there is a file already that is no socket: give another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:  # nobody listens: a server was killed
            return
        except BlockingIOError:  # somebody listens, and many wait
            pass
    raise ListenError(
        str(path), None, "another server listens there: stop it, give another path, or take it over with --share-port"
    )
