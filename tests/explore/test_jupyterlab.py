"""The explorer in a real JupyterLab: moved by keyboard, and whole after a reload."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nwbdecode.results import write
from tests.explore.chromium import page_of
from tests.made import decoding

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]

SHOWN = "document.querySelector('.nd-main').layout.xaxis.range[0]"
DRAWN = "document.querySelector('.nd-main path.js-line').getAttribute('d')"


@contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """Address, with token, of a JupyterLab of its own: settings and port shared with no other."""
    token = secrets.token_hex(16)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = folder / ".jupyter"
    places = {
        f"JUPYTER_{name}_DIR": str(own / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")
    }
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"),
        *(f"--port={port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={token}"),
        *(f"--ServerApp.root_dir={folder}", f"--LabApp.workspaces_dir={own / 'workspaces'}"),
        f"--LabApp.user_settings_dir={own / 'settings'}",
    ]
    quiet = own / "settings" / "@jupyterlab" / "apputils-extension"
    quiet.mkdir(parents=True)
    (quiet / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            command, env=os.environ | places, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail((folder / "server.log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?reset&token={token}"
    finally:
        server.terminate()
        server.wait(20)


def notebook(*cells: str) -> str:
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    made = [
        {
            "cell_type": "code",
            "id": f"cell{k}",
            "metadata": {},
            "source": text,
            "outputs": [],
            "execution_count": None,
        }
        for k, text in enumerate(cells)
    ]
    return json.dumps(
        {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    )


def test_the_window_moves_by_keyboard_and_survives_a_reload(tmp_path):
    from playwright.sync_api import TimeoutError

    shown = os.environ.get("NWBDECODE_RESULT")
    if shown:
        shutil.copy(shown, tmp_path / "decoded.nwb")
    else:
        write(decoding(bins=3000), tmp_path / "decoded.nwb")
    (tmp_path / "explore.ipynb").write_text(
        notebook("import nwbdecode as nd\nview = nd.explore('decoded.nwb', window=10)\nview")
    )
    with jupyterlab(tmp_path) as address, page_of(width=1500, height=1700) as tab:
        tab.set_default_timeout(90_000)
        tab.goto(address.format("explore.ipynb"))
        tab.wait_for_selector(".jp-Notebook .jp-Cell")
        tab.wait_for_selector("text=| Idle")
        tab.get_by_role("menuitem", name="Run", exact=True).click()
        tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        tab.wait_for_selector(".nd-side .main-svg")
        before, line = tab.evaluate(SHOWN), tab.evaluate(DRAWN)

        handle = tab.locator(".noUi-handle").first
        handle.focus()
        for _ in range(12):
            handle.press("ArrowRight")
        # Each key press travels to Python and back: the last one counts.
        tab.wait_for_function(f"{SHOWN} > {before + 11.9}")
        moved = tab.evaluate(SHOWN)
        assert moved == pytest.approx(before + 12, abs=0.1)
        tab.wait_for_function(f"{DRAWN} !== {json.dumps(line)}")
        ranges = tab.evaluate(
            "[...document.querySelectorAll('.nd-has-side .nd-main')]"
            ".map(panel => panel.layout.xaxis.range[0])"
        )
        assert len(ranges) > 1
        assert set(ranges) == {moved}

        tab.get_by_role("button", name="Importance: frequency").click()
        tab.wait_for_function("document.body.innerText.includes('Frequency (Hz)')")

        # A key that is pressed while the page is busy may be lost: a user presses it again.
        for left in reversed(range(18)):
            tab.keyboard.press("Control+s")
            try:
                tab.wait_for_function(
                    "async () => (await (await fetch('/api/contents/explore.ipynb')).json())"
                    ".content.cells[0].outputs.length > 0",
                    timeout=5_000,
                )
                break
            except TimeoutError:
                if not left:
                    raise
        tab.reload()
        tab.wait_for_selector(".nd-side .main-svg")
        tab.wait_for_function(f"{SHOWN} === {moved}")
        tab.wait_for_function("document.body.innerText.includes('Frequency (Hz)')")
        _picture(tab)


def _picture(tab) -> None:
    """Keep a picture for the documentation, where the environment names a file for it."""
    wanted = os.environ.get("NWBDECODE_SCREENSHOT")
    if wanted:
        tab.wait_for_timeout(1500)
        tab.screenshot(path=wanted)
