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
