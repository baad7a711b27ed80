"""Three nodes behind HAProxy, and people who type while one is killed and one is restarted."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.boxes import CUT, RESTART, Box, Record
from benchmarks.cluster import Cluster
from benchmarks.crowds import Crowd, differences
from tests.server.running import PATIENCE
from typeahead.evaluate.data.traces import Keystroke
from typeahead.index import Document, build_index

pytestmark = pytest.mark.skipif(
    shutil.which("haproxy", path="/usr/sbin:/usr/bin") is None,
    reason="haproxy is not installed: apt-get install haproxy",
)

TITLES = ("boil an egg", "boil potatoes", "tie a tie", "tie a bow", "mend a bicycle tube", "paint a wooden fence")
#: 20 keys a second.
TRACES = [[Keystroke(50.0 * end, title[:end]) for end in range(1, len(title) + 1)] for title in TITLES]
PEOPLE = 10


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import typeahead

    folder = tmp_path_factory.mktemp("nodes") / "index"
    build_index([Document(title, f"How to {title}") for title in TITLES], folder, typeahead.load("minilm-doc"))
    return folder


@asynccontextmanager
async def cluster_of(count: int, index: Path) -> AsyncIterator[Cluster]:
    async with Cluster(count, ["--index", str(index), "--fast"]) as made:
        await asyncio.gather(*(node.start() for node in made.nodes))
        await asyncio.gather(*(made.is_up(node) for node in made.nodes))
        yield made


async def until(crowd: Crowd, event: str) -> None:
    """Go on as soon as everybody has typed and seen results during an event."""
    crowd.record.event = event
    wanted = 5 * PEOPLE
    deadline = time.monotonic() + PATIENCE
    while len(crowd.record.now.waits) < wanted or not all(box.is_open for box in crowd.boxes):
        assert time.monotonic() < deadline, f"nobody can type: {event}"
        await asyncio.sleep(0.02)


async def test_a_killed_and_a_restarted_node_cost_nobody_a_session_a_key_or_a_right_result(index: Path) -> None:
    async with cluster_of(3, index) as cluster:
        await kill_and_restart(cluster)


async def kill_and_restart(cluster: Cluster) -> None:
    crowd = Crowd(cluster.url, TRACES, PEOPLE, reading=0.1)
    await crowd.start(0.2)
    await until(crowd, "undisturbed")
    counts = await cluster.counts()
    assert sum(counts.values()) == PEOPLE
    fullest = max(cluster.nodes, key=lambda node: counts[node.name])
    assert counts[fullest.name] < PEOPLE, "one node has everybody"
    await fullest.kill()
    await until(crowd, "killed")
    other = next(node for node in cluster.nodes if node is not fullest)
    held = (await cluster.counts())[other.name]
    crowd.record.event = "stopped"
    await other.stop()
    await until(crowd, "stopped")
    await other.start()
    await cluster.is_up(other)
    await until(crowd, "back")
    assert await crowd.stop() == 0
    by_event = crowd.record.by_event
    assert [noticed.unanswered for noticed in by_event.values()] == [0] * len(by_event)
    lost = [code for noticed in by_event.values() for code in noticed.codes]
    assert lost.count(CUT) == counts[fullest.name]
    assert lost.count(RESTART) == held > 0
    assert sum(len(noticed.reconnects) for noticed in by_event.values()) == len(lost)
    assert len(crowd.record.seen) > len(TITLES)
    alone = cluster.nodes[2] if cluster.nodes[2] not in (fullest, other) else other
    assert await differences(f"ws://{alone.host}:{alone.port}/v1/type", crowd.record.seen) == []


async def test_a_person_comes_to_the_same_node_each_time_and_has_another_one_while_that_is_gone(index: Path) -> None:
    async with cluster_of(2, index) as cluster:
        await come_twice(cluster)


async def come_twice(cluster: Cluster) -> None:
    places = []
    for _ in range(2):
        box = Box(cluster.url, Record(), source="127.7.7.7")
        box.start()
        await box.type("boil an e")
        await settled(box)
        places.append({name for name, count in (await cluster.counts()).items() if count})
        await box.close()
        while any((await cluster.counts()).values()):
            await asyncio.sleep(0.02)
    assert places[0] == places[1]
    (home,) = places[0]
    node = next(node for node in cluster.nodes if node.name == home)
    await node.kill()
    # HAProxy does not know yet, so it meets the refusal itself.
    await comes_in_elsewhere(cluster, home)
    # It asked the other one at once: to ask the same again would have taken time.
    assert (await cluster.counts("wretr"))[home] == 0
    asked: list[bytes] = []

    async def starting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(starting, node.host, node.port):
        await comes_in_elsewhere(cluster, home)
    assert any(b"/v1/type" in head for head in asked)


async def comes_in_elsewhere(cluster: Cluster, home: str) -> None:
    record = Record()
    box = Box(cluster.url, record, source="127.7.7.7")
    box.start()
    await box.type("boil an egg")
    await settled(box)
    assert home not in {name for name, count in (await cluster.counts()).items() if count}
    assert record.now.codes == []
    await box.close()


async def settled(box: Box) -> None:
    deadline = time.monotonic() + PATIENCE
    while not box.is_settled:
        assert time.monotonic() < deadline, "no answer comes"
        await asyncio.sleep(0.01)
