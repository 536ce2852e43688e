"""Figures of images, and how sure they are."""
