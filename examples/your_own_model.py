"""A model that no preset knows: from its betas, from its diffusers configuration, or from a formula."""

import numpy as np

import hso

betas = np.linspace(1e-4, 0.02, 1000)
config = {"beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}
models = {
    "betas": hso.NoiseSchedule.from_betas(betas, "my model"),
    "configuration": hso.NoiseSchedule.from_config(config, "my cosine model"),
    "formula": hso.NoiseSchedule.linear_vp(beta_0=0.1, beta_1=20.0),
}
for source, noise in models.items():
    for solver in ("ddim", "unipc"):
        schedule = hso.optimize(noise, nfe=6, solver=solver).schedule
        print(f"{source:14} {solver:6} t = {schedule.times.round(3).tolist()}")
