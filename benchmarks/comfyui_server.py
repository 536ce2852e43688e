"""A real ComfyUI server on the CPU with the node pack of this repository, for tests and measurements.

The environment variable ``HSO_COMFYUI`` is the folder of an installation, and ``HSO_COMFYUI_PYTHON`` the Python that runs
it (by default the one that asks). Everything that the server writes goes to a folder of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[1]
PACK, RECORDER = ROOT / "integrations" / "comfyui", Path(__file__).parent / "comfyui_recorder"
START_SECONDS, RUN_SECONDS = 600, 120


class RefusedError(Exception):
    """The server did not accept a graph, or a node failed; the text is what it says to the user."""


class Server:
    """A server that runs inside ``with``.

    Args:
        installation: The folder with ComfyUI's ``main.py``.
        work: An empty folder for what the server reads and writes.
    """

    def __init__(self, installation: Path, work: Path) -> None:
        self._installation, self.work = installation, work
        for name, source in (("hso-schedules", PACK), ("recorder", RECORDER)):
            shutil.copytree(source, work / "custom_nodes" / name)
        (work / "models" / "hso").mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{free.getsockname()[1]}"

    def __enter__(self) -> Server:
        python = os.environ.get("HSO_COMFYUI_PYTHON", sys.executable)
        port = self._url.rpartition(":")[2]
        arguments = ["--cpu", "--port", port, "--base-directory", str(self.work), "--disable-api-nodes", "--cache-none"]
        paths = [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        self._log = (self.work / "server.log").open("w")
        self._process = subprocess.Popen(
            [python, "main.py", *arguments], cwd=self._installation, env=environment, stdout=self._log, stderr=self._log
        )
        self._wait_until_up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._stop()

    def _stop(self) -> None:
        self._process.wait(30)
        self._log.close()

    @property
    def log(self) -> str:
        """What the server wrote until now."""
        return (self.work / "server.log").read_text(encoding="utf-8", errors="replace")

    def ask(self, path: str, data: Any = None) -> Any:
        """The answer to a request, as JSON.

        Raises:
            RefusedError: If the server does not accept it.
        """
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self._url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            raise RefusedError(error.read().decode()) from None

    def run(self, graph: dict[str, Any]) -> dict[str, Any]:
        """The outputs of a graph: for each output node what it shows.

        Raises:
            RefusedError: If the server does not accept the graph, or a node fails.
        """
        number = self.ask("/prompt", {"prompt": graph})["prompt_id"]
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline:
            if found := self.ask(f"/history/{number}").get(number):
                return self._outputs(found)
            time.sleep(0.005)
        raise TimeoutError(f"the server did not finish a graph in {RUN_SECONDS} s")

    def _outputs(self, found: dict[str, Any]) -> dict[str, Any]:
        for kind, message in found["status"]["messages"]:
            if kind == "execution_error":
                raise RefusedError(message["exception_message"].strip())
        outputs: dict[str, Any] = found["outputs"]
        return outputs

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.ask("/queue")
                return
            except OSError:
                time.sleep(0.2)
        self._process.kill()
        self._stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.log[-2000:]}")


def graph_of(kind: str, scheduler: str, inputs: dict[str, Any], sampler: str = "euler") -> dict[str, Any]:
    """A graph that samples a recording model with the sigmas of one of the pack's nodes.

    Args:
        kind: One of the recorder's kinds of model.
        scheduler: The node that makes the sigmas.
        inputs: Its inputs, without the model.
        sampler: The sampler.
    """
    return {
        "model": {"class_type": "RecordingModel", "inputs": {"kind": kind}},
        "sigmas": {"class_type": scheduler, "inputs": {"model": ["model", 0], **inputs}},
        "sampler": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": sampler}},
        "run": {
            "class_type": "SamplerCustom",
            "inputs": {
                "model": ["model", 0],
                "add_noise": True,
                "noise_seed": 0,
                "cfg": 1.0,
                "positive": ["model", 1],
                "negative": ["model", 1],
                "sampler": ["sampler", 0],
                "sigmas": ["sigmas", 0],
                "latent_image": ["model", 2],
            },
        },
        "told": told_after(["run", 0], ["sigmas", 0]),
    }


def graph_of_drop_down(kind: str, steps: int, denoise: float, sampler: str, scheduler: str = "hso") -> dict[str, Any]:
    """A graph that samples a recording model with KSampler and a scheduler of its list."""
    return {
        "model": {"class_type": "RecordingModel", "inputs": {"kind": kind}},
        "run": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["model", 0],
                "seed": 0,
                "steps": steps,
                "cfg": 1.0,
                "sampler_name": sampler,
                "scheduler": scheduler,
                "positive": ["model", 1],
                "negative": ["model", 1],
                "latent_image": ["model", 2],
                "denoise": denoise,
            },
        },
        "told": told_after(["run", 0]),
    }


def told_after(latent: list[Any], sigmas: list[Any] | None = None) -> dict[str, Any]:
    """The node that shows what the network was told, after a latent was made."""
    inputs = {"model": ["model", 0], "after": latent, **({"sigmas": sigmas} if sigmas else {})}
    return {"class_type": "Told", "inputs": inputs}
