"""A small mixture, whose students are not linear, and panels of images of it."""

import numpy as np

from hso.calibrate import calibrate
from hso.models.bands import Linear
from hso.models.images import Images
from hso.models.mixture import GaussianMixture
from hso.models.recording import Plan
from hso.noise import NoiseSchedule
from hso.tuning.panel import Recorder, Setting
from hso.tuning.store import Ledger, Store

NOISE = NoiseSchedule.preset("sd1.5")
SIZE = 4
RNG = np.random.default_rng(1)
MODEL = GaussianMixture.fit(
    RNG.standard_normal((200, SIZE)) @ np.diag([2.0, 1.0, 0.5, 0.2]) + RNG.choice([-3, 3], (200, 1)), 3
)
BANDS = Linear(np.eye(SIZE), [0, 0, 1, 1])
POINTS = 20


def states(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, SIZE))


def measured(count=24, seed=5):
    return calibrate(MODEL.x0, NOISE, states(count, seed), "sample", points=POINTS, bands=BANDS)


def panel(count=24, size=None, features=None, folder=None, model=None):
    setting = Setting(Plan(NOISE, "sample", POINTS), features)
    images = Images.of(model or MODEL.x0, states(count), size)
    return Recorder("tuning", setting, images, Store(folder, {}), Ledger(10**6, None)).panel(BANDS)
