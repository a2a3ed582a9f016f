"""What the jobs of the runners leave for each other."""

from __future__ import annotations

from hygiene_core.decide.findings.codes import FindingCode, finding
from hygiene_core.decide.relations import job_networks
from hygiene_core.model.observation import Observation, Runner
from hygiene_core.model.report import Finding

__all__ = ["credentials", "left_networks"]


def credentials(observation: Observation) -> list[Finding]:
    """Docker configurations that jobs share and may change.

    One runner is enough where credentials are stored: its jobs, of whatever repository, follow each other. A
    helper is no stored credential, but a program that the next job runs: without credentials, a file matters
    as soon as several runners have it.
    """
    sharing: dict[str, list[Runner]] = {}
    for runner in observation.runners:
        if runner.docker_credentials is not None and runner.docker_credentials.present:
            sharing.setdefault(runner.docker_credentials.path, []).append(runner)
    found = (_shared(path, runners) for path, runners in sharing.items())
    return [one for one in found if one is not None]


def left_networks(observation: Observation) -> list[Finding]:
    """Networks of jobs whose runner has none now: one was cut off. The next one removes them first."""
    findings = []
    networks = job_networks(observation)
    for runner in observation.runners:
        left = [one for one in networks if one.runner == runner.name]
        if not left or runner.busy is not False:
            continue
        number = len(left)
        message = (
            f"{number} {'network is' if number == 1 else 'networks are'} left of the jobs of the runner"
            f" {runner.name}, which has none now; each takes one of the Engine's few address ranges"
        )
        findings.append(
            finding(FindingCode.JOB_NETWORKS_LEFT, message, subject=runner.name, figure=number, unit="count")
        )
    return findings


def _shared(path: str, runners: list[Runner]) -> Finding | None:
    seen = [one.docker_credentials for one in runners if one.docker_credentials is not None]
    if not any(one.writable for one in seen):
        return None
    stored = max(one.stored_count for one in seen)  # a job may log in while the runners are read
    if stored:
        registries = f"{stored} {'registry' if stored == 1 else 'registries'}"
        message = f"credentials of {registries} lie in {path}, which the jobs of {_named(runners)} may change"
        return finding(FindingCode.CREDENTIALS_SHARED, message, subject=path)
    if len(runners) == 1:
        return None
    helpers = sorted({helper for one in seen for helper in one.helpers})
    asks = f"; it names the credential {'helper' if len(helpers) == 1 else 'helpers'} {', '.join(helpers)}"
    message = f"{_named(runners)} share {path}, which their jobs may change{asks if helpers else ''}"
    return finding(FindingCode.DOCKER_CONFIG_SHARED, message, subject=path)


def _named(runners: list[Runner]) -> str:
    """The runners, those with a job now marked: what is logged in may be that job's own."""
    names = [f"{runner.name} (busy)" if runner.busy else runner.name for runner in runners]
    return f"the {'runner' if len(names) == 1 else 'runners'} {', '.join(names)}"
