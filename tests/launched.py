"""What test_team.py starts in several processes: a calibration, tunings, and a network that fails in one of them.

    accelerate launch --multi_gpu --num_processes 2 tests/launched.py FOLDER

Process i writes ``i.npz`` into the folder.
"""

import sys
from pathlib import Path

import numpy as np

import hso

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.tuning.helpers import BANDS, MODEL, NOISE, POINTS, states

BATCH, IMAGES = 5, 36
SETTINGS = {"nfe": 4, "solver": "dpmpp_2m", "prediction": "sample"}


def images(network=MODEL.x0):
    return hso.Images.of(network, states(IMAGES), BATCH)


def calibrated(team=None, network=MODEL.x0, folder=None):
    x = states(IMAGES)
    options = {"points": POINTS, "bands": BANDS, "batch": BATCH, "folder": folder, "team": team}
    return hso.calibrate(network, NOISE, x, "sample", **options)


def tuned(team=None, **options):
    return hso.tune(images(), NOISE, **SETTINGS, team=team, **options)


def failing(x, node):
    """A network that returns NaN for the images of the second batch, which the second process has."""
    second = np.array([np.any(np.all(row == states(IMAGES)[BATCH : 2 * BATCH], axis=1)) for row in x])
    return np.where(second[:, None], np.nan, MODEL.x0(x, node))


def main(folder: Path) -> None:
    team = hso.Team.launched(cpu=True)
    known = calibrated(team, folder=folder / "state")
    calls = []

    def counted(x, node):
        calls.append(len(x))
        return MODEL.x0(x, node)

    # What is finished is not computed again.
    again = calibrated(team, counted, folder / "state")
    assert not calls
    np.testing.assert_array_equal(again.grams, known.grams)
    with_known = tuned(team, calibration=calibrated(), folder=folder / "tuning")
    without = tuned(team, points=POINTS)
    in_features = tuned(team, calibration=calibrated(), features=lambda x: x[:, :2])
    try:
        calibrated(team, failing)
        problem = ""
    except hso.HSOError as error:
        problem = str(error)
    try:
        team.together(f"something of process {team.index}", lambda: None)
        apart = ""
    except hso.HSOError as error:
        apart = str(error)
    np.savez(
        folder / f"{team.index}.npz",
        count=team.count,
        grams=known.grams,
        mean_grams=known.mean_grams,
        errors=known.trials.errors,
        calls=known.calls,
        times=with_known.found.schedule.times,
        gain=with_known.gain.value,
        tuned_calls=with_known.calls,
        loss=without.loss,
        features=in_features.found.schedule.times,
        problem=problem,
        apart=apart,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
