"""What the Engine sends -> the model: one row a trap."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from hygiene_core.errors import EngineProtocol
from hygiene_core.host import df_wire, wire
from hygiene_core.model.resource import Mount

IMAGE_ID = f"sha256:{'a' * 64}"
OTHER_ID = f"sha256:{'b' * 64}"
CONTAINER_ID = "c" * 64


def image(**change: Any) -> dict[str, Any]:
    row = {
        "Id": IMAGE_ID,
        "ParentId": "",
        "RepoTags": ["app:1", "app:2"],
        "RepoDigests": ["app@sha256:12"],
        "Created": 1767323045,
        "Size": 10,
        "SharedSize": -1,
        "Containers": -1,
        "Labels": {"a": "b"},
    }
    return row | change


def one_image(**change: Any):
    parsed = wire.parse_images([image(**change)])
    assert parsed.problem is None
    return parsed.rows[0]


def container(**change: Any) -> dict[str, Any]:
    row = {
        "Id": CONTAINER_ID,
        "Names": ["/web"],
        "Image": "app:1",
        "ImageID": IMAGE_ID,
        "State": "running",
        "Created": 1767323045,
        "Labels": None,
        "Mounts": [],
        "Command": "sh -c 'TOKEN=x run'",
    }
    return row | change


def record(**change: Any) -> dict[str, Any]:
    row = {
        "ID": "abc",
        "Type": "regular",
        "Description": "mount / from exec /bin/sh -c make",
        "InUse": False,
        "Shared": True,
        "Size": 7,
        "CreatedAt": "2026-01-02T03:04:05.123456789Z",
        "LastUsedAt": None,
        "UsageCount": 3,
    }
    return row | change


def test_an_image_row():
    seen = one_image()
    assert (seen.id, seen.tags, seen.digests) == (IMAGE_ID, ("app:1", "app:2"), ("app@sha256:12",))
    assert (seen.size_bytes, seen.shared_bytes, seen.parent_id) == (10, None, None)
    assert seen.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert seen.labels == {"a": "b"}


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"RepoTags": ["<none>:<none>"], "RepoDigests": None}, "names", ()),
        ({"RepoTags": [], "RepoDigests": ["<none>@<none>"]}, "names", ()),
        ({"RepoTags": None}, "tags", ()),
        ({"RepoTags": ["a@sha256:1"], "RepoDigests": ["a@sha256:1"]}, "names", ("a@sha256:1",)),
        ({"RepoTags": ["a@sha256:1"], "RepoDigests": ["a@sha256:1"]}, "tags", ()),
        ({"RepoTags": ["evil[/foo]"]}, "tags", ("evil[/foo]",)),
        ({"Labels": None}, "labels", {}),
        (
            {"Labels": {"x": "evil[/foo]", "y": "\x1b[2J,\n$(id)"}},
            "labels",
            {"x": "evil[/foo]", "y": "\x1b[2J,\n$(id)"},
        ),
        ({"Labels": {"deploy.token": "x"}}, "labels", {"deploy.token": "(masked)"}),
        ({"Size": -1}, "size_bytes", None),
        ({"Size": 0}, "size_bytes", 0),
        ({"Size": None, "VirtualSize": 12}, "size_bytes", 12),
        ({"SharedSize": 0}, "shared_bytes", 0),
        ({"ParentId": OTHER_ID}, "parent_id", OTHER_ID),
        ({"Created": 0}, "created_at", datetime(1970, 1, 1, tzinfo=UTC)),
        ({"Created": -62135596800}, "created_at", None),
        ({"Created": 253402300799}, "created_at", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ({"Surprise": {"deep": [1]}}, "id", IMAGE_ID),
    ],
)
def test_image_traps(change: dict[str, Any], field: str, value: Any):
    assert getattr(one_image(**change), field) == value


def test_missing_optional_fields_are_not_errors():
    parsed = wire.parse_images([{"Id": IMAGE_ID}])
    assert parsed.problem is None
    assert parsed.rows[0].size_bytes is None


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (image(Size="10"), "Size: Input should be a valid integer"),
        (image(Size=1.5), "Size: Input should be a valid integer"),
        (image(Size=-2), "Size: Input should be greater than or equal to -1"),
        (image(Size=2**63), "Size: Input should be less than or equal to"),
        (image(Size=True), "Size: Input should be a valid integer"),
        (image(Created=2**60), "Created: Input should be less than"),
        (image(Labels={"a": 1}), "Labels.a: Input should be a valid string"),
        (image(RepoTags="app:1"), "RepoTags: Input should be a valid list"),
        (image(Id="sha256:UPPER"), "Id: String should match pattern"),
        (image(Id="-f"), "Id: String should match pattern"),
        (image(Id=IMAGE_ID + "\n"), "Id: String should match pattern"),
        ({"Size": 1}, "Id: Field required"),
        (None, "the row: Input should be"),
        ([], "the row: Input should be"),
    ],
)
def test_one_bad_row_costs_that_row_and_names_its_field(bad: Any, said: str):
    parsed = wire.parse_images([image(), bad, image(Id=OTHER_ID)])
    assert [row.id for row in parsed.rows] == [IMAGE_ID, OTHER_ID]
    assert parsed.problem is not None
    assert parsed.problem.startswith(f"1 of 3 images could not be read (row 2, {said}")


def test_the_bad_value_itself_is_not_repeated():
    parsed = wire.parse_images([image(Labels={"password": ["hunter2"]})])
    assert "hunter2" not in (parsed.problem or "")


@pytest.mark.parametrize("parse", [wire.parse_images, wire.parse_containers])
@pytest.mark.parametrize("value", [None, {}, "x", 1, True])
def test_a_list_that_is_none_is_refused(parse: Callable[[Any], Any], value: Any):
    with pytest.raises(EngineProtocol, match="is not a list"):
        parse(value)


def test_null_for_the_volumes_or_in_a_df_is_an_empty_list():
    assert wire.parse_volumes({"Volumes": None, "Warnings": None}, by_label=True) == (wire.Parsed(()), ())
    assert df_wire.parse_build_cache({"BuildCache": None})[0].rows == ()


@pytest.mark.parametrize(
    ("answer", "layers"),
    [
        ({"RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]}}, ("sha256:1", "sha256:2")),
        ({"RootFS": {"Type": "layers"}}, ()),
        ({"RootFS": {"Type": "layers", "Layers": None}}, ()),
        ({"RootFS": {"Type": ""}}, None),
        ({}, None),
    ],
)
def test_layers(answer: dict[str, Any], layers: Any):
    assert wire.parse_layers(answer) == layers


def test_a_container_row_and_its_mounts():
    mounts = [
        {"Type": "volume", "Name": "data", "Source": "", "Destination": "/data", "RW": True},
        {"Type": "bind", "Source": "/srv", "Destination": "/srv", "RW": False},
    ]
    row = wire.parse_containers([container(Mounts=mounts)]).rows[0]
    assert (row.id, row.names, row.state, row.image_id) == (CONTAINER_ID, ("web",), "running", IMAGE_ID)
    assert row.mounts == (
        Mount(type="volume", name="data", source=None, destination="/data"),
        Mount(type="bind", name=None, source="/srv", destination="/srv", read_write=False),
    )
    assert "TOKEN" not in repr(row)


@pytest.mark.parametrize("name", ["data", "sk-learn-datasets-cache-2024", "npm_" + "a1" * 20])
def test_a_bind_mount_of_a_volumes_folder_has_the_same_path_as_the_volume(name: str):
    path = f"/var/lib/docker/volumes/{name}/_data"
    mount = {"Type": "bind", "Source": path, "Destination": "/data"}
    seen = wire.parse_containers([container(Mounts=[mount])]).rows[0]
    parsed, _ = wire.parse_volumes({"Volumes": [volume(Name=name, Mountpoint=path)]}, by_label=True)
    assert seen.mounts[0].source == parsed.rows[0].mountpoint == path


def test_a_state_that_nobody_knows_is_kept_as_it_is():
    assert wire.parse_containers([container(State="hibernating")]).rows[0].state == "hibernating"


@pytest.mark.parametrize("missing", ["ImageID", "State", "Id"])
def test_a_container_without_what_use_is_judged_by_is_a_bad_row(missing: str):
    row = container()
    del row[missing]
    parsed = wire.parse_containers([row])
    assert parsed.rows == ()
    assert parsed.problem == f"1 of 1 containers could not be read (row 1, {missing}: Field required)"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        (None, None),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02T03:04:05.1+02:00", datetime(2026, 1, 2, 1, 4, 5, 100000, tzinfo=UTC)),
    ],
)
def test_times(text: str | None, moment: datetime | None):
    times = wire.parse_container_times({"State": {"StartedAt": text, "FinishedAt": text}})
    assert (times.started_at, times.finished_at) == (moment, moment)


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-01-02", "2026-01-02T03:04:05", 5, "9999-12-31T23:59:59-12:00"]
)
def test_a_time_that_is_none_is_refused(text: Any):
    with pytest.raises(EngineProtocol, match=r"State\.StartedAt"):
        wire.parse_container_times({"State": {"StartedAt": text}})


def volume(**change: Any) -> dict[str, Any]:
    row = {
        "Name": "data",
        "Driver": "local",
        "Mountpoint": "/var/lib/docker/volumes/data/_data",
        "CreatedAt": "2026-01-02T03:04:05+01:00",
        "Labels": None,
        "Options": None,
        "Scope": "local",
    }
    return row | change


@pytest.mark.parametrize(
    ("change", "by_name"),
    [
        ({"Name": "a" * 64}, True),
        ({"Name": "a" * 64, "Labels": {}}, True),
        ({"Name": "a" * 64, "Labels": {"owner": "ci"}}, False),
        ({"Name": "a" * 64, "Options": {"type": "nfs"}}, False),
        ({"Name": "a" * 64, "Driver": "rclone"}, False),
        ({"Name": "a" * 63}, False),
        ({"Name": "a" * 64 + "\n"}, False),
        ({}, False),
    ],
)
def test_which_volume_is_anonymous(change: dict[str, Any], by_name: bool):
    def anonymous(*, by_label: bool, **more: Any) -> bool:
        answer = {"Volumes": [volume(**(change | more))]}
        return wire.parse_volumes(answer, by_label=by_label)[0].rows[0].anonymous

    labels = {"com.docker.volume.anonymous": ""}
    assert anonymous(by_label=False) is by_name
    assert anonymous(by_label=True) is False
    assert anonymous(by_label=True, Labels=labels) is anonymous(by_label=False, Labels=labels) is True


def test_a_volume_row_masks_the_password_of_its_share():
    options = {"type": "cifs", "device": "//nas/x", "o": "username=ci,password=hunter2"}
    parsed, warnings = wire.parse_volumes(
        {"Volumes": [volume(Options=options)], "Warnings": ["plugin x is gone"]}, by_label=True
    )
    row = parsed.rows[0]
    assert row.options == {"type": "cifs", "device": "//nas/x", "o": "username=ci,password=(masked)"}
    assert row.created_at == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert warnings == ("plugin x is gone",)


def test_volume_sizes():
    answer = {
        "Volumes": [
            {"Name": "a", "UsageData": {"Size": 5, "RefCount": 0}},
            {"Name": "b", "UsageData": {"Size": -1, "RefCount": -1}},
            {"Name": "c", "UsageData": None},
        ]
    }
    assert df_wire.parse_volume_sizes(answer).by_id == {
        "a": df_wire.VolumeSize(5, 0),
        "b": df_wire.VolumeSize(None, None),
        "c": df_wire.VolumeSize(None, None),
    }


def test_an_absent_size_of_a_container_is_zero_and_minus_one_is_unknown():
    other = "d" * 64
    answer = {"Containers": [{"Id": CONTAINER_ID}, {"Id": other, "SizeRw": -1}]}
    assert df_wire.parse_container_sizes(answer).by_id == {CONTAINER_ID: 0, other: None}


@pytest.mark.parametrize(
    ("change", "parents"),
    [
        ({}, ()),
        ({"Parent": "p"}, ("p",)),
        ({"Parent": ""}, ()),
        ({" Parents": ["p", "q"]}, ("p", "q")),
        ({"Parents": ["p"]}, ("p",)),
        ({" Parents": None}, ()),
    ],
)
def test_the_parents_of_a_record_in_every_spelling(change: dict[str, Any], parents: tuple[str, ...]):
    parsed, _ = df_wire.parse_build_cache({"BuildCache": [record(**change)]})
    assert parsed.rows[0].parents == parents


def test_a_record_row():
    row = df_wire.parse_build_cache({"BuildCache": [record(Description="RUN NPM_TOKEN=abc npm ci")]})[0].rows[
        0
    ]
    assert row.description == "RUN NPM_TOKEN=(masked) npm ci"
    assert (row.size_bytes, row.shared, row.in_use, row.usage_count, row.last_used_at) == (
        7,
        True,
        False,
        3,
        None,
    )


@pytest.mark.parametrize("field", ["InUse", "Shared"])
def test_a_record_that_does_not_say_whether_it_is_used_or_shared_is_a_bad_row(field: str):
    row = record()
    del row[field]
    assert df_wire.parse_build_cache({"BuildCache": [row]})[0].rows == ()


@pytest.mark.parametrize(
    ("answer", "name", "size", "reclaimable"),
    [
        ({"LayersSize": 12, "Images": []}, "LayersSize", 12, None),
        (
            {"LayersSize": 0, "Images": [], "ImageUsage": {"TotalSize": 9, "Reclaimable": 3}},
            "ImageUsage.TotalSize",
            9,
            3,
        ),
        ({"ImageUsage": {}}, "ImageUsage.TotalSize", 0, None),
    ],
)
def test_the_engines_own_figure_of_images(
    answer: dict[str, Any], name: str, size: int, reclaimable: int | None
):
    figure = df_wire.parse_image_sizes(answer).figure
    assert figure is not None
    assert (figure.name, figure.size_bytes, figure.reclaimable_bytes) == (name, size, reclaimable)


def test_rows_are_taken_from_the_newer_shape_where_the_older_is_absent():
    answer = {"ImageUsage": {"TotalSize": 9, "Items": [{"Id": IMAGE_ID, "SharedSize": 4}]}}
    assert df_wire.parse_image_sizes(answer).by_id == {IMAGE_ID: 4}


def test_builder_size_of_api_1_41():
    figure = df_wire.parse_build_cache({"BuildCache": [], "BuilderSize": 5947299})[1]
    assert figure is not None
    assert (figure.name, figure.size_bytes) == ("BuilderSize", 5947299)


@pytest.mark.parametrize(
    ("driver_status", "store"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], "containerd"),
        ([["Backing Filesystem", "extfs"], ["Supports d_type", "true"]], "graphdriver"),
        (None, "graphdriver"),
    ],
)
def test_the_image_store(driver_status: Any, store: str):
    assert wire.parse_info({"ID": "x", "DriverStatus": driver_status}).image_store == store


def test_free_text_of_the_engine_is_masked():
    said = {"OperatingSystem": "Debian DB_PASS=hunter2", "KernelVersion": "6.1 https://hunter2@example.org"}
    assert "hunter2" not in repr(wire.parse_info({"ID": "x"} | said))
    version = {"Version": "26.1.5", "ApiVersion": "1.45", "Os": "linux", "KernelVersion": "6.1 PASS=hunter2"}
    parts = [{"Name": "Engine AUTH=hunter2", "Version": "pass=hunter2"}]
    parsed = wire.parse_version(version | {"Components": parts})
    assert "hunter2" not in repr(parsed)
    assert parsed.operating_system == "linux"


@pytest.mark.parametrize("answer", [None, [], "x", {"Images": 5}])
def test_a_df_that_is_none_is_refused(answer: Any):
    with pytest.raises(EngineProtocol):
        df_wire.parse_image_sizes(answer)


def test_ten_thousand_images_with_one_bad_row_among_them():
    rows = [image(Id=f"sha256:{number:064x}") for number in range(10_000)]
    rows[5000]["Size"] = "big"
    parsed = wire.parse_images(rows)
    assert len(parsed.rows) == 9_999
    assert parsed.problem == (
        "1 of 10000 images could not be read (row 5001, Size: Input should be a valid integer)"
    )
