"""A host with traps: everything that a hasty clean-up would get wrong, each id by the role it plays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab import images, registry
from tests.lab.api import Api
from tests.lab.errors import LabFailure
from tests.lab.host import LabHost
from tests.lab.images import BASE, ImageSpec, layer

__all__ = ["EVIL_LABELS", "LEAKED_STATE", "WARM_BUILDER", "Scene", "build_scene"]

WARM_BUILDER = "buildx_buildkit_odoo-docker-chris-testing0"
LEAKED_STATE = "buildx_buildkit_builder-5c6b1f0e-8f0a-4d1e-9a53-0d7f2c7f6b110_state"

EVIL_LABELS = {
    "evil[/foo]": "[bold red]x[/]",
    "escape": "\x1b[2J\x1b]0;title\x07",
    "shell": "$(id) `id` ; id",
    "newline": "one\ntwo\r\nthree",
    "direction": "\u202egnp.exe",
}
"""Labels that are an attack on whoever prints them."""

_COMPOSE = "com.docker.compose.project"


@dataclass(frozen=True, slots=True)
class Scene:
    """What `build_scene` made. `absent` names each role that this engine cannot play, and why.

    Images, by id:
        base              the busybox image, used by most containers here
        moved_old         untagged: `docker tag` gave its tag to `moved_new`; a container of it still runs
        moved_new         unused, tagged `lab/moved:latest`
        rebuilt_old, rebuilt_new   the same, but a build took the tag. With the containerd store the old
                          image is then in no list, although a container of it runs. Only on request
        of_stopped, of_created   tagged, each used by one container that does not run
        parent_legacy, child_legacy   an untagged image whose child names it as its parent (legacy builder)
        parent_replaced, child   an untagged image and a tagged one built FROM it (BuildKit keeps no link)
        digest_only       pulled by digest: it has a digest and no tag
        pulled            pulled by tag: it has both
        shared_a, shared_b   unused, over one common layer of 1 MiB, each with 256 KiB of its own
        dangling          built without a tag, nothing stands on it
        many_tags         three tags in two repositories, unused
        warm_devtools, warm_runtime   `odoo-docker:verify-devtools` and `odoo-docker:verify-runtime`
        protected         labelled `hygiene.protect=true`
        compose           of the compose project `shop`, which has a container
        compose_gone      of the compose project `gone`, which has none
        evil              carries `EVIL_LABELS`
        cached            unused; its layers are shared with the build cache

    Containers, by id: moved, rebuilt (only on request), named, anonymous, compose, warm_builder (running),
    stopped, named_stopped, leaked_builder (exited), created and evil (never started), paused.

    The builder containers have the names and the mount at `/var/lib/buildkit` of real ones, but the program
    in them is busybox: no BuildKit image exists without a registry.

    Volumes, by name: named, named_stopped, named_unused (64 KiB in it), anonymous, anonymous_unused, options
    (a tmpfs by driver options), leaked_state (a builder's, without its container), leaked_builder_state,
    warm_state, protected, compose, compose_gone, evil.

    Build cache, ids by role: private and shared, as the engine says.
    """

    images: Mapping[str, str]
    containers: Mapping[str, str]
    volumes: Mapping[str, str]
    build_cache: Mapping[str, tuple[str, ...]]
    absent: Mapping[str, str] = field(default_factory=dict)


class _Builder:
    def __init__(self, host: LabHost, api: Api) -> None:
        self.host, self.api = host, api
        self.images: dict[str, str] = {}
        self.containers: dict[str, str] = {}
        self.volumes: dict[str, str] = {}
        self.absent: dict[str, str] = {}

    def run(self, role: str, image: str = BASE, **options: object) -> None:
        """Make a container for `role`; its name is the role's unless it is given."""
        settings = {"name": f"lab-{role.replace('_', '-')}", **options}
        self.containers[role] = images.container(self.api, image, **settings)  # type: ignore[arg-type]  # passed on

    def volume(self, role: str, name: str, **options: Mapping[str, str]) -> str:
        self.volumes[role] = images.volume(self.api, name, **options)
        return name

    def loaded(
        self, role: str, *tags: str, labels: Mapping[str, str] | None = None, size_bytes: int = 65536
    ) -> ImageSpec:
        """Load one image with a layer of its own."""
        content = layer({role: (role.encode() * size_bytes)[:size_bytes]})
        spec = ImageSpec(tags or (f"lab/{role.replace('_', '-')}:1",), (content,), labels or {})
        images.load(self.host, [spec])
        self.images[role] = self.id(spec.tags[0])
        return spec

    def note(self, role: str, image: str, why_absent: str) -> None:
        """Keep `image` for `role` if the engine still lists it, else the reason."""
        if image in {row["Id"] for row in self.api.get("/images/json", all="1")}:
            self.images[role] = image
        else:
            self.absent[role] = why_absent

    def id(self, reference: str) -> str:
        return str(self.api.image(reference)["Id"])


def build_scene(host: LabHost, *, rebuilt: bool = False, builders: bool = True) -> Scene:
    """Furnish a host that is empty; takes a few seconds. `rebuilt` adds the roles of that name.

    Without `builders` the roles of builders are left to whoever starts real ones.
    """
    with host.api() as api:
        scene = _Builder(host, api)
        scene.images["base"] = images.import_base(host)
        for step in (_moved, _lineage, _plain_images, _pulled, _volumes, _compose, _evil):
            step(scene)
        if builders:
            _builders(scene)
        if rebuilt:
            _rebuilt(scene)
        cache = _build_cache(scene)
        return Scene(scene.images, scene.containers, scene.volumes, cache, scene.absent)


def _moved(scene: _Builder) -> None:
    tag = "lab/moved:latest"
    scene.images["moved_old"] = images.build(scene.host, _which("old"), tag=tag)
    scene.run("moved", tag)
    scene.images["moved_new"] = images.build(scene.host, _which("new"))
    scene.host.docker("tag", scene.images["moved_new"], tag)
    for state in ("stopped", "created"):
        image = images.build(scene.host, _which(state), tag=f"lab/of-{state}:1")
        scene.images[f"of_{state}"] = image
    scene.run(
        "stopped",
        "lab/of-stopped:1",
        state="exited",
        command=["sh", "-c", "head -c 65536 /dev/zero > /written"],
    )
    scene.run("created", "lab/of-created:1", state="created")
    scene.run("paused", state="paused")


def _rebuilt(scene: _Builder) -> None:
    tag = "lab/rebuilt:latest"
    old = images.build(scene.host, _which("old rebuilt"), tag=tag)
    scene.run("rebuilt", tag)
    scene.images["rebuilt_new"] = images.build(scene.host, _which("new rebuilt"), tag=tag)
    scene.note("rebuilt_old", old, "a build that takes a tag leaves no record of the image that had it")


def _which(word: str) -> str:
    return f"FROM {BASE}\nRUN echo {word} > /which\n"


def _lineage(scene: _Builder) -> None:
    host = scene.host
    recipe = f"FROM {BASE}\nRUN echo parent > /legacy-parent\nRUN echo child > /legacy-child\n"
    child = scene.images["child_legacy"] = images.build(host, recipe, tag="lab/child-legacy:1", legacy=True)
    parent = str(scene.api.image(child).get("Parent", ""))
    scene.note("parent_legacy", parent, "this engine's legacy builder leaves no parent image")
    scene.images["parent_replaced"] = images.build(
        host, f"FROM {BASE}\nRUN echo 1 > /parent\n", tag="lab/parent:1"
    )
    scene.images["child"] = images.build(
        host, "FROM lab/parent:1\nRUN echo child > /child\n", tag="lab/child:1"
    )
    # Giving its tag away leaves the parent untagged on every engine and store; `rmi` would delete on some.
    scene.host.docker("tag", BASE, "lab/parent:1")
    scene.host.docker("rmi", "lab/parent:1")


def _plain_images(scene: _Builder) -> None:
    common = layer({"common": b"common" * (2**20 // 6)})
    pair = {name: layer({name: name.encode() * (2**18 // len(name))}) for name in ("shared_a", "shared_b")}
    tags = {name: f"lab/{name.replace('_', '-')}:1" for name in pair}
    images.load(scene.host, [ImageSpec((tags[name],), (common, own)) for name, own in pair.items()])
    scene.images |= {name: scene.id(tag) for name, tag in tags.items()}
    scene.images["dangling"] = images.build(
        scene.host, "FROM scratch\nCOPY dangling /\n", files={"dangling": b"d" * 4096}
    )
    scene.loaded("many_tags", "lab/many:1", "lab/many:latest", "other/many:1")
    scene.loaded("warm_devtools", "odoo-docker:verify-devtools")
    scene.loaded("warm_runtime", "odoo-docker:verify-runtime")
    scene.loaded("protected", labels={"hygiene.protect": "true"})


def _pulled(scene: _Builder) -> None:
    specs = {
        "lab/digest-only": ImageSpec((), (layer({"digest": b"by digest" * 512}),)),
        "lab/pulled": ImageSpec((), (layer({"pulled": b"by tag" * 512}),)),
    }
    with registry.serve(scene.host, specs) as digests:
        by_digest = f"{registry.ADDRESS}/lab/digest-only@{digests['lab/digest-only']}"
        by_tag = f"{registry.ADDRESS}/lab/pulled:1"
        for reference in (by_digest, by_tag):
            scene.host.docker("pull", reference)
    scene.images |= {"digest_only": scene.id(by_digest), "pulled": scene.id(by_tag)}


def _volumes(scene: _Builder) -> None:
    scene.run("named", binds=[f"{scene.volume('named', 'lab-named')}:/data"])
    scene.run(
        "named_stopped", state="exited", binds=[f"{scene.volume('named_stopped', 'lab-named-stopped')}:/data"]
    )
    scene.volume("named_unused", "lab-named-unused")
    filler = images.container(
        scene.api,
        BASE,
        state="exited",
        command=["sh", "-c", "head -c 65536 /dev/zero > /data/content"],
        binds=["lab-named-unused:/data"],
    )
    images.remove_container(scene.api, filler)
    scene.run("anonymous", anonymous=["/data"])
    scene.volumes["anonymous"] = _mounted(scene.api, scene.containers["anonymous"])
    passing = images.container(scene.api, BASE, state="exited", anonymous=["/data"])
    scene.volumes["anonymous_unused"] = _mounted(scene.api, passing)
    images.remove_container(scene.api, passing)
    scene.volume("options", "lab-options", options={"type": "tmpfs", "device": "tmpfs", "o": "size=1m"})
    scene.volume("protected", "lab-protected", labels={"hygiene.protect": "true"})


def _mounted(api: Api, container: str) -> str:
    return str(api.get(f"/containers/{container}/json")["Mounts"][0]["Name"])


def _builders(scene: _Builder) -> None:
    for role, name, state in (
        ("warm_builder", WARM_BUILDER, "running"),
        ("leaked_builder", "buildx_buildkit_leaked0", "exited"),
    ):
        volume = scene.volume({"warm_builder": "warm_state"}.get(role, f"{role}_state"), f"{name}_state")
        scene.run(role, name=name, state=state, binds=[f"{volume}:/var/lib/buildkit"])
    scene.volume("leaked_state", LEAKED_STATE)


def _compose(scene: _Builder) -> None:
    for role, project in (("compose", "shop"), ("compose_gone", "gone")):
        labels = {_COMPOSE: project, "com.docker.compose.service": "web"}
        scene.loaded(role, f"{project}-web:latest", labels=labels)
        scene.volume(role, f"{project}_db", labels={_COMPOSE: project, "com.docker.compose.volume": "db"})
    labels = {_COMPOSE: "shop", "com.docker.compose.service": "web", "com.docker.compose.oneoff": "False"}
    # The project's container runs another image and mounts nothing: only its label holds them together.
    scene.run("compose", name="shop-web-1", labels=labels)


def _evil(scene: _Builder) -> None:
    scene.loaded("evil", labels=EVIL_LABELS)
    scene.volume("evil", "lab-evil", labels=EVIL_LABELS)
    scene.run("evil", state="created", labels=EVIL_LABELS)


def _build_cache(scene: _Builder) -> dict[str, tuple[str, ...]]:
    fill = "head -c 262144 /dev/urandom > /cache/x && cp /cache/x /x"
    recipe = f"FROM {BASE}\nRUN --mount=type=cache,target=/cache {fill}\n"
    scene.images["cached"] = images.build(scene.host, recipe, tag="lab/cached:1")
    images.build(scene.host, f"FROM {BASE}\nRUN head -c 131072 /dev/urandom > /y\n", tag="lab/passing:1")
    scene.host.docker("rmi", "lab/passing:1")
    records = scene.api.get("/system/df")["BuildCache"]
    found = {
        "private": tuple(sorted(row["ID"] for row in records if not row["Shared"])),
        "shared": tuple(sorted(row["ID"] for row in records if row["Shared"])),
    }
    if not found["private"]:
        raise LabFailure(f"{scene.host.name}: the build cache has no private record: {records}")
    if not found["shared"]:
        scene.absent["build_cache.shared"] = "this engine calls no record shared"
    return found
