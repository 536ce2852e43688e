r"""The network of a pipeline, guidance included, as a function of a state and a node.

A pipeline hides its network behind its call. To calibrate or tune it, one has to ask the network at a state x and a noise
level of one's own. Here the pipeline is called with x as its latents and with a scheduler that has this one node only: it
passes x to the network unchanged, keeps what the pipeline makes of the network's answer (with classifier-free guidance
applied), and lets the pipeline end. So everything that a pipeline does around its network (prompts, guidance, its
rescaling, two networks) is what it does for a user.

One such call costs what one step of the pipeline costs, and the encoding of the prompt.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from hso.errors import HostError
from hso.hosts.diffusers.attachment import scheduler_of
from hso.hosts.diffusers.own import detach
from hso.noise import NoiseSchedule
from hso.noise.path import VarianceExploding
from hso.solvers import Node

if TYPE_CHECKING:
    import torch


class PipelineNetwork:
    """The network of a pipeline: x and a node to its prediction, as :func:`hso.solvers.sample` takes it.

    Args:
        pipe: The pipeline. It is detached, so that it has its own scheduler.
        arguments: Arguments of its call for the images of a batch: ``prompt``, ``guidance_scale``, ``height`` ...

    Attributes:
        noise: The noise schedule.
        prediction: What the network predicts.

    Raises:
        HostError: If the pipeline's scheduler scales the network's input by itself, as EDM's does.

    Example:
        Calibrate a pipeline for 64 prompts::

            network = PipelineNetwork(pipe, {"prompt": prompts, "guidance_scale": 7.5})
            x = network.states(torch.Generator().manual_seed(0))
            calibration = hso.calibrate(network, network.noise, x, network.prediction)
    """

    def __init__(self, pipe: Any, arguments: Mapping[str, Any]) -> None:
        detach(pipe)
        self._pipe, self._arguments, self._plain = pipe, dict(arguments), scheduler_of(pipe)
        self.noise = NoiseSchedule.from_config(pipe)
        if isinstance(self.noise.path, VarianceExploding):
            problem = "scales the input of the network by itself, so that the network cannot be asked at a state"
            raise HostError(type(self._plain).__name__, problem)
        config = self._plain.config
        flow = self.noise.path.name == "flow"
        self.prediction = "flow_prediction" if flow else str(config.get("prediction_type", "epsilon"))

    def states(self, generator: Any) -> torch.Tensor:
        """States at the noisiest time, shape (B, ...), as the pipeline itself draws and packs them: unit noise.

        Args:
            generator: A torch generator, or one for each image, as the pipeline takes it.
        """
        import torch

        noisiest = float(self.noise.timestep_of_time(self.noise.t_range[1]))
        return torch.as_tensor(self._ask(noisiest, {"generator": generator}).sample).clone()

    def __call__(self, x: torch.Tensor, node: Node) -> torch.Tensor:
        """The prediction at a state, shape (B, ...).

        Raises:
            HostError: If the pipeline changes the state before its network sees it.
        """
        import torch

        given = x.to(getattr(self._pipe, "dtype", x.dtype))
        asked = self._ask(float(self.noise.timestep_of_time(node.t)), {"latents": given})
        if asked.sample.shape != x.shape or not torch.allclose(asked.sample.to(given), given, rtol=1e-3, atol=1e-4):
            name = type(self._pipe).__name__
            raise HostError(
                name, "changes the latents that it is given, so that its network cannot be asked at a state"
            )
        # With reversed sigmas the network gives the velocity towards the data.
        sign = -1 if self._plain.config.get("invert_sigmas") else 1
        return sign * torch.as_tensor(asked.output).to(x)

    def _ask(self, timestep: float, extra: Mapping[str, Any]) -> _OneNode:
        import torch

        asked = _OneNode(timestep)
        self._pipe.scheduler = _asking(self._plain, asked)
        try:
            with torch.inference_mode():
                self._pipe(**self._arguments, **extra, num_inference_steps=1, output_type="latent")
        finally:
            self._pipe.scheduler = self._plain
        if asked.output is None:
            raise HostError(type(self._pipe).__name__, "did not call its network")
        return asked


class _OneNode:
    """What the scheduler of one node is to say, and what it was given."""

    def __init__(self, timestep: float) -> None:
        self.timestep = timestep
        self.sample: Any = None
        self.output: Any = None


def _asking(scheduler: Any, asked: _OneNode) -> Any:
    """A twin of the scheduler that has one node; its class derives from the scheduler's, so that pipelines accept it."""
    import torch

    twin = copy.copy(scheduler)

    # Pipelines look at the names of the parameters before they pass timesteps or sigmas.
    def set_timesteps(
        self: Any,
        num_inference_steps: Any = None,
        device: Any = None,
        timesteps: Any = None,
        sigmas: Any = None,
        mu: Any = None,
        **others: Any,
    ) -> None:
        self.num_inference_steps = 1
        self.timesteps = torch.tensor([asked.timestep], dtype=torch.float32, device=device)
        self.sigmas = torch.zeros(2, device=device)

    def step(self: Any, model_output: Any, timestep: Any, sample: Any, *args: Any, **options: Any) -> Any:
        asked.output, asked.sample = model_output, sample
        found = SimpleNamespace(prev_sample=sample, pred_original_sample=sample)
        return found if options.get("return_dict", True) else (sample, sample)

    methods = {
        "set_timesteps": set_timesteps,
        "step": step,
        "scale_model_input": lambda self, sample, *args, **options: sample,
        "init_noise_sigma": property(lambda self: 1.0, lambda self, value: None),
        "order": 1,
    }
    twin.__class__ = type(type(scheduler).__name__, (type(scheduler),), methods)
    return twin
