-- What a history answers: how fast everything grows. It is run after `schema.sql`, once, when the catalogue is made.
-- Theil-Sen (the median of the slopes of all pairs of runs), because regr_slope follows a single odd run. A fall that is
-- more than twice any other step is a clean-up: pairs that have it between them say nothing of growth, and are left out.

CREATE MACRO growth(of_host, of_days) AS TABLE
WITH looked AS (
  SELECT r.seq, r.ended_at AS seen, r.engine_id
  FROM run r, (SELECT arg_max(ended_at, seq) AS until FROM run WHERE host = of_host) newest
  WHERE r.host = of_host AND r.ended_at >= newest.until - to_days(of_days::INTEGER) AND r.ended_at <= newest.until
), grouped AS (
  SELECT c.rkey, c.seq, c.op, CASE res.kind WHEN 'image' THEN 'repository' WHEN 'run_cache' THEN 'run_cache'
      ELSE 'directory' END AS what,
    CASE res.kind WHEN 'image' THEN regexp_replace(coalesce(latest.name, res.name), '(:[^/:@]*)?(@.*)?$', '')
      WHEN 'run_cache' THEN split_part(res.id, '/', 1) ELSE res.id END AS name,
    if(res.kind = 'image', c.unique_bytes, c.size_bytes) AS bytes
  FROM resource_change c
  JOIN resource res ON res.host = c.host AND res.rkey = c.rkey
  LEFT JOIN latest ON latest.host = c.host AND latest.rkey = c.rkey
  WHERE c.host = of_host AND (res.kind IN ('run_cache', 'runner_workdir')
    OR res.kind = 'image' AND coalesce(latest.name, res.name) <> res.id)
), stepped AS (
  SELECT what, name, rkey, seq, if(op = 0, 0, coalesce(bytes, 0)) AS bytes, (op <> 0)::INTEGER AS parts,
    (op <> 0 AND bytes IS NULL)::INTEGER AS unsized
  FROM grouped
), moved AS (
  SELECT what, name, seq, bytes - coalesce(lag(bytes) OVER life, 0) AS bytes,
    parts - coalesce(lag(parts) OVER life, 0) AS parts, unsized - coalesce(lag(unsized) OVER life, 0) AS unsized
  FROM stepped WINDOW life AS (PARTITION BY what, name, rkey ORDER BY seq)
), rolled AS (
  SELECT what, name, seq, sum(sum(bytes)) OVER so_far AS bytes, sum(sum(parts)) OVER so_far AS parts,
    sum(sum(unsized)) OVER so_far AS unsized
  FROM moved GROUP BY what, name, seq WINDOW so_far AS (PARTITION BY what, name ORDER BY seq)
), biggest AS (
  SELECT what, name FROM rolled GROUP BY what, name HAVING arg_max(parts, seq) > 0
  QUALIFY row_number() OVER (PARTITION BY what ORDER BY arg_max(bytes, seq) DESC, name) <= 20
), whole_lists AS (
  SELECT l.*, told.what FROM looked l
  JOIN section s ON s.host = of_host AND s.seq = l.seq AND s.availability = 'complete'
  JOIN (VALUES ('images', 'repository'), ('run_caches', 'run_cache'), ('runners', 'directory')) told(section, what)
    ON told.section = s.name
), whole AS (
  SELECT l.*, c.class, c.size_bytes FROM looked l
  JOIN class_total c ON c.host = of_host AND c.seq = l.seq AND c.availability = 'complete'
), sampled AS (
  SELECT 'class' AS what, class AS name, seq, seen, size_bytes AS amount, NULL::BIGINT AS free, NULL::BIGINT AS total,
    engine_id AS of_what
  FROM whole
  UNION ALL
  SELECT 'filesystem', f.role, l.seq, l.seen, f.used_bytes, f.free_bytes, f.total_bytes, f.path
  FROM looked l JOIN filesystem f ON f.host = of_host AND f.seq = l.seq
  UNION ALL
  SELECT 'inodes', f.role, l.seq, l.seen, f.used_inodes, f.free_inodes, f.total_inodes, f.path
  FROM looked l JOIN filesystem f ON f.host = of_host AND f.seq = l.seq
  UNION ALL
  SELECT b.what, b.name, w.seq, w.seen, coalesce(rolled.bytes, 0)::BIGINT, NULL, NULL,
    CASE WHEN b.what = 'repository' THEN w.engine_id END
  FROM (FROM whole_lists) w JOIN biggest b ON b.what = w.what
  ASOF LEFT JOIN rolled ON rolled.what = b.what AND rolled.name = b.name AND w.seq >= rolled.seq
  WHERE coalesce(rolled.unsized, 0) = 0
), counted AS (
  SELECT *, row_number() OVER newest_first AS nth, count(*) OVER (PARTITION BY what, name) AS runs
  FROM (
    FROM sampled WHERE amount IS NOT NULL
    QUALIFY of_what IS NOT DISTINCT FROM first_value(of_what) OVER (PARTITION BY what, name ORDER BY seq DESC)
  )
  WINDOW newest_first AS (PARTITION BY what, name ORDER BY seq DESC)
), kept AS (
  SELECT *, row_number() OVER (PARTITION BY what, name ORDER BY seq DESC) AS age FROM counted
  WHERE (nth - 1) % greatest(1, ceil(runs / 120)) = 0
), points AS (
  SELECT kept.*, late, amount - lag(amount) OVER (PARTITION BY what, name, late ORDER BY seq) AS step
  FROM kept JOIN (VALUES (0), (1)) takes(late) ON kept.age > late
), takes AS (
  SELECT what, name, late, count(*) >= 3 AND max(seen) - min(seen) >= INTERVAL 1 HOUR AS is_enough,
    CASE WHEN -min(step) > 2 * max(abs(step), 2)[2] THEN arg_min(seq, step) END AS cleaned_seq
  FROM points GROUP BY what, name, late
), rates AS (
  SELECT takes.what, takes.name, takes.late,
    median((b.amount - a.amount) / (epoch(b.seen) - epoch(a.seen))) AS rate, any_value(cleaned_seq) AS cleaned_seq
  FROM takes
  JOIN points a ON a.what = takes.what AND a.name = takes.name AND a.late = takes.late
  JOIN points b ON b.what = a.what AND b.name = a.name AND b.late = a.late AND b.seq > a.seq AND b.seen > a.seen
  WHERE is_enough AND (cleaned_seq IS NULL OR b.seq < cleaned_seq OR a.seq >= cleaned_seq)
  GROUP BY takes.what, takes.name, takes.late
), told AS (
  SELECT now_at.what, now_at.name, now_at.runs, now_at.seq, now_at.seen AS seen_at, now_at.amount, now_at.free,
    rates.rate * 86400 AS a_day, rates.cleaned_seq,
    earlier.amount + before.rate * (epoch(now_at.seen) - epoch(earlier.seen)) - now_at.amount AS error,
    coalesce(now_at.total, (SELECT arg_max(total, seq) FROM sampled WHERE what = 'filesystem' AND name = 'data_root'))
      AS total
  FROM (FROM kept WHERE age = 1) now_at
  LEFT JOIN (FROM kept WHERE age = 2) earlier ON earlier.what = now_at.what AND earlier.name = now_at.name
  LEFT JOIN rates ON rates.what = now_at.what AND rates.name = now_at.name AND rates.late = 0
  LEFT JOIN rates before ON before.what = now_at.what AND before.name = now_at.name AND before.late = 1
)
SELECT what, name, runs, CASE WHEN what <> 'inodes' THEN amount END AS now_bytes,
  CASE WHEN what <> 'inodes' THEN round(a_day)::BIGINT END AS per_day_bytes,
  CASE WHEN what = 'filesystem' THEN free END AS free_bytes,
  CASE WHEN what = 'inodes' THEN amount END AS now_inodes,
  CASE WHEN what = 'inodes' THEN round(a_day)::BIGINT END AS per_day_inodes,
  CASE WHEN a_day > 0 THEN round(free / a_day, 1) END AS days_to_full,
  CASE WHEN what <> 'inodes' THEN round(error)::BIGINT END AS forecast_error_bytes,
  round(100 * error / nullif(total, 0), 2) AS forecast_error_percent, seen_at,
  CASE WHEN a_day IS NULL THEN 'history is too short'
    WHEN cleaned_seq IS NOT NULL THEN 'without the clean-up before run ' || cleaned_seq ELSE '' END AS note
FROM told
ORDER BY list_position(['filesystem', 'inodes', 'class', 'repository', 'run_cache', 'directory'], what), a_day DESC NULLS LAST, name;
COMMENT ON MACRO TABLE growth IS 'growth(host, days): how fast filesystems, inodes, classes, run caches, and the twenty largest repositories and runner directories grow, when a filesystem is full, and how far off the last forecast was.';
