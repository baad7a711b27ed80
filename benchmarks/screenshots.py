"""Takes the README's pictures of the search page from a real server: light and dark, wide and narrow.

    python -m benchmarks.screenshots --index INDEX --query "read a file line"

INDEX may be that of ``typeahead demo``. Needs the extra "test".
"""

from __future__ import annotations

import argparse
import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from benchmarks.browser import until
from benchmarks.chromium import chromium
from typeahead.evaluate.measures.websocket import server_process
from typeahead.paths import web_folder

#: Width and height in CSS pixels, and device pixels per CSS pixel.
SIZES = {"wide": (1000, 760, 1.0), "narrow": (360, 700, 1.5)}


def main() -> None:
    """Type the query into the page in each size and scheme, and save a picture of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, required=True)
    parser.add_argument("--encoder", default="minilm-gru", help="a model's name or folder")
    parser.add_argument("--query", default="read a file line by line")
    parser.add_argument("--out", type=Path, default=web_folder() / "screenshots")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with server_process(options.index, options.encoder) as (address, _), chromium() as driver:
        for size in SIZES:
            for scheme in ("light", "dark"):
                picture = options.out / f"search-{size}-{scheme}.png"
                shot = Image.open(io.BytesIO(take(driver, address, options.query, size, scheme)))
                # 128 colours are plenty for a page of text, and take a third of the bytes.
                shot.convert("RGB").quantize(128).save(picture, optimize=True)
                print(f"{picture}: {picture.stat().st_size / 1000:.0f} kB")


def take(driver: Any, address: str, query: str, size: str, scheme: str) -> bytes:
    """A PNG of the page with the query's results open and the second one active."""
    width, height, scale = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": size == "narrow"}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = [
        {"name": "prefers-color-scheme", "value": scheme},
        {"name": "prefers-reduced-motion", "value": "reduce"},
    ]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    driver.get(address)
    until(driver, "document.querySelector('typeahead-search').state === 'open'")
    webdriver.ActionChains(driver, duration=0).send_keys(query).perform()
    until(driver, "document.querySelector('typeahead-search').open")
    until(driver, "!document.querySelector('typeahead-search').client.busy")
    webdriver.ActionChains(driver, duration=0).send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN).perform()
    picture = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False})
    return base64.b64decode(picture["data"])


if __name__ == "__main__":
    main()
