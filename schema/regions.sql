-- Regions: parts of images that a detector, an annotator or a generator marked, with what an encoder makes of them.

-- Regions of one origin: which subjects they can show, which of them count, and how they are cut out.
CREATE TABLE region_set (
    id          INTEGER PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    kinds       TEXT    CHECK (json_valid(kinds)),                      -- kinds of subjects it can show, a list; NULL: all
    least_side  REAL    NOT NULL DEFAULT 0 CHECK (least_side >= 0),     -- pixels; a region with a shorter side does not count
    least_score REAL    NOT NULL DEFAULT 0 CHECK (least_score BETWEEN 0 AND 1),
    margin      REAL    NOT NULL DEFAULT 0 CHECK (margin BETWEEN 0 AND 10), -- share of the longer side, added on each side
    square      INTEGER NOT NULL DEFAULT 0 CHECK (square IN (0, 1)),    -- the shorter side grows to the longer one
    outside     TEXT    CHECK (outside IN ('black', 'grey', 'white')),  -- what is outside the mask becomes; NULL: it stays
    fit         TEXT    NOT NULL DEFAULT 'squash' CHECK (fit IN ('squash', 'pad', 'encoder'))
) STRICT;

-- A file that regions were read from.
CREATE TABLE region_file (
    id         INTEGER PRIMARY KEY,
    region_set INTEGER NOT NULL REFERENCES region_set (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,                                        -- without its directory
    format     TEXT    NOT NULL,
    blake3     BLOB    NOT NULL CHECK (length(blake3) = 32),
    UNIQUE (region_set, blake3, name)
) STRICT;

-- An image of which the regions are known: without regions it shows none; an image without a row was not looked at.
CREATE TABLE region_image (
    id         INTEGER PRIMARY KEY,
    region_set INTEGER NOT NULL REFERENCES region_set (id) ON DELETE CASCADE,
    image      INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    file       INTEGER REFERENCES region_file (id),                     -- NULL: a reference that is used whole
    source     BLOB    CHECK (length(source) = 32),                     -- BLAKE3 of the image that the regions are of; NULL: not yet seen
    UNIQUE (region_set, image)
) STRICT;
CREATE INDEX region_image_by_image ON region_image (image);
CREATE INDEX region_image_by_file ON region_image (file);

CREATE TABLE region (
    id           INTEGER PRIMARY KEY,
    region_image INTEGER NOT NULL REFERENCES region_image (id) ON DELETE CASCADE,
    region_index INTEGER NOT NULL CHECK (region_index >= 0),            -- its place in the file
    x            REAL    NOT NULL,                                      -- pixels of the upright image
    y            REAL    NOT NULL,
    width        REAL    NOT NULL CHECK (width > 0),
    height       REAL    NOT NULL CHECK (height > 0),
    score        REAL    CHECK (score BETWEEN 0 AND 1),
    label        TEXT,
    kind         TEXT    CHECK (kind IN ('human', 'animal', 'object')), -- what the label says it is; NULL: not known
    claimed      TEXT,                                                  -- the subject that its origin says it is
    mask         TEXT    CHECK (json_valid(mask)),                      -- COCO's run-length code
    UNIQUE (region_image, region_index)
) STRICT;

-- Which encoders embed the regions of a set. Recorded before there are vectors, so that an interrupted run is taken up.
CREATE TABLE region_encoder (
    region_set INTEGER NOT NULL REFERENCES region_set (id) ON DELETE CASCADE,
    encoder    INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    PRIMARY KEY (region_set, encoder)
) STRICT, WITHOUT ROWID;
CREATE INDEX region_encoder_by_encoder ON region_encoder (encoder);

-- Whether an encoder embeds whole images too; one of faces does not.
ALTER TABLE encoder ADD COLUMN whole INTEGER NOT NULL DEFAULT 1 CHECK (whole IN (0, 1));

-- Where the vector of a region lies. `source` is the BLAKE3 of the image and the crop that it was made from; NULL: it
-- was imported.
CREATE TABLE region_vector (
    encoder INTEGER NOT NULL REFERENCES encoder (id),
    region  INTEGER NOT NULL REFERENCES region (id) ON DELETE CASCADE,
    part    INTEGER NOT NULL REFERENCES part (id),
    row     INTEGER NOT NULL CHECK (row >= 0),
    source  BLOB CHECK (length(source) = 32),
    PRIMARY KEY (encoder, region)
) STRICT, WITHOUT ROWID;
CREATE INDEX region_vector_by_region ON region_vector (region);
CREATE INDEX region_vector_by_place ON region_vector (part, row);

-- Vectors of regions on their way into a part.
CREATE TABLE staged_region_vector (
    id      INTEGER PRIMARY KEY,
    encoder INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    region  INTEGER NOT NULL REFERENCES region (id) ON DELETE CASCADE,
    source  BLOB    NOT NULL CHECK (length(source) = 32),
    vector  BLOB    NOT NULL,                                           -- float32, little-endian
    UNIQUE (encoder, region)
) STRICT;
CREATE INDEX staged_region_vector_by_region ON staged_region_vector (region);

-- A region that one encoder could not embed; tried again when it changes.
CREATE TABLE region_failure (
    encoder INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    region  INTEGER NOT NULL REFERENCES region (id) ON DELETE CASCADE,
    reason  TEXT    NOT NULL,
    PRIMARY KEY (encoder, region)
) STRICT, WITHOUT ROWID;
CREATE INDEX region_failure_by_region ON region_failure (region);

-- A generation whose regions were compared with every subject of the set's kinds. The rows below it are complete, or the
-- row is not there. What a measure needs that an image does not have is NULL.
CREATE TABLE region_score (
    generation     INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    region_set     INTEGER NOT NULL REFERENCES region_set (id) ON DELETE CASCADE,
    encoder        INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    requested      INTEGER NOT NULL CHECK (requested >= 0),             -- subjects of the set's kinds
    regions        INTEGER NOT NULL CHECK (regions >= 0),               -- those that count
    identity       REAL CHECK (identity BETWEEN 0 AND 1),
    matched        REAL CHECK (matched BETWEEN -1 AND 1),               -- mean cosine of the pairs
    top1           REAL CHECK (top1 BETWEEN 0 AND 1),
    margin         REAL CHECK (margin BETWEEN -2 AND 2),
    bleeding       REAL CHECK (bleeding BETWEEN 0 AND 2),
    homogenisation REAL CHECK (homogenisation BETWEEN 0 AND 2),
    doubled        INTEGER NOT NULL CHECK (doubled >= 0),               -- regions whose nearest requested subject has another
    PRIMARY KEY (generation, region_set, encoder)
) STRICT, WITHOUT ROWID;
CREATE INDEX region_score_by_set ON region_score (region_set, encoder);
CREATE INDEX region_score_by_encoder ON region_score (encoder);

-- Every region that counts with every requested subject.
CREATE TABLE region_pair (
    generation INTEGER NOT NULL,
    region_set INTEGER NOT NULL,
    encoder    INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL CHECK (ordinal >= 0),
    region     INTEGER NOT NULL REFERENCES region (id) ON DELETE CASCADE,
    similarity REAL    CHECK (similarity BETWEEN -1 AND 1),             -- NULL: a person is no object, so they cannot be a pair
    assigned   INTEGER NOT NULL CHECK (assigned IN (0, 1)),
    PRIMARY KEY (generation, region_set, encoder, ordinal, region),
    FOREIGN KEY (generation, region_set, encoder) REFERENCES region_score (generation, region_set, encoder) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX region_pair_by_region ON region_pair (region);

-- Per subject of the set's kinds, asked for or not: the region most like it. A subject that no region can show has no
-- row.
CREATE TABLE region_local (
    generation INTEGER NOT NULL,
    region_set INTEGER NOT NULL,
    encoder    INTEGER NOT NULL,
    subject    INTEGER NOT NULL REFERENCES subject (id),
    similarity REAL    NOT NULL CHECK (similarity BETWEEN -1 AND 1),
    region     INTEGER NOT NULL REFERENCES region (id) ON DELETE CASCADE,
    PRIMARY KEY (generation, region_set, encoder, subject),
    FOREIGN KEY (generation, region_set, encoder) REFERENCES region_score (generation, region_set, encoder) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX region_local_by_subject ON region_local (subject);
CREATE INDEX region_local_by_region ON region_local (region);

-- Staleness. Regions are of an image as it was: with other bytes it is an image that was not looked at.

CREATE TRIGGER regions_of_changed_image AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM region_image WHERE image = new.id AND file IS NULL;
    DELETE FROM region_vector WHERE region IN (
        SELECT r.id FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.image = new.id);
    DELETE FROM staged_region_vector WHERE region IN (
        SELECT r.id FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.image = new.id);
    DELETE FROM region_failure WHERE region IN (
        SELECT r.id FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.image = new.id);
    DELETE FROM region_score WHERE generation IN (SELECT id FROM generation WHERE image = new.id);
    DELETE FROM region_score WHERE EXISTS (SELECT 1 FROM reference_image WHERE image = new.id);
END;

CREATE TRIGGER regions_of_image_first_seen AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NULL AND new.blake3 IS NOT NULL
BEGIN
    UPDATE region_image SET source = new.blake3 WHERE image = new.id AND source IS NULL;
END;

CREATE TRIGGER regions_added AFTER INSERT ON region_image
BEGIN
    DELETE FROM region_score WHERE region_set = new.region_set
        AND generation IN (SELECT id FROM generation WHERE image = new.image);
    DELETE FROM region_score WHERE region_set = new.region_set
        AND EXISTS (SELECT 1 FROM reference_image WHERE image = new.image);
END;

CREATE TRIGGER regions_removed AFTER DELETE ON region_image
BEGIN
    DELETE FROM region_score WHERE region_set = old.region_set
        AND generation IN (SELECT id FROM generation WHERE image = old.image);
    DELETE FROM region_score WHERE region_set = old.region_set
        AND EXISTS (SELECT 1 FROM reference_image WHERE image = old.image);
END;

CREATE TRIGGER region_set_cut_otherwise AFTER UPDATE ON region_set
WHEN new.margin <> old.margin OR new.square <> old.square OR new.outside IS NOT old.outside OR new.fit <> old.fit
BEGIN
    DELETE FROM region_vector WHERE source IS NOT NULL AND region IN (
        SELECT r.id FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.region_set = new.id);
    DELETE FROM staged_region_vector WHERE region IN (
        SELECT r.id FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.region_set = new.id);
    DELETE FROM region_failure WHERE region IN (
        SELECT r.id FROM region_image i JOIN region r ON r.region_image = i.id WHERE i.region_set = new.id);
END;

CREATE TRIGGER region_set_changed AFTER UPDATE ON region_set
BEGIN
    DELETE FROM region_score WHERE region_set = new.id;
END;

CREATE TRIGGER region_vector_added AFTER INSERT ON region_vector
BEGIN
    INSERT OR IGNORE INTO region_encoder (region_set, encoder)
        SELECT i.region_set, new.encoder FROM region r JOIN region_image i ON i.id = r.region_image WHERE r.id = new.region;
    DELETE FROM region_failure WHERE encoder = new.encoder AND region = new.region;
    DELETE FROM region_score WHERE encoder = new.encoder AND generation IN (
        SELECT g.id FROM region r JOIN region_image i ON i.id = r.region_image JOIN generation g ON g.image = i.image
        WHERE r.id = new.region)
      AND region_set = (SELECT i.region_set FROM region r JOIN region_image i ON i.id = r.region_image WHERE r.id = new.region);
    DELETE FROM region_score WHERE encoder = new.encoder AND region_set = (
        SELECT i.region_set FROM region r JOIN region_image i ON i.id = r.region_image
        JOIN reference_image f ON f.image = i.image WHERE r.id = new.region);
END;

CREATE TRIGGER region_vector_changed AFTER UPDATE OF part, row ON region_vector
BEGIN
    DELETE FROM region_score WHERE encoder = new.encoder AND generation IN (
        SELECT g.id FROM region r JOIN region_image i ON i.id = r.region_image JOIN generation g ON g.image = i.image
        WHERE r.id = new.region)
      AND region_set = (SELECT i.region_set FROM region r JOIN region_image i ON i.id = r.region_image WHERE r.id = new.region);
    DELETE FROM region_score WHERE encoder = new.encoder AND region_set = (
        SELECT i.region_set FROM region r JOIN region_image i ON i.id = r.region_image
        JOIN reference_image f ON f.image = i.image WHERE r.id = new.region);
END;

CREATE TRIGGER region_vector_gone AFTER DELETE ON region_vector
BEGIN
    DELETE FROM region_score WHERE encoder = old.encoder AND generation IN (
        SELECT g.id FROM region r JOIN region_image i ON i.id = r.region_image JOIN generation g ON g.image = i.image
        WHERE r.id = old.region)
      AND region_set = (SELECT i.region_set FROM region r JOIN region_image i ON i.id = r.region_image WHERE r.id = old.region);
    DELETE FROM region_score WHERE encoder = old.encoder AND region_set = (
        SELECT i.region_set FROM region r JOIN region_image i ON i.id = r.region_image
        JOIN reference_image f ON f.image = i.image WHERE r.id = old.region);
END;

CREATE TRIGGER regions_of_added_reference AFTER INSERT ON reference_image
BEGIN
    DELETE FROM region_score;
END;

CREATE TRIGGER regions_of_lost_reference AFTER DELETE ON reference_image
BEGIN
    DELETE FROM region_score;
END;

CREATE TRIGGER regions_of_moved_reference AFTER UPDATE ON reference_image
BEGIN
    DELETE FROM region_score;
END;

CREATE TRIGGER regions_of_changed_kind AFTER UPDATE OF kind ON subject WHEN new.kind IS NOT old.kind
BEGIN
    DELETE FROM region_score;
END;

CREATE TRIGGER regions_of_added_prompt_subject AFTER INSERT ON prompt_subject
BEGIN
    DELETE FROM region_score WHERE generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

CREATE TRIGGER regions_of_lost_prompt_subject AFTER DELETE ON prompt_subject
BEGIN
    DELETE FROM region_score WHERE generation IN (SELECT id FROM generation WHERE prompt = old.prompt);
END;

CREATE TRIGGER regions_of_other_image AFTER UPDATE OF image ON generation WHEN new.image IS NOT old.image
BEGIN
    DELETE FROM region_score WHERE generation = new.id;
END;

CREATE TRIGGER regions_of_changed_encoder AFTER UPDATE OF fingerprint ON encoder WHEN new.fingerprint IS NOT old.fingerprint
BEGIN
    DELETE FROM region_score WHERE encoder = new.id;
    DELETE FROM region_failure WHERE encoder = new.id;
    DELETE FROM region_vector WHERE encoder = new.id;
    DELETE FROM staged_region_vector WHERE encoder = new.id;
END;

-- What users query.

CREATE VIEW region_sets AS
SELECT s.name AS region_set, s.kinds, s.least_side, s.least_score, s.margin, s.square, s.outside, s.fit,
       (SELECT count(*) FROM region_image i JOIN generation g ON g.image = i.image WHERE i.region_set = s.id) AS generations,
       (SELECT count(*) FROM region_image i JOIN generation g ON g.image = i.image JOIN region r ON r.region_image = i.id
        WHERE i.region_set = s.id) AS regions,
       (SELECT count(*) FROM region_image i JOIN reference_image f ON f.image = i.image
        WHERE i.region_set = s.id AND i.file IS NOT NULL) AS "references",
       (SELECT json_group_array(name) FROM (SELECT name FROM region_file f WHERE f.region_set = s.id ORDER BY name)) AS files
FROM region_set s;

-- Every region of every image. `counts` is whether it is large and sure enough for its set; `stale`, whether the image
-- has changed since.
CREATE VIEW regions AS
SELECT s.name AS region_set, 'generation' AS kind, NULL AS subject_id, NULL AS reference_index,
       m.name AS model, p.prompt_id, g.seed, r.region_index, r.x, r.y, r.width, r.height, r.score, r.label,
       r.kind AS shows, r.claimed, r.mask,
       (min(r.width, r.height) >= s.least_side AND coalesce(r.score, 1) >= s.least_score) AS counts,
       (i.source IS NOT NULL AND i.source IS NOT f.blake3) AS stale
FROM region r JOIN region_image i ON i.id = r.region_image JOIN region_set s ON s.id = i.region_set
JOIN image f ON f.id = i.image
JOIN generation g ON g.image = i.image JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
UNION ALL
SELECT s.name, 'reference', u.subject_id, c.reference_index, NULL, NULL, NULL,
       r.region_index, r.x, r.y, r.width, r.height, r.score, r.label, r.kind, r.claimed, r.mask,
       (min(r.width, r.height) >= s.least_side AND coalesce(r.score, 1) >= s.least_score),
       (i.source IS NOT NULL AND i.source IS NOT f.blake3)
FROM region r JOIN region_image i ON i.id = r.region_image JOIN region_set s ON s.id = i.region_set
JOIN image f ON f.id = i.image
JOIN reference_image c ON c.image = i.image JOIN subject u ON u.id = c.subject
WHERE i.file IS NOT NULL;

CREATE VIEW region_scores AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject n WHERE n.prompt = p.id) AS subject_count,
       s.name AS region_set, e.name AS encoder, c.requested, c.regions, c.identity, c.matched, c.top1, c.margin,
       c.bleeding, c.homogenisation, c.doubled
FROM region_score c
JOIN region_set s ON s.id = c.region_set
JOIN encoder e ON e.id = c.encoder
JOIN generation g ON g.id = c.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt;

CREATE VIEW region_pairs AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, s.name AS region_set, e.name AS encoder,
       u.subject_id, c.ordinal, r.region_index, c.similarity, c.assigned
FROM region_pair c
JOIN region r ON r.id = c.region
JOIN region_set s ON s.id = c.region_set
JOIN encoder e ON e.id = c.encoder
JOIN generation g ON g.id = c.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
JOIN prompt_subject ps ON ps.prompt = g.prompt AND ps.ordinal = c.ordinal
JOIN subject u ON u.id = ps.subject;
