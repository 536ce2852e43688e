"""How good samples are, and pictures of schedules and samples."""

from hso.evaluation.frechet import frechet_distance

__all__ = ["frechet_distance"]
