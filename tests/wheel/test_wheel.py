"""The built wheel, run in an environment of its own: an editable install hides what a wheel leaves out.

The environment is honest about our packages and quick about everybody else's: the wheel is installed into a fresh venv,
and the third-party packages of the environment that runs the tests are put behind it on sys.path. A line in a `.pth`
adds a folder without processing the `.pth` files in it, so our editable install is not seen from there.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("controller", "drivers", "topologies", "labs")
WHERE_FROM = f"""
import importlib, json
print(json.dumps({{name: importlib.import_module(name).__file__ for name in {PACKAGES!r}}}))
"""


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must end well; nothing in its environment points back at the checkout."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(cwd), "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    (built,) = out.glob("netcordon-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh venv that holds the wheel, and sees the third-party packages of this one."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, with_pip=True)
    run(home / "bin/pip", "install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel, cwd=home)
    (site_packages,) = home.glob("lib/python3.*/site-packages")
    third_party = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (site_packages / "third-party.pth").write_text("\n".join(third_party) + "\n")
    return home


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty folder to run in: the checkout must not come in as the working directory."""
    return tmp_path


def tracked_files() -> set[str]:
    """What belongs into the wheel: each file of our packages that git does not ignore."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "--", *PACKAGES],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert tracked_files() - names == set()


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    strangers = {name for name in names if name.split("/")[0] not in (*PACKAGES, "netcordon-0.1.0.dist-info")}
    assert strangers == set()


def test_the_wheel_holds_the_migrations(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    migrations = [name for name in names if name.startswith("controller/store/migrations/")]
    assert "controller/store/migrations/env.py" in migrations
    assert [name for name in migrations if "/versions/" in name and name.endswith(".py")], migrations


def test_the_packages_come_from_the_wheel(environment: Path, elsewhere: Path) -> None:
    files = json.loads(run(environment / "bin/python", "-c", WHERE_FROM, cwd=elsewhere))
    assert set(files) == set(PACKAGES)
    for name, file in files.items():
        assert Path(file).is_relative_to(environment), f"{name} comes from {file}"


def test_every_module_imports_from_the_wheel(environment: Path, elsewhere: Path, wheel: Path) -> None:
    """A module that reads a file left out of the wheel, or needs what is not a dependency, fails here."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py") and name.startswith(PACKAGES)]
    modules = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names]
    # Alembic runs the migration scripts itself, and a __main__ runs when imported.
    imported = sorted(m for m in modules if ".migrations." not in m and not m.endswith(".__main__"))
    code = f"import importlib\nfor name in {imported!r}:\n    importlib.import_module(name)\n"
    run(environment / "bin/python", "-c", code, cwd=elsewhere)


def test_the_command_answers(environment: Path, elsewhere: Path) -> None:
    assert "contain" in run(environment / "bin/netcordon", "--help", cwd=elsewhere)


def test_the_lab_commands_come_in_by_their_entry_point(environment: Path, elsewhere: Path) -> None:
    listed = run(environment / "bin/netcordon", "lab", "list", cwd=elsewhere)
    assert "rogue-host" in listed
    assert "undo" in listed
