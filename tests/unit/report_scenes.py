"""Finished runs that every format of the report is tried on, one for each thing that may go wrong with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, timezone

from hygiene_core.model.acts import Acts, Apply, BuiltAgain, CameBack
from hygiene_core.model.judgement import Judged, Reason, Verdict
from hygiene_core.model.observation import Availability, EngineFigure
from hygiene_core.model.policy import Limits
from hygiene_core.model.report import (
    ClassSummary,
    HostReference,
    PolicyReference,
    Report,
    Status,
    WarmBuilder,
    WarmImage,
)
from hygiene_core.testing import (
    GIB,
    MIB,
    NOW,
    builder,
    cache_record,
    container,
    engine,
    filesystem,
    finding,
    image,
    judged,
    report,
    volume,
)

__all__ = ["ENDLESS", "HOSTILE_TEXTS", "SCENES", "SUMMER", "WEST"]

SUMMER = timezone(timedelta(hours=2), "CEST")
WEST = timezone(timedelta(hours=-12))
"""UTC-12, where it is still the day before."""

HOSTILE_TEXTS = (
    "evil[/foo]",
    "[bold red]x[/bold red]",
    "$(reboot) `reboot` ; rm -rf /",
    "\x1b[2J\x1b]52;c;AAAA\x07",
    "two\nlines\r\x0bthree",
    "a,b|c\\|d",
    "\u202egnp.exe\u2066",
    "z\u0351\u0352\u0353\u0354\u0355algo",
    "<img src=x onerror=alert(1)> & &amp;",
    "![x](https://example.org/x.png) [y](https://example.org) www.example.org",
    "@somebody someone@example.org #12 GH-7 :tada:",
    "`` ` `` **b** _i_ ~~s~~ <!-- c -->",
    "</details>",
    "日本語のイメージ:最新",
    "e\u0301 👩\u200d💻 ☺\ufe0f",
    "\udc80\udcff",
    " ",
    "",
)
ENDLESS = "x" * 65_536

_WARM = {
    "warm_builders": (
        WarmBuilder(
            name="odoo-docker-chris-testing",
            state="running",
            node="odoo-docker-chris-testing0",
            volume="buildx_buildkit_odoo-docker-chris-testing0_state",
            reserved_bytes=8 * GIB,
            max_bytes=20 * GIB,
        ),
        WarmBuilder(
            name="odoo-enterprise-chris-testing",
            state="running",
            node="odoo-enterprise-chris-testing0",
            volume="buildx_buildkit_odoo-enterprise-chris-testing0_state",
            reserved_bytes=8 * GIB,
            max_bytes=24 * GIB,
        ),
    ),
    "warm_images": (
        WarmImage(
            name="odoo-docker:verify-devtools", present=True, id=image("odoo-docker:verify-devtools").id
        ),
        WarmImage(name="odoo-docker:verify-runtime", present=True, id=image("odoo-docker:verify-runtime").id),
    ),
}
_POLICY = PolicyReference(
    source="/etc/hygiene/hygiene.toml",
    digest="5f" * 32,
    sentence="Keeps 2 builders and 2 images; lets go of untagged images idle for 7 d and of build cache over "
    "20.0 GiB; keeps everything for 48 h after it was first seen.",
    limits=Limits(min_free_bytes=60 * GIB, min_free_inodes_percent=10.0, max_reclaimable_bytes=20 * GIB),
)
_WARM_ROWS = (
    judged(builder(), Verdict.PROTECTED, "a warm builder of the policy"),
    judged(
        image("odoo-docker:verify-devtools", size_bytes=4 * GIB, shared_bytes=3 * GIB),
        Verdict.PROTECTED,
        "the policy protects 'odoo-docker:verify-devtools'",
    ),
    judged(container("postgres"), Verdict.IN_USE, "its state is running"),
    judged(volume("pgdata", size_bytes=11 * GIB), Verdict.IN_USE, "mounted by container postgres"),
)


_ACTS = Acts(
    last=Apply(
        run_id="4d1f0a77-8f0e-4a52-b1c7-0e6f4d0c9a21",
        mode="retirement",
        digest="ab" * 32,
        caller="chris",
        began_at=NOW - timedelta(hours=20),
        ended_at=NOW - timedelta(hours=20) + timedelta(minutes=4),
        exit_status=4,
        removed={"image": 3, "volume": 1},
        outcomes={"removed": 4, "failed": 1},
        estimate_bytes=9 * GIB,
        claimed_bytes=8 * GIB,
        freed_bytes=8 * GIB - 40 * MIB,
    ),
    last_bounded=Apply(
        run_id="b7c0d8f2-3a11-4c0d-8f16-5d2b9a7c1e33",
        mode="bounded",
        digest="cd" * 32,
        caller="root",
        began_at=NOW - timedelta(days=6),
        ended_at=NOW - timedelta(days=6) + timedelta(minutes=2),
        exit_status=0,
        removed={"build_cache": 412},
        outcomes={"removed": 1},
        estimate_bytes=12 * GIB,
        claimed_bytes=12 * GIB,
        freed_bytes=12 * GIB,
    ),
    unsettled=("91e2c3d4-0000-4000-8000-000000000000",),
    busy=3,
    busy_since_at=NOW - timedelta(days=5),
    came_back=(
        CameBack(
            kind="image",
            id=image("registry.example.org/odoo/enterprise-build-environment:pull-request-2546-9f3c1d7").id,
            name="registry.example.org/odoo/enterprise-build-environment:pull-request-2546-9f3c1d7",
            size_bytes=100 * MIB,
            run_id="4d1f0a77-8f0e-4a52-b1c7-0e6f4d0c9a21",
            removed_at=NOW - timedelta(hours=20),
            back_since_at=NOW - timedelta(hours=3),
        ),
        CameBack(
            kind="volume",
            id="cache",
            name="cache",
            size_bytes=2 * GIB,
            run_id="4d1f0a77-8f0e-4a52-b1c7-0e6f4d0c9a21",
            removed_at=NOW - timedelta(hours=20),
        ),
    ),
    came_back_count=2,
    came_back_bytes=2 * GIB + 100 * MIB,
    built_again=(
        BuiltAgain(builder="odoo-docker-chris-testing0", count=121, removed_count=412, size_bytes=3 * GIB),
    ),
)
"""A retirement that did not go well, a bounded run before it, and what came back."""


def _dangling(number: int, size_bytes: int) -> Judged:
    found = image(f"untagged {number}", tags=(), size_bytes=size_bytes)
    return judged(
        found,
        Verdict.CANDIDATE,
        reasons=(Reason("image.untagged", "untagged, idle since 2026-04-20 03:02 UTC", "ledger"),),
    )


def _healthy() -> Report:
    return report(*_WARM_ROWS, _dangling(1, 700 * MIB), policy=_POLICY, summary=_WARM)


def _attention() -> Report:
    rows = (
        *_WARM_ROWS,
        *(_dangling(number, (number * 37 % 11 + 1) * 300 * MIB) for number in range(12)),
        judged(
            cache_record("[stage-1 4/9] RUN pip install -r requirements.txt | tee log", size_bytes=9 * GIB),
            detail="embedded holds more than its budget; least recently used",
        ),
        judged(volume("cache", anonymous=True, size_bytes=2 * GIB), detail="anonymous, idle for 9 d"),
        judged(
            image("registry.example.org/odoo/enterprise-build-environment:pull-request-2546-9f3c1d7"),
            Verdict.UNKNOWN,
            "no coverage of the last 30 d",
        ),
    )
    findings = (
        finding(
            "FREE_BYTES_LOW",
            "critical",
            message="/var/lib/docker has less free space than the policy asks",
            subject="/var/lib/docker",
            figure=8 * GIB,
            limit=60 * GIB,
            unit="bytes",
            next_step="hygiene history trend",
        ),
        finding(
            "FREE_INODES_LOW",
            "critical",
            message="/var/lib/docker has fewer free inodes than the policy asks",
            subject="/var/lib/docker",
            figure=3.1,
            limit=10.0,
            unit="percent",
        ),
        finding(
            "WARM_BUILDER_STOPPED",
            message="the warm builder odoo-enterprise-chris-testing is exited",
            subject="odoo-enterprise-chris-testing",
        ),
        finding(
            "WARM_IMAGE_MISSING",
            message="the warm image odoo-docker:verify-runtime is not there",
            subject="odoo-docker:verify-runtime",
        ),
        finding(
            "RECLAIMABLE_HIGH",
            message="Docker holds more reclaimable bytes than the policy allows",
            figure=20 * GIB + 1,
            limit=20 * GIB,
            unit="bytes",
            next_step="hygiene resources --verdict candidate",
        ),
    )
    shown = report(
        *rows,
        acts=_ACTS,
        findings=findings,
        policy=_POLICY,
        filesystems=(
            filesystem(free_bytes=8 * GIB, free_inodes=1_015_808, used_inodes=31_752_192),
            filesystem(
                "state",
                "/var/lib/hygiene",
                total_bytes=20 * GIB,
                free_bytes=5 * GIB,
                total_inodes=None,
                used_inodes=None,
                free_inodes=None,
            ),
            filesystem("runner_root:odoo-enterprise", "/srv/actions-runner-odoo-enterprise"),
        ),
        summary=_WARM
        | {
            "free_disk_bytes": 8 * GIB,
            "docker_reclaimable_bytes": 20 * GIB + 1,
            "orphan_buildkit_volumes": 1,
            "warm_builders": (
                _WARM["warm_builders"][0],
                replace(_WARM["warm_builders"][1], state="exited"),
            ),
            "warm_images": (
                _WARM["warm_images"][0],
                WarmImage(name="odoo-docker:verify-runtime", present=False),
            ),
        },
    )
    figures = {"images": EngineFigure(name="LayersSize", size_bytes=21 * GIB)}
    classes = {name: replace(one, engine=figures.get(name)) for name, one in shown.summary.classes.items()}
    return replace(shown, summary=replace(shown.summary, classes=classes))


def _incomplete() -> Report:
    volumes = "the deadline of 120 s passed; 1,204 volumes were listed without their sizes"
    cache = "the Engine answered 500: failed to retrieve build cache"
    return report(
        *_WARM_ROWS[:3],
        _dangling(1, 700 * MIB),
        judged(volume("pgdata", size_bytes=None), Verdict.UNKNOWN, "section volumes is not complete"),
        acts=Acts(reason="/var/lib/hygiene/0d6f9a52-5b7e-4c30-8a54-0f6c36a9d8b1: Permission denied"),
        partial={"volumes": volumes},
        unavailable={"build_cache": cache},
        findings=(
            finding(
                "SECTION_INCOMPLETE", message=f"build_cache is unavailable: {cache}", subject="build_cache"
            ),
            finding("SECTION_INCOMPLETE", message=f"volumes is partial: {volumes}", subject="volumes"),
        ),
        policy=_POLICY,
        summary=_WARM,
    )


def _unreachable() -> Report:
    reason = "nothing answers at /run/docker.sock: connection refused"
    names = ("engine", "images", "containers", "volumes", "build_cache", "builders")
    unknown = {
        "free_disk_bytes": None,
        "docker_reclaimable_bytes": None,
        "candidate_bytes": None,
        "orphan_buildkit_containers": None,
        "orphan_buildkit_volumes": None,
        "warm_builders": tuple(replace(one, state="unknown") for one in _WARM["warm_builders"]),
        "warm_images": tuple(replace(one, present=None, id=None) for one in _WARM["warm_images"]),
    }
    return report(
        unavailable=dict.fromkeys(names, reason),
        findings=tuple(
            finding("SECTION_INCOMPLETE", message=f"{name} is unavailable: {reason}", subject=name)
            for name in names
        ),
        policy=_POLICY,
        summary=unknown,
        filesystems=(filesystem("state", "/var/lib/hygiene"),),
        host=HostReference(
            name="chris-testing", machine_id=None, hostname="chris-testing", boot_id=None, engine=None
        ),
    )


def _hostile() -> Report:
    rows = []
    for number, text in enumerate(HOSTILE_TEXTS):
        rows += [
            judged(
                image(f"seed {number}", tags=(text,) if text else (), labels={text: text}),
                detail=f"labelled {text}",
            ),
            judged(volume(text or "empty", size_bytes=(number + 1) * MIB), Verdict.UNKNOWN, text),
        ]
    bad = "\x1b[31m[x](https://example.org) | @all\n"
    return report(
        *rows,
        findings=(
            finding(
                f"ODD {bad}",
                message=f"the label {bad} is odd",
                subject=bad,
                next_step=f"hygiene explain {bad}",
            ),
        ),
        partial={"volumes": bad},
        host=HostReference(
            name=bad,
            machine_id=bad,
            hostname=bad + "other",
            boot_id=bad,
            engine=engine(version=bad, data_root=bad, proven_data_root=None, data_root_reason=bad),
        ),
        policy=PolicyReference(source=bad, digest=bad, sentence=bad),
        filesystems=(filesystem(bad, bad),),
        summary={
            "warm_builders": (WarmBuilder(name=bad, state=bad),),
            "warm_images": (WarmImage(name=bad, present=True, id=bad),),
            "classes": {
                f"classes {bad}": ClassSummary(
                    availability=bad,
                    reason=bad,
                    count=1,
                    active_count=1,
                    size_bytes=-1,
                    reclaimable_bytes=None,
                    formula=bad,
                )
            },
        },
    )


def _no_policy() -> Report:
    return report(
        *_WARM_ROWS[2:],
        findings=(
            finding(
                "NO_POLICY",
                message="no configuration was found; protective defaults were used",
                next_step="hygiene config init",
            ),
        ),
        policy=PolicyReference(
            source=None,
            digest="00" * 32,
            sentence="Protective defaults: nothing is a candidate by age alone.",
            limits=Limits(),
        ),
        host=HostReference(
            name="local", machine_id=None, hostname="chris-testing", boot_id=None, engine=engine()
        ),
    )


def _stale() -> Report:
    shown = _healthy()
    stale = replace(
        shown.sections["build_cache"],
        availability=Availability.STALE,
        reason="BuildKit was busy; what it said 3 h ago is shown",
    )
    cache = replace(shown.summary.classes["build_cache"], availability="stale", reason=stale.reason)
    classes = shown.summary.classes | {"build_cache": cache}
    return replace(
        shown,
        sections=shown.sections | {"build_cache": stale},
        summary=replace(shown.summary, classes=classes),
        status=Status.INCOMPLETE,
    )


SCENES: dict[str, Report] = {
    "healthy": _healthy(),
    "attention": _attention(),
    "incomplete": _incomplete(),
    "engine-unreachable": _unreachable(),
    "hostile": _hostile(),
    "no-policy": _no_policy(),
    "empty-host": report(policy=_POLICY),
    "stale": _stale(),
    "thousands": report(
        *_WARM_ROWS, *(_dangling(number, number * MIB) for number in range(3000)), policy=_POLICY
    ),
}
assert all(shown.started_at.tzinfo is UTC for shown in SCENES.values())
