-- What was made of something does not outlive a change of it: vectors on their way, jobs, references.

-- Images of one content are embedded once, as the first of them that can be used.
CREATE INDEX image_usable_by_content ON image (blake3) WHERE status = 'ok';

-- Before this version a file that failed kept the size, the time and the hash of its last good reading, and a
-- vector on its way outlived its text: such files are read and such vectors made again.
UPDATE image SET bytes = NULL, mtime_ns = NULL WHERE status <> 'ok';
DELETE FROM staged_vector WHERE prompt IS NOT NULL;

DROP TRIGGER image_content_changed;
CREATE TRIGGER image_content_changed AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NOT NULL AND new.blake3 IS NOT old.blake3
BEGIN
    DELETE FROM staged_vector WHERE image = new.id;
    DELETE FROM embedding_failure WHERE image = new.id;
    DELETE FROM image_score WHERE generation IN (SELECT id FROM generation WHERE image = new.id);
    DELETE FROM image_score WHERE generation IN (
        SELECT g.id FROM reference_image r
        JOIN prompt_subject ps ON ps.subject = r.subject
        JOIN generation g ON g.prompt = ps.prompt
        WHERE r.image = new.id);
END;

DROP TRIGGER prompt_text_changed;
CREATE TRIGGER prompt_text_changed AFTER UPDATE OF text ON prompt WHEN new.text IS NOT old.text
BEGIN
    DELETE FROM prompt_vector WHERE prompt = new.id;
    DELETE FROM staged_vector WHERE prompt = new.id;
END;

-- A vector is of an encoder as it was; the encoder's model changes.
CREATE TRIGGER encoder_changed AFTER UPDATE OF fingerprint ON encoder WHEN new.fingerprint IS NOT old.fingerprint
BEGIN
    DELETE FROM image_vector WHERE encoder = new.id;
    DELETE FROM prompt_vector WHERE encoder = new.id;
    DELETE FROM staged_vector WHERE encoder = new.id;
    DELETE FROM embedding_failure WHERE encoder = new.id;
    DELETE FROM prompt_failure WHERE encoder = new.id;
END;

-- References keep their image, and so their vectors, when their place among the others changes.
CREATE TRIGGER reference_moved AFTER UPDATE ON reference_image
BEGIN
    DELETE FROM image_score WHERE generation IN (
        SELECT g.id FROM prompt_subject ps JOIN generation g ON g.prompt = ps.prompt
        WHERE ps.subject IN (old.subject, new.subject));
END;

CREATE TRIGGER generation_image_changed AFTER UPDATE OF image ON generation WHEN new.image IS NOT old.image
BEGIN
    DELETE FROM image_score WHERE generation = new.id;
END;

-- A job that is done has its generation in the catalog.
DROP TRIGGER generation_gone;
CREATE TRIGGER generation_gone AFTER DELETE ON generation
BEGIN
    DELETE FROM image WHERE id = old.image;
    UPDATE job SET state = 'pending'
    WHERE prompt = old.prompt AND model = old.model AND seed = old.seed AND state = 'done';
END;

-- No image is made for a seed that is no longer asked of the prompts.
CREATE TRIGGER seed_gone AFTER DELETE ON seed
BEGIN
    DELETE FROM job WHERE seed = old.seed AND state <> 'done';
END;

-- An image whose content is not known (its file was replaced by one that cannot be read) has no fresh vector.
DROP VIEW embeddings;
CREATE VIEW embeddings AS
SELECT e.name AS encoder, 'reference' AS kind, s.subject_id, r.reference_index, NULL AS model, NULL AS prompt_id, NULL AS seed,
       pt.provenance, (v.source IS NOT NULL AND v.source IS NOT i.blake3) AS stale, NULL AS truncated
FROM image_vector v JOIN encoder e ON e.id = v.encoder JOIN part pt ON pt.id = v.part JOIN image i ON i.id = v.image
JOIN reference_image r ON r.image = v.image JOIN subject s ON s.id = r.subject
UNION ALL
SELECT e.name, 'generation', NULL, NULL, m.name, p.prompt_id, g.seed,
       pt.provenance, (v.source IS NOT NULL AND v.source IS NOT i.blake3), NULL
FROM image_vector v JOIN encoder e ON e.id = v.encoder JOIN part pt ON pt.id = v.part JOIN image i ON i.id = v.image
JOIN generation g ON g.image = v.image JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
UNION ALL
SELECT e.name, 'prompt', NULL, NULL, NULL, p.prompt_id, NULL, pt.provenance, 0, v.truncated
FROM prompt_vector v JOIN encoder e ON e.id = v.encoder JOIN part pt ON pt.id = v.part JOIN prompt p ON p.id = v.prompt;
