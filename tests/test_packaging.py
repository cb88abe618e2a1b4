"""What installs the package says one thing."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import nwbdecode

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found
    return re.sub(r"[-_.]+", "-", found[0]).lower()


def test_environment_and_pyproject_ask_for_the_same(project: dict[str, Any]) -> None:
    environment = YAML(typ="safe").load(ROOT / "environment.yml")
    *conda, pip = environment["dependencies"]
    asked = [line for line in pip["pip"] if not line.startswith("-")]
    assert asked == project["dependencies"] + project["optional-dependencies"]["jupyter"]
    assert f"python{project['requires-python']}" in conda


def test_every_requirement_has_a_tested_version(project: dict[str, Any]) -> None:
    # What the zarr extra needs lives in an environment of its own.
    files = ("constraints.txt", "constraints-zarr.txt")
    lines = [line for name in files for line in (ROOT / name).read_text().splitlines()]
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.!]+", pin) for pin in pins)
    pinned = {name_of(pin) for pin in pins}
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    assert {name_of(line) for group in groups for line in group} <= pinned


def test_the_version_is_said_once_and_the_same(project: dict[str, Any]) -> None:
    assert project["version"] == nwbdecode.__version__


def test_the_command_is_installed() -> None:
    (command,) = entry_points(group="console_scripts", name="nwbdecode")
    assert command.value == "nwbdecode.cli:main"


def test_the_readme_holds_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    section = text.split("## Two commands")[1].split("\n## ")[0]
    commands = [line for line in section.splitlines() if line.startswith("pip install")]
    assert commands == [
        "pip install -c constraints.txt -e . && nwbdecode demo",
        'pip install -c constraints.txt -e ".[test]" && pytest',
    ]


@pytest.mark.parametrize("page", ["README.md", "CHANGELOG.md", *sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md")
)])  # fmt: skip
def test_links_between_pages_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    local = [link for link in links if "://" not in link]
    missing = [link for link in local if not ((ROOT / page).parent / link).exists()]
    assert not missing
