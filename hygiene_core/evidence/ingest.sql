-- One batch of segments into the catalogue, in one transaction. `line` holds every line of them, with host and number.

CREATE TEMP TABLE fresh AS
SELECT host, kind, id, min(seq) AS first_seq FROM line
WHERE k = 'res' AND NOT EXISTS (
  FROM resource known WHERE known.host = line.host AND known.kind = line.kind AND known.id = line.id)
GROUP BY host, kind, id;

INSERT INTO resource
SELECT fresh.host,
  coalesce(counted.newest, 0) + row_number() OVER (PARTITION BY fresh.host ORDER BY first_seq, fresh.kind, fresh.id),
  fresh.kind, fresh.id, line.name, try_cast(line.facts.created_at AS TIMESTAMPTZ), nullif(line.facts.labels, '{}'),
  first_seq
FROM fresh
JOIN line ON line.k = 'res' AND line.host = fresh.host AND line.seq = fresh.first_seq AND line.kind = fresh.kind
  AND line.id = fresh.id
LEFT JOIN (SELECT host, max(rkey) AS newest FROM resource GROUP BY host) counted ON counted.host = fresh.host
ORDER BY fresh.host, first_seq, fresh.kind, fresh.id;

CREATE TEMP TABLE stepped AS
SELECT line.host, line.seq, res.rkey, line.kind, line.id, line.k = 'res' AS present, line.verdict, line.reasons[1].rule AS rule,
  try_cast(line.size_bytes AS BIGINT) AS size_bytes, try_cast(line.unique_bytes AS BIGINT) AS unique_bytes
FROM line JOIN resource res ON res.host = line.host AND res.kind = line.kind AND res.id = line.id
WHERE line.k IN ('res', 'gone');

-- A row that a full segment repeats, or that changed in something the log does not hold, adds nothing to the log.
INSERT INTO resource_change
WITH stated AS (
  SELECT stepped.*,
    CASE WHEN present THEN struct_pack(size_bytes, unique_bytes, verdict, rule) END AS state,
    lag(true) OVER walk AS stepped_before,
    lag(CASE WHEN present THEN struct_pack(size_bytes, unique_bytes, verdict, rule) END) OVER walk AS state_before
  FROM stepped WINDOW walk AS (PARTITION BY host, rkey ORDER BY seq)
), compared AS (
  SELECT stated.host, stated.seq, stated.rkey, stated.state,
    CASE WHEN stepped_before THEN state_before
      WHEN l.rkey IS NOT NULL
      THEN struct_pack(size_bytes := l.size_bytes, unique_bytes := l.unique_bytes, verdict := l.verdict, rule := l.rule)
    END AS before
  FROM stated LEFT JOIN latest l ON l.host = stated.host AND l.rkey = stated.rkey
)
SELECT host, seq, rkey, CASE WHEN state IS NULL THEN 0 WHEN before IS NULL THEN 1 ELSE 2 END,
  state.size_bytes, state.unique_bytes, state.verdict, state.rule
FROM compared WHERE state IS DISTINCT FROM before
ORDER BY host, seq, rkey;

DELETE FROM latest WHERE EXISTS (FROM stepped s WHERE s.host = latest.host AND s.rkey = latest.rkey);

-- One join, on everything that names a row: with two, the planner once paired all rows of a run with each other.
INSERT INTO latest
WITH newest AS (
  SELECT host, kind, id, any_value(rkey) AS rkey, max(seq) AS seq FROM stepped
  GROUP BY host, kind, id HAVING arg_max(present, seq)
)
SELECT line.host, newest.rkey, line.kind, line.id, line.name, line.names, line.verdict, line.reasons[1].rule,
  line.reasons, try_cast(line.size_bytes AS BIGINT), try_cast(line.unique_bytes AS BIGINT), line.used_by,
  line.first_seen_at, line.idle_since_at, try_cast(line.facts.last_used_at AS TIMESTAMPTZ), line.facts.state
FROM line
JOIN newest ON newest.host = line.host AND newest.seq = line.seq AND newest.kind = line.kind AND newest.id = line.id
WHERE line.k = 'res';

INSERT INTO unseen
SELECT host, seq, kind, NULL FROM line WHERE k = 'unseen' AND ids IS NULL
UNION ALL
SELECT named.host, named.seq, named.kind, res.rkey
FROM (SELECT host, seq, kind, unnest(ids) AS id FROM line WHERE k = 'unseen' AND ids IS NOT NULL) named
JOIN resource res ON res.host = named.host AND res.kind = named.kind AND res.id = named.id;

INSERT INTO section
SELECT host, seq, told ->> '$.name', told ->> '$.availability', told ->> '$.reason', told ->> '$.source',
  try_cast(told ->> '$.return_code' AS INTEGER), try_cast(told ->> '$.started_at' AS TIMESTAMPTZ),
  try_cast(told ->> '$.ended_at' AS TIMESTAMPTZ)
FROM (SELECT host, seq, unnest(json_extract(sections, '$.*')) AS told FROM line WHERE k = 'doc');

INSERT INTO filesystem
SELECT host, seq, told ->> '$.role', told ->> '$.path', try_cast(told ->> '$.total_bytes' AS BIGINT),
  try_cast(told ->> '$.used_bytes' AS BIGINT), try_cast(told ->> '$.free_bytes' AS BIGINT),
  try_cast(told ->> '$.total_inodes' AS BIGINT), try_cast(told ->> '$.used_inodes' AS BIGINT),
  try_cast(told ->> '$.free_inodes' AS BIGINT)
FROM (SELECT host, seq, unnest(json_extract(filesystems, '$[*]')) AS told FROM line WHERE k = 'doc');

INSERT INTO class_total
SELECT host, seq, class, told ->> '$.availability', told ->> '$.reason', try_cast(told ->> '$.count' AS BIGINT),
  try_cast(told ->> '$.active_count' AS BIGINT), try_cast(told ->> '$.size_bytes' AS BIGINT),
  try_cast(told ->> '$.reclaimable_bytes' AS BIGINT), try_cast(told ->> '$.engine.size_bytes' AS BIGINT),
  try_cast(told ->> '$.engine.reclaimable_bytes' AS BIGINT)
FROM (SELECT host, seq, unnest(json_keys(summary, '$.classes')) AS class,
    unnest(json_extract(summary, '$.classes.*')) AS told
  FROM line WHERE k = 'doc');

INSERT INTO finding
SELECT host, seq, told ->> '$.code', told ->> '$.severity', told ->> '$.subject', told ->> '$.message',
  try_cast(told ->> '$.figure' AS DOUBLE), try_cast(told ->> '$.limit' AS DOUBLE), told ->> '$.unit'
FROM (SELECT host, seq, unnest(json_extract(findings, '$[*]')) AS told FROM line WHERE k = 'doc');

INSERT INTO removal
SELECT host, seq, told ->> '$.kind', told ->> '$.id', try_cast(told ->> '$.removed_at' AS TIMESTAMPTZ),
  try_cast(told ->> '$.pruned' AS BOOLEAN), try_cast(told ->> '$.claimed_bytes' AS BIGINT)
FROM (SELECT host, seq, unnest(json_extract(removals, '$[*]')) AS told FROM line WHERE k = 'doc');

INSERT INTO run
SELECT d.host, d.seq, d.run_id, d.mode, d.tool_version, header.v, header.is_full, d.started_at, d.ended_at, d.status,
  d.policy ->> '$.source', d.policy ->> '$.digest', d.about ->> '$.machine_id', d.about ->> '$.engine.id',
  d.about ->> '$.engine.version', d.about ->> '$.engine.api_version', d.about ->> '$.engine.image_store',
  try_cast(d.summary ->> '$.free_disk_bytes' AS BIGINT),
  try_cast(d.summary ->> '$.docker_reclaimable_bytes' AS BIGINT),
  try_cast(d.summary ->> '$.runner_workdir_bytes' AS BIGINT), try_cast(d.summary ->> '$.candidate_bytes' AS BIGINT),
  try_cast(d.summary ->> '$.orphan_buildkit_containers' AS BIGINT),
  try_cast(d.summary ->> '$.orphan_buildkit_volumes' AS BIGINT), closing.prev, closing.chain, closing.body_sha256,
  closing.lines
FROM line d JOIN line header ON header.host = d.host AND header.seq = d.seq AND header.k = 'run'
JOIN line closing ON closing.host = d.host AND closing.seq = d.seq AND closing.k = 'end'
WHERE d.k = 'doc'
ORDER BY d.host, d.seq;

DROP TABLE fresh;
DROP TABLE stepped;
DROP TABLE line;
