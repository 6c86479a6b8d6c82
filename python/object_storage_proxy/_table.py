"""A row for each callback, which is all that a callback needs here.

The library has the same rows in go/callbacks/table.go, and include/osp.h in enum
osp_question; tests on both sides compare them with that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from operator import itemgetter
from typing import Any, NamedTuple

from . import _answers

Question = dict[str, Any]  # a JSON object of include/osp.h
Arguments = Callable[[Question], tuple[Any, ...]]  # those of a function, out of it
Spell = Callable[[Any], bytes]  # what a function returned, as such an object
Prepare = Callable[[Question], Spell]


class Row(NamedTuple):
    """What holds for one callback.

    Attributes:
        name: of the parameter of ProxyServerConfig; its question is OSP_ASK_ and this.
        forms: which members of the question a function may take as its arguments, in
            their order; the first form that it takes counts.
        spell: spells what a function has returned; raises BadAnswerError.
        prepare: gets a question ready for a function, and returns what spells the answer
            to this very question; None: spell does.
        failure: what follows when a function fails, for the log.
    """

    name: str
    forms: tuple[tuple[str, ...], ...]
    spell: Spell
    prepare: Prepare | None = None
    failure: str = "the request is refused"

    def form(self, function: object) -> tuple[str, ...] | None:
        """The form that a function takes; None: none of them."""
        try:
            signature = inspect.signature(function)  # type: ignore[arg-type]
        except Exception:  # some builtins don't tell, and objects may do anything
            return self.forms[-1]
        for form in self.forms:
            try:
                signature.bind(*form)
            except TypeError:
                continue
            return form
        return None

    def arguments(self, function: object) -> Arguments:
        """What takes a function's arguments out of a question."""
        form = self.form(function) or self.forms[-1]
        if len(form) > 1:
            return itemgetter(*form)
        (member,) = form
        return lambda question: (question[member],)


_DECIDES = (("token", "bucket", "request"), ("token", "bucket"))

TABLE = (
    Row("hmac_fetcher", (("access_key",),), _answers.secret),
    Row("validator", _DECIDES, _answers.decision, _answers.by_headers),
    Row("bucket_creds_fetcher", (("token", "bucket"),), _answers.bucket_creds),
    Row(
        "shadow_validator",
        _DECIDES,
        _answers.decision,
        _answers.by_headers,
        "there is nothing to compare",
    ),
    Row("role_assumer", (("request",),), _answers.session),
)
