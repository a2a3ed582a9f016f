"""A plan as a person reads it, at 80 columns."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.cells import cell_len

from hygiene_core.model.coverage import Followed, Span
from hygiene_core.model.known import Memory
from hygiene_core.model.plan import Mode, Plan, StayReason
from hygiene_core.model.policy import Bounds, Budget
from hygiene_core.model.resource import Builder, Mount
from hygiene_core.report.plan import _STAYS, LISTED, render
from hygiene_core.testing import GIB, MIB, NOW, builder, cache_record, digest, image, observation, volume
from tests.unit.decide.judging import LONG_AGO, container, memory_of, policy
from tests.unit.decide.planning import planned
from tests.unit.report_scenes import ENDLESS, HOSTILE_TEXTS, SUMMER
from tests.unit.report_snapshots import DIRECTORY, PlanSnapshot

DAY = timedelta(days=1)
DIGEST = digest("plan")
EMBEDDED = builder("embedded", driver="embedded", container_id=None, container_state=None, volume=None)
WARM = "odoo-docker-chris-testing0"
COVERED = Followed(spans=(Span(LONG_AGO, NOW),))
BUDGETS = {
    "embedded": Budget(max_bytes=8 * GIB, reserved_bytes=4 * GIB, min_age=7 * DAY),
    "odoo-docker-chris-testing": Budget(max_bytes=20 * GIB, reserved_bytes=8 * GIB, min_age=7 * DAY),
}


def caches() -> tuple[Any, ...]:
    """One builder that comes down to its budget, and one that young and pinned records keep above it."""
    embedded = [
        cache_record(f"RUN make {n}", size_bytes=3 * GIB, last_used_at=NOW - (30 - n) * DAY) for n in range(6)
    ]
    base = cache_record("FROM debian", builder=WARM, size_bytes=9 * GIB, last_used_at=NOW - 40 * DAY)
    warm = [
        base,
        cache_record(
            "RUN pip", builder=WARM, size_bytes=14 * GIB, last_used_at=NOW - DAY, parents=(base.id,)
        ),
        cache_record("COPY .", builder=WARM, size_bytes=2 * GIB, last_used_at=NOW - 9 * DAY),
        cache_record("RUN npm", builder=WARM, size_bytes=GIB, in_use=True),
        cache_record("FROM odoo", builder=WARM, size_bytes=4 * GIB, shared=True),
        cache_record("RUN odd", builder=WARM, size_bytes=None),
    ]
    return (EMBEDDED, builder(WARM), *embedded, *warm)


def orphan() -> tuple[Any, ...]:
    made: Builder = builder("old-builder0", instances=(), image_id=None)
    mount = Mount(type="volume", name=made.volume, destination="/var/lib/buildkit")
    return (
        made,
        container("buildx_buildkit_old-builder0", id=made.container_id, mounts=(mount,)),
        volume(made.volume or "", size_bytes=6 * GIB, created_at=LONG_AGO),
    )


def retirement(**more: Any) -> Plan:
    tags = ("registry.example.org/odoo/enterprise:18.0", "registry.example.org/odoo/enterprise:latest")
    pinned = (f"registry.example.org/odoo/enterprise@sha256:{digest('pin')}",)
    base = f"sha256:{digest('base')}"
    return planned(
        observation(
            *orphan(),
            container("web-of-last-week", state="exited"),
            volume("data", anonymous=True, size_bytes=300 * MIB),
            volume("remote", anonymous=True, size_bytes=None),
            image("odoo:17.0", size_bytes=3 * GIB, shared_bytes=2 * GIB, layers=(base, "sha256:17")),
            image("many", tags=tags, digests=pinned, size_bytes=4 * GIB),
            image(
                "dangling", tags=(), size_bytes=2 * GIB + MIB, shared_bytes=2 * GIB, layers=(base, "sha256:0")
            ),
            followed=COVERED,
        ),
        **more,
    )


def hostile(text: str = "") -> Plan:
    """Every name that a host may tell, as the names of what a plan is about."""
    texts = [text] if text else [*HOSTILE_TEXTS, ENDLESS[:400]]
    found: list[Any] = [
        container(f"c{n}", names=(one,), state="exited", writable_bytes=n) for n, one in enumerate(texts)
    ]
    found += [image(f"i{n}", tags=(one, f"{one}2"), size_bytes=n) for n, one in enumerate(texts)]
    return planned(observation(*found, followed=COVERED), policy(bounds=Bounds(max_items=10**4)))


def bounded(*resources: Any, budgets: Any = BUDGETS, **more: Any) -> Plan:
    return planned(observation(*resources), policy(budgets=budgets, **more), Mode.BOUNDED)


def doubtful() -> Plan:
    seen = observation(*caches(), builder("gone0", container_state="exited", records_read=False))
    rules = policy(budgets=BUDGETS | {"gone": BUDGETS["embedded"]}, source=None)
    return planned(seen, rules, Mode.BOUNDED, memory=Memory(last_run_at=NOW + DAY))


SCENES: dict[str, Plan] = {
    "bounded": bounded(*caches()),
    "bounds": bounded(
        *caches(), bounds=Bounds(max_items=2, max_bytes=4 * GIB, max_time=timedelta(minutes=5))
    ),
    "retirement": retirement(),
    "blocked": doubtful(),
    "left_out": bounded(
        EMBEDDED, builder(WARM, records_read=False, container_state="exited"), *caches()[2:8]
    ),
    "nothing_bounded": bounded(EMBEDDED, cache_record(size_bytes=GIB)),
    "nothing_may_go": bounded(EMBEDDED, cache_record(size_bytes=9 * GIB, in_use=True)),
    "nothing_retired": planned(observation(image())),
    "hostile": hostile(),
}


def shown(plan: Plan, **how: Any) -> str:
    return render(plan, DIGEST, zone=SUMMER, **how)


@pytest.mark.parametrize("scene", SCENES)
def test_plan_text(scene, snapshot):
    assert shown(SCENES[scene]) == snapshot(extension_class=PlanSnapshot)


def test_no_reviewed_file_is_left_over():
    assert {path.stem for path in (DIRECTORY / "plans").iterdir()} == set(SCENES)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("width", [80, 120])
def test_no_line_is_wider_than_the_terminal(scene, width):
    lines = shown(SCENES[scene], width=width, listed=None).splitlines()
    assert max(map(cell_len, lines)) <= width


@pytest.mark.parametrize("scene", SCENES)
def test_it_says_that_nothing_was_removed_and_when_it_expires(scene):
    text = " ".join(shown(SCENES[scene]).split())
    assert text.count("Nothing was removed.") == 1
    assert "Expires 2026-05-05 05:02 CEST." in text
    assert text.startswith(f"Plan {DIGEST[:12]} ")


@pytest.mark.parametrize("scene", SCENES)
def test_without_colour_there_is_no_escape(scene):
    assert "\x1b" not in shown(SCENES[scene])


@pytest.mark.parametrize("scene", ["bounded", "blocked", "retirement"])
def test_colour_changes_nothing_but_colour(scene):
    import re  # noqa: PLC0415 - of this test alone

    painted = shown(SCENES[scene], color=True)
    assert "\x1b[" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == shown(SCENES[scene])


@pytest.mark.parametrize("text", [one for one in HOSTILE_TEXTS if one.strip()])
def test_text_of_the_host_is_text(text):
    out = shown(hostile(text), width=200)
    assert not any(one in out for one in ("\x1b", "\r", "\x07", "\x0b", "\u202e", "\u2066"))
    assert all(ord(one) >= 32 for line in out.split("\n") for one in line)
    out.encode()


def many() -> Plan:
    found = [container(f"c{n}", state="exited") for n in range(LISTED + 5)]
    return planned(observation(*found))


def test_more_steps_than_are_listed_are_counted():
    assert "and 5 more: --all lists them" in shown(many())
    assert sum("remove container" in line for line in shown(many()).splitlines()) == LISTED
    every = shown(many(), listed=None)
    assert "--all" not in every
    assert sum("remove container" in line for line in every.splitlines()) == LISTED + 5


@pytest.mark.parametrize(
    ("scene", "state"),
    [
        ("bounded", "READY"),
        ("left_out", "READY"),
        ("blocked", "BLOCKED"),
        ("nothing_bounded", "NOTHING TO DO"),
    ],
)
def test_the_first_line_says_what_can_be_done(scene, state):
    assert shown(SCENES[scene]).splitlines()[0].endswith(state)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (SCENES["nothing_bounded"], "Every cache is within its budget. Nothing was removed."),
        (SCENES["nothing_may_go"], "A cache is over its budget, and nothing of it may go now."),
        (SCENES["nothing_retired"], "No object that was asked for may go. Nothing was removed."),
        (
            bounded(EMBEDDED, budgets={"other": BUDGETS["embedded"]}),
            "No builder that was asked for has a budget and a cache.",
        ),
        (replace(SCENES["blocked"], actions=()), "There is no step, for what stands above."),
    ],
)
def test_a_plan_without_steps_says_why(plan, said):
    assert said in " ".join(shown(plan).split())


def test_an_estimate_that_is_not_known_is_said():
    plan = SCENES["retirement"]
    holed = replace(plan, actions=(replace(plan.actions[0], estimate_bytes=None), *plan.actions[1:]))
    assert "Would free unknown by estimate" in " ".join(shown(holed).split())


def test_every_reason_to_stay_has_words_of_its_own():
    assert set(_STAYS) == set(StayReason)
    assert len(set(_STAYS.values())) == len(StayReason)


def test_a_name_that_was_cut_stands_there_whole():
    long = "registry.example.org/a/very/long/repository/of/somebody/who/likes/paths"
    made = planned(observation(container(long, state="exited"), container("short", state="exited")))
    lines = [line.strip() for line in shown(made).splitlines()]
    assert long in lines
    assert "short" not in lines


def test_memory_is_that_of_the_scene():
    """The scenes above rest on ages that are over; a host that was never seen has no such age."""
    seen = observation(*orphan())
    assert planned(seen, memory=memory_of(seen, since=NOW)).actions == ()
