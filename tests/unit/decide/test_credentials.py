"""Which Docker configurations of jobs are a finding."""

from __future__ import annotations

import pytest

from hygiene_core.decide.classify import classify
from hygiene_core.decide.findings import find
from hygiene_core.decide.summary import summarise
from hygiene_core.model.report import Finding, Severity
from hygiene_core.testing import docker_credentials, observation, runner
from tests.unit.decide.judging import context_of

FILE = "/home/ci/.docker/config.json"


def found(*runners) -> list[Finding]:
    seen = observation(*runners)
    context = context_of(seen)
    return list(find(seen, summarise(seen, classify(seen, context), context), context, None))


def lane(number: int, stored: int | None, *, busy: bool | None = False, **fields):
    seen = docker_credentials(stored, **fields)
    return runner(f"lane-{number}", busy=busy, docker_credentials=seen)


def test_several_runners_share_stored_credentials():
    (one,) = found(lane(1, 2), lane(2, 2))
    assert (one.code, one.severity, one.subject) == ("CREDENTIALS_SHARED", Severity.WARNING, FILE)
    assert one.message == (
        f"credentials of 2 registries lie in {FILE}, which the jobs of the runners lane-1, lane-2 may change"
    )


def test_one_runner_is_enough_where_credentials_are_stored():
    (one,) = found(lane(1, 1))
    assert one.message == (
        f"credentials of 1 registry lie in {FILE}, which the jobs of the runner lane-1 may change"
    )


def test_a_runner_with_a_job_is_marked_since_the_login_may_be_that_jobs_own():
    (one,) = found(lane(1, 1, busy=True), lane(2, 1, busy=None))
    assert "the runners lane-1 (busy), lane-2 may change" in one.message


def test_a_login_between_two_looks_counts():
    assert "credentials of 1 registry lie in" in found(lane(1, 0), lane(2, 1))[0].message


def test_several_runners_share_a_file_without_credentials():
    (one,) = found(lane(1, 0), lane(2, 0))
    assert (one.code, one.severity, one.subject) == ("DOCKER_CONFIG_SHARED", Severity.INFO, FILE)
    assert one.message == f"the runners lane-1, lane-2 share {FILE}, which their jobs may change"


@pytest.mark.parametrize(
    ("helpers", "said"),
    [
        (("pass",), "; it names the credential helper pass"),
        (("ecr-login", "pass"), "; it names the credential helpers ecr-login, pass"),
    ],
)
def test_a_helper_is_no_stored_credential(helpers, said):
    (one,) = found(lane(1, 0, helpers=helpers), lane(2, 0, helpers=helpers))
    assert one.code == "DOCKER_CONFIG_SHARED"
    assert one.message.endswith(said)
    assert found(lane(1, 0, helpers=helpers)) == []


def test_one_that_may_change_what_another_uses_is_enough():
    (one,) = found(lane(1, 0), lane(2, 0, writable=False))
    assert one.code == "DOCKER_CONFIG_SHARED"


@pytest.mark.parametrize(
    "runners",
    [
        (lane(1, 0),),  # nothing that the next job of it could not have written itself
        (lane(1, 3, writable=False), lane(2, 3, writable=False)),  # laid out by the operator
        (lane(1, 3, writable=None),),
        (lane(1, None), lane(2, None)),
        (lane(1, 0), lane(2, 0, path="/home/other/.docker/config.json")),
        (runner(docker_credentials=None), runner("lane-2", docker_credentials=None)),
    ],
)
def test_none(runners):
    assert found(*runners) == []


def test_each_file_is_told_of():
    other = "/home/other/.docker/config.json"
    assert [one.subject for one in found(lane(1, 1), lane(2, 1, path=other))] == [FILE, other]
