"""Build the package twice, check what came out, and install it where it will run: what ``make dist`` does.

It builds from the last commit, so that nothing of the working folder gets in. The two builds must have the same bytes.

Example:
    python scripts/release.py --out dist --python python3.10 python3.13
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Bytes. The weights of the bundled model are 2.2 million of them, compressed.
LARGEST = 3_000_000
FIRST_SCHEDULE = "import hso; print(hso.optimize(hso.NoiseSchedule.preset('sd2.1'), nfe=5).schedule)"

EXTRAS = "from importlib.metadata import metadata; print(*metadata('hso').get_all('Provides-Extra'))"


def run(*words: str | Path, folder: Path = ROOT, **environment: str) -> str:
    """What a command prints; if it fails, this program ends with what it said."""
    command = [str(word) for word in words]
    ran = subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        sys.exit(f"{' '.join(command)}: failed\n{ran.stdout}{ran.stderr}")
    return ran.stdout.strip()


def build(work: Path) -> list[Path]:
    """The wheel and the source archive of the last commit, dated by it."""
    source = work / "source"
    source.mkdir(parents=True)
    archive = work / "source.tar"
    run("git", "archive", "--output", archive, "HEAD")
    shutil.unpack_archive(archive, source)
    date = run("git", "log", "-1", "--format=%ct")
    run(sys.executable, "-m", "build", "--outdir", work / "dist", source, SOURCE_DATE_EPOCH=date)
    return sorted((work / "dist").iterdir())


def compare(first: Sequence[Path], second: Sequence[Path]) -> None:
    """Print what was built, and end if the two builds differ or are too large."""
    for one, other in zip(first, second, strict=True):
        content = one.read_bytes()
        if one.name != other.name or content != other.read_bytes():
            sys.exit(f"{one.name}: two builds of one commit differ")
        if len(content) > LARGEST:
            sys.exit(f"{one.name}: {len(content)} bytes, and {LARGEST} is the limit")
        print(f"{one.name}: {len(content)} bytes, two builds are equal, sha256 {hashlib.sha256(content).hexdigest()}")


def install(package: Path, python: str, work: Path) -> None:
    """Install a file in a new environment, and make a first schedule there."""
    version = run(python, "-c", "import platform; print(platform.python_version())")
    run(python, "-m", "venv", work)
    begin = time.perf_counter()
    run(work / "bin" / "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check", package)
    installed = time.perf_counter()
    schedule = run(work / "bin" / "python", "-c", FIRST_SCHEDULE, folder=work)
    end = time.perf_counter()
    run(work / "bin" / "pip", "check", "--disable-pip-version-check")
    run(work / "bin" / "hso", "presets", folder=work)
    seconds = f"installed in {installed - begin:.1f} s, first schedule after {end - installed:.1f} s more"
    print(f"Python {version}, {package.suffix}: {seconds}: {schedule}")


def resolve(wheel: Path, python: Path) -> None:
    """Ask the package index if every extra has an answer; nothing is installed."""
    extras = run(python, "-c", EXTRAS).split()
    for extra in extras:
        words = ("install", "--quiet", "--dry-run", "--ignore-installed", "--disable-pip-version-check")
        run(python, "-m", "pip", *words, f"{wheel}[{extra}]")
    print(f"extras that resolve: {', '.join(extras)}")


def main() -> None:
    """Build, compare, check, install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="folder to write to")
    parser.add_argument("--python", nargs="+", default=[sys.executable], metavar="PROGRAM", help="to install with")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        built = build(work / "one")
        compare(built, build(work / "another"))
        print(run(sys.executable, "-m", "twine", "check", "--strict", *built))
        for number, python in enumerate(given.python):
            for package in built:
                install(package, python, work / f"{number}{package.suffix}")
        wheel = next(package for package in built if package.suffix == ".whl")
        resolve(wheel, work / "0.whl" / "bin" / "python")
        given.out.mkdir(parents=True, exist_ok=True)
        for package in built:
            shutil.copy(package, given.out)
            print(f"wrote {given.out / package.name}")


if __name__ == "__main__":
    main()
