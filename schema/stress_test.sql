-- Schema version 2: a stress test that is still to be run.

-- The seeds asked of every prompt.
CREATE TABLE seed (
    seed INTEGER PRIMARY KEY
) STRICT;

-- One image that a generator is to make. A job that is done has its generation in the catalog.
CREATE TABLE job (
    id         INTEGER PRIMARY KEY,
    model      INTEGER NOT NULL REFERENCES model (id) ON DELETE CASCADE,
    prompt     INTEGER NOT NULL REFERENCES prompt (id) ON DELETE CASCADE,
    seed       INTEGER NOT NULL,
    state      TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'done', 'failed')),
    attempts   INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    command    TEXT,                                  -- of the last attempt, as started
    started    TEXT,                                  -- when, UTC, RFC 3339
    seconds    REAL    CHECK (seconds >= 0),          -- how long it took
    status     INTEGER,                               -- its exit status; NULL: ended by a signal or not started
    host       TEXT,
    log        TEXT,                                  -- the file with all that it printed
    tail       TEXT,                                  -- why it failed: the last lines that it printed
    UNIQUE (prompt, model, seed)
) STRICT;
CREATE INDEX job_by_model ON job (model, state);

CREATE VIEW jobs AS
SELECT m.name AS model, p.prompt_id, j.seed, j.state, j.attempts, j.command, j.started, j.seconds, j.status, j.host, j.log, j.tail
FROM job j JOIN model m ON m.id = j.model JOIN prompt p ON p.id = j.prompt;
