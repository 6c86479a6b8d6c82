"""What the metrics port says, read as a monitoring system reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?')

Labels = frozenset[tuple[str, str]]


class Watched(Protocol):
    """A server that has a metrics port."""

    @property
    def metrics_url(self) -> str | None: ...


@dataclass(frozen=True)
class Scrape:
    """One answer of /metrics."""

    kinds: dict[str, str]  # family -> counter, gauge or histogram
    samples: dict[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples that have these labels, others set aside."""
        return sum(self.matching(name, **labels).values())

    def matching(self, name: str, **labels: str) -> dict[Labels, float]:
        wanted = set(labels.items())
        return {
            have: value
            for (sample, have), value in self.samples.items()
            if sample == name and wanted <= have
        }

    def labels(self, family: str) -> set[str]:
        """The names of the labels of a family."""
        return {
            name
            for (sample, have) in self.samples
            if re.sub(r"_(bucket|sum|count)$", "", sample)
            in (family, re.sub("_total$", "", family))
            or sample == family
            for name, _ in have
        }


def get(server: Watched, path: str, method: str = "GET") -> httpx.Response:
    """One request to the metrics port."""
    assert server.metrics_url is not None
    with httpx.Client(trust_env=False, verify=False) as http:
        return http.request(method, server.metrics_url + path)


def scrape(server: Watched) -> Scrape:
    answer = get(server, "/metrics")
    assert answer.status_code == 200, answer.text
    kinds: dict[str, str] = {}
    samples: dict[tuple[str, Labels], float] = {}
    for line in answer.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            kinds[name] = kind
        elif not line.startswith("#"):
            parts = _SAMPLE.match(line)
            assert parts, line
            key = parts[1], frozenset(_LABEL.findall(parts[2] or ""))
            assert key not in samples, line
            samples[key] = float(parts[3])
    return Scrape(kinds, samples)


def status(server: Watched) -> Any:
    """The figures of the status page."""
    answer = get(server, "/status.json")
    assert answer.status_code == 200
    return answer.json()
