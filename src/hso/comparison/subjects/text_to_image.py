"""Text-to-image pipelines, through their public call with an attached schedule.

Image i is asked for with caption i and starts from a generator of its own. Solvers are diffusers' schedulers, and the
schedule is attached to them. So the images that are judged are those that a user of the pipeline gets.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hso.comparison.subjects.base import Start, Subject, SubjectSettings, at_guidance, channels_last
from hso.comparison.subjects.device import check_device
from hso.comparison.subjects.features import folder_features, folder_moments, image_paths, named_features
from hso.errors import ArgumentError, FileError, MissingExtraError
from hso.files import read_text
from hso.models.images import Batch
from hso.models.teacher import Teacher
from hso.noise import NoiseSchedule
from hso.noise.base import Array
from hso.schedule import SamplingSchedule
from hso.solvers import Solver, make_solver

# The schedulers of diffusers for these solvers, and the settings that make them so.
SCHEDULERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "ddim": ("DDIMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {"solver_order": 3}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"solver_order": 2, "algorithm_type": "dpmsolver++"}),
    "dpmpp_3m": ("DPMSolverMultistepScheduler", {"solver_order": 3, "algorithm_type": "dpmsolver++"}),
    "deis": ("DEISMultistepScheduler", {}),
}
SEED_STRIDE = 0x9E3779B97F4A7C15


class TextToImage(Subject):
    """A pipeline that is called with prompts.

    Args:
        name: The name in reports.
        pipe: The pipeline, on its device.
        settings: Guidance, seed, captions, features and data.

    Raises:
        ArgumentError: If captions are missing.
        FileError: If the captions or the data cannot be read, or do not belong together.
    """

    solvers = tuple(SCHEDULERS)

    def __init__(self, name: str, pipe: Any, settings: SubjectSettings) -> None:
        self.name = f"{name}@{settings.guidance:g}"
        self.pipe, self.settings = pipe, settings
        self.noise = at_guidance(NoiseSchedule.from_config(pipe), settings.guidance)
        self.captions = read_captions(settings)
        # Somebody may change the caption file between a stop and the next start.
        self.identity = {"prompts": hashlib.sha256("\n".join(self.captions).encode()).hexdigest()[:16]}
        self._features = named_features(settings.features or "inception", settings.device)
        if settings.data is not None:
            self.moments = folder_moments(settings.data, self._features)
            self.data = partial(folder_features, settings.data, self._features)
        self._plain = pipe.scheduler
        flow = self.noise.path.name == "flow"
        self.prediction = "flow_prediction" if flow else str(self._plain.config.get("prediction_type", "epsilon"))

    def begin(self, images: range) -> Start:
        return Start(images, [(self.settings.seed * SEED_STRIDE + index) % 2**63 for index in images])

    def sample(self, solver: Solver | str, schedule: SamplingSchedule, start: Start) -> Array:
        import torch

        from hso.hosts.diffusers import attach

        self.pipe.scheduler = self._scheduler(make_solver(solver).name)
        with attach(self.pipe, schedule):
            found = self.pipe(
                prompt=[self.captions[index] for index in start.images],
                num_inference_steps=len(schedule.lambdas),
                guidance_scale=self.settings.guidance,
                generator=[torch.Generator().manual_seed(seed) for seed in start.noise],
                output_type="np",
            ).images
        return np.asarray(found) * 2 - 1

    def teacher(self) -> Teacher | None:
        """None: a teacher is run on all of its images at once, for which few machines have the memory."""
        return None

    def batch_of(self, images: range) -> Batch:
        """The pipeline's own network, guidance included; prompts are taken in turn."""
        import torch

        from hso.hosts.diffusers.network import PipelineNetwork

        self.pipe.scheduler = self._plain
        prompts = [self.captions[index % len(self.captions)] for index in images]
        network = PipelineNetwork(self.pipe, {"prompt": prompts, "guidance_scale": self.settings.guidance})
        generators = [torch.Generator().manual_seed(seed) for seed in self.begin(images).noise]
        return Batch(network, network.states(generators))

    def features(self, images: Array) -> Array:
        return self._features(images)

    @property
    def state_features(self) -> Callable[[Any], Array] | None:
        """The features of decoded states; None if the pipeline does not decode images with an AutoencoderKL."""
        vae = getattr(self.pipe, "vae", None)
        return self._features_of_latents if type(vae).__name__ == "AutoencoderKL" else None

    def _features_of_latents(self, x: Any) -> Array:
        """The features of the images that clean states stand for.

        Raises:
            ArgumentError: If the pipeline packs its states, so that they are no latents of its autoencoder.
        """
        import torch

        if x.ndim != 4:
            raise ArgumentError("features", f"bands for {self.name}, which packs its states", "features of images")
        vae = self.pipe.vae
        with torch.inference_mode():
            latents = x.to(vae.device, vae.dtype) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
            images = vae.decode(latents).sample.clamp(-1, 1).float().cpu()
        return self.features(channels_last(np.asarray(images)))

    def check_samples(self, samples: int) -> None:
        super().check_samples(samples)
        if samples > len(self.captions):
            raise ArgumentError(
                "captions", f"{samples} lines at least, one for each sample", f"{len(self.captions)} lines"
            )

    def _scheduler(self, solver: str) -> Any:
        import diffusers

        name, options = SCHEDULERS[solver]
        return getattr(diffusers, name).from_config(self._plain.config, **options)


def load_pipeline(settings: SubjectSettings) -> TextToImage:
    """A text-to-image subject from a diffusers folder or a hub id.

    Raises:
        ArgumentError: If captions are missing.
        FileError: If there is no pipeline, or the captions or the data cannot be read or do not belong together.
        MissingExtraError: If torch or diffusers is not installed.
    """
    # To load a pipeline can take minutes, so the rest is checked before.
    read_captions(settings)
    device = check_device(settings.device)
    try:
        import diffusers
    except ImportError:
        raise MissingExtraError("diffusers", extra="diffusers") from None
    pipelines: Any = diffusers
    try:
        pipe = pipelines.DiffusionPipeline.from_pretrained(
            settings.model, local_files_only=Path(settings.model).is_dir(), use_safetensors=True
        )
    except (OSError, ValueError, AttributeError) as error:
        raise FileError(settings.model, f"cannot load a pipeline: {' '.join(str(error).split())[:160]}") from None
    pipe.set_progress_bar_config(disable=True)
    return TextToImage(Path(settings.model).name, pipe.to(device), settings)


def read_captions(settings: SubjectSettings) -> list[str]:
    """The prompts, one a line. Blank lines are skipped.

    Raises:
        ArgumentError: If no file is given.
        FileError: If it cannot be read or is empty, or the number of prompts is not that of the real images.
    """
    path, data = settings.captions, settings.data
    if path is None:
        raise ArgumentError("captions", "a file with one prompt a line, for a text-to-image model", None)
    try:
        lines = read_text(path).splitlines()
    except (OSError, ValueError) as error:
        raise FileError(path, f"cannot read the captions: {getattr(error, 'strerror', None) or error}") from None
    captions = [line.strip() for line in lines if line.strip()]
    if not captions:
        raise FileError(path, "expected captions, one a line, found none")
    if data is not None and len(images := image_paths(data)) != len(captions):
        raise FileError(path, f"expected {len(images)} captions, one for each image of {data}, found {len(captions)}")
    return captions
