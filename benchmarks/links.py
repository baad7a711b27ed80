"""Network namespaces for a measurement: a network of its own, and a machine for each node that a link leads to.

Nothing of the system's own network is touched, and everything is gone with the process that holds it. Where the system
does not allow it, there are no links, and no packets can be lost.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

#: Set for a process that has a network of its own.
_OURS: Final = "TYPEAHEAD_BENCHMARK_NETWORK"
_RULES: Final = """table inet lossy {{
    chain inward {{ type filter hook input priority 0; {0}; }}
    chain outward {{ type filter hook output priority 0; {0}; }}
}}"""


def why_not() -> str | None:
    """Return why there can be no networks of our own, or None."""
    try:
        done = subprocess.run(
            ["unshare", "--net", "ip", "link", "add", "here", "type", "veth", "peer", "name", "there"],
            capture_output=True,
            text=True,
        )
    except FileNotFoundError as error:
        return f"{error.filename} is not installed"
    return None if done.returncode == 0 else done.stderr.strip() or "network namespaces are not allowed"


def enter(module: str, arguments: Sequence[str]) -> str | None:
    """Run ``python -m module`` again in a network of its own. Returns why not; None where it has one already."""
    if not os.environ.get(_OURS):
        if (reason := why_not()) is not None:
            return reason
        os.environ[_OURS] = "1"
        os.execvp("unshare", ["unshare", "--net", sys.executable, "-m", module, *arguments])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    return None


class Machine:
    """A network namespace at the other end of a link; ``number`` is below 250."""

    def __init__(self, number: int) -> None:
        self.host = f"10.79.{number}.2"
        here = f"10.79.{number}.1/24"
        self._holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        # It repeats what it is told once it has its network.
        assert self._holder.stdin is not None
        assert self._holder.stdout is not None
        self._holder.stdin.write(b"there\n")
        self._holder.stdin.flush()
        self._holder.stdout.readline()
        outer = f"node{number}"
        _ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", str(self._holder.pid))
        _ip("address", "add", here, "dev", outer)
        _ip("link", "set", outer, "up")
        for command in (
            ["ip", "link", "set", "lo", "up"],
            ["ip", "address", "add", f"{self.host}/24", "dev", "eth0"],
            ["ip", "link", "set", "eth0", "up"],
        ):
            subprocess.run(self.inside(command), check=True)

    def inside(self, command: Sequence[str]) -> list[str]:
        """A command that runs on this machine."""
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", *command]

    def lose(self, percent: int) -> None:
        """Have the link lose packets both ways, at random. Raises :class:`OSError` where nftables is not there."""
        drop = f"meta l4proto tcp numgen random mod 100 < {percent} drop"
        rules = f"flush ruleset\n{_RULES.format(drop) if percent else ''}\n"
        done = subprocess.run(self.inside(["nft", "-f", "-"]), input=rules, text=True, capture_output=True)
        if done.returncode:
            raise OSError(f"nftables: {done.stderr.strip()}")

    def close(self) -> None:
        """Give the namespace back."""
        self._holder.kill()
        self._holder.wait()


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)
