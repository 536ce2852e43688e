"""HSO: which N noise levels should a diffusion or flow sampler evaluate the network at?

Example:
    >>> import hso
    >>> noise = hso.NoiseSchedule.preset("sd2.1")
    >>> hso.optimize(noise, nfe=4, solver="unipc").schedule
    SamplingSchedule(nfe=4, timesteps=[959, 782, 557, 291], terminal=clean)
"""

    "compare",
