"""Figures in the text format of Prometheus, as its node_exporter reads them from a file (version 0.0.4 of the
exposition format).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from reconciler.core.basics.frozen import frozen

Sample = tuple[Mapping[str, str], float]


@frozen
class Metric:
    """One metric with its samples: labels and value. `type` is gauge or counter."""

    name: str
    type: str
    help: str
    samples: Sequence[Sample]


def render(metrics: Iterable[Metric]) -> str:
    """The text of the file; metrics without a sample are left out."""
    lines: list[str] = []
    for metric in metrics:
        if metric.samples:
            lines += [f"# HELP {metric.name} {_escaped(metric.help)}", f"# TYPE {metric.name} {metric.type}"]
            lines += [f"{metric.name}{_labels(labels)} {_number(value)}" for labels, value in metric.samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', '\\"')


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
