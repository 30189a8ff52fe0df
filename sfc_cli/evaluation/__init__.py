"""Scoring of results against the truth, without torch: the benchmarks' numbers and what explains them."""

from sfc_cli.evaluation.boundary import boundary_accuracy
from sfc_cli.evaluation.davis import evaluate_davis
from sfc_cli.evaluation.region import region_similarity
from sfc_cli.evaluation.report import Report

__all__ = ["Report", "boundary_accuracy", "evaluate_davis", "region_similarity"]
