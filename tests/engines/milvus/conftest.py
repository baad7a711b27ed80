"""Where Milvus is: a file of Milvus Lite, or a real server, whichever the installed packages run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pymilvus", reason="pymilvus is not installed: make milvus makes environments for both clients")

from tests.engines.milvus.servers import Milvus, lite, server


@pytest.fixture(scope="session", params=["lite", "server"])
def milvus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Milvus]:
    folder: Path = tmp_path_factory.mktemp("milvus")
    with lite(folder) if request.param == "lite" else server(folder) as found:
        yield found
