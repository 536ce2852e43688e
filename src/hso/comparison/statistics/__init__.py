"""Figures of images, and intervals for them."""
