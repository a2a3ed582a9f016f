"""What `hygiene.toml` may hold, as pydantic models: the parser and the published schema, and nothing else.

Import this lazily: `hygiene --help` must not pay for pydantic. Every field's description is the text that
`docs/reference/config.md` and the JSON schema give.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hygiene_core.config import rules, units

__all__ = [
    "AgesTable",
    "BudgetTable",
    "Count",
    "Directory",
    "Duration",
    "EvidenceTable",
    "File",
    "HostTable",
    "LimitsTable",
    "ProtectTable",
    "RootName",
    "Size",
    "Socket",
    "Table",
    "reads",
    "span",
]

PROBLEM = "hygiene"
"""The type of every error that carries a message of our own."""


def reads(parse: Callable[[Any], Any]) -> BeforeValidator:
    """Our own parser as a validator: its message reaches the person unchanged."""

    def read(value: Any) -> Any:
        try:
            return parse(value)
        except units.UnitProblem as problem:
            raise PydanticCustomError(PROBLEM, "{said}", {"said": str(problem)}) from None

    return BeforeValidator(read)


def _text(pattern: str, *examples: str) -> WithJsonSchema:
    shape: dict[str, Any] = {"type": "string", "pattern": pattern}
    return WithJsonSchema(shape | {"examples": list(examples)} if examples else shape)


def span(default: str, description: str) -> Any:
    """A duration with a default, which the schema is to spell as a person would write it."""
    return Field(
        units.parse_duration(default), description=description, json_schema_extra={"default": default}
    )


Size = Annotated[int, reads(units.parse_size), _text(units.SIZE_PATTERN, "20GiB", "500MB")]
Duration = Annotated[
    timedelta,
    reads(units.parse_duration),
    _text(units.DURATION_PATTERN, "168h", "7d"),
]
Deadline = Annotated[timedelta, reads(rules.parse_deadline), _text(units.DURATION_PATTERN, "30s", "10m")]
Percent = Annotated[
    float,
    reads(units.parse_percent),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 100}),
]
Count = Annotated[
    int,
    reads(rules.parse_count),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": rules.MOST_ITEMS}),
]
Glob = Annotated[str, reads(rules.parse_glob), _text(r"\S", "odoo-docker*")]
LabelGlob = Annotated[str, reads(rules.parse_label), _text(r"^[^=\s]", "keep", "owner=release*")]
Socket = Annotated[str, reads(rules.parse_socket), _text(r"^unix:///.", "unix:///var/run/docker.sock")]
Directory = Annotated[str, reads(rules.parse_directory), _text(r"^/.")]
Transport = Annotated[str, reads(rules.parse_transport), WithJsonSchema({"const": "local"})]
Version = Annotated[str, reads(rules.parse_version), _text(rules.VERSION_PATTERN, "26.1", "0.12.0")]
Prefix = Annotated[str, reads(rules.parse_prefix), _text(rules.PREFIX_PATTERN, "run-")]
RootName = Annotated[str, reads(rules.parse_name), _text(rules.NAME_PATTERN, "lane-1")]


_NAMED: dict[str, Any] = {"propertyNames": {"pattern": rules.NAME_PATTERN}}


class Table(BaseModel):
    """A table of a file: an unknown key and a value of another type are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ProtectTable(Table):
    """What is never touched: names and shell-style globs (`*`, `?`, `[abc]`), compared case-sensitively."""

    builders: list[Glob] = Field([], description="Warm builders, by the name that buildx gives them.")
    images: list[Glob] = Field([], description="Warm images: tag, repository, digest reference or id.")
    volumes: list[Glob] = Field([], description="Volumes by name.")
    containers: list[Glob] = Field([], description="Containers by name or id.")
    labels: list[LabelGlob] = Field([], description="Whatever carries one of these labels: key or key=value.")


class LimitsTable(Table):
    """When a report needs attention. A limit that is left out is not judged."""

    min_free: Size | None = Field(None, description="Free bytes the Engine's data root has to keep.")
    min_free_inodes_percent: Percent | None = Field(
        None, description="Share of free inodes every measured filesystem has to keep."
    )
    max_reclaimable: Size | None = Field(None, description="The most that Docker may hold reclaimable.")
    max_state: Size | None = Field(None, description="The most that the kit's own evidence may take.")
    max_days_without_apply: Count | None = Field(
        None,
        description="Days for which bounded applies may find the host busy, without one that ends well.",
    )


class AgesTable(Table):
    """How long something was idle, by our own evidence, before a rule lets it go.

    An age that is left out lets go of nothing of that kind.
    """

    grace: Duration = span("168h", "Holds for everything, from the last change that we saw.")
    dangling_image: Duration | None = Field(None, description="Untagged images that nothing uses.")
    tagged_image: Duration | None = Field(
        None, description="Tagged images that nothing uses; needs use to be followed all that time."
    )
    stopped_container: Duration | None = Field(None, description="Containers that do not run.")
    anonymous_volume: Duration | None = Field(None, description="Anonymous volumes that nothing mounts.")
    orphan_builder: Duration | None = Field(
        None, description="What is left of a BuildKit builder that is gone: its container or state volume."
    )
    runner_checkout: Duration | None = Field(
        None, description="Checkouts of GitHub Actions runners that no job has changed."
    )
    diagnostic_log: Duration | None = Field(
        None, description="Logs in the `_diag` of GitHub Actions runners, each by its own stamps."
    )


class BudgetTable(Table):
    """The build cache one builder may keep."""

    max: Size = Field(description="The cache is pruned down to this size, least recently used first.")
    reserved: Size | None = Field(
        None, description="Never pruned below this size; at most 0.8 of max. Left out: half of max."
    )
    min_age: Duration = span("168h", "A record used more lately than this is never pruned.")
    min_free: Size | None = Field(
        None, description="Under this much free disk more is pruned, still never below `reserved`."
    )
    allow_small_budget: bool = Field(
        default=False, description="Has to be true for a max under 1 GiB, which makes most builds start cold."
    )

    @model_validator(mode="after")
    def _fits(self) -> BudgetTable:
        if said := rules.budget_problem(self.max, self.reserved, allow_small=self.allow_small_budget):
            raise PydanticCustomError(PROBLEM, "{said}", {"said": said})
        return self


class BoundsTable(Table):
    """How much one plan may take, whatever the budgets and ages say."""

    max_items: Count = Field(
        5000, description="The most objects that one plan removes; each record of a build cache is one."
    )
    max_bytes: Size = Field(
        500 * 2**30,
        description="The most bytes that one plan may be estimated to free.",
        json_schema_extra={"default": "500GiB"},
    )
    max_time: Duration = span("30m", "The longest that one apply may go on.")
    expiry: Duration = span("24h", "How long a plan may be applied after it was made.")


class RunnerRootTable(Table):
    """A directory that holds a GitHub Actions runner."""

    name: RootName = Field(description="What reports call it.")
    path: Directory = Field(examples=["/srv/runners/lane-1"], description="Where the runner is installed.")


class RunCacheTable(Table):
    """A place where CI runs leave one directory each, called by a prefix and the id of the run."""

    name: RootName = Field(examples=["odoo-build"], description="What reports call it.")
    path: Directory = Field(examples=["/var/cache/ci/odoo-build"], description="Where the directories are.")
    prefix: Prefix = Field(
        "",
        examples=["run-"],
        description="What stands before the id of the run, a number with or without `-` and the attempt.",
    )
    high_water: Size | None = Field(
        None, description="Once the directories hold more than this, the oldest may go."
    )
    low_water: Size | None = Field(
        None, description="They go until no more than this is left. Less than `high_water`; both or none."
    )

    @model_validator(mode="after")
    def _fits(self) -> RunCacheTable:
        if said := rules.water_problem(self.high_water, self.low_water):
            raise PydanticCustomError(PROBLEM, "{said}", {"said": said})
        return self


class DeadlinesTable(Table):
    """The longest that each probe may take, from its first byte to its last; at most an hour."""

    engine: Deadline = span("10s", "Version and identity of the Engine.")
    images: Deadline = span("60s", "The images and their layers.")
    containers: Deadline = span("30s", "The containers and what they mount.")
    volumes: Deadline = span("120s", "The volumes; the Engine walks their files.")
    build_cache: Deadline = span("60s", "The records of the build cache.")
    runners: Deadline = span("120s", "The directories of the runners; every file is looked at.")
    run_caches: Deadline = span("120s", "The run caches; every file is looked at.")
    builder_cache: Deadline = span("60s", "The records of the container builders, all at once.")
    data_root: Deadline = span("120s", "Logs and other files of the data root, and deleted files.")


class MinimumsTable(Table):
    """The oldest versions that a host should build with. One that is left out is not judged."""

    engine: Version | None = Field(None, description="The Docker Engine.")
    docker_cli: Version | None = Field(None, description="The `docker` command, every copy of it.")
    buildx: Version | None = Field(None, description="The buildx plugin, every copy of it.")
    buildkit: Version | None = Field(None, description="The BuildKit of every container builder.")
    runner: Version | None = Field(None, description="The GitHub Actions runners.")


class HostTable(Table):
    """One machine with one Docker Engine."""

    docker: Socket = Field(description="The Engine's socket.")
    transport: Transport = Field("local", description="How the host is reached.")
    data_root: Directory | None = Field(
        None,
        examples=["/var/lib/docker"],
        description="Where the Engine's data root is seen from here. Left out: where the Engine says.",
    )
    daemon_config: Directory | None = Field(
        None,
        examples=["/etc/docker/daemon.json"],
        description="Where the Engine's configuration file is seen from here. "
        "Left out: /etc/docker/daemon.json, if it is certain that this Engine reads that file.",
    )
    protect: ProtectTable = Field(default_factory=ProtectTable)
    limits: LimitsTable = Field(default_factory=LimitsTable)
    ages: AgesTable = Field(default_factory=AgesTable)
    budgets: dict[str, BudgetTable] = Field(
        default_factory=dict,
        json_schema_extra=_NAMED,
        description="One table for each builder, by its name; `embedded` is the Engine's.",
    )
    bounds: BoundsTable = Field(default_factory=BoundsTable)
    runner_roots: list[RunnerRootTable] = Field(
        default_factory=list, description="The runners of this host, one `[[...]]` table each."
    )
    run_caches: list[RunCacheTable] = Field(
        default_factory=list, description="The run caches of this host, one `[[...]]` table each."
    )
    minimums: MinimumsTable = Field(default_factory=MinimumsTable)
    homes: list[Directory] = Field(
        [],
        examples=[["/root", "/home/runner"]],
        description="Homes whose buildx instance files tell which builders somebody still knows. "
        "Left out: no running builder is ever called abandoned.",
    )
    deadlines: DeadlinesTable = Field(default_factory=DeadlinesTable)


class EvidenceTable(Table):
    """Where evidence is kept."""

    directory: Directory | None = Field(
        None,
        examples=["/var/lib/hygiene"],
        description="The state directory; `HYGIENE_STATE_DIR` goes first. "
        "Left out: /var/lib/hygiene for root, the user's state directory otherwise.",
    )


class File(Table):
    """Everything that hygiene.toml may hold."""

    hosts: dict[str, HostTable] = Field(
        min_length=1,
        json_schema_extra=_NAMED,
        description="One table for each host, by the name it is to have.",
    )
    evidence: EvidenceTable = Field(default_factory=EvidenceTable)
