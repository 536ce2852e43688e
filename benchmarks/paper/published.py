"""What the paper prints, in one place: models, datasets, schedules, and the figures of its tables.

Zhu et al., *Hierarchical Schedule Optimization for Fast and Robust Diffusion Model Sampling*, 2026,
https://arxiv.org/abs/2511.11688. FID throughout; less is better.

The paper does not state

- the guidance scale. Here it is what the pipelines of diffusers take by themselves: 7.5 for Stable Diffusion, 4.5 for
  PixArt-alpha;
- the seeds. Here 0, and 0 to 9 for the ten runs of Table 5;
- how UniPC is set. Here order 3, landing on t_min, as in the authors' program;
- the "default schedule" of Table 4. Here both UniPC's own in its authors' program, uniform in t down to 0.001, and the
  ``timestep_spacing`` of the model's configuration;
- what the captions of ImageNet are, which has labels only;
- the dataset of Tables 3 and 5. The FID of Table 3 at NFE 4 is LAION's of Table 2; that of Table 5 is nearest to
  ImageNet's, 19.78.

It contradicts itself in two places. Table 6 says that its 15.71 and 18.96 are of ImageNet; in Table 2 they are of LAION,
and ImageNet has 17.20 and 20.75. MS-COCO's validation set of 2017 has 5,000 images with 25,014 captions, not 30,000.
"""

from __future__ import annotations

from typing import NamedTuple

from hso.search import Psi


class Dataset(NamedTuple):
    """A set of images with captions: what to call it, and how many images the paper draws for it."""

    title: str
    images: int


class Model(NamedTuple):
    """A model: what the paper calls it, where it is, and the guidance scale of its pipeline."""

    title: str
    hub: str
    guidance: float


class Optimum(NamedTuple):
    """A row of Table 3."""

    psi: Psi
    fid: float


class Method(NamedTuple):
    """A row of Table 6: its name, what preparing it costs, its number of evaluations, and its FID."""

    title: str
    cost: str
    nfe: int
    fid: float


DATASETS = {
    "laion": Dataset("LAION-Aesthetics 6.5+", 30_000),
    "coco": Dataset("MS-COCO", 30_000),
    "imagenet": Dataset("ImageNet 512x512", 50_000),
}
MODELS = {
    "sd2.1-base": Model("SD-V2.1 (512px)", "stabilityai/stable-diffusion-2-1-base", 7.5),
    "pixart-alpha": Model("PixArt-alpha (512px)", "PixArt-alpha/PixArt-XL-2-512x512", 4.5),
}
SOLVERS = ("unipc", "ddim")

# Table 2, by dataset, solver and NFE: DM-NonUniform ("CVPR") and HSO.
EFFECTIVENESS = {
    "laion": {
        ("unipc", 4): (18.96, 15.71),
        ("unipc", 5): (13.91, 11.94),
        ("ddim", 4): (68.92, 24.77),
        ("ddim", 5): (35.38, 17.17),
    },
    "coco": {
        ("unipc", 4): (27.50, 23.26),
        ("unipc", 5): (23.10, 19.59),
        ("ddim", 4): (60.06, 29.55),
        ("ddim", 5): (30.12, 23.15),
    },
    "imagenet": {
        ("unipc", 4): (20.75, 17.20),
        ("unipc", 5): (17.63, 15.90),
        ("ddim", 4): (41.51, 19.78),
        ("ddim", 5): (22.89, 16.02),
    },
}
# Table 3, by NFE; UniPC.
OPTIMA = {
    4: Optimum(Psi(8.8431, 0.03, 0.96), 15.71),
    6: Optimum(Psi(6.5085, 0.01000187, 0.9999368), 11.17),
    8: Optimum(Psi(12.4163, 0.01000035, 0.9998941), 8.79),
    10: Optimum(Psi(11.6272, 0.0102511, 0.9999527), 8.32),
}
# Table 4, by model: the default schedule and HSO; UniPC, NFE 5, MS-COCO.
ADAPTIVITY = {"pixart-alpha": (37.65, 18.05), "sd2.1-base": (24.06, 19.59)}
# Table 5; DDIM, NFE 4. Training indices, and FID as printed.
WITH_PENALTY, WITHOUT_PENALTY = (959, 716, 370, 30), (999, 70, 9, 9)
ROBUSTNESS = {"with": "19.76 ± 0.25", "without": "165.48"}
RUNS = 10
# Table 6. The first and the third can be measured here.
COSTS = {
    "hso": Method("HSO", "~8 s", 4, 15.71),
    "autodiffusion": Method("AutoDiffusion", "~1.1 d", 4, 17.86),
    "dm_nonuniform": Method("DM-NonUni", "~1 s", 4, 18.96),
    "ufogen": Method("UFOGen", "~12 d", 1, 22.50),
    "mean_flows": Method("Mean Flows", "~60 d", 1, 3.43),
    "lcm": Method("LCM", "~1.33 d", 4, 11.10),
}
# Table 7, by configuration: UniPC and DDIM; NFE 4, LAION.
ABLATION = {"A": (18.07, 71.57), "B": (11.44, 29.22), "C": (26.33, 37.27), "Ours": (15.70, 24.80)}
