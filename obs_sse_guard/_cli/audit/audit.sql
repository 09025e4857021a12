-- The queries of "obs-sse-guard audit". DuckDB and Spark run them unchanged, see docs/audit-at-scale.md.
-- They read the table "lines": one row per line of the audit files, with the columns that the query below names.
-- A line that is no JSON is a row of NULLs.

-- name: tallies
-- One row per place and one per host, from a single pass over the lines.
-- A place is what findings must have in common to be counted together: rule, operation, endpoint, call site, treatment.
-- A host is a machine, with its settings and its version. Older lines have no "event", and name no machine: their
-- "host" is that of the endpoint.
WITH entries AS (
    SELECT
        CASE
            WHEN length(time) <> 24 OR time IS NULL THEN 'damaged'
            WHEN event = 'armed' AND host IS NOT NULL THEN 'armed'
            WHEN coalesce(event, 'finding') = 'finding'
                AND rule IS NOT NULL
                AND operation IS NOT NULL
                AND documented IN ('allow', 'log', 'refuse')
                AND strict IN ('allow', 'log', 'refuse')
                AND verdict IN ('refused', 'would-refuse', 'noticed', 'allowed', 'trusted') THEN 'finding'
            ELSE 'damaged'
        END AS entry,
        CASE WHEN event IS NOT NULL THEN host END AS host,
        mode,
        version,
        rule,
        operation,
        coalesce(endpoint, host) AS endpoint,
        site.file AS file,
        site.line AS line,
        site.function AS function,
        documented,
        strict,
        verdict,
        sdk,
        time
    FROM lines
)
SELECT
    CASE WHEN grouping(host) = 1 THEN 'place' ELSE 'host' END AS kind,
    entry,
    host,
    mode,
    version,
    rule,
    operation,
    endpoint,
    file,
    line,
    function,
    documented,
    strict,
    verdict,
    sdk,
    count(*) AS entries,
    min(time) AS first,
    max(time) AS last
FROM entries
GROUP BY GROUPING SETS (
    (entry, rule, operation, endpoint, file, line, function, documented, strict, verdict, sdk),
    (entry, host, mode, version)
)

-- name: totals
-- One row: the findings, and how many of them each policy refuses. The other queries count the same way.
SELECT
    coalesce(sum(CASE WHEN entry = 'finding' THEN entries END), 0) AS findings,
    coalesce(sum(CASE WHEN entry = 'finding' AND documented = 'refuse' THEN entries END), 0) AS enforce,
    coalesce(sum(CASE WHEN entry = 'finding' AND strict = 'refuse' THEN entries END), 0) AS strict,
    coalesce(sum(CASE WHEN entry = 'finding' AND verdict = 'refused' THEN entries END), 0) AS refused,
    coalesce(sum(CASE WHEN entry = 'finding' AND verdict = 'would-refuse' THEN entries END), 0) AS would_refuse,
    coalesce(sum(CASE WHEN entry = 'armed' THEN entries END), 0) AS armed,
    coalesce(sum(CASE WHEN entry = 'damaged' THEN entries END), 0) AS damaged,
    min(CASE WHEN entry = 'finding' THEN first END) AS first,
    max(CASE WHEN entry = 'finding' THEN last END) AS last
FROM tallies
WHERE kind = 'place'

-- name: groups
-- One row per group of findings that have these columns in common, those that would be refused first.
SELECT
    {columns},
    sum(entries) AS findings,
    sum(CASE WHEN documented = 'refuse' THEN entries ELSE 0 END) AS enforce,
    sum(CASE WHEN strict = 'refuse' THEN entries ELSE 0 END) AS strict,
    sum(CASE WHEN verdict = 'refused' THEN entries ELSE 0 END) AS refused,
    min(first) AS first,
    max(last) AS last,
    min(sdk) AS sdk
FROM tallies
WHERE kind = 'place' AND entry = 'finding'
GROUP BY {columns}
ORDER BY enforce DESC, strict DESC, findings DESC, {columns}

-- name: sites
-- One row: how many call sites each policy refuses, and how many findings whose call site is unknown.
SELECT
    count(CASE WHEN file IS NOT NULL AND enforce > 0 THEN 1 END) AS enforce_sites,
    count(CASE WHEN file IS NOT NULL AND strict > 0 THEN 1 END) AS strict_sites,
    coalesce(sum(CASE WHEN file IS NULL THEN enforce END), 0) AS enforce_unknown,
    coalesce(sum(CASE WHEN file IS NULL THEN strict END), 0) AS strict_unknown
FROM (
    SELECT
        file,
        sum(CASE WHEN documented = 'refuse' THEN entries ELSE 0 END) AS enforce,
        sum(CASE WHEN strict = 'refuse' THEN entries ELSE 0 END) AS strict
    FROM tallies
    WHERE kind = 'place' AND entry = 'finding'
    GROUP BY file, line, function
) AS call_sites

-- name: hosts
-- One row per machine: since when it is armed, how many processes were, with what, what they found, and the last line.
SELECT
    host,
    min(CASE WHEN entry = 'armed' THEN first END) AS armed_since,
    sum(CASE WHEN entry = 'armed' THEN entries ELSE 0 END) AS processes,
    max_by(version, CASE WHEN version IS NOT NULL THEN last END) AS version,
    max_by(mode, last) AS mode,
    sum(CASE WHEN entry = 'finding' THEN entries ELSE 0 END) AS findings,
    max(last) AS last_seen
FROM tallies
WHERE kind = 'host' AND entry <> 'damaged' AND host IS NOT NULL
GROUP BY host
ORDER BY host
