"""The digest of a policy: what a plan and a report are bound to."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from hygiene_core.model.policy import Policy

__all__ = ["digested", "policy_digest"]


def policy_digest(policy: Policy) -> str:
    """Sha256, in hexadecimal, over the canonical JSON of a policy without its source and digest.

    Canonical: keys sorted, no white space, ASCII, spans as whole seconds, absent values as null.
    """
    content = asdict(policy)
    del content["source"], content["digest"]
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain, allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def digested(policy: Policy) -> Policy:
    """The policy with its digest filled in."""
    return replace(policy, digest=policy_digest(policy))


def _plain(value: Any) -> int:
    if isinstance(value, timedelta):
        return value // timedelta(seconds=1)
    raise TypeError(f"a policy holds no {type(value).__name__}")
