"""A small, really trained diffusion model that ships with the library.

Importing this package imports neither torch nor diffusers; the loaders do.
"""

from hso.models.bundled import (
    NO_CLASS,
    Moments,
    digits_folder,
    guided,
    load_digits_classifier,
    load_digits_model,
    load_digits_moments,
    moments_of,
)

__all__ = [
    "NO_CLASS",
    "Moments",
    "digits_folder",
    "guided",
    "load_digits_classifier",
    "load_digits_model",
    "load_digits_moments",
    "moments_of",
]
