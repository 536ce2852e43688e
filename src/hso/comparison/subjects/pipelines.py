"""Subjects from a diffusers folder or a hub id: which kind of pipeline it is, and what it is sampled with.

The file ``model_index.json`` names the parts of a pipeline and their classes, and the parts tell the kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hso.comparison.subjects.base import Subject, SubjectSettings
from hso.comparison.subjects.device import check_device
from hso.comparison.subjects.network import NetworkSubject, Parts, brief, prediction_of, unet_subject
from hso.comparison.subjects.text_to_image import load_pipeline
from hso.errors import FileError, MissingExtraError
from hso.files import read_json
from hso.noise import NoiseSchedule
from hso.noise.config import MODEL_INDEX


class PipelineKind(NamedTuple):
    """A kind of pipeline.

    Attributes:
        part: The part that tells it from others.
        class_name: The class of this part; any if it is empty.
        subject: Makes the subject.
    """

    part: str
    class_name: str
    subject: Callable[[SubjectSettings], Subject]


def unet(settings: SubjectSettings) -> Subject:
    """A U-Net of pixels, such as DDPMPipeline's, with or without labels."""
    folder = _folder(settings.model)
    return unet_subject(_name(settings.model), folder, settings)


def latent_unet(settings: SubjectSettings) -> Subject:
    """A U-Net of latents with its VQ autoencoder (LDMPipeline)."""
    return _with_decoder(settings, "unet", "vqvae")


def dit(settings: SubjectSettings) -> Subject:
    """A diffusion transformer with labels, and its autoencoder (DiTPipeline)."""
    return _with_decoder(settings, "transformer", "vae")


# A new kind of pipeline is one function and one line here. The first that fits is taken.
PIPELINE_KINDS = (
    PipelineKind("text_encoder", "", load_pipeline),
    PipelineKind("transformer", "DiTTransformer2DModel", dit),
    PipelineKind("vqvae", "VQModel", latent_unet),
    PipelineKind("unet", "UNet2DModel", unet),
)


def from_pipeline(settings: SubjectSettings) -> Subject:
    """The subject in a diffusers folder, or behind a hub id.

    Raises:
        ArgumentError: If a setting does not fit the model.
        FileError: If there is no pipeline, or one of another kind.
        MissingExtraError: If an optional dependency is not installed.
    """
    path = Path(settings.model)
    is_path = path.exists() or settings.model.startswith(("/", "\\", "."))
    parts = _index_of_folder(path) if is_path else _index_of_hub(settings.model)
    for kind in PIPELINE_KINDS:
        if kind.class_name in ("", _class_of(parts.get(kind.part))) and kind.part in parts:
            return kind.subject(settings)
    kinds = ", ".join(f"{kind.part} {kind.class_name}".strip() for kind in PIPELINE_KINDS)
    raise FileError(settings.model, f"expected a pipeline with one of these parts: {kinds}; found {', '.join(parts)}")


def _with_decoder(settings: SubjectSettings, network: str, autoencoder: str) -> Subject:
    """A network of latents and the autoencoder that decodes them."""
    folder, device = _folder(settings.model), check_device(settings.device)
    module = _part(folder, network).to(device)
    decoder = _part(folder, autoencoder).to(device)
    scale = decoder.config.scaling_factor

    def decode(latents: Any) -> Any:
        return decoder.decode(latents.to(decoder.dtype) / scale).sample

    # A transformer has one label more than it counts, for "no class"; a U-Net counts all of its labels.
    classes = getattr(module.config, "num_embeds_ada_norm", None)
    labels = getattr(module.config, "num_class_embeds", None) or 0 if classes is None else classes + 1
    noise = NoiseSchedule.from_config(folder)
    parts = Parts(_name(settings.model), module, noise, prediction_of(folder), labels, classes is not None, decode)
    return NetworkSubject(parts, settings)


def _part(folder: Path, name: str) -> Any:
    """A part of a pipeline, in evaluation mode."""
    diffusers = _diffusers()
    class_name = _class_of(_index_of_folder(folder).get(name))
    try:
        part = getattr(diffusers, class_name).from_pretrained(
            folder / name, local_files_only=True, use_safetensors=True, low_cpu_mem_usage=False
        )
    except (OSError, ValueError, AttributeError) as error:
        raise FileError(folder, f"cannot load {name}: {brief(error)}") from None
    return part.eval().requires_grad_(False)


def _folder(model: str) -> Path:
    """The folder of a pipeline; a hub id is downloaded."""
    if Path(model).is_dir():
        return Path(model)
    return _from_hub(model, lambda pipeline: Path(pipeline.download(model)))


def _index_of_hub(model: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _from_hub(model, lambda pipeline: pipeline.load_config(model))
    return found


def _from_hub(model: str, get: Callable[[Any], Any]) -> Any:
    try:
        return get(_diffusers().DiffusionPipeline)
    except (OSError, ValueError) as error:
        raise FileError(model, f"cannot load a pipeline: {brief(error)}") from None


def _index_of_folder(folder: Path) -> Mapping[str, Any]:
    if not folder.is_dir() or not any(folder.iterdir()):
        found = "nothing" if not folder.exists() else ("an empty folder" if folder.is_dir() else "a file")
        raise FileError(folder, f"expected a diffusers pipeline folder, found {found}")
    index = folder / MODEL_INDEX
    try:
        parts = read_json(index)
    except OSError:
        raise FileError(folder, f"expected a diffusers pipeline folder with {MODEL_INDEX}, found none") from None
    except ValueError:
        parts = None
    if not isinstance(parts, dict):
        raise FileError(index, "expected a JSON object, found something else")
    return parts


def _class_of(part: Any) -> str:
    """The class in a pipeline's index, which has a pair of a library and a class for each part."""
    return str(part[1]) if isinstance(part, list | tuple) and len(part) == 2 else ""


def _name(model: str) -> str:
    return Path(model).resolve().name if Path(model).is_dir() else Path(model).name


def _diffusers() -> Any:
    try:
        import diffusers
    except ImportError:
        raise MissingExtraError("diffusers", extra="diffusers") from None
    return diffusers
