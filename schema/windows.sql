-- Local similarity: squares cut out of every generated image, each compared with the references.

-- Which windows an encoder looks through. One pattern an encoder: similarities over different sets of windows
-- cannot be compared.
CREATE TABLE window_set (
    encoder INTEGER PRIMARY KEY REFERENCES encoder (id) ON DELETE CASCADE,
    pattern TEXT NOT NULL CHECK (pattern IN ('fast', 'full', 'fine', 'dense'))
) STRICT;

-- A generation whose windows were compared with every subject of the pool. The rows below it are complete, or the
-- row is not there.
CREATE TABLE window_score (
    generation INTEGER NOT NULL REFERENCES generation (id) ON DELETE CASCADE,
    encoder    INTEGER NOT NULL REFERENCES window_set (encoder) ON DELETE CASCADE,
    PRIMARY KEY (generation, encoder)
) STRICT, WITHOUT ROWID;
CREATE INDEX window_score_by_encoder ON window_score (encoder);

-- Per subject of the pool, asked for or not: its local similarity, and the window that has it.
CREATE TABLE local_score (
    generation INTEGER NOT NULL,
    encoder    INTEGER NOT NULL,
    subject    INTEGER NOT NULL REFERENCES subject (id),
    local      REAL    NOT NULL CHECK (local BETWEEN -1 AND 1),       -- largest pool-centred cosine
    uncentred  REAL    NOT NULL CHECK (uncentred BETWEEN -1 AND 1),   -- largest plain cosine, over the same windows
    x          INTEGER NOT NULL CHECK (x >= 0),                       -- the window of `local`, in pixels of the
    y          INTEGER NOT NULL CHECK (y >= 0),                       --   upright image: its upper left corner
    width      INTEGER NOT NULL CHECK (width > 0),
    height     INTEGER NOT NULL CHECK (height > 0),
    PRIMARY KEY (generation, encoder, subject),
    FOREIGN KEY (generation, encoder) REFERENCES window_score (generation, encoder) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX local_score_by_subject ON local_score (subject);

-- One subject, one place: the window that each requested subject has to itself.
CREATE TABLE subject_place (
    generation INTEGER NOT NULL,
    encoder    INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL CHECK (ordinal >= 0),
    local      REAL    NOT NULL CHECK (local BETWEEN -1 AND 1),       -- pool-centred cosine of that window and the subject
    resembles  INTEGER NOT NULL REFERENCES subject (id),              -- whose reference that window resembles most
    x          INTEGER NOT NULL CHECK (x >= 0),
    y          INTEGER NOT NULL CHECK (y >= 0),
    width      INTEGER NOT NULL CHECK (width > 0),
    height     INTEGER NOT NULL CHECK (height > 0),
    PRIMARY KEY (generation, encoder, ordinal),
    FOREIGN KEY (generation, encoder) REFERENCES window_score (generation, encoder) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_place_by_resembles ON subject_place (resembles);

-- Separate places that resemble the same subject more than any other, best first: from these clones are counted.
CREATE TABLE found_place (
    generation INTEGER NOT NULL,
    encoder    INTEGER NOT NULL,
    subject    INTEGER NOT NULL REFERENCES subject (id),
    rank       INTEGER NOT NULL CHECK (rank >= 0),
    local      REAL    NOT NULL CHECK (local BETWEEN -1 AND 1),
    x          INTEGER NOT NULL CHECK (x >= 0),
    y          INTEGER NOT NULL CHECK (y >= 0),
    width      INTEGER NOT NULL CHECK (width > 0),
    height     INTEGER NOT NULL CHECK (height > 0),
    PRIMARY KEY (generation, encoder, subject, rank),
    FOREIGN KEY (generation, encoder) REFERENCES window_score (generation, encoder) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX found_place_by_subject ON found_place (subject);

-- An image whose windows an encoder could not embed although the image can be read; tried again when it changes.
CREATE TABLE window_failure (
    encoder INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    image   INTEGER NOT NULL REFERENCES image (id) ON DELETE CASCADE,
    source  BLOB    NOT NULL CHECK (length(source) = 32),
    reason  TEXT    NOT NULL,
    PRIMARY KEY (encoder, image)
) STRICT, WITHOUT ROWID;
CREATE INDEX window_failure_by_image ON window_failure (image);

-- How many bytes the windows' vectors that are kept may take, of all encoders together.
CREATE TABLE window_choice (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    keep_bytes INTEGER NOT NULL CHECK (keep_bytes >= 0)
) STRICT;
INSERT INTO window_choice (only, keep_bytes) VALUES (1, 4000000000);

-- An immutable Parquet file of windows' vectors, written before its row as a part is. AUTOINCREMENT: a file name is
-- never used twice.
CREATE TABLE window_part (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    encoder INTEGER NOT NULL REFERENCES encoder (id),
    rows    INTEGER NOT NULL CHECK (rows > 0),
    bytes   INTEGER NOT NULL CHECK (bytes > 0),
    blake3  BLOB    NOT NULL CHECK (length(blake3) = 32)
) STRICT;

-- Where the windows' vectors of an image lie, by the BLAKE3 of its file. What is not here was not kept, and is looked
-- through again when the pool changes.
CREATE TABLE window_vector (
    source  BLOB    NOT NULL CHECK (length(source) = 32),
    encoder INTEGER NOT NULL REFERENCES window_set (encoder) ON DELETE CASCADE,
    part    INTEGER NOT NULL REFERENCES window_part (id),
    row     INTEGER NOT NULL CHECK (row >= 0),
    PRIMARY KEY (source, encoder)
) STRICT, WITHOUT ROWID;
CREATE INDEX window_vector_by_place ON window_vector (part, row);

-- Windows' vectors on their way into a part, committed with the scores that they gave.
CREATE TABLE staged_window_vector (
    id      INTEGER PRIMARY KEY,
    source  BLOB    NOT NULL CHECK (length(source) = 32),
    encoder INTEGER NOT NULL REFERENCES window_set (encoder) ON DELETE CASCADE,
    squares BLOB    NOT NULL,                        -- x, y, width, height of each window: 32-bit, little-endian
    vectors BLOB    NOT NULL,                        -- float16, little-endian
    UNIQUE (source, encoder)
) STRICT;

-- The references of dense windows: means of the cells of a spatial output, one vector for each content. Little-endian
-- float32.
CREATE TABLE dense_reference (
    encoder INTEGER NOT NULL REFERENCES window_set (encoder) ON DELETE CASCADE,
    source  BLOB    NOT NULL CHECK (length(source) = 32),
    vector  BLOB    NOT NULL CHECK (length(vector) > 0 AND length(vector) % 4 = 0),
    PRIMARY KEY (encoder, source)
) STRICT, WITHOUT ROWID;

-- Whether an encoder tells the subjects of the pool apart in pictures of which it is known whom they show: their
-- references, mirrored, made small, recompressed.
CREATE TABLE instrument_check (
    encoder  INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    place    INTEGER NOT NULL CHECK (place >= 0),                      -- order of the table
    variant  TEXT    NOT NULL,                                         -- what was done to the references
    kind     TEXT    CHECK (kind IN ('human', 'animal', 'object')),    -- NULL: the whole pool
    subjects INTEGER NOT NULL CHECK (subjects >= 0),
    pictures INTEGER NOT NULL CHECK (pictures >= 0),
    top1     REAL    CHECK (top1 BETWEEN 0 AND 1),                     -- NULL: nobody to be told from
    auc      REAL    CHECK (auc BETWEEN 0 AND 1),
    PRIMARY KEY (encoder, place)
) STRICT, WITHOUT ROWID;

-- A generator that is given the prompt and no reference: what words alone bring about.
ALTER TABLE model ADD COLUMN text_only INTEGER NOT NULL DEFAULT 0 CHECK (text_only IN (0, 1));

-- Staleness. A local similarity depends on the image, and on the references of the *whole* pool, because the pool's
-- mean is taken off.

CREATE TRIGGER windows_of_changed_image AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM window_score WHERE generation IN (SELECT id FROM generation WHERE image = new.id);
    DELETE FROM window_score WHERE EXISTS (SELECT 1 FROM reference_image WHERE image = new.id);
END;

CREATE TRIGGER windows_of_new_reference_vector AFTER INSERT ON image_vector
WHEN EXISTS (SELECT 1 FROM reference_image WHERE image = new.image)
BEGIN
    DELETE FROM window_score WHERE encoder = new.encoder;
END;

CREATE TRIGGER windows_of_changed_reference_vector AFTER UPDATE OF part, row ON image_vector
WHEN EXISTS (SELECT 1 FROM reference_image WHERE image = new.image)
BEGIN
    DELETE FROM window_score WHERE encoder = new.encoder;
END;

CREATE TRIGGER windows_of_lost_reference_vector AFTER DELETE ON image_vector
WHEN EXISTS (SELECT 1 FROM reference_image WHERE image = old.image)
BEGIN
    DELETE FROM window_score WHERE encoder = old.encoder;
END;

CREATE TRIGGER windows_of_added_reference AFTER INSERT ON reference_image
BEGIN
    DELETE FROM window_score;
END;

CREATE TRIGGER windows_of_lost_reference AFTER DELETE ON reference_image
BEGIN
    DELETE FROM window_score;
END;

CREATE TRIGGER windows_of_added_prompt_subject AFTER INSERT ON prompt_subject
BEGIN
    DELETE FROM window_score WHERE generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

CREATE TRIGGER windows_of_lost_prompt_subject AFTER DELETE ON prompt_subject
BEGIN
    DELETE FROM window_score WHERE generation IN (SELECT id FROM generation WHERE prompt = old.prompt);
END;

CREATE TRIGGER windows_of_moved_reference AFTER UPDATE ON reference_image
BEGIN
    DELETE FROM window_score;
END;

CREATE TRIGGER windows_of_other_image AFTER UPDATE OF image ON generation WHEN new.image IS NOT old.image
BEGIN
    DELETE FROM window_score WHERE generation = new.id;
END;

CREATE TRIGGER windows_of_changed_encoder AFTER UPDATE OF fingerprint ON encoder WHEN new.fingerprint IS NOT old.fingerprint
BEGIN
    DELETE FROM window_score WHERE encoder = new.id;
    DELETE FROM window_failure WHERE encoder = new.id;
    DELETE FROM window_vector WHERE encoder = new.id;
    DELETE FROM staged_window_vector WHERE encoder = new.id;
    DELETE FROM dense_reference WHERE encoder = new.id;
END;

-- Vectors of a content go with the last image that has it.

CREATE TRIGGER kept_windows_of_changed_image AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3 AND NOT EXISTS (SELECT 1 FROM image WHERE blake3 = old.blake3)
BEGIN
    DELETE FROM window_vector WHERE source = old.blake3;
    DELETE FROM staged_window_vector WHERE source = old.blake3;
END;

CREATE TRIGGER kept_windows_of_lost_image AFTER DELETE ON image
WHEN old.blake3 IS NOT NULL AND NOT EXISTS (SELECT 1 FROM image WHERE blake3 = old.blake3)
BEGIN
    DELETE FROM window_vector WHERE source = old.blake3;
    DELETE FROM staged_window_vector WHERE source = old.blake3;
END;

CREATE TRIGGER windows_of_new_dense_reference AFTER INSERT ON dense_reference
BEGIN
    DELETE FROM window_score WHERE encoder = new.encoder;
END;

CREATE TRIGGER windows_of_lost_dense_reference AFTER DELETE ON dense_reference
WHEN EXISTS (SELECT 1 FROM reference_image r JOIN image i ON i.id = r.image WHERE i.blake3 = old.source)
BEGIN
    DELETE FROM window_score WHERE encoder = old.encoder;
END;

-- An instrument check is of the pool's references as they were.

CREATE TRIGGER check_of_changed_image AFTER UPDATE OF blake3 ON image
WHEN new.blake3 IS NOT old.blake3 AND EXISTS (SELECT 1 FROM reference_image WHERE image = new.id)
BEGIN
    DELETE FROM instrument_check;
END;

CREATE TRIGGER check_of_added_reference AFTER INSERT ON reference_image
BEGIN
    DELETE FROM instrument_check;
END;

CREATE TRIGGER check_of_lost_reference AFTER DELETE ON reference_image
BEGIN
    DELETE FROM instrument_check;
END;

CREATE TRIGGER check_of_moved_reference AFTER UPDATE ON reference_image
BEGIN
    DELETE FROM instrument_check;
END;

CREATE TRIGGER check_of_changed_kind AFTER UPDATE OF kind ON subject WHEN new.kind IS NOT old.kind
BEGIN
    DELETE FROM instrument_check;
END;

CREATE TRIGGER check_of_changed_encoder AFTER UPDATE OF fingerprint ON encoder WHEN new.fingerprint IS NOT old.fingerprint
BEGIN
    DELETE FROM instrument_check WHERE encoder = new.id;
END;

-- What users query.

-- Every subject of the pool in every image that was looked through.
CREATE VIEW local_scores AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, s.subject_id,
       (SELECT ps.ordinal FROM prompt_subject ps WHERE ps.prompt = g.prompt AND ps.subject = l.subject) AS ordinal,
       e.name AS encoder, w.pattern AS windows, l.local, l.uncentred, l.x, l.y, l.width, l.height
FROM local_score l
JOIN encoder e ON e.id = l.encoder
JOIN window_set w ON w.encoder = l.encoder
JOIN generation g ON g.id = l.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
JOIN subject s ON s.id = l.subject;

-- The place that each requested subject has to itself, and whom it resembles most.
CREATE VIEW subject_places AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, s.subject_id, l.ordinal, e.name AS encoder,
       l.local, r.subject_id AS resembles, l.x, l.y, l.width, l.height
FROM subject_place l
JOIN encoder e ON e.id = l.encoder
JOIN generation g ON g.id = l.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
JOIN prompt_subject ps ON ps.prompt = g.prompt AND ps.ordinal = l.ordinal
JOIN subject s ON s.id = ps.subject
JOIN subject r ON r.id = l.resembles;

DROP VIEW subject_scores;
CREATE VIEW subject_scores AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject n WHERE n.prompt = p.id) AS subject_count,
       s.subject_id, sc.ordinal, e.name AS encoder, sc.similarity,
       l.local, l.x AS local_x, l.y AS local_y, l.width AS local_width, l.height AS local_height
FROM subject_score sc
JOIN encoder e ON e.id = sc.encoder
JOIN generation g ON g.id = sc.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt
JOIN prompt_subject ps ON ps.prompt = g.prompt AND ps.ordinal = sc.ordinal
JOIN subject s ON s.id = ps.subject
LEFT JOIN local_score l ON l.generation = sc.generation AND l.encoder = sc.encoder AND l.subject = ps.subject;

DROP VIEW image_scores;
CREATE VIEW image_scores AS
SELECT m.name AS model, m.control, p.prompt_id, g.seed, p.scene_type,
       (SELECT count(*) FROM prompt_subject n WHERE n.prompt = p.id) AS subject_count,
       e.name AS encoder, sc.similarity, sc.clip_t
FROM image_score sc
JOIN encoder e ON e.id = sc.encoder
JOIN generation g ON g.id = sc.generation
JOIN model m ON m.id = g.model
JOIN prompt p ON p.id = g.prompt;
