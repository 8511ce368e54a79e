"""The report of a results folder: tables beside the paper's, figures, and clips to look at."""

from aptv2.benchmarks.report.page import write_report

__all__ = ["write_report"]
