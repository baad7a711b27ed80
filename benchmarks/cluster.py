"""Nodes of ``typeahead serve`` behind HAProxy with the configuration of ``deploy/proxies``: started, killed, restarted.

Each node may have a machine of its own (:mod:`benchmarks.links`). People reach HAProxy at :attr:`Cluster.url`.
"""

from __future__ import annotations

import asyncio
import csv
import io
import os
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from benchmarks.links import Machine
from typeahead.errors import TypeaheadError

CONFIG: Final = Path(__file__).parents[1] / "deploy" / "proxies" / "haproxy.cfg"
#: Seconds that a node may take to be ready, and to end.
_STARTING, _ENDING = 120.0, 15.0


def haproxy() -> str:
    """Return the program. Raises :class:`~typeahead.errors.TypeaheadError` if it is not there."""
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise TypeaheadError("HAProxy is not installed: apt-get install haproxy")
    return found


def loopback() -> str:
    """Return an address of this machine that hardly anybody else uses, so that a free port stays free."""
    return f"127.{random.randrange(16, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}"


def free_port(host: str) -> int:
    """Return a port of an address that nobody uses."""
    with socket.create_server((host, 0)) as taken:
        return int(taken.getsockname()[1])


class Node:
    """One place for ``typeahead serve`` with ``arguments``; ``machine`` is None for this one."""

    def __init__(self, name: str, arguments: Sequence[str], machine: Machine | None, log: Path) -> None:
        self.name, self.machine, self._log = name, machine, log
        self.host = loopback() if machine is None else machine.host
        # Nobody else is on a machine of its own.
        self.port = free_port(self.host) if machine is None else 8765
        self._command = [sys.executable, "-m", "typeahead", "serve", "--host", self.host, "--port", str(self.port)]
        self._command += ["--trusted-proxy", "127.0.0.0/8"]
        self._command += ["--trusted-proxy", "10.79.0.0/16", *arguments]
        if machine is not None:
            self._command = machine.inside(self._command)
        self.process: Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it is ready. Raises :class:`~typeahead.errors.TypeaheadError` if it ends instead."""
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self._command, stdin=DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=log
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(_STARTING):
            if not await self.process.stdout.readline():
                raise TypeaheadError(f"{self.name} did not start: {self._log.read_text()[-500:]}")

    async def kill(self) -> None:
        """End it as the system does that runs out of memory."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    async def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self.process is None or self.process.returncode is not None:
            return
        self.process.terminate()
        try:
            async with asyncio.timeout(_ENDING):
                await self.process.wait()
        except TimeoutError:
            await self.kill()


class Cluster:
    """HAProxy before ``count`` nodes, of which none runs yet; use it as a context.

    ``arguments`` are those of ``typeahead serve``. With ``apart`` each node has a machine of its own.
    """

    def __init__(self, count: int, arguments: Sequence[str], *, apart: bool = False) -> None:
        self._host = loopback()
        self.folder = Path(tempfile.mkdtemp(prefix="typeahead-nodes-"))
        machines = [Machine(number + 1) if apart else None for number in range(count)]
        self.nodes = [
            Node(
                f"node{number + 1}",
                ["--allowed-host", self._host, *arguments],
                machine,
                self.folder / f"node{number + 1}.log",
            )
            for number, machine in enumerate(machines)
        ]
        self._port = free_port(self._host)
        self.address = f"http://{self._host}:{self._port}/search"
        self.url = f"ws://{self._host}:{self._port}/search/v1/type"
        self._proxy: Process | None = None

    async def is_up(self, node: Node, *, up: bool = True) -> None:
        """Wait until HAProxy knows that a node is ready, or that it is not."""
        wanted = "UP" if up else "DOWN"
        async with asyncio.timeout(_STARTING):
            while await self._said(node.name) != wanted:
                await asyncio.sleep(0.05)

    async def counts(self, what: str = "scur") -> dict[str, int]:
        """One of HAProxy's figures for each node, by its name there: by default the sessions that are open."""
        return {name: int(row[what]) for name, row in (await self._statistics()).items() if name.startswith("node")}

    async def _said(self, name: str) -> str:
        return (await self._statistics())[name]["status"].split()[0]

    async def _statistics(self) -> dict[str, dict[str, str]]:
        reader, writer = await asyncio.open_unix_connection(self.folder / "statistics")
        writer.write(b"show stat\n")
        text = (await reader.read()).decode()
        writer.close()
        return {row["svname"]: row for row in csv.DictReader(io.StringIO(text.removeprefix("# ")))}

    def _config(self) -> str:
        """The shipped configuration, without TLS, for these nodes."""
        text, found = re.subn(r"bind :443 .*", f"bind {self._host}:{self._port}", CONFIG.read_text(encoding="utf-8"))
        text, servers = re.subn(r"(?m)^    server .*\n", "", text)
        if not (found and servers):
            raise TypeaheadError(f"{CONFIG} has changed: this measurement no longer knows where it names its servers")
        # Few, as not every system lets a process have so many files.
        statistics = f"    stats socket {self.folder}/statistics level operator\n    maxconn 4000"
        text = text.replace("    maxconn 30000", statistics)
        named = [f"    server {node.name} {node.host}:{node.port}\n" for node in self.nodes]
        return text.rstrip() + "\n" + "".join(named)

    async def __aenter__(self) -> Self:
        (self.folder / "haproxy.cfg").write_text(self._config(), encoding="utf-8")
        with (self.folder / "haproxy.log").open("wb") as log:
            self._proxy = await asyncio.create_subprocess_exec(
                haproxy(), "-db", "-f", str(self.folder / "haproxy.cfg"), stdin=DEVNULL, stdout=log, stderr=log
            )
        async with asyncio.timeout(_STARTING):
            while not (self.folder / "statistics").exists():
                if self._proxy.returncode is not None:
                    raise TypeaheadError(f"HAProxy did not start: {(self.folder / 'haproxy.log').read_text()}")
                await asyncio.sleep(0.02)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.gather(*(node.kill() for node in self.nodes))
        if self._proxy is not None and self._proxy.returncode is None:
            with suppress(ProcessLookupError):
                self._proxy.send_signal(signal.SIGTERM)
            await self._proxy.wait()
        for node in self.nodes:
            if node.machine is not None:
                node.machine.close()
        shutil.rmtree(self.folder, ignore_errors=True)
