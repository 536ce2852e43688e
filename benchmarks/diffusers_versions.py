"""Runs the adapter's tests in fresh environments with several diffusers releases, and prints which pass.

    python benchmarks/diffusers_versions.py                    # 0.35, 0.38 and 0.42
    python benchmarks/diffusers_versions.py --only 0.35.2      # one of them
    python benchmarks/diffusers_versions.py --keep FOLDER      # keep the environments there, and use them again

Each environment has the transformers release of its time: diffusers before 0.37 does not import with transformers 5.
Needs a package index. Exits with 1 if a release fails.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
TORCH = "torch==2.13.0"
RELEASES = {
    "0.35.2": "transformers==4.57.1",
    "0.38.0": "transformers==4.57.1",
    "0.42.1": "transformers>=5",
}
TESTS = (
    "tests/hosts/diffusers/test_landing.py",
    "tests/hosts/diffusers/test_attachment.py",
    "tests/hosts/diffusers/test_malformed.py",
    "tests/hosts/diffusers/test_pipelines.py",
    "tests/hosts/diffusers/test_recommend.py",
    "tests/hosts/diffusers/test_told_before_the_shift.py",
    "tests/hosts/diffusers/test_hosts_table.py",
)


def python_of(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def build(folder: Path, release: str) -> None:
    """Make the environment if it is not there: the library itself, and what the tests need."""
    if (folder / "ready").exists():
        return
    venv.create(folder, with_pip=True, clear=True)
    wanted = (TORCH, f"diffusers=={release}", RELEASES[release], "safetensors", "pytest>=8", "hypothesis")
    install = [str(python_of(folder)), "-m", "pip", "install", "--quiet", *wanted, "-e", str(ROOT)]
    subprocess.run(install, check=True)
    (folder / "ready").touch()


def run(folder: Path) -> tuple[bool, str]:
    """Whether the tests pass, and the last line that pytest prints."""
    command = [str(python_of(folder)), "-m", "pytest", "-o", "addopts=--import-mode=importlib", "-q", *TESTS]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line for line in result.stdout.splitlines() if line.strip()]
    failures = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return result.returncode == 0, "\n".join([*failures, lines[-1] if lines else result.stderr[-500:]])


def main() -> int:
    """Build, test and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=RELEASES, action="append", help="test this release only; may be repeated")
    parser.add_argument("--keep", type=Path, help="folder for the environments; a temporary one by default")
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        for release in options.only or RELEASES:
            folder = (options.keep or Path(temporary)) / release
            begin = time.perf_counter()
            build(folder, release)
            passed, summary = run(folder)
            failed += not passed
            verdict = "passed" if passed else "FAILED"
            print(f"diffusers {release}: {verdict} in {time.perf_counter() - begin:.0f} s\n{summary}", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
