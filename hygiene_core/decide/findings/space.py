"""Disks that are nearly full, and logs that fill them."""

from __future__ import annotations

from hygiene_core.decide.context import Context
from hygiene_core.decide.findings.codes import FindingCode, finding
from hygiene_core.decide.summary import data_root
from hygiene_core.model.observation import Availability, Filesystem, Observation, SectionName
from hygiene_core.model.report import Finding, Summary

__all__ = ["default_log", "logs", "reclaimable", "space"]


_LARGE_LOG_BYTES = 100 * 1024**2
"""A log that is smaller is no trouble yet."""
_DEFAULT_DRIVER = "json-file"


def space(observation: Observation, context: Context) -> list[Finding]:
    """Filesystems with too little left."""
    limits = context.policy.limits
    root = data_root(observation)
    findings = []
    if root and limits.min_free_bytes is not None and root.free_bytes < limits.min_free_bytes:
        findings.append(
            finding(
                FindingCode.FREE_BYTES_LOW,
                f"{root.path} has less free space than the policy asks",
                subject=root.path,
                figure=root.free_bytes,
                limit=limits.min_free_bytes,
                unit="bytes",
                next_step="hygiene history trend",
            )
        )
    findings += [
        low for fs in observation.filesystems if (low := _inodes(fs, limits.min_free_inodes_percent))
    ]
    return findings


def _inodes(filesystem: Filesystem, limit: float | None) -> Finding | None:
    if limit is None or not filesystem.total_inodes or filesystem.free_inodes is None:
        return None
    percent = round(100 * filesystem.free_inodes / filesystem.total_inodes, 1)
    if percent >= limit:
        return None
    return finding(
        FindingCode.FREE_INODES_LOW,
        f"{filesystem.path} has fewer free inodes than the policy asks",
        subject=filesystem.path,
        figure=percent,
        limit=limit,
        unit="percent",
        next_step="hygiene history trend",
    )


def reclaimable(summary: Summary, context: Context) -> list[Finding]:
    """Docker holds more than the policy allows."""
    figure, limit = summary.docker_reclaimable_bytes, context.policy.limits.max_reclaimable_bytes
    if figure is None or limit is None or figure <= limit:
        return []
    return [
        finding(
            FindingCode.RECLAIMABLE_HIGH,
            "Docker holds more reclaimable bytes than the policy allows",
            figure=figure,
            limit=limit,
            unit="bytes",
            next_step="hygiene resources --verdict candidate",
        )
    ]


def logs(observation: Observation) -> list[Finding]:
    """Containers whose log grows for ever, and has grown."""
    use = observation.data_root_use
    names = {container.id: container.name for container in observation.containers}
    return [
        finding(
            FindingCode.LOG_UNBOUNDED,
            f"the log of container {names.get(log.container_id, log.container_id[:12])} has no bound",
            subject=log.container_id[:12],
            figure=log.size_bytes,
            unit="bytes",
        )
        for log in (use.logs if use else ())
        if log.bounded is False and log.size_bytes >= _LARGE_LOG_BYTES
    ]


def default_log(observation: Observation) -> list[Finding]:
    """Whether a container that asks for nothing gets a log that grows for ever.

    The Engine says itself which driver is the default; the bound stands in its configuration file alone.
    """
    config = observation.daemon_config
    known = observation.availability(SectionName.DAEMON_CONFIG) is Availability.COMPLETE
    if config is None or not known or not config.applies:
        return []
    told = observation.engine.log_driver if observation.engine is not None else None
    unbounded = not config.log_max_size or config.log_max_size.startswith("-")
    if (told or config.log_driver or _DEFAULT_DRIVER) != _DEFAULT_DRIVER or not unbounded:
        return []
    message = f"new containers have logs without bound: the default is {_DEFAULT_DRIVER} without max-size"
    return [finding(FindingCode.LOG_DEFAULT_UNBOUNDED, message, subject=config.path)]
