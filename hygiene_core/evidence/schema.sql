-- The catalogue and its published copy. Everything here is made from the ledger and can be made again.
-- No indexes and no keys: one writer under a lock, and the ledger's numbers, keep rows unique.
-- Bytes are BIGINT, because growth is a subtraction; times are TIMESTAMPTZ in UTC; NULL is "not known", never zero.

CREATE TABLE meta (schema_version INTEGER NOT NULL, created_by VARCHAR NOT NULL);
COMMENT ON TABLE meta IS 'One row: what made this file. Another schema_version is rebuilt from the ledger, never migrated.';
COMMENT ON COLUMN meta.schema_version IS 'Version of these tables and views.';
COMMENT ON COLUMN meta.created_by IS 'Version of the kit that made the file.';

CREATE TABLE run (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, run_id VARCHAR NOT NULL, mode VARCHAR, tool_version VARCHAR,
  record_version INTEGER, is_full BOOLEAN, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, status VARCHAR,
  policy_source VARCHAR, policy_digest VARCHAR, machine_id VARCHAR, engine_id VARCHAR, engine_version VARCHAR,
  api_version VARCHAR, image_store VARCHAR, free_disk_bytes BIGINT, docker_reclaimable_bytes BIGINT,
  runner_workdir_bytes BIGINT, candidate_bytes BIGINT, orphan_buildkit_containers BIGINT,
  orphan_buildkit_volumes BIGINT, prev_chain VARCHAR NOT NULL, chain VARCHAR NOT NULL, body_sha256 VARCHAR NOT NULL,
  line_count BIGINT NOT NULL
);
COMMENT ON TABLE run IS 'One row a recorded run: a segment of the ledger.';
COMMENT ON COLUMN run.host IS 'Name of the host in the configuration.';
COMMENT ON COLUMN run.seq IS 'Number of the run on its host, from 1, without gaps.';
COMMENT ON COLUMN run.run_id IS 'Id of the run, as printed in the report.';
COMMENT ON COLUMN run.mode IS 'What the run did: report.';
COMMENT ON COLUMN run.tool_version IS 'Version of the kit that ran.';
COMMENT ON COLUMN run.record_version IS 'Version of the records in the segment.';
COMMENT ON COLUMN run.is_full IS 'Whether the segment holds the whole state or only what changed.';
COMMENT ON COLUMN run.started_at IS 'When the run began.';
COMMENT ON COLUMN run.ended_at IS 'When everything had been seen: the time that ages are judged at.';
COMMENT ON COLUMN run.status IS 'healthy, attention or incomplete.';
COMMENT ON COLUMN run.policy_source IS 'File of the policy; NULL for the built-in protective defaults.';
COMMENT ON COLUMN run.policy_digest IS 'sha256 of the policy that judged the run.';
COMMENT ON COLUMN run.machine_id IS '/etc/machine-id of the host.';
COMMENT ON COLUMN run.engine_id IS 'Id of the Docker Engine, from GET /info.';
COMMENT ON COLUMN run.engine_version IS 'Version of the Docker Engine; NULL if it could not be reached.';
COMMENT ON COLUMN run.api_version IS 'Newest API version that the Engine speaks.';
COMMENT ON COLUMN run.image_store IS 'graphdriver or containerd.';
COMMENT ON COLUMN run.free_disk_bytes IS 'Free bytes of the data root''s filesystem; NULL if it was not proven to be this Engine''s.';
COMMENT ON COLUMN run.docker_reclaimable_bytes IS 'Sum of what the classes could give back.';
COMMENT ON COLUMN run.runner_workdir_bytes IS 'Bytes of the runner work directories.';
COMMENT ON COLUMN run.candidate_bytes IS 'Unique bytes of all candidates.';
COMMENT ON COLUMN run.orphan_buildkit_containers IS 'Number of BuildKit containers without a live builder.';
COMMENT ON COLUMN run.orphan_buildkit_volumes IS 'Number of BuildKit state volumes without a live builder.';
COMMENT ON COLUMN run.prev_chain IS 'Chain value of the run before; 64 zeros for the first.';
COMMENT ON COLUMN run.chain IS 'Chain value of this run: compare it with an anchored head.';
COMMENT ON COLUMN run.body_sha256 IS 'sha256 of the uncompressed body of the segment.';
COMMENT ON COLUMN run.line_count IS 'Lines of the body of the segment.';

CREATE TABLE section (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, name VARCHAR NOT NULL, availability VARCHAR, reason VARCHAR,
  source VARCHAR, return_code INTEGER, started_at TIMESTAMPTZ, ended_at TIMESTAMPTZ
);
COMMENT ON TABLE section IS 'How each probe of a run ended.';
COMMENT ON COLUMN section.host IS 'Name of the host.';
COMMENT ON COLUMN section.seq IS 'Number of the run.';
COMMENT ON COLUMN section.name IS 'Section of the observation, such as images.';
COMMENT ON COLUMN section.availability IS 'complete, partial, unavailable or stale.';
COMMENT ON COLUMN section.reason IS 'Why it is not complete.';
COMMENT ON COLUMN section.source IS 'Where it was read.';
COMMENT ON COLUMN section.return_code IS '0 well, 124 ended by its deadline, 1 otherwise.';
COMMENT ON COLUMN section.started_at IS 'When the probe began.';
COMMENT ON COLUMN section.ended_at IS 'When the probe ended.';

CREATE TABLE filesystem (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, role VARCHAR NOT NULL, path VARCHAR, total_bytes BIGINT,
  used_bytes BIGINT, free_bytes BIGINT, total_inodes BIGINT, used_inodes BIGINT, free_inodes BIGINT
);
COMMENT ON TABLE filesystem IS 'A sample of each filesystem in each run, from statvfs(3).';
COMMENT ON COLUMN filesystem.host IS 'Name of the host.';
COMMENT ON COLUMN filesystem.seq IS 'Number of the run.';
COMMENT ON COLUMN filesystem.role IS 'data_root, state, or runner_root:NAME.';
COMMENT ON COLUMN filesystem.path IS 'Where it was measured.';
COMMENT ON COLUMN filesystem.total_bytes IS 'Size of the filesystem.';
COMMENT ON COLUMN filesystem.used_bytes IS 'Total less f_bfree.';
COMMENT ON COLUMN filesystem.free_bytes IS 'What an ordinary user may still write: f_bavail.';
COMMENT ON COLUMN filesystem.total_inodes IS 'Inodes; NULL where the filesystem does not count them.';
COMMENT ON COLUMN filesystem.used_inodes IS 'Inodes in use.';
COMMENT ON COLUMN filesystem.free_inodes IS 'Inodes free.';

CREATE TABLE class_total (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, class VARCHAR NOT NULL, availability VARCHAR, reason VARCHAR,
  objects BIGINT, active_objects BIGINT, size_bytes BIGINT, reclaimable_bytes BIGINT, engine_size_bytes BIGINT,
  engine_reclaimable_bytes BIGINT
);
COMMENT ON TABLE class_total IS 'The summary of each class of Docker resources in each run.';
COMMENT ON COLUMN class_total.host IS 'Name of the host.';
COMMENT ON COLUMN class_total.seq IS 'Number of the run.';
COMMENT ON COLUMN class_total.class IS 'images, containers, volumes or build_cache.';
COMMENT ON COLUMN class_total.availability IS 'How much of the class could be seen.';
COMMENT ON COLUMN class_total.reason IS 'Why a figure is NULL.';
COMMENT ON COLUMN class_total.objects IS 'How many there are.';
COMMENT ON COLUMN class_total.active_objects IS 'How many are in use.';
COMMENT ON COLUMN class_total.size_bytes IS 'Their size by our own sum.';
COMMENT ON COLUMN class_total.reclaimable_bytes IS 'What they could give back, by our own sum.';
COMMENT ON COLUMN class_total.engine_size_bytes IS 'The Engine''s own figure for the size.';
COMMENT ON COLUMN class_total.engine_reclaimable_bytes IS 'The Engine''s own figure for what is reclaimable.';

CREATE TABLE finding (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, code VARCHAR NOT NULL, severity VARCHAR, subject VARCHAR,
  message VARCHAR, figure DOUBLE, limit_figure DOUBLE, unit VARCHAR
);
COMMENT ON TABLE finding IS 'What each run found worth telling.';
COMMENT ON COLUMN finding.host IS 'Name of the host.';
COMMENT ON COLUMN finding.seq IS 'Number of the run.';
COMMENT ON COLUMN finding.code IS 'Code of the finding, as documented.';
COMMENT ON COLUMN finding.severity IS 'info, warning or critical.';
COMMENT ON COLUMN finding.subject IS 'What it is about, where it is about one thing.';
COMMENT ON COLUMN finding.message IS 'The sentence as printed.';
COMMENT ON COLUMN finding.figure IS 'The figure that was measured.';
COMMENT ON COLUMN finding.limit_figure IS 'The limit it was compared with.';
COMMENT ON COLUMN finding.unit IS 'bytes, percent or count.';

CREATE TABLE removal (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, kind VARCHAR NOT NULL, id VARCHAR, removed_at TIMESTAMPTZ, pruned BOOLEAN,
  claimed_bytes BIGINT
);
COMMENT ON TABLE removal IS 'What the Engine''s events told of removals since the run before, of what an earlier run had shown.';
COMMENT ON COLUMN removal.host IS 'Name of the host.';
COMMENT ON COLUMN removal.seq IS 'Number of the run that heard of it.';
COMMENT ON COLUMN removal.kind IS 'image, container, volume, builder, or build_cache for a prune of the Engine''s build cache.';
COMMENT ON COLUMN removal.id IS 'Id of what went; NULL for a prune as a whole, told when it was done.';
COMMENT ON COLUMN removal.removed_at IS 'When the Engine said so.';
COMMENT ON COLUMN removal.pruned IS 'Whether a prune of its kind ended right after it.';
COMMENT ON COLUMN removal.claimed_bytes IS 'What a prune says it freed. It is not what the disk gained.';

CREATE TABLE resource (
  host VARCHAR NOT NULL, rkey BIGINT NOT NULL, kind VARCHAR NOT NULL, id VARCHAR NOT NULL, name VARCHAR,
  created_at TIMESTAMPTZ, labels JSON, first_seq BIGINT NOT NULL
);
COMMENT ON TABLE resource IS 'Every resource that any run of a host has shown, once.';
COMMENT ON COLUMN resource.host IS 'Name of the host.';
COMMENT ON COLUMN resource.rkey IS 'Small number that stands for the resource on its host, in the order of the ledger.';
COMMENT ON COLUMN resource.kind IS 'image, container, volume, build_cache, builder, runner_workdir, run_cache or log.';
COMMENT ON COLUMN resource.id IS 'Id that the Engine knows it by.';
COMMENT ON COLUMN resource.name IS 'Its name when it was first seen; latest.name is the newest.';
COMMENT ON COLUMN resource.created_at IS 'Its own creation stamp. It proves nothing about when it came to this host.';
COMMENT ON COLUMN resource.labels IS 'Its labels when it was first seen.';
COMMENT ON COLUMN resource.first_seq IS 'The first run that showed it.';

CREATE TABLE resource_change (
  host VARCHAR NOT NULL, seq BIGINT NOT NULL, rkey BIGINT NOT NULL, op UTINYINT NOT NULL, size_bytes BIGINT,
  unique_bytes BIGINT, verdict VARCHAR, rule VARCHAR
);
COMMENT ON TABLE resource_change IS 'Append-only log: a row only where something of a resource changed.';
COMMENT ON COLUMN resource_change.host IS 'Name of the host.';
COMMENT ON COLUMN resource_change.seq IS 'The run that saw the change.';
COMMENT ON COLUMN resource_change.rkey IS 'The resource, see table resource.';
COMMENT ON COLUMN resource_change.op IS '0 gone, 1 appeared (or came back), 2 changed.';
COMMENT ON COLUMN resource_change.size_bytes IS 'Its size from this run on.';
COMMENT ON COLUMN resource_change.unique_bytes IS 'What removing it alone would free.';
COMMENT ON COLUMN resource_change.verdict IS 'protected, in_use, unknown, retained or candidate.';
COMMENT ON COLUMN resource_change.rule IS 'The first rule that decided.';

CREATE TABLE unseen (host VARCHAR NOT NULL, seq BIGINT NOT NULL, kind VARCHAR NOT NULL, rkey BIGINT);
COMMENT ON TABLE unseen IS 'What a run could not look at, because its section was not complete. Unseen is not gone.';
COMMENT ON COLUMN unseen.host IS 'Name of the host.';
COMMENT ON COLUMN unseen.seq IS 'Number of the run.';
COMMENT ON COLUMN unseen.kind IS 'Kind of the resource.';
COMMENT ON COLUMN unseen.rkey IS 'The resource; NULL is every resource of that kind.';

CREATE TABLE latest (
  host VARCHAR NOT NULL, rkey BIGINT NOT NULL, kind VARCHAR NOT NULL, id VARCHAR NOT NULL, name VARCHAR,
  names VARCHAR[], verdict VARCHAR, rule VARCHAR,
  reasons STRUCT(rule VARCHAR, detail VARCHAR, source VARCHAR)[], size_bytes BIGINT, unique_bytes BIGINT,
  used_by VARCHAR[], first_seen_at TIMESTAMPTZ, idle_since_at TIMESTAMPTZ, last_used_at TIMESTAMPTZ, state VARCHAR
);
COMMENT ON TABLE latest IS 'The last row of every resource that is not gone.';
COMMENT ON COLUMN latest.host IS 'Name of the host.';
COMMENT ON COLUMN latest.rkey IS 'The resource, see table resource.';
COMMENT ON COLUMN latest.kind IS 'Kind of the resource.';
COMMENT ON COLUMN latest.id IS 'Id that the Engine knows it by.';
COMMENT ON COLUMN latest.name IS 'Name to show.';
COMMENT ON COLUMN latest.names IS 'Every name or reference it has.';
COMMENT ON COLUMN latest.verdict IS 'protected, in_use, unknown, retained or candidate.';
COMMENT ON COLUMN latest.rule IS 'The first rule that decided.';
COMMENT ON COLUMN latest.reasons IS 'Every deciding reason: rule, detail, source.';
COMMENT ON COLUMN latest.size_bytes IS 'Its size.';
COMMENT ON COLUMN latest.unique_bytes IS 'What removing it alone would free.';
COMMENT ON COLUMN latest.used_by IS 'What refers to it.';
COMMENT ON COLUMN latest.first_seen_at IS 'When we first saw it.';
COMMENT ON COLUMN latest.idle_since_at IS 'Since when nothing has used, tagged or protected it.';
COMMENT ON COLUMN latest.last_used_at IS 'When a build last used a cache record.';
COMMENT ON COLUMN latest.state IS 'State of a container.';

CREATE TABLE act (
  engine_id VARCHAR NOT NULL, host VARCHAR NOT NULL, seq BIGINT NOT NULL, run_id VARCHAR NOT NULL,
  began_at TIMESTAMPTZ, ended_at TIMESTAMPTZ, mode VARCHAR, digest VARCHAR, caller VARCHAR,
  caller_uid BIGINT, said_from VARCHAR, approvals VARCHAR[], machine_id VARCHAR, engine_version VARCHAR,
  tool_version VARCHAR, exit_status BIGINT, halted VARCHAR, removed BIGINT, estimate_bytes BIGINT,
  claimed_bytes BIGINT, freed_bytes BIGINT, free_before_bytes BIGINT, free_after_bytes BIGINT,
  problems BIGINT, prev_chain VARCHAR NOT NULL, chain VARCHAR NOT NULL, body_sha256 VARCHAR NOT NULL,
  line_count BIGINT NOT NULL
);
COMMENT ON TABLE act IS 'One row a run that was to remove things: a segment of the ledger of acts.';
COMMENT ON COLUMN act.engine_id IS 'Id of the Docker Engine that it was done to.';
COMMENT ON COLUMN act.host IS 'Name that the host''s own rules give it.';
COMMENT ON COLUMN act.seq IS 'Number of the run in that ledger of acts, from 1, without gaps.';
COMMENT ON COLUMN act.run_id IS 'Id of the run: `hygiene acts` prints it again.';
COMMENT ON COLUMN act.began_at IS 'When it had the lock.';
COMMENT ON COLUMN act.ended_at IS 'When its last line was written; NULL where that is missing.';
COMMENT ON COLUMN act.mode IS 'bounded or retirement.';
COMMENT ON COLUMN act.digest IS 'Digest of the plan.';
COMMENT ON COLUMN act.caller IS 'Account of who asked, by the word of the operating system.';
COMMENT ON COLUMN act.caller_uid IS 'The real user id of it.';
COMMENT ON COLUMN act.said_from IS 'Where the front end says that the person sits; nothing proves it.';
COMMENT ON COLUMN act.approvals IS 'The approvals that it stood on; none for a bounded run within its policy.';
COMMENT ON COLUMN act.machine_id IS '/etc/machine-id of the host.';
COMMENT ON COLUMN act.engine_version IS 'Version of the Docker Engine.';
COMMENT ON COLUMN act.tool_version IS 'Version of the kit that ran.';
COMMENT ON COLUMN act.exit_status IS '0 done, 4 incomplete, 5 the host was busy, 143 stopped.';
COMMENT ON COLUMN act.halted IS 'Code of what ended it before its last step.';
COMMENT ON COLUMN act.removed IS 'How many identities went.';
COMMENT ON COLUMN act.estimate_bytes IS 'What the plan expected to free.';
COMMENT ON COLUMN act.claimed_bytes IS 'What the Engine and the builders say that they freed.';
COMMENT ON COLUMN act.freed_bytes IS 'Net change of the data root''s filesystem while the calls ran, whoever caused it.';
COMMENT ON COLUMN act.free_before_bytes IS 'Free bytes of that filesystem before the first removal.';
COMMENT ON COLUMN act.free_after_bytes IS 'Free bytes of it after the last.';
COMMENT ON COLUMN act.problems IS 'What the look afterwards found wrong; any makes it a failed run.';
COMMENT ON COLUMN act.prev_chain IS 'Chain value of the run before; 64 zeros for the first.';
COMMENT ON COLUMN act.chain IS 'Chain value of this run: compare it with an anchored head.';
COMMENT ON COLUMN act.body_sha256 IS 'sha256 of the uncompressed body of the segment.';
COMMENT ON COLUMN act.line_count IS 'Lines of the body of the segment.';

CREATE TABLE act_item (
  engine_id VARCHAR NOT NULL, host VARCHAR NOT NULL, seq BIGINT NOT NULL, number BIGINT NOT NULL,
  call BIGINT NOT NULL, verb VARCHAR, kind VARCHAR, id VARCHAR, name VARCHAR, refs VARCHAR[],
  outcome VARCHAR, why VARCHAR, detail VARCHAR, removed BIGINT, kept BIGINT, estimate_bytes BIGINT,
  claimed_bytes BIGINT, freed_bytes BIGINT, private_before_bytes BIGINT, private_after_bytes BIGINT,
  by_looking BOOLEAN, settled_at TIMESTAMPTZ
);
COMMENT ON TABLE act_item IS 'What came of each step of a run, call by call: a prune of many records takes several.';
COMMENT ON COLUMN act_item.engine_id IS 'Id of the Docker Engine that it was done to.';
COMMENT ON COLUMN act_item.host IS 'Name that the host''s own rules give it.';
COMMENT ON COLUMN act_item.seq IS 'Number of the run in the ledger of acts of that Engine and host.';
COMMENT ON COLUMN act_item.number IS 'Number of the step in the plan.';
COMMENT ON COLUMN act_item.call IS 'Number of the call within the step.';
COMMENT ON COLUMN act_item.verb IS 'What the step does, such as remove_image or prune_records.';
COMMENT ON COLUMN act_item.kind IS 'Kind of what it is about: builder for a prune of records.';
COMMENT ON COLUMN act_item.id IS 'Exact identity that was planned.';
COMMENT ON COLUMN act_item.name IS 'Name that it had.';
COMMENT ON COLUMN act_item.refs IS 'Tags and digests that an image had.';
COMMENT ON COLUMN act_item.outcome IS 'removed, already_absent, kept, skipped, refused, failed or unknown.';
COMMENT ON COLUMN act_item.why IS 'Code of why it did not go, or not all of it.';
COMMENT ON COLUMN act_item.detail IS 'The same in words.';
COMMENT ON COLUMN act_item.removed IS 'How many identities went.';
COMMENT ON COLUMN act_item.kept IS 'How many records were to go and stayed.';
COMMENT ON COLUMN act_item.estimate_bytes IS 'What the whole step was expected to free.';
COMMENT ON COLUMN act_item.claimed_bytes IS 'What the call says that it freed.';
COMMENT ON COLUMN act_item.freed_bytes IS 'Net change of the filesystem while the call ran.';
COMMENT ON COLUMN act_item.private_before_bytes IS 'Unshared cache of the builder before a prune.';
COMMENT ON COLUMN act_item.private_after_bytes IS 'The same after it.';
COMMENT ON COLUMN act_item.by_looking IS 'Whether it was found out afterwards, by looking.';
COMMENT ON COLUMN act_item.settled_at IS 'When it was known.';

CREATE TABLE act_removed (
  engine_id VARCHAR NOT NULL, host VARCHAR NOT NULL, seq BIGINT NOT NULL, number BIGINT NOT NULL,
  kind VARCHAR, id VARCHAR NOT NULL, name VARCHAR, size_bytes BIGINT, removed_at TIMESTAMPTZ
);
COMMENT ON TABLE act_removed IS 'Every identity that a run removed.';
COMMENT ON COLUMN act_removed.engine_id IS 'Id of the Docker Engine that it was done to.';
COMMENT ON COLUMN act_removed.host IS 'Name that the host''s own rules give it.';
COMMENT ON COLUMN act_removed.seq IS 'Number of the run in the ledger of acts of that Engine and host.';
COMMENT ON COLUMN act_removed.number IS 'Number of the step.';
COMMENT ON COLUMN act_removed.kind IS 'Kind of what went.';
COMMENT ON COLUMN act_removed.id IS 'What went.';
COMMENT ON COLUMN act_removed.name IS 'Name that it had; of a cache record, what it was a step of.';
COMMENT ON COLUMN act_removed.size_bytes IS 'Its size, or what removing it alone was to free, when it was planned.';
COMMENT ON COLUMN act_removed.removed_at IS 'When that was known.';

CREATE TABLE act_builder (
  engine_id VARCHAR NOT NULL, host VARCHAR NOT NULL, seq BIGINT NOT NULL, builder VARCHAR NOT NULL,
  private_before_bytes BIGINT, private_after_bytes BIGINT, max_bytes BIGINT, reserved_bytes BIGINT,
  state_before VARCHAR, state_after VARCHAR
);
COMMENT ON TABLE act_builder IS 'Each builder before and after a run.';
COMMENT ON COLUMN act_builder.engine_id IS 'Id of the Docker Engine that it was done to.';
COMMENT ON COLUMN act_builder.host IS 'Name that the host''s own rules give it.';
COMMENT ON COLUMN act_builder.seq IS 'Number of the run in the ledger of acts of that Engine and host.';
COMMENT ON COLUMN act_builder.builder IS 'Node of the builder, or embedded.';
COMMENT ON COLUMN act_builder.private_before_bytes IS 'Its unshared cache before the first removal.';
COMMENT ON COLUMN act_builder.private_after_bytes IS 'The same after the last.';
COMMENT ON COLUMN act_builder.max_bytes IS 'Its budget.';
COMMENT ON COLUMN act_builder.reserved_bytes IS 'What is never pruned of it.';
COMMENT ON COLUMN act_builder.state_before IS 'State of its container before.';
COMMENT ON COLUMN act_builder.state_after IS 'State of its container after.';

CREATE TABLE act_probe (
  engine_id VARCHAR NOT NULL, host VARCHAR NOT NULL, seq BIGINT NOT NULL, builder VARCHAR NOT NULL,
  "when" VARCHAR NOT NULL, steps BIGINT, cached_steps BIGINT, seconds DOUBLE, problem VARCHAR, probed_at TIMESTAMPTZ
);
COMMENT ON TABLE act_probe IS 'Each warmth probe: a small build of a warm builder before and after a run.';
COMMENT ON COLUMN act_probe.engine_id IS 'Id of the Docker Engine that it was done to.';
COMMENT ON COLUMN act_probe.host IS 'Name that the host''s own rules give it.';
COMMENT ON COLUMN act_probe.seq IS 'Number of the run in the ledger of acts of that Engine and host.';
COMMENT ON COLUMN act_probe.builder IS 'Node of the builder.';
COMMENT ON COLUMN act_probe."when" IS 'before the first removal, or after the last.';
COMMENT ON COLUMN act_probe.steps IS 'Steps of its build; NULL if it could not be built.';
COMMENT ON COLUMN act_probe.cached_steps IS 'How many of them came from the cache.';
COMMENT ON COLUMN act_probe.seconds IS 'How long the build took.';
COMMENT ON COLUMN act_probe.problem IS 'Why nothing was measured.';
COMMENT ON COLUMN act_probe.probed_at IS 'When it began.';
CREATE VIEW runs AS
SELECT host, seq, run_id, mode, started_at, ended_at, status, free_disk_bytes, docker_reclaimable_bytes,
  candidate_bytes, engine_version, tool_version, chain
FROM run;
COMMENT ON VIEW runs IS 'The recorded runs with their main figures.';

CREATE VIEW applies AS
SELECT host, seq, run_id, mode, began_at, ended_at, exit_status, halted, removed, estimate_bytes,
  claimed_bytes, freed_bytes, problems, caller, engine_id
FROM act;
COMMENT ON VIEW applies IS 'The runs that removed things, with their main figures.';

CREATE VIEW free_disk AS
SELECT f.host, r.started_at, f.role, f.path, f.free_bytes, f.total_bytes,
  round(100.0 * f.free_bytes / nullif(f.total_bytes, 0), 1) AS free_percent, f.free_inodes, f.seq
FROM filesystem f JOIN run r USING (host, seq);
COMMENT ON VIEW free_disk IS 'Free disk over time: one row a filesystem and run. Role data_root is the Engine''s.';

CREATE VIEW reclaimable AS
SELECT c.host, r.started_at, c.class, c.reclaimable_bytes, c.size_bytes, c.objects, c.active_objects, c.availability,
  c.reason, c.seq
FROM class_total c JOIN run r USING (host, seq);
COMMENT ON VIEW reclaimable IS 'Reclaimable bytes over time, by class. NULL is "not known", and reason says why.';

CREATE VIEW series AS
WITH spans AS (
  SELECT c.host, c.seq, coalesce(lead(c.seq) OVER (PARTITION BY c.host, c.rkey ORDER BY c.seq), 9223372036854775807)
    AS next_seq, c.op, c.unique_bytes,
    regexp_replace(coalesce(latest.name, res.name), '(:[^/:@]*)?(@.*)?$', '') AS repository
  FROM resource_change c JOIN resource res USING (host, rkey) LEFT JOIN latest USING (host, rkey)
  WHERE res.kind = 'image' AND coalesce(latest.name, res.name) <> res.id
)
SELECT c.host, c.seq, r.ended_at AS seen_at, 'class' AS what, c.class AS name, c.size_bytes AS bytes,
  NULL::BIGINT AS free_bytes
FROM class_total c JOIN run r USING (host, seq)
WHERE c.availability = 'complete' AND c.size_bytes IS NOT NULL
UNION ALL
SELECT f.host, f.seq, r.ended_at, 'filesystem', f.role, f.used_bytes, f.free_bytes
FROM filesystem f JOIN run r USING (host, seq)
WHERE f.used_bytes IS NOT NULL
UNION ALL
SELECT s.host, r.seq, any_value(r.ended_at), 'repository', s.repository, sum(s.unique_bytes), NULL
FROM spans s
JOIN run r ON r.host = s.host AND r.seq >= s.seq AND r.seq < s.next_seq
JOIN class_total c ON c.host = r.host AND c.seq = r.seq AND c.class = 'images' AND c.availability = 'complete'
WHERE s.op <> 0
GROUP BY s.host, r.seq, s.repository
HAVING count(*) = count(s.unique_bytes);
COMMENT ON VIEW series IS 'What takes space, over time: classes, filesystems, and images by repository (bytes that no other image shares). A run that did not see a class in full has no row of it.';

CREATE VIEW removed AS
WITH stepped AS (
  SELECT host, rkey, seq, op, lag(seq) OVER life AS told_seq, lag(size_bytes) OVER life AS size_bytes,
    lag(unique_bytes) OVER life AS unique_bytes, lag(verdict) OVER life AS verdict, lag(rule) OVER life AS rule,
    lead(seq) OVER life AS back_seq
  FROM resource_change WINDOW life AS (PARTITION BY host, rkey ORDER BY seq)
), gone AS (
  SELECT stepped.*, res.kind, res.id, coalesce(latest.name, res.name) AS name
  FROM stepped JOIN resource res USING (host, rkey) LEFT JOIN latest USING (host, rkey) WHERE stepped.op = 0
), blind AS (
  SELECT DISTINCT g.host, g.rkey, g.seq, g.kind, g.told_seq FROM gone g
  JOIN unseen u ON u.host = g.host AND u.seq = g.seq - 1 AND u.kind = g.kind AND (u.rkey IS NULL OR u.rkey = g.rkey)
), sighted AS (
  SELECT blind.host, blind.rkey, blind.seq, max(r.seq) AS last_seq
  FROM blind JOIN run r ON r.host = blind.host AND r.seq >= blind.told_seq AND r.seq < blind.seq
  WHERE NOT EXISTS (FROM unseen u WHERE u.host = r.host AND u.seq = r.seq AND u.kind = blind.kind AND u.rkey IS NULL)
    AND NOT EXISTS (FROM unseen u WHERE u.host = r.host AND u.seq = r.seq AND u.rkey = blind.rkey)
  GROUP BY blind.host, blind.rkey, blind.seq
), bounded AS (
  SELECT g.*, coalesce(sighted.last_seq, g.seq - 1) AS last_seq
  FROM gone g LEFT JOIN sighted ON sighted.host = g.host AND sighted.rkey = g.rkey AND sighted.seq = g.seq
), named AS (
  SELECT b.host, b.rkey, b.seq, max(t.removed_at) AS removed_at, arg_max(t.pruned, t.removed_at) AS pruned
  FROM bounded b
  JOIN removal t ON t.host = b.host AND t.kind = b.kind AND t.id = b.id AND t.seq > b.last_seq AND t.seq <= b.seq
  GROUP BY b.host, b.rkey, b.seq
), swept AS (
  SELECT b.host, b.seq, b.last_seq, max(t.removed_at) AS removed_at
  FROM (SELECT DISTINCT host, seq, last_seq FROM bounded WHERE kind = 'build_cache') b
  JOIN removal t ON t.host = b.host AND t.kind = 'build_cache' AND t.id IS NULL AND t.seq > b.last_seq AND t.seq <= b.seq
  GROUP BY b.host, b.seq, b.last_seq
), ours AS (
  SELECT b.host, b.rkey, b.seq, max(a.removed_at) AS removed_at
  FROM bounded b
  JOIN run last_run ON last_run.host = b.host AND last_run.seq = b.last_seq
  JOIN run gone_run ON gone_run.host = b.host AND gone_run.seq = b.seq
  JOIN act_removed a ON a.kind = b.kind AND a.id = b.id AND a.engine_id = last_run.engine_id
    AND a.removed_at BETWEEN last_run.started_at AND gone_run.ended_at
  GROUP BY b.host, b.rkey, b.seq
)
SELECT g.host, g.kind, g.name, g.size_bytes, g.unique_bytes, g.verdict, g.rule, g.verdict = 'candidate' AS was_candidate,
  last_run.ended_at AS last_seen_at, coalesce(ours.removed_at, named.removed_at, swept.removed_at) AS removed_at,
  gone_run.ended_at AS missed_at, last_run.seq AS last_seen_seq, g.seq AS missed_seq, g.back_seq,
  CASE WHEN last_run.engine_id <> gone_run.engine_id THEN 'nobody: another Engine answered'
    WHEN ours.removed_at IS NOT NULL THEN 'this kit'
    WHEN named.pruned OR swept.removed_at IS NOT NULL THEN 'somebody else, by a prune'
    WHEN named.removed_at IS NOT NULL THEN 'somebody else' ELSE 'unknown' END AS removed_by, g.id
FROM bounded g
LEFT JOIN named ON named.host = g.host AND named.rkey = g.rkey AND named.seq = g.seq
LEFT JOIN ours ON ours.host = g.host AND ours.rkey = g.rkey AND ours.seq = g.seq
LEFT JOIN swept ON g.kind = 'build_cache' AND NOT contains(g.id, '/') AND swept.host = g.host AND swept.seq = g.seq
  AND swept.last_seq = g.last_seq
JOIN run gone_run ON gone_run.host = g.host AND gone_run.seq = g.seq
JOIN run last_run ON last_run.host = g.host AND last_run.seq = g.last_seq;
COMMENT ON VIEW removed IS 'What is gone, and the two runs between which it went: the last that saw it, and the one that missed it. What an apply of this kit removed, the ledger of acts tells; of the rest, removed_at and removed_by are what the Engine''s events told.';

CREATE VIEW resource_life AS
WITH life AS (
  SELECT host, rkey, max(seq) AS last_change_seq, arg_max(op, seq) AS last_op
  FROM resource_change GROUP BY host, rkey
), newest AS (
  SELECT host, max(seq) AS seq FROM run GROUP BY host
)
SELECT life.host, life.rkey, life.last_op <> 0 AS present,
  CASE WHEN life.last_op = 0 THEN life.last_change_seq - 1 ELSE newest.seq END AS last_seq
FROM life JOIN newest USING (host);
COMMENT ON VIEW resource_life IS 'Whether a resource is still there, and the last run that could have shown it.';

CREATE VIEW resource_seen AS
WITH known AS (
  SELECT res.host, res.rkey, res.kind, res.id, res.name, res.first_seq, life.last_seq, life.present
  FROM resource res JOIN resource_life life USING (host, rkey)
), blind AS (
  SELECT known.host, known.rkey, any_value(known.kind) AS kind, any_value(known.first_seq) AS first_seq,
    any_value(known.last_seq) AS last_seq
  FROM known JOIN unseen u
    ON u.host = known.host AND u.seq = known.last_seq AND u.kind = known.kind AND (u.rkey IS NULL OR u.rkey = known.rkey)
  GROUP BY known.host, known.rkey
), sighted AS (
  SELECT blind.host, blind.rkey, max(r.seq) AS last_seq
  FROM blind JOIN run r ON r.host = blind.host AND r.seq BETWEEN blind.first_seq AND blind.last_seq
  WHERE NOT EXISTS (FROM unseen u WHERE u.host = r.host AND u.seq = r.seq AND u.kind = blind.kind AND u.rkey IS NULL)
    AND NOT EXISTS (FROM unseen u WHERE u.host = r.host AND u.seq = r.seq AND u.rkey = blind.rkey)
  GROUP BY blind.host, blind.rkey
)
SELECT known.host, known.kind, known.id, coalesce(latest.name, known.name) AS name, first_run.ended_at AS first_seen_at,
  last_run.ended_at AS last_seen_at, known.present, known.first_seq,
  coalesce(sighted.last_seq, known.last_seq) AS last_seq
FROM known
LEFT JOIN sighted ON sighted.host = known.host AND sighted.rkey = known.rkey
LEFT JOIN latest ON latest.host = known.host AND latest.rkey = known.rkey
JOIN run first_run ON first_run.host = known.host AND first_run.seq = known.first_seq
JOIN run last_run ON last_run.host = known.host AND last_run.seq = coalesce(sighted.last_seq, known.last_seq);
COMMENT ON VIEW resource_seen IS 'First and last sighting of every resource, and whether it is still there.';

CREATE VIEW candidates_now AS
SELECT l.host, l.kind, l.name, l.unique_bytes, l.size_bytes, l.rule, l.reasons[1].detail AS detail,
  l.idle_since_at, l.first_seen_at, l.id
FROM latest l JOIN (SELECT host, max(seq) AS seq FROM run GROUP BY host) newest USING (host)
WHERE l.verdict = 'candidate' AND NOT EXISTS (
  FROM unseen u WHERE u.host = l.host AND u.seq = newest.seq AND u.kind = l.kind AND (u.rkey IS NULL OR u.rkey = l.rkey))
ORDER BY l.unique_bytes DESC NULLS LAST, l.host, l.kind, l.id;
COMMENT ON VIEW candidates_now IS 'The candidates of the newest run of each host, biggest first.';

CREATE VIEW resource_history AS
SELECT c.host, c.seq, r.started_at, res.kind, res.id, res.name,
  CASE c.op WHEN 0 THEN 'gone' WHEN 1 THEN 'appeared' ELSE 'changed' END AS event, c.size_bytes, c.unique_bytes,
  c.verdict, c.rule
FROM resource_change c JOIN resource res USING (host, rkey) JOIN run r USING (host, seq);
COMMENT ON VIEW resource_history IS 'Every change of every resource, with the run that saw it.';

CREATE MACRO state_as_of(of_host, of_seq) AS TABLE
WITH state AS (
  SELECT rkey, arg_max_null(size_bytes, seq) AS size_bytes, arg_max_null(unique_bytes, seq) AS unique_bytes,
    arg_max_null(verdict, seq) AS verdict, arg_max_null(rule, seq) AS rule
  FROM resource_change WHERE host = of_host AND seq <= of_seq
  GROUP BY rkey HAVING arg_max(op, seq) <> 0
)
SELECT res.kind, res.id, res.name, state.size_bytes, state.unique_bytes, state.verdict, state.rule
FROM state JOIN resource res ON res.host = of_host AND res.rkey = state.rkey
WHERE NOT EXISTS (FROM unseen u WHERE u.host = of_host AND u.seq = of_seq AND u.rkey = res.rkey)
  AND NOT EXISTS (FROM unseen u WHERE u.host = of_host AND u.seq = of_seq AND u.rkey IS NULL AND u.kind = res.kind);
COMMENT ON MACRO TABLE state_as_of IS 'state_as_of(host, seq): every resource that a run showed, with size and verdict.';

CREATE MACRO diff(of_host, run_a, run_b) AS TABLE
WITH touched AS (
  SELECT rkey, arg_max(op, seq) <> 0 AS present, arg_max_null(size_bytes, seq) AS size_bytes,
    arg_max_null(unique_bytes, seq) AS unique_bytes, arg_max_null(verdict, seq) AS verdict,
    arg_max_null(rule, seq) AS rule
  FROM resource_change WHERE host = of_host AND seq > least(run_a, run_b) AND seq <= greatest(run_a, run_b)
  GROUP BY rkey
), earlier AS (
  SELECT rkey, arg_max(op, seq) <> 0 AS present, arg_max_null(size_bytes, seq) AS size_bytes,
    arg_max_null(verdict, seq) AS verdict
  FROM resource_change SEMI JOIN touched USING (rkey)
  WHERE host = of_host AND seq <= least(run_a, run_b)
  GROUP BY rkey
), both_states AS (
  SELECT touched.rkey, coalesce(earlier.present, false) AS was, touched.present AS is_there,
    earlier.size_bytes AS size_before, touched.size_bytes AS size_after, earlier.verdict AS verdict_before,
    touched.verdict AS verdict_after, touched.rule
  FROM touched LEFT JOIN earlier USING (rkey)
)
SELECT CASE WHEN is_there AND NOT was THEN 'appeared' WHEN was AND NOT is_there THEN 'went'
    WHEN size_after > size_before THEN 'grew' WHEN size_after < size_before THEN 'shrank'
    WHEN size_after IS DISTINCT FROM size_before THEN 'size known or lost'
    WHEN verdict_after IS DISTINCT FROM verdict_before THEN 'verdict' ELSE 'rule' END AS change,
  res.kind, res.name, CASE WHEN was THEN size_before END AS size_before_bytes,
  CASE WHEN is_there THEN size_after END AS size_after_bytes,
  CASE WHEN is_there THEN coalesce(size_after, 0) ELSE 0 END - CASE WHEN was THEN coalesce(size_before, 0) ELSE 0 END
    AS growth_bytes,
  CASE WHEN was THEN verdict_before END AS verdict_before, CASE WHEN is_there THEN verdict_after END AS verdict_after,
  CASE WHEN is_there THEN both_states.rule END AS rule, res.id
FROM both_states JOIN resource res ON res.host = of_host AND res.rkey = both_states.rkey
WHERE was OR is_there
ORDER BY abs(growth_bytes) DESC, res.kind, res.id;
COMMENT ON MACRO TABLE diff IS 'diff(host, run_a, run_b): what appeared, went, grew, shrank or changed its verdict between two runs, the earlier first. What a run could not look at did not go.';
