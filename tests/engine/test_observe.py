"""One look at a real Engine: everything is there, and nothing was changed by looking."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hygiene_core.model.event import Event, ProbeStarted
from hygiene_core.model.observation import Availability, Observation, SectionName
from hygiene_core.model.request import Deadlines, ObserveRequest
from hygiene_core.transport.local import LocalTransport
from tests.engine.events import not_our_own
from tests.lab import images
from tests.lab.api import Api
from tests.lab.host import LabHost

pytestmark = pytest.mark.lab("engine")

SHORT = timedelta(seconds=0.5)
ALL_SHORT = Deadlines(
    engine=SHORT, images=SHORT, containers=SHORT, volumes=SHORT, build_cache=SHORT, builder_cache=SHORT
)


def look(host: LabHost, **change) -> Observation:
    request = ObserveRequest(docker_socket=str(host.socket), data_root=str(host.data_root), **change)
    return LocalTransport().observe(request)


@pytest.fixture
def api(lab_host: LabHost) -> Iterator[Api]:
    with closing(lab_host.api()) as connection:
        yield connection


@pytest.fixture
def furnished(lab_host: LabHost, api: Api) -> LabHost:
    """A little of everything, made by the Engine's own client."""
    images.import_base(lab_host)
    if not lab_host.docker("volume", "ls", "-q", "--filter", "name=observe-data").stdout:
        images.volume(api, "observe-data", labels={"deploy.token": "hunter2", "note": "evil[/foo]"})
        images.volume(api, "observe-tmpfs", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
        images.volume(api, "buildx_buildkit_left0_state")
        images.container(api, images.BASE, name="observe-done", state="exited", binds=["observe-data:/data"])
        images.container(api, images.BASE, name="observe-made", state="created", anonymous=["/cache"])
        images.container(
            api, images.BASE, name="buildx_buildkit_warm0", binds=["warm-state:/var/lib/buildkit"]
        )
        images.build(lab_host, f"FROM {images.BASE}\nRUN echo NPM_TOKEN=abc123 > /x\n", tag="observe/built:1")
    return lab_host


def test_every_section_of_a_healthy_engine_is_complete(furnished: LabHost, api: Api):
    seen = look(furnished, state_directory="/")
    reasons = {name: section.reason for name, section in seen.sections.items() if section.reason}
    assert reasons == {} or set(reasons) == {SectionName.HOST}  # a machine without a machine-id says so
    assert seen.engine is not None
    assert seen.engine.id == api.get("/info")["ID"]
    assert seen.engine.proven_data_root == str(furnished.data_root)
    assert [row.role for row in seen.filesystems] == ["data_root", "state"]
    assert all(
        section.return_code == 0 for name, section in seen.sections.items() if name is not SectionName.HOST
    )


def test_the_image_store_is_told(furnished: LabHost):
    engine = look(furnished).engine
    assert engine is not None
    assert engine.image_store == {"overlay2": "graphdriver", "containerd": "containerd"}[furnished.store]


def test_images_are_the_engines(furnished: LabHost, api: Api):
    seen = {image.id: image for image in look(furnished).images}
    assert set(seen) == {row["Id"] for row in api.get("/images/json", all="1")}
    for image in seen.values():
        asked = api.image(image.id)
        assert image.tags == tuple(asked["RepoTags"] or ())
        assert image.layers == tuple(asked["RootFS"]["Layers"])
        assert image.size_bytes is not None
    built = next(image for image in seen.values() if "observe/built:1" in image.tags)
    assert built.shared_bytes is not None


def test_containers_are_the_engines(furnished: LabHost, api: Api):
    seen = {one.name: one for one in look(furnished).containers}
    done, made, warm = (seen[name] for name in ("observe-done", "observe-made", "buildx_buildkit_warm0"))
    assert (done.state, made.state, warm.state) == ("exited", "created", "running")
    asked = api.get(f"/containers/{done.id}/json")
    # Not compared with each other: of one that ends at once, 26.1 may give an end before the start.
    assert done.started_at == datetime.fromisoformat(asked["State"]["StartedAt"])
    assert done.finished_at == datetime.fromisoformat(asked["State"]["FinishedAt"])
    assert (made.started_at, made.finished_at, warm.finished_at) == (None, None, None)
    assert [mount.name for mount in done.mounts] == ["observe-data"]
    assert done.writable_bytes is not None
    assert done.image_id == asked["Image"]


def test_volumes_are_the_engines(furnished: LabHost):
    seen = {one.id: one for one in look(furnished).volumes}
    data, tmpfs = seen["observe-data"], seen["observe-tmpfs"]
    assert data.labels == {"deploy.token": "(masked)", "note": "evil[/foo]"}
    assert (data.size_bytes, data.engine_references, data.anonymous) == (0, 1, False)
    assert tmpfs.options == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m"}
    assert tmpfs.size_bytes is None
    assert [one.engine_references for one in seen.values() if one.anonymous] == [1]


def test_builders_are_told_by_their_names(furnished: LabHost):
    builders = {one.id: one for one in look(furnished).builders}
    assert set(builders) == {"embedded", "warm0", "left0"}
    warm, left = builders["warm0"], builders["left0"]
    assert (warm.container_state, warm.volume) == ("running", "warm-state")
    assert (left.container_id, left.volume, left.size_bytes) == (None, "buildx_buildkit_left0_state", 0)


def test_build_cache_is_masked_and_joined_by_its_parents(furnished: LabHost):
    records = look(furnished).build_cache
    assert records
    run = next(record for record in records if "NPM_TOKEN" in record.description)
    assert "NPM_TOKEN=(masked)" in run.description
    assert set(run.parents) <= {record.id for record in records}
    assert run.parents


def test_looking_changes_nothing(furnished: LabHost, api: Api):
    before, since = _state(furnished), _clock()
    look(furnished)
    look(furnished)
    until = _clock()
    events = api.call("GET", "/events", query={"since": since, "until": until}).body
    assert not_our_own(map(json.loads, events.splitlines())) == []
    assert _state(furnished) == before
    # That the stream would have shown a change: one made now is in it.
    images.remove_container(api, images.container(api, images.BASE, state="created"))
    events = api.call("GET", "/events", query={"since": since, "until": _clock()}).body
    assert {"create", "destroy"} <= {json.loads(line)["Action"] for line in events.splitlines()}


def test_a_frozen_engine_ends_as_a_timeout_in_every_section(lab_host: LabHost, tmp_path: Path):
    lab_host.freeze()
    try:
        seen = look(lab_host, deadlines=ALL_SHORT, runner_roots={"lane-1": str(tmp_path)})
    finally:
        lab_host.thaw()
    assert seen.engine_error == "ENGINE_TIMEOUT"
    local = {
        SectionName.HOST,
        SectionName.FILESYSTEMS,
        SectionName.RUNNERS,
        SectionName.CREDENTIALS,
        SectionName.RUN_CACHES,
        SectionName.INSTANCES,
        SectionName.DATA_ROOT,
        SectionName.TOOLCHAIN,
        SectionName.DAEMON_CONFIG,
    }
    docker = set(SectionName) - local
    assert {seen.sections[name].return_code for name in docker} == {124}
    assert look(lab_host).engine_error is None


def test_a_restart_between_two_reads_is_noticed(lab_host: LabHost):
    def restart(event: Event) -> None:
        if event == ProbeStarted(SectionName.IMAGES):  # after the Engine's own section, before the classes
            lab_host.restart_engine()

    request = ObserveRequest(docker_socket=str(lab_host.socket), data_root=str(lab_host.data_root))
    seen = LocalTransport().observe(request, emit=restart)
    section = seen.sections[SectionName.IMAGES]
    assert section.availability is Availability.PARTIAL
    assert "may have been restarted" in (section.reason or "")


def _clock() -> str:
    """Now, as the events' `since` and `until` want it; the lab has this machine's clock."""
    return f"{time.time():.9f}"


def _state(host: LabHost) -> list[list[str]]:
    """What the Engine's own client lists, without the texts that only say how long ago something was.

    Sorted: of images of one second, 20.10 gives now this one first, now that.
    """
    commands = (
        (
            "image",
            "ls",
            "--all",
            "--no-trunc",
            "--digests",
            "--format",
            "{{.ID}} {{.Repository}}:{{.Tag}} {{.Digest}}",
        ),
        ("ps", "--all", "--no-trunc", "--format", "{{.ID}} {{.State}} {{.Names}}"),
        ("volume", "ls", "--format", "{{.Name}} {{.Driver}}"),
        ("network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"),
    )
    return [sorted(host.docker(*command).stdout.splitlines()) for command in commands]
