"""The schedule for Stable Diffusion with 5 network evaluations, what it is worth, and how to keep it."""

import tempfile
from pathlib import Path

import hso

noise = hso.NoiseSchedule.preset("sd2.1")
result = hso.optimize(noise, nfe=5, solver="unipc")

print(f"{result.schedule}  {result.message} ({1e3 * result.seconds:.0f} ms)")
print(f"timesteps {result.schedule.timesteps.tolist()}")
print(f"sigmas    {result.schedule.sigmas.round(3).tolist()}")
best = hso.optimize(noise, nfe=5, solver="unipc", strategy="exact")
print(f"MEP {result.objective:.4f}; its optimum {best.schedule.timesteps.tolist()} has {best.objective:.4f}")

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "sd21-unipc-5.json"
    result.schedule.save(file)
    assert hso.SamplingSchedule.load(file) == result.schedule
