"""Scoring of results against the truth, without torch: the benchmarks' numbers and what explains them."""

from sfc_cli.evaluation.davis_benchmark import evaluate_davis
from sfc_cli.evaluation.folder_benchmarks import evaluate_folder, evaluate_youtube_vos
from sfc_cli.evaluation.joint_benchmark import evaluate_jhmdb
from sfc_cli.evaluation.measures import boundary_accuracy, region_similarity
from sfc_cli.evaluation.part_benchmark import evaluate_vip
from sfc_cli.evaluation.report import Rates, Report

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
