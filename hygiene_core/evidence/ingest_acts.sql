-- One batch of a ledger of acts into the catalogue, in one transaction. `line` holds every line of it.

CREATE TEMP TABLE thing AS
SELECT host, seq, try_cast(told ->> '$.number' AS BIGINT) AS number, told ->> '$.verb' AS verb, told ->> '$.kind' AS kind,
  told ->> '$.id' AS id, told ->> '$.name' AS name, from_json(told -> '$.references', '["VARCHAR"]') AS refs,
  try_cast(told ->> '$.estimate_bytes' AS BIGINT) AS estimate_bytes, told -> '$.records' AS records
FROM (SELECT host, seq, unnest(json_extract(things, '$[*]')) AS told FROM line WHERE k = 'named');

-- An outcome that was unknown may have been settled since: the last one of each call counts.
CREATE TEMP TABLE outcome AS
SELECT * FROM line WHERE k = 'settled'
QUALIFY row_number() OVER (PARTITION BY host, seq, number, call ORDER BY "at" DESC, by_looking DESC) = 1;

INSERT INTO act_item
SELECT split_part(o.host, '/', 1), split_part(o.host, '/', 2), o.seq, o.number, o.call, t.verb, t.kind, t.id, t.name, t.refs,
  o.outcome, o.why, o.detail, len(o.removed), len(json_keys(o.kept)), t.estimate_bytes,
  try_cast(o.claimed_bytes AS BIGINT), try_cast(o.freed_bytes AS BIGINT), try_cast(o.private_before_bytes AS BIGINT),
  try_cast(o.private_after_bytes AS BIGINT), o.by_looking, o."at"
FROM outcome o LEFT JOIN thing t ON t.host = o.host AND t.seq = o.seq AND t.number = o.number
ORDER BY o.host, o.seq, o.number, o.call;

INSERT INTO act_removed
WITH gone AS (
  SELECT host, seq, number, "at", unnest(removed) AS id FROM outcome
), record AS (
  SELECT host, seq, number, told ->> '$.id' AS id, told ->> '$.description' AS name,
    try_cast(told ->> '$.size_bytes' AS BIGINT) AS size_bytes
  FROM (SELECT host, seq, number, unnest(json_extract(records, '$[*]')) AS told FROM thing)
)
SELECT split_part(g.host, '/', 1), split_part(g.host, '/', 2), g.seq, g.number,
  CASE WHEN t.verb = 'prune_records' THEN 'build_cache' ELSE t.kind END, g.id,
  CASE WHEN t.verb = 'prune_records' THEN r.name ELSE t.name END,
  CASE WHEN t.verb = 'prune_records' THEN r.size_bytes ELSE t.estimate_bytes END, g."at"
FROM gone g
LEFT JOIN thing t ON t.host = g.host AND t.seq = g.seq AND t.number = g.number
LEFT JOIN record r ON r.host = g.host AND r.seq = g.seq AND r.number = g.number AND r.id = g.id
ORDER BY g.host, g.seq, g.number, g.id;

INSERT INTO act_builder
WITH looked AS (
  SELECT host, seq, "when" AS at_time, told ->> '$.id' AS builder, told
  FROM (SELECT host, seq, "when", unnest(json_extract(snapshot, '$.builders[*]')) AS told FROM line WHERE k = 'observed')
)
SELECT split_part(host, '/', 1), split_part(host, '/', 2), seq, builder,
  max(try_cast(told ->> '$.private_bytes' AS BIGINT)) FILTER (at_time = 'before'),
  max(try_cast(told ->> '$.private_bytes' AS BIGINT)) FILTER (at_time = 'after'),
  max(try_cast(told ->> '$.max_bytes' AS BIGINT)), max(try_cast(told ->> '$.reserved_bytes' AS BIGINT)),
  arg_max(told ->> '$.container_state', at_time) FILTER (at_time = 'before'),
  arg_max(told ->> '$.container_state', at_time) FILTER (at_time = 'after')
FROM looked GROUP BY host, seq, builder ORDER BY host, seq, builder;

INSERT INTO act_probe
SELECT split_part(host, '/', 1), split_part(host, '/', 2), seq, builder, "when", steps, cached_steps, seconds, problem, "at"
FROM line WHERE k = 'warmth' ORDER BY host, seq, builder, "at";

INSERT INTO act
WITH looked AS (
  SELECT host, seq, max(try_cast(snapshot ->> '$.free_bytes' AS BIGINT)) FILTER ("when" = 'before') AS free_before,
    max(try_cast(snapshot ->> '$.free_bytes' AS BIGINT)) FILTER ("when" = 'after') AS free_after
  FROM line WHERE k = 'observed' GROUP BY host, seq
), found AS (
  SELECT host, seq, sum(json_array_length(problems)) AS problems FROM line WHERE k = 'verified' GROUP BY host, seq
), stopped AS (
  SELECT host, seq, arg_min(why, "at") AS why FROM line WHERE k = 'halted' GROUP BY host, seq
), gone AS (
  SELECT host, seq, sum(len(removed)) AS removed FROM outcome GROUP BY host, seq
), last AS (
  SELECT * FROM line WHERE k = 'ended' QUALIFY row_number() OVER (PARTITION BY host, seq ORDER BY "at" DESC) = 1
)
SELECT split_part(b.host, '/', 1), split_part(b.host, '/', 2), b.seq, b.run_id, b."at", l."at", b.mode, b.digest,
  b.caller ->> '$.name', try_cast(b.caller ->> '$.uid' AS BIGINT), b.caller ->> '$.said_from', b.approvals, b.machine_id,
  b.engine_version, b.tool_version, l.exit_status, stopped.why, coalesce(gone.removed, 0)::BIGINT,
  try_cast(l.estimate_bytes AS BIGINT), try_cast(l.claimed_bytes AS BIGINT), try_cast(l.freed_bytes AS BIGINT),
  looked.free_before, looked.free_after, coalesce(found.problems, 0)::BIGINT, closing.prev, closing.chain,
  closing.body_sha256, closing.lines
FROM line b JOIN line closing ON closing.host = b.host AND closing.seq = b.seq AND closing.k = 'end'
LEFT JOIN last l ON l.host = b.host AND l.seq = b.seq
LEFT JOIN looked ON looked.host = b.host AND looked.seq = b.seq
LEFT JOIN found ON found.host = b.host AND found.seq = b.seq
LEFT JOIN stopped ON stopped.host = b.host AND stopped.seq = b.seq
LEFT JOIN gone ON gone.host = b.host AND gone.seq = b.seq
WHERE b.k = 'began'
ORDER BY b.host, b.seq;

DROP TABLE thing;
DROP TABLE outcome;
DROP TABLE line;
