"""How far a median over rounds strays by chance.

In cases that targets read, the same build takes part twice, in two processes. The
two should be alike, so whatever they differ by in a round is noise: of the machine,
of its neighbours, of where a process happens to lie in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Student's t for an interval of 95 %, by degrees of freedom from 1 on.
_T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)


@dataclass(frozen=True)
class Figure:
    """A value, and how much of it may be chance."""

    value: float
    noise: float = 0


def of_median(differences: Sequence[float]) -> float:
    """Half the 95 % interval of a median over as many rounds as there are differences.

    The differences are those of two that are alike, so their mean is known to be 0
    and each of them is a degree of freedom. The standard error of a median is
    sqrt(pi / 2) times that of a mean. No difference at all is no noise known: 0.
    """
    rounds = len(differences)
    if not rounds:
        return 0
    deviation = math.sqrt(sum(each * each for each in differences) / rounds)
    return _T[min(rounds, len(_T)) - 1] * deviation * math.sqrt(math.pi / 2 / rounds)
