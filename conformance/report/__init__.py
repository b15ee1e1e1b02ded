"""The pages, the summary and the progress of a run: they render records and decide nothing."""

from __future__ import annotations

from conformance.report.html import write_report
from conformance.report.json_lines import write_json_lines
from conformance.report.markdown import markdown
from conformance.report.progress import MatrixProgress
from conformance.report.view import View

__all__ = ["MatrixProgress", "View", "markdown", "write_json_lines", "write_report"]
