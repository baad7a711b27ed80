"""Takes the pictures of the dashboard for the README: ``python -m tests.web.dashboard_pictures [--minutes 5]``.

Serves the public functions of a few modules with the real models, lets a dozen people type, looks on for some minutes,
types a query of its own at human pace, and writes four PNG files into ``web/screenshots/``.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os.path
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

import typeahead
from benchmarks.typing_load import TypingLoad, start_browser
from tests.server.running import running
from tests.web.test_real_server import documents
from typeahead.index import build_index, embed, open_index
from typeahead.paths import web_folder

FOLDER = Path(__file__).resolve().parent.parent.parent / "web" / "screenshots"
WIDTHS = {"wide": 1280, "narrow": 320}
QUERY = "most frequent value"


def type_query(driver: Any) -> None:
    """As a person does."""
    gaps = random.Random(3)
    driver.find_element(By.ID, "own-query").click()
    for letter in QUERY:
        webdriver.ActionChains(driver, duration=0).send_keys(letter).perform()
        time.sleep(gaps.uniform(0.06, 0.22))
    webdriver.ActionChains(driver, duration=0).send_keys(Keys.ENTER).perform()
    time.sleep(1.5)


def picture(driver: Any, width: int, colours: str) -> bytes:
    """The whole page as a PNG of few colours, which is a third of the size and looks the same."""
    features = [{"name": "prefers-color-scheme", "value": colours}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    time.sleep(1.5)
    height = driver.execute_script("return document.documentElement.scrollHeight")
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    image = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    out = io.BytesIO()
    image.quantize(64, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Serve, look on, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    minutes = parser.parse_args().minutes
    FOLDER.mkdir(exist_ok=True)
    passages = typeahead.load("minilm-doc")
    with tempfile.TemporaryDirectory() as folder:
        build_index([*documents(os.path), *documents(json), *documents(statistics)], Path(folder, "index"), passages)
        with (
            open_index(Path(folder, "index")) as index,
            running(
                embed(index), encoder=typeahead.load("minilm-gru"), passages=passages, web=web_folder(), timings=True
            ) as server,
            TypingLoad(server.http, people=12),
        ):
            driver = start_browser(Path(folder, "profile"))
            try:
                driver.get(f"{server.http}/dashboard")
                time.sleep(minutes * 60)
                type_query(driver)
                for name, width in WIDTHS.items():
                    for colours in ("light", "dark"):
                        path = FOLDER / f"dashboard-{colours}-{name}.png"
                        path.write_bytes(picture(driver, width, colours))
                        print(f"{path.name}: {path.stat().st_size} bytes")
            finally:
                driver.quit()


if __name__ == "__main__":
    main()
