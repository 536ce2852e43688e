"""HSO: which N noise levels should a diffusion or flow sampler evaluate the network at?

Example:
    >>> import hso
    >>> noise = hso.NoiseSchedule.preset("sd2.1")
    >>> hso.optimize(noise, nfe=4, solver="unipc").schedule
    SamplingSchedule(nfe=4, timesteps=[999, 755, 509, 256], terminal=clean)
"""

from typing import TYPE_CHECKING, Any

from hso.calibrate import calibrate
from hso.errors import ArgumentError, FileError, HSOError, MissingExtraError
from hso.models.calibration import Calibration
from hso.models.images import Images
from hso.noise import NoiseSchedule
from hso.optimize import Result, optimize
from hso.schedule import SamplingSchedule
from hso.search import Boundary, Box, Constraints
from hso.team import Team
from hso.version import VERSION as __version__

if TYPE_CHECKING:
    from hso.comparison.anybody import compare
    from hso.tuning.tune import Tuned, tune

__all__ = [
    "ArgumentError",
    "Boundary",
    "Box",
    "Calibration",
    "Constraints",
    "FileError",
    "HSOError",
    "Images",
    "MissingExtraError",
    "NoiseSchedule",
    "Result",
    "SamplingSchedule",
    "Team",
    "Tuned",
    "__version__",
    "calibrate",
    "compare",
    "optimize",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Load what runs networks when it is first asked for, so that everything else starts fast."""
    if name == "compare":
        from hso.comparison.anybody import compare

        return compare
    if name in ("Tuned", "tune"):
        from hso.tuning import tune as module

        return getattr(module, name)
    raise AttributeError(f"module 'hso' has no attribute {name!r}")
