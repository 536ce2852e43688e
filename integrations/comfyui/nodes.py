"""The nodes. Each reads its inputs, asks :mod:`hso.hosts.comfyui`, and returns a new tensor.

Wrong inputs raise an error with one line, which ComfyUI shows at the node; the queue goes on.
"""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import ComfyExtension, io, ui

from . import drop_down, files, picture

CATEGORY = "model/sampling/schedulers"


def _model() -> Any:
    return io.Model.Input("model", tooltip="The model that will run, with all its patches.")


def _solver() -> Any:
    return io.Combo.Input("solver", options=comfy.samplers.SAMPLER_NAMES, tooltip="The sampler that will run.")


def _solver_or_auto() -> Any:
    tooltip = "The sampler that will run; auto: the one that the calibration finds best for so many network calls."
    return io.Combo.Input("solver", options=["auto", *comfy.samplers.SAMPLER_NAMES], tooltip=tooltip)


def _run_inputs(solver: Any) -> list[Any]:
    """What every run says of itself; the names are read by :func:`_run`."""
    return [
        io.Int.Input("steps", default=8, min=1, max=10000, tooltip="Steps that are run, also with a denoise below 1."),
        solver,
        io.Float.Input(
            "denoise",
            default=1.0,
            min=0.01,
            max=1.0,
            step=0.01,
            tooltip="Below 1 the run begins part-way, and the part that is run is optimized for itself.",
        ),
        io.Float.Input(
            "start_sigma",
            default=0.0,
            min=0.0,
            max=20000.0,
            step=0.001,
            round=False,
            advanced=True,
            tooltip="The sigma at which the run begins, in place of denoise. 0: denoise says it.",
        ),
        io.Float.Input(
            "cfg",
            default=0.0,
            min=0.0,
            max=100.0,
            step=0.1,
            advanced=True,
            tooltip="The guidance of the run; 1 is none. 0: not known, which counts as guided, or as the calibration's.",
        ),
    ]


def _run(steps: int, solver: str, denoise: float, start_sigma: float, cfg: float, calibration: Any = None) -> Any:
    from hso.hosts.comfyui import Run

    return Run(steps, solver, denoise, start_sigma or None, cfg or None, calibration)


def _read(model: Any) -> Any:
    from hso.hosts.comfyui import read_sampling

    return read_sampling(model.get_model_object("model_sampling"))


def _tensor(sigmas: list[float]) -> Any:
    import torch

    # A new tensor each time: some samplers write into the one that they are given.
    return torch.FloatTensor(sigmas)


class HSOScheduler(io.ComfyNode):
    """The best sigmas for a model, a sampler and a number of steps."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HSOScheduler",
            display_name="HSO Scheduler",
            category=CATEGORY,
            description="The best sigmas for this model, sampler and number of steps.",
            search_aliases=["hierarchical schedule optimization", "align your steps", "optimal steps"],
            inputs=[_model(), *_run_inputs(_solver())],
            outputs=[io.Sigmas.Output()],
        )

    @classmethod
    def execute(cls, model: Any, **asked: Any) -> Any:
        from hso.hosts.comfyui import sigmas_of

        return io.NodeOutput(_tensor(sigmas_of(_read(model), _run(**asked))))


class HSOCalibrated(io.ComfyNode):
    """The best sigmas for exactly this model, and the best sampler, from a calibration."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HSOCalibrated",
            display_name="HSO from Calibration",
            category=CATEGORY,
            description="The best sigmas and sampler for exactly this model, from a file of 'hso calibrate' in models/hso.",
            inputs=[
                _model(),
                io.Combo.Input("calibration", options=files.names(files.CALIBRATION)),
                *_run_inputs(_solver_or_auto()),
            ],
            outputs=[io.Sigmas.Output(), io.Sampler.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, calibration: str, **asked: Any) -> Any:
        return files.state_of(calibration)

    @classmethod
    def execute(cls, model: Any, calibration: str, **asked: Any) -> Any:
        from hso import Calibration
        from hso.hosts.comfyui import calibrated

        run, sampling = _run(**asked, calibration=Calibration.load(files.path_of(calibration))), _read(model)
        sampler, schedule = calibrated(sampling, run)
        return io.NodeOutput(_tensor(sampling.sigmas(schedule)), comfy.samplers.sampler_object(sampler))


class HSOScheduleFile(io.ComfyNode):
    """The sigmas of a schedule that was made elsewhere."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HSOScheduleFile",
            display_name="HSO Schedule File",
            category=CATEGORY,
            description="The sigmas of a file of 'hso optimize' or 'hso tune' in models/hso. Another model's is refused.",
            inputs=[_model(), io.Combo.Input("schedule", options=files.names(files.SCHEDULE))],
            outputs=[io.Sigmas.Output()],
        )

    @classmethod
    def fingerprint_inputs(cls, schedule: str, **others: Any) -> Any:
        return files.state_of(schedule)

    @classmethod
    def execute(cls, model: Any, schedule: str) -> Any:
        from hso import SamplingSchedule
        from hso.hosts.comfyui import sigmas_of_file

        loaded = SamplingSchedule.load(files.path_of(schedule))
        return io.NodeOutput(_tensor(sigmas_of_file(_read(model), loaded)))


class HSOExperts(io.ComfyNode):
    """The sigmas of two networks that share a run."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HSOExperts",
            display_name="HSO Experts",
            category=CATEGORY,
            description="Sigmas for two networks, such as Wan 2.2's: the first runs at and above the boundary.",
            inputs=[
                _model(),
                io.Float.Input("boundary", default=0.875, min=0.0, max=20000.0, step=0.001, round=False),
                io.Int.Input("least", default=1, min=1, max=5000, tooltip="Least number of steps for each network."),
                *_run_inputs(_solver()),
            ],
            outputs=[io.Sigmas.Output(display_name="high_sigmas"), io.Sigmas.Output(display_name="low_sigmas")],
        )

    @classmethod
    def execute(cls, model: Any, boundary: float, least: int, **asked: Any) -> Any:
        from hso.hosts.comfyui import expert_sigmas

        high, low = expert_sigmas(_read(model), _run(**asked), boundary, least)
        return io.NodeOutput(_tensor(high), _tensor(low))


class HSOPreview(io.ComfyNode):
    """A picture of a schedule."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="HSOPreview",
            display_name="HSO Preview",
            category=CATEGORY,
            description="A picture of any sigmas: each step's noise level.",
            inputs=[io.Sigmas.Input("sigmas")],
            outputs=[io.Image.Output()],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, sigmas: Any) -> Any:
        import torch

        image = torch.from_numpy(picture.draw(sigmas.tolist()))[None]
        return io.NodeOutput(image, ui=ui.PreviewImage(image, cls=cls))


NODES = [HSOScheduler, HSOCalibrated, HSOScheduleFile, HSOExperts, HSOPreview]


class HSOExtension(ComfyExtension):
    """The pack."""

    async def on_load(self) -> None:
        files.register()
        drop_down.install(comfy.samplers)

    async def get_node_list(self) -> list[Any]:
        return list(NODES)
