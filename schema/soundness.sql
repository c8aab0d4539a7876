-- What lets a catalog be checked, by this program and by the SQLite that users have.

-- SQLite before 3.45 takes json_valid(NULL) for false. The check changes and the rows do not, so the text is all
-- that has to change: the table, what refers to it, its triggers and its index stay as they are.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(replace(sql, 'CHECK (json_valid(meta))', 'CHECK (meta IS NULL OR json_valid(meta))'),
                  'CHECK (json_valid(regions))', 'CHECK (regions IS NULL OR json_valid(regions))')
WHERE type = 'table' AND name = 'generation';
PRAGMA writable_schema = RESET;

-- The digest of all rows that nothing else vouches for (scores are computed again from vectors, parts have their
-- checksums). A writer takes it away in the transaction of its first change and puts it back when it ends; NULL
-- is what a killed one leaves.
CREATE TABLE seal (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    digest BLOB CHECK (length(digest) = 32)
) STRICT;
INSERT INTO seal (id, digest) VALUES (1, NULL);
