"""Scoring of results against the truth, without torch: the benchmarks' numbers and what explains them."""

from sfc_cli.evaluation.boundary import boundary_accuracy
from sfc_cli.evaluation.davis import evaluate_davis
from sfc_cli.evaluation.folder import evaluate_folder
from sfc_cli.evaluation.jhmdb import evaluate_jhmdb
from sfc_cli.evaluation.rates import Rates
from sfc_cli.evaluation.region import region_similarity
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.vip import evaluate_vip
from sfc_cli.evaluation.youtube_vos import evaluate_youtube_vos

__all__ = [
    "Rates",
    "Report",
    "boundary_accuracy",
    "evaluate_davis",
    "evaluate_folder",
    "evaluate_jhmdb",
    "evaluate_vip",
    "evaluate_youtube_vos",
    "region_similarity",
]
