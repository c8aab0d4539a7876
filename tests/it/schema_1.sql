-- A catalog of schema version 1, with rows in every table, as msdata made it then. Frozen: the test of upgrades starts
-- from it, and the files of schema/ may not change what it becomes.

PRAGMA application_id = 0x6d736474;
PRAGMA user_version = 1;

-- The catalog of a data set, schema version 1.
--
-- SQLite holds what is true (who, what, which vector, which score); the vectors themselves lie in
-- Parquet parts beside it. Names in the singular are tables; the plural views of views.sql are what
-- users query. Every table is STRICT; ids of the user are TEXT, ours are INTEGER.

-- One image file as one subject or generation uses it. A file used twice has two rows, so that each
-- use keeps its own vectors.
CREATE TABLE image (
    id       INTEGER PRIMARY KEY,
    path     TEXT    NOT NULL,                       -- absolute
    status   TEXT    NOT NULL CHECK (status IN ('pending', 'ok', 'missing', 'unreadable', 'oversized')),
    reason   TEXT,                                   -- why it cannot be used
    bytes    INTEGER CHECK (bytes >= 0),             -- size and time when last read:
    mtime_ns INTEGER,                                --   unchanged means not read again
    blake3   BLOB    CHECK (length(blake3) = 32),    -- of the bytes last read; kept when the file goes missing
    format   TEXT    CHECK (format IN ('jpeg', 'png', 'webp', 'gif', 'bmp', 'tiff')),
    width    INTEGER CHECK (width > 0),              -- upright: EXIF orientation applied
    height   INTEGER CHECK (height > 0),
    CHECK ((status IN ('ok', 'pending')) = (reason IS NULL)),
    CHECK (status <> 'ok' OR (blake3 IS NOT NULL AND format IS NOT NULL AND width IS NOT NULL AND height IS NOT NULL))
) STRICT;
CREATE INDEX image_not_ok ON image (status) WHERE status <> 'ok';
CREATE INDEX image_by_content ON image (blake3) WHERE blake3 IS NOT NULL;

CREATE TABLE subject (
    id         INTEGER PRIMARY KEY,
    subject_id TEXT NOT NULL UNIQUE,
    label      TEXT NOT NULL,
    source     TEXT,
    kind       TEXT CHECK (kind IN ('human', 'animal', 'object')),
    caption    TEXT,
    license    TEXT
) STRICT;

CREATE TABLE reference_image (
    subject         INTEGER NOT NULL REFERENCES subject (id) ON DELETE CASCADE,
    reference_index INTEGER NOT NULL CHECK (reference_index >= 0),
    image           INTEGER NOT NULL UNIQUE REFERENCES image (id),
    PRIMARY KEY (subject, reference_index)
) STRICT, WITHOUT ROWID;

CREATE TABLE prompt (
    id         INTEGER PRIMARY KEY,
    prompt_id  TEXT NOT NULL UNIQUE,
    text       TEXT NOT NULL,
    scene_type TEXT NOT NULL CHECK (scene_type IN ('neutral', 'occlusion', 'interaction'))
) STRICT;

CREATE TABLE prompt_subject (
    prompt  INTEGER NOT NULL REFERENCES prompt (id) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL CHECK (ordinal >= 0),
    subject INTEGER NOT NULL REFERENCES subject (id),
    PRIMARY KEY (prompt, ordinal),
    UNIQUE (prompt, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX prompt_subject_by_subject ON prompt_subject (subject, prompt);

CREATE TABLE model (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    control INTEGER NOT NULL DEFAULT 0 CHECK (control IN (0, 1))   -- a control is shown apart from the models under test
) STRICT;

CREATE TABLE generation (
    id      INTEGER PRIMARY KEY,
    model   INTEGER NOT NULL REFERENCES model (id),
    prompt  INTEGER NOT NULL REFERENCES prompt (id),
    seed    INTEGER NOT NULL,
    image   INTEGER NOT NULL UNIQUE REFERENCES image (id),
    meta    TEXT CHECK (json_valid(meta)),
    regions TEXT CHECK (json_valid(regions)),
    UNIQUE (prompt, model, seed)
) STRICT;
CREATE INDEX generation_by_model ON generation (model);

-- An encoder is its name and its fingerprint; vectors of two fingerprints never meet in one score.
CREATE TABLE encoder (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    fingerprint TEXT    NOT NULL,
    dimension   INTEGER NOT NULL CHECK (dimension BETWEEN 1 AND 65536),
    location    TEXT,                                -- its directory, if it was given as one
    pixel_rule  INTEGER                              -- how pixels were read; NULL: vectors were imported
) STRICT;

-- An immutable Parquet file of vectors. Written before its row: a file without a row is garbage, a
-- row without its file is damage. AUTOINCREMENT: a file name is never used twice.
CREATE TABLE part (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    encoder    INTEGER NOT NULL REFERENCES encoder (id),
    provenance TEXT    NOT NULL CHECK (provenance IN ('computed', 'imported')),
    rows       INTEGER NOT NULL CHECK (rows > 0),
    bytes      INTEGER NOT NULL CHECK (bytes > 0),
    blake3     BLOB    NOT NULL CHECK (length(blake3) = 32)
) STRICT;

-- Where the vector of an image lies. `source` is the BLAKE3 of the image bytes it was made from;
-- NULL when an imported vector's image was not yet to be seen (the first content seen is then taken to
-- be its own). A vector is stale when both hashes are known and differ.
CREATE TABLE image_vector (
    encoder INTEGER NOT NULL REFERENCES encoder (id),
    image   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    part    INTEGER NOT NULL REFERENCES part (id),
    row     INTEGER NOT NULL CHECK (row >= 0),
    source  BLOB CHECK (length(source) = 32),
    PRIMARY KEY (encoder, image)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_vector_by_image ON image_vector (image);
CREATE INDEX image_vector_by_place ON image_vector (part, row);

-- The same for prompt texts; `source` is the BLAKE3 of the text.
CREATE TABLE prompt_vector (
    encoder   INTEGER NOT NULL REFERENCES encoder (id),
    prompt    INTEGER NOT NULL REFERENCES prompt (id) ON DELETE CASCADE,
    part      INTEGER NOT NULL REFERENCES part (id),
    row       INTEGER NOT NULL CHECK (row >= 0),
    source    BLOB    NOT NULL CHECK (length(source) = 32),
    truncated INTEGER CHECK (truncated IN (0, 1)),   -- the text was cut at the encoder's limit; NULL: not known
    PRIMARY KEY (encoder, prompt)
) STRICT, WITHOUT ROWID;
CREATE INDEX prompt_vector_by_prompt ON prompt_vector (prompt);
CREATE INDEX prompt_vector_by_place ON prompt_vector (part, row);

-- Vectors on their way into a part. They are committed batch by batch, so that a kill loses no finished
-- batch, and gathered into parts of a good size.
CREATE TABLE staged_vector (
    id        INTEGER PRIMARY KEY,
    encoder   INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    image     INTEGER REFERENCES image (id) ON DELETE CASCADE,
    prompt    INTEGER REFERENCES prompt (id) ON DELETE CASCADE,
    source    BLOB    NOT NULL CHECK (length(source) = 32),
    truncated INTEGER CHECK (truncated IN (0, 1)),
    vector    BLOB    NOT NULL,                      -- float32, little-endian
    CHECK ((image IS NULL) <> (prompt IS NULL)),
    UNIQUE (encoder, image),
    UNIQUE (encoder, prompt)
) STRICT;
CREATE INDEX staged_vector_by_image ON staged_vector (image);
CREATE INDEX staged_vector_by_prompt ON staged_vector (prompt);

-- An image that one encoder could not embed although it can be read; tried again when it changes.
CREATE TABLE embedding_failure (
    encoder INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    image   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    source  BLOB    NOT NULL CHECK (length(source) = 32),
    reason  TEXT    NOT NULL,
    PRIMARY KEY (encoder, image)
) STRICT, WITHOUT ROWID;
CREATE INDEX embedding_failure_by_image ON embedding_failure (image);

-- Scores. A generation has a row here for an encoder only when *all* its subjects are scored; no
-- partial row exists, so no mean can be over fewer subjects than were asked for.
CREATE TABLE image_score (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    encoder    INTEGER NOT NULL REFERENCES encoder (id),
    similarity REAL    NOT NULL CHECK (similarity BETWEEN -1 AND 1),   -- mean over the subjects
    clip_t     REAL    CHECK (clip_t BETWEEN -1 AND 1),                -- cosine with the prompt, where it has a vector
    PRIMARY KEY (generation, encoder)
) STRICT, WITHOUT ROWID;

CREATE TABLE subject_score (
    generation INTEGER NOT NULL,
    encoder    INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL CHECK (ordinal >= 0),
    similarity REAL    NOT NULL CHECK (similarity BETWEEN -1 AND 1),   -- mean over the subject's references
    PRIMARY KEY (generation, encoder, ordinal),
    FOREIGN KEY (generation, encoder) REFERENCES image_score (generation, encoder) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Staleness is removed where it arises: whatever a score was computed from changes, the score goes
-- in the same transaction. `msdata score` computes what is not there.

CREATE TRIGGER image_content_changed AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM image_score WHERE generation IN (SELECT id FROM generation WHERE image = new.id);
    DELETE FROM image_score WHERE generation IN (
        SELECT g.id FROM reference_image r
        JOIN prompt_subject ps ON ps.subject = r.subject
        JOIN generation g ON g.prompt = ps.prompt
        WHERE r.image = new.id);
END;

-- An imported vector belongs to the image as it was first seen.
CREATE TRIGGER image_first_seen AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NULL AND new.blake3 IS NOT NULL
BEGIN
    UPDATE image_vector SET source = new.blake3 WHERE image = new.id AND source IS NULL;
END;

CREATE TRIGGER image_vector_changed AFTER UPDATE OF part, row ON image_vector
BEGIN
    DELETE FROM image_score WHERE encoder = new.encoder
        AND generation IN (SELECT id FROM generation WHERE image = new.image);
    DELETE FROM image_score WHERE encoder = new.encoder AND generation IN (
        SELECT g.id FROM reference_image r
        JOIN prompt_subject ps ON ps.subject = r.subject
        JOIN generation g ON g.prompt = ps.prompt
        WHERE r.image = new.image);
END;

CREATE TRIGGER image_vector_gone AFTER DELETE ON image_vector
BEGIN
    DELETE FROM image_score WHERE encoder = old.encoder
        AND generation IN (SELECT id FROM generation WHERE image = old.image);
    DELETE FROM image_score WHERE encoder = old.encoder AND generation IN (
        SELECT g.id FROM reference_image r
        JOIN prompt_subject ps ON ps.subject = r.subject
        JOIN generation g ON g.prompt = ps.prompt
        WHERE r.image = old.image);
END;

CREATE TRIGGER prompt_vector_added AFTER INSERT ON prompt_vector
BEGIN
    DELETE FROM image_score WHERE encoder = new.encoder
        AND generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

CREATE TRIGGER prompt_vector_changed AFTER UPDATE ON prompt_vector
BEGIN
    DELETE FROM image_score WHERE encoder = new.encoder
        AND generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

CREATE TRIGGER prompt_vector_gone AFTER DELETE ON prompt_vector
BEGIN
    DELETE FROM image_score WHERE encoder = old.encoder
        AND generation IN (SELECT id FROM generation WHERE prompt = old.prompt);
END;

-- A prompt vector of another text is of no use to anyone.
CREATE TRIGGER prompt_text_changed AFTER UPDATE OF text ON prompt WHEN new.text IS NOT old.text
BEGIN
    DELETE FROM prompt_vector WHERE prompt = new.id;
END;

CREATE TRIGGER reference_added AFTER INSERT ON reference_image
BEGIN
    DELETE FROM image_score WHERE generation IN (
        SELECT g.id FROM prompt_subject ps JOIN generation g ON g.prompt = ps.prompt WHERE ps.subject = new.subject);
END;

CREATE TRIGGER reference_gone AFTER DELETE ON reference_image
BEGIN
    DELETE FROM image_score WHERE generation IN (
        SELECT g.id FROM prompt_subject ps JOIN generation g ON g.prompt = ps.prompt WHERE ps.subject = old.subject);
    DELETE FROM image WHERE id = old.image;
END;

CREATE TRIGGER prompt_subject_added AFTER INSERT ON prompt_subject
BEGIN
    DELETE FROM image_score WHERE generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

CREATE TRIGGER prompt_subject_gone AFTER DELETE ON prompt_subject
BEGIN
    DELETE FROM image_score WHERE generation IN (SELECT id FROM generation WHERE prompt = old.prompt);
END;

CREATE TRIGGER generation_gone AFTER DELETE ON generation
BEGIN
    DELETE FROM image WHERE id = old.image;
END;

-- What users query: views named and shaped as the exported Parquet tables, and the questions asked
-- first. Written for SQLite 3.38 and later: the sqlite3 that people have is older than ours.

CREATE VIEW subjects AS
SELECT s.subject_id, s.label, s.source, s.kind, s.caption, s.license,
       (SELECT json_group_array(path) FROM (
            SELECT i.path FROM reference_image r JOIN image i ON i.id = r.image
            WHERE r.subject = s.id ORDER BY r.reference_index)) AS "references"
FROM subject s;

CREATE VIEW prompts AS
SELECT p.prompt_id, p.text, p.scene_type,
       (SELECT count(*) FROM prompt_subject ps WHERE ps.prompt = p.id) AS subject_count,
       (SELECT json_group_array(subject_id) FROM (
            SELECT s.subject_id FROM prompt_subject ps JOIN subject s ON s.id = ps.subject
            WHERE ps.prompt = p.id ORDER BY ps.ordinal)) AS subjects
FROM prompt p;

CREATE VIEW generations AS
SELECT m.name AS model, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject ps WHERE ps.prompt = p.id) AS subject_count,
       i.path, i.status, i.reason, i.width, i.height, i.format, lower(hex(i.blake3)) AS blake3,
       m.control, g.meta
FROM generation g
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
JOIN image i ON i.id = g.image;

CREATE VIEW subject_scores AS
SELECT m.name AS model, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject n WHERE n.prompt = p.id) AS subject_count,
       s.subject_id, sc.ordinal, e.name AS encoder, sc.similarity
FROM subject_score sc
JOIN encoder e ON e.id = sc.encoder
JOIN generation g ON g.id = sc.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
JOIN prompt_subject ps ON ps.prompt = g.prompt AND ps.ordinal = sc.ordinal
JOIN subject s ON s.id = ps.subject;

CREATE VIEW image_scores AS
SELECT m.name AS model, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject n WHERE n.prompt = p.id) AS subject_count,
       e.name AS encoder, sc.similarity, sc.clip_t
FROM image_score sc
JOIN encoder e ON e.id = sc.encoder
JOIN generation g ON g.id = sc.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt;

-- The keys of the vectors that are there (the numbers are in Parquet: `msdata export`).
CREATE VIEW embeddings AS
SELECT e.name AS encoder, 'reference' AS kind, s.subject_id, r.reference_index, NULL AS model, NULL AS prompt_id, NULL AS seed,
       pt.provenance, (v.source IS NOT NULL AND i.blake3 IS NOT NULL AND v.source <> i.blake3) AS stale, NULL AS truncated
FROM image_vector v JOIN encoder e ON e.id = v.encoder JOIN part pt ON pt.id = v.part JOIN image i ON i.id = v.image
JOIN reference_image r ON r.image = v.image JOIN subject s ON s.id = r.subject
UNION ALL
SELECT e.name, 'generation', NULL, NULL, m.name, p.prompt_id, g.seed,
       pt.provenance, (v.source IS NOT NULL AND i.blake3 IS NOT NULL AND v.source <> i.blake3), NULL
FROM image_vector v JOIN encoder e ON e.id = v.encoder JOIN part pt ON pt.id = v.part JOIN image i ON i.id = v.image
JOIN generation g ON g.image = v.image JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
UNION ALL
SELECT e.name, 'prompt', NULL, NULL, NULL, p.prompt_id, NULL, pt.provenance, 0, v.truncated
FROM prompt_vector v JOIN encoder e ON e.id = v.encoder JOIN part pt ON pt.id = v.part JOIN prompt p ON p.id = v.prompt;

-- Per image and encoder: the share of its subjects below each of the paper's thresholds.
CREATE VIEW image_scr AS
SELECT m.name AS model, p.prompt_id, g.seed, p.scene_type, count(*) AS subject_count, e.name AS encoder,
       avg(sc.similarity < 0.4) AS scr_04, avg(sc.similarity < 0.5) AS scr_05, avg(sc.similarity < 0.6) AS scr_06
FROM subject_score sc
JOIN encoder e ON e.id = sc.encoder
JOIN generation g ON g.id = sc.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
GROUP BY sc.generation, sc.encoder;

-- Table 1 of the paper for every encoder: choose yours with WHERE encoder = '…'.
CREATE VIEW cells_by_subject_count AS
WITH per_image AS (
    SELECT sc.generation, sc.encoder, count(*) AS subjects,
           avg(sc.similarity < 0.4) AS scr_04, avg(sc.similarity < 0.5) AS scr_05, avg(sc.similarity < 0.6) AS scr_06
    FROM subject_score sc GROUP BY sc.generation, sc.encoder),
sized AS (
    SELECT g.id, g.model, (SELECT count(*) FROM prompt_subject ps WHERE ps.prompt = g.prompt) AS subject_count FROM generation g)
SELECT m.name AS model, z.subject_count, e.name AS encoder,
       count(sc.generation) AS images, coalesce(sum(i.subjects), 0) AS subjects, count(*) - count(sc.generation) AS missing,
       avg(sc.clip_t) AS clip_t, avg(sc.similarity) AS similarity,
       avg(i.scr_04) AS scr_04, avg(i.scr_05) AS scr_05, avg(i.scr_06) AS scr_06
FROM sized z CROSS JOIN encoder e
JOIN model m ON m.id = z.model
LEFT JOIN image_score sc ON sc.generation = z.id AND sc.encoder = e.id
LEFT JOIN per_image i ON i.generation = z.id AND i.encoder = e.id
GROUP BY m.name, z.subject_count, e.name;

CREATE VIEW cells_by_scene_type AS
WITH per_image AS (
    SELECT sc.generation, sc.encoder, count(*) AS subjects,
           avg(sc.similarity < 0.4) AS scr_04, avg(sc.similarity < 0.5) AS scr_05, avg(sc.similarity < 0.6) AS scr_06
    FROM subject_score sc GROUP BY sc.generation, sc.encoder)
SELECT m.name AS model, p.scene_type, e.name AS encoder,
       count(sc.generation) AS images, coalesce(sum(i.subjects), 0) AS subjects, count(*) - count(sc.generation) AS missing,
       avg(sc.clip_t) AS clip_t, avg(sc.similarity) AS similarity,
       avg(i.scr_04) AS scr_04, avg(i.scr_05) AS scr_05, avg(i.scr_06) AS scr_06
FROM generation g CROSS JOIN encoder e
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
LEFT JOIN image_score sc ON sc.generation = g.id AND sc.encoder = e.id
LEFT JOIN per_image i ON i.generation = g.id AND i.encoder = e.id
GROUP BY m.name, p.scene_type, e.name;

-- Which identities are lost most often, per encoder and model.
CREATE VIEW worst_subjects AS
SELECT e.name AS encoder, m.name AS model, s.subject_id, s.label, s.kind, count(*) AS images,
       avg(sc.similarity) AS similarity, avg(sc.similarity < 0.4) AS scr_04
FROM subject_score sc
JOIN encoder e ON e.id = sc.encoder
JOIN generation g ON g.id = sc.generation
JOIN model m ON m.id = g.model
JOIN prompt_subject ps ON ps.prompt = g.prompt AND ps.ordinal = sc.ordinal
JOIN subject s ON s.id = ps.subject
GROUP BY sc.encoder, g.model, ps.subject
ORDER BY e.name, m.name, similarity;

-- Rows.

INSERT INTO image (id, path, status, reason, bytes, mtime_ns, blake3, format, width, height) VALUES
    (1, '/pictures/references/cat.png', 'ok', NULL, 1201, 1735689600000000001, x'e81a77c11bbb24daa3d9a3d0edf857f38255b27f408822cc2b71770871241f1b', 'png', 512, 512),
    (2, '/pictures/references/dog.jpg', 'ok', NULL, 2202, 1735689600000000002, x'2d7f6617d22887cc91deffe89ff46d85436b3f7cd528157691832d84626a7e5c', 'jpeg', 640, 480),
    (3, '/pictures/references/dog-2.jpg', 'ok', NULL, 2303, 1735689600000000003, x'd056e11f8b603cdddcec40015d56ad310a3c8009da97a965451baa4be38aa769', 'jpeg', 480, 640),
    (4, '/pictures/references/teapot.webp', 'ok', NULL, 3404, 1735689600000000004, x'bed1f2fbbb9e012b443535386ba890b60051e154ca4bf5af378c2c82ebd217f2', 'webp', 256, 256),
    (5, '/pictures/A/p1-42.png', 'ok', NULL, 5505, 1735689600000000005, x'8c162a7e64b92f611264cd75e9737f4a22c6830e40c675e98fc263245b801389', 'png', 1024, 1024),
    (6, '/pictures/A/p1-43.png', 'missing', 'no such file', 5606, 1735689600000000006, x'4c4d5274b070c92b846b5bf1e4c9b4402200b9306f88c008ec9c3c82c790cf21', 'png', 1024, 1024),
    (7, '/pictures/A/p2-42.png', 'unreadable', 'not an image', 17, 1735689600000000007, x'9d4de33c23d300c90ca6d981721050d791778a82f6aa147d1f8a3fc20061fbbe', NULL, NULL, NULL),
    (8, '/pictures/B/p1-42.tiff', 'ok', NULL, 5808, 1735689600000000008, x'f57a31dd9addea705fb7304a06be4c9b7bf68ac636f15402861e0c6f2b0ecefb', 'tiff', 768, 512),
    (9, '/pictures/B/p2-42.bmp', 'pending', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    (10, '/pictures/B/p2-43.gif', 'oversized', '90000 × 90000 pixels', 6010, 1735689600000000010, x'd6287d5129beb7ef6876daa929e297efd9493ec13eef7220db8d8e0de62d5c4b', 'gif', 90000, 90000);

INSERT INTO subject (id, subject_id, label, source, kind, caption, license) VALUES
    (1, 'cat', 'cat', 'photographed', 'animal', 'a grey cat', 'CC0'),
    (2, 'dog', 'dog', NULL, 'animal', NULL, NULL),
    (3, 'teapot', 'teapot', 'drawn', NULL, 'a "blue" teapot; it''s old', NULL);

INSERT INTO reference_image (subject, reference_index, image) VALUES (1, 0, 1), (2, 0, 2), (2, 1, 3), (3, 0, 4);

INSERT INTO prompt (id, prompt_id, text, scene_type) VALUES
    (1, 'p1', 'A cat and a dog, side by side.', 'neutral'),
    (2, 'p2', 'A dog behind a teapot.', 'occlusion');

INSERT INTO prompt_subject (prompt, ordinal, subject) VALUES (1, 0, 1), (1, 1, 2), (2, 0, 2), (2, 1, 3);

INSERT INTO model (id, name, control) VALUES (1, 'A', 0), (2, 'B', 1);

INSERT INTO generation (id, model, prompt, seed, image, meta, regions) VALUES
    (1, 1, 1, 42, 5, '{"steps": 30}', NULL),
    (2, 1, 1, 43, 6, NULL, NULL),
    (3, 1, 2, 42, 7, NULL, '[{"subject_id": "dog", "box": [0, 0, 10, 10]}]'),
    (4, 2, 1, 42, 8, NULL, NULL),
    (5, 2, 2, 42, 9, NULL, NULL),
    (6, 2, 2, 43, 10, NULL, NULL);

INSERT INTO encoder (id, name, fingerprint, dimension, location, pixel_rule) VALUES
    (1, 'dinov2-small', 'imported', 384, NULL, NULL),
    (2, 'own', '3f12d4caca6818c99dc0f4173d98562e030cc4123582b9c210c2c3724ba1f787', 4, '/encoders/own', 1);

INSERT INTO part (id, encoder, provenance, rows, bytes, blake3) VALUES
    (1, 1, 'imported', 7, 9001, x'8d9705f352a67b97033e940c9b9f0ac5e5fe3cc099905297f1e118c54e9cd98c'),
    (3, 2, 'computed', 3, 9003, x'c669117315bddbc919e34295a63a9f49e15ab592da94a7a38d2df911c8cb7395');

INSERT INTO image_vector (encoder, image, part, row, source) VALUES
    (1, 1, 1, 0, x'e81a77c11bbb24daa3d9a3d0edf857f38255b27f408822cc2b71770871241f1b'),
    (1, 2, 1, 1, x'2d7f6617d22887cc91deffe89ff46d85436b3f7cd528157691832d84626a7e5c'),
    (1, 3, 1, 2, x'd056e11f8b603cdddcec40015d56ad310a3c8009da97a965451baa4be38aa769'),
    (1, 5, 1, 3, x'8c162a7e64b92f611264cd75e9737f4a22c6830e40c675e98fc263245b801389'),
    (1, 8, 1, 4, x'f57a31dd9addea705fb7304a06be4c9b7bf68ac636f15402861e0c6f2b0ecefb'),
    (1, 9, 1, 5, NULL),
    (2, 1, 3, 0, x'e81a77c11bbb24daa3d9a3d0edf857f38255b27f408822cc2b71770871241f1b'),
    (2, 5, 3, 1, x'96c999bcee654f1c8f5c87f879f44a0888a02bf2c2c18a01464718b2b6434981');

INSERT INTO prompt_vector (encoder, prompt, part, row, source, truncated) VALUES
    (1, 1, 1, 6, x'88f69d0e2a7dfabd186969b8f860f314398f5faef2f88c22c6bb0ee8b13645f9', 0),
    (2, 1, 3, 2, x'88f69d0e2a7dfabd186969b8f860f314398f5faef2f88c22c6bb0ee8b13645f9', NULL);

INSERT INTO staged_vector (id, encoder, image, prompt, source, truncated, vector) VALUES
    (1, 2, 2, NULL, x'2d7f6617d22887cc91deffe89ff46d85436b3f7cd528157691832d84626a7e5c', NULL, x'0000003f0000003f000000bf0000003f'),
    (2, 2, NULL, 2, x'7e4384452c90d1b8b59a258f4517f9b3f20f33fb301a402ffa26ccb66d17b273', 1, x'0000803f000000000000000000000000');

INSERT INTO embedding_failure (encoder, image, source, reason) VALUES (2, 4, x'bed1f2fbbb9e012b443535386ba890b60051e154ca4bf5af378c2c82ebd217f2', 'the encoder gave numbers that are not finite');

INSERT INTO image_score (generation, encoder, similarity, clip_t) VALUES (1, 1, 0.5, 0.25), (4, 1, 0.3125, NULL);

INSERT INTO subject_score (generation, encoder, ordinal, similarity) VALUES (1, 1, 0, 0.625), (1, 1, 1, 0.375), (4, 1, 0, 0.125), (4, 1, 1, 0.5);
