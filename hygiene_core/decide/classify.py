"""From what was seen to what it is: a verdict with its reasons, and the whole chain of one resource."""

from __future__ import annotations

from collections.abc import Collection

from hygiene_core.decide.context import Context
from hygiene_core.decide.directories import is_diagnostics, old_logs
from hygiene_core.decide.doubting import UNKNOWN_RULES
from hygiene_core.decide.layers import ImageSizes
from hygiene_core.decide.protecting import PROTECTED_RULES
from hygiene_core.decide.relations import Relations
from hygiene_core.decide.releasing import CANDIDATE_RULES, RETAINED_RULES
from hygiene_core.decide.remember import resources_of
from hygiene_core.decide.rule import Rule
from hygiene_core.decide.using import IN_USE_RULES
from hygiene_core.model.judgement import Chain, Judged, Reason, Verdict, Weighed
from hygiene_core.model.observation import Observation
from hygiene_core.model.resource import (
    BuildCacheRecord,
    Image,
    Kind,
    Resource,
    RunCache,
    RunnerWorkdir,
    Volume,
)

__all__ = ["ALL_RULES", "classify", "explain", "unique_bytes"]

ALL_RULES = PROTECTED_RULES + IN_USE_RULES + UNKNOWN_RULES + RETAINED_RULES + CANDIDATE_RULES

_RULES_OF_KIND: dict[Kind, tuple[Rule, ...]] = {
    kind: tuple(rule for rule in ALL_RULES if kind in rule.kinds) for kind in Kind
}
_NO_RULE = Reason("keep.default", "no rule lets it go", "rules")


def classify(observation: Observation, context: Context) -> tuple[Judged, ...]:
    """Judge every resource of an observation, in the order (kind, id).

    `context` must have been gathered from the same observation, with a memory brought up to it.
    """
    judged = [_judge(resource, context) for resource in resources_of(observation)]
    judged.sort(key=lambda row: (row.kind, row.id))
    return tuple(judged)


def explain(resource: Resource, context: Context) -> Chain:
    """The whole chain for one resource: every rule that is asked of its kind, what it saw, what it said."""
    weighed = []
    for rule in _RULES_OF_KIND[resource.kind]:
        detail = rule.check(resource, context)
        weighed.append(
            Weighed(
                rule=rule.id,
                asks=rule.asks,
                would_give=rule.verdict,
                verdict=None if detail is None else rule.verdict,
                detail="no" if detail is None else detail,
            )
        )
    judged = _judge(resource, context)
    return Chain(judged=judged, rules=tuple(weighed))


def unique_bytes(resource: Resource, sizes: ImageSizes) -> int | None:
    """What removing the resource alone would free, as far as the objects tell; `None` if not known."""
    match resource:
        case Image():
            return sizes.unique_bytes(resource)
        case BuildCacheRecord():
            return 0 if resource.shared else resource.size_bytes
        case _:
            return resource.size_bytes


def _judge(resource: Resource, context: Context) -> Judged:
    verdict, reasons = _verdict(resource, context)
    known = context.known(resource)
    return Judged(
        kind=resource.kind,
        id=resource.id,
        name=resource.name,
        names=resource.names,
        verdict=verdict,
        reasons=reasons,
        size_bytes=resource.size_bytes,
        unique_bytes=_would_free(resource, verdict, context),
        used_by=_users(resource, context.relations),
        first_seen_at=None if known is None else known.first_seen_at,
        idle_since_at=None if known is None else known.idle_since_at,
        unused_since_at=None if known is None else known.unused_since_at,
        facts=resource,
    )


def _would_free(resource: Resource, verdict: Verdict, context: Context) -> int | None:
    """As `unique_bytes`; of a `_diag` whose old logs may go, those alone."""
    if isinstance(resource, RunnerWorkdir) and verdict is Verdict.CANDIDATE and is_diagnostics(resource):
        return sum(log.size_bytes for log in old_logs(resource, context))
    return unique_bytes(resource, context.sizes)


def _verdict(resource: Resource, context: Context) -> tuple[Verdict, tuple[Reason, ...]]:
    """The strongest verdict that any rule gives, with every rule that gives it."""
    verdict: Verdict | None = None
    reasons: list[Reason] = []
    for rule in _RULES_OF_KIND[resource.kind]:
        if verdict is not None and rule.verdict is not verdict:
            break
        detail = rule.check(resource, context)
        if detail is not None:
            verdict = rule.verdict
            reasons.append(Reason(rule.id, detail, rule.source))
    return verdict or Verdict.RETAINED, tuple(reasons) or (_NO_RULE,)


def _users(resource: Resource, relations: Relations) -> tuple[str, ...]:
    match resource:
        case Image():
            users: Collection[str] = relations.image_users.get(resource.id, ())
            return (*users, *relations.image_children.get(resource.id, ()))
        case Volume():
            return relations.volume_users.get(resource.id, ())
        case BuildCacheRecord():
            return relations.record_children.get(resource.id, ())
        case RunnerWorkdir() | RunCache():
            return relations.directory_users.get(resource.path, ())
        case _:
            return ()
