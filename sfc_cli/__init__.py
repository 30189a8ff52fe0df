"""Semantic-Aware Fine-Grained Correspondence (ECCV 2022): masks for every frame from the mask of one."""

__version__ = "0.1.0"
