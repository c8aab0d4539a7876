-- Metrics: numbers about generations, or about the subjects in them, that were computed elsewhere.

CREATE TABLE metric (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    better      TEXT    NOT NULL CHECK (better IN ('higher', 'lower')),
    least       REAL,                                                   -- its range; NULL: not stated
    most        REAL,
    of_subjects INTEGER NOT NULL CHECK (of_subjects IN (0, 1)),         -- 1: a value for each subject; 0: one for the image
    CHECK ((least IS NULL) = (most IS NULL)),
    CHECK (least IS NULL OR least < most)
) STRICT;

-- What a metric says of a generation. `source` is the BLAKE3 of the image that the value is of; NULL: not yet seen.
CREATE TABLE metric_value (
    id         INTEGER PRIMARY KEY,
    metric     INTEGER NOT NULL REFERENCES metric (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    subject    INTEGER REFERENCES subject (id) ON DELETE CASCADE,       -- NULL: the image as a whole
    value      REAL,                                                    -- NULL: the file says that it is missing
    source     BLOB    CHECK (length(source) = 32)
) STRICT;
CREATE UNIQUE INDEX metric_value_by_key ON metric_value (metric, generation, coalesce(subject, 0));
CREATE INDEX metric_value_by_generation ON metric_value (generation);
CREATE INDEX metric_value_by_subject ON metric_value (subject);

-- Staleness. A value is of an image as it was first seen; with other bytes it no longer counts.

CREATE TRIGGER metrics_of_image_first_seen AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NULL AND new.blake3 IS NOT NULL
BEGIN
    UPDATE metric_value SET source = new.blake3
    WHERE source IS NULL AND generation IN (SELECT id FROM generation WHERE image = new.id);
END;

-- A value of an image that was never seen is not of the image that takes its place.
CREATE TRIGGER metrics_of_other_image AFTER UPDATE OF image ON generation WHEN new.image IS NOT old.image
BEGIN
    UPDATE metric_value SET source = zeroblob(32) WHERE generation = new.id AND source IS NULL;
END;

-- What users query. `stale`: the image has changed since, so the value does not count.
CREATE VIEW metrics AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject n WHERE n.prompt = p.id) AS subject_count,
       k.name AS metric, k.better, k.least, k.most, s.subject_id, v.value,
       (v.source IS NOT NULL AND v.source IS NOT i.blake3) AS stale
FROM metric_value v
JOIN metric k ON k.id = v.metric
JOIN generation g ON g.id = v.generation
JOIN image i ON i.id = g.image
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
LEFT JOIN subject s ON s.id = v.subject;
