"""Physics checks against published numbers and closed forms.

Each file holds one group: its text, its checks and its plots. `deepdrr validate` and the tests run them all. The
reference numbers are in `data/validation/`, the limits beside the checks.
"""

from deepdrr.validation._check import Check, Curve, Figure, Group, worst
from deepdrr.validation._report import GROUPS, Report, groups
from deepdrr.validation._write import NO_FIGURES, draw_figures, report_html, report_markdown, write_report

__all__ = [
    "GROUPS",
    "NO_FIGURES",
    "Check",
    "Curve",
    "Figure",
    "Group",
    "Report",
    "draw_figures",
    "groups",
    "report_html",
    "report_markdown",
    "worst",
    "write_report",
]
