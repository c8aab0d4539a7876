-- Texts that an encoder cannot embed are kept with their reason, as images are; and both can be queried.

-- A prompt whose text one encoder could not embed; tried again when the text changes.
CREATE TABLE prompt_failure (
    encoder INTEGER NOT NULL REFERENCES encoder (id) ON DELETE CASCADE,
    prompt  INTEGER NOT NULL REFERENCES prompt (id) ON DELETE CASCADE,
    reason  TEXT    NOT NULL,
    PRIMARY KEY (encoder, prompt)
) STRICT, WITHOUT ROWID;
CREATE INDEX prompt_failure_by_prompt ON prompt_failure (prompt);

CREATE TRIGGER prompt_failure_outdated AFTER UPDATE OF text ON prompt WHEN new.text IS NOT old.text
BEGIN
    DELETE FROM prompt_failure WHERE prompt = new.id;
END;

-- A vector from anywhere clears the failure.
CREATE TRIGGER prompt_failure_made_good AFTER INSERT ON prompt_vector
BEGIN
    DELETE FROM prompt_failure WHERE encoder = new.encoder AND prompt = new.prompt;
END;

-- What an encoder could not embed although it can be read, and why.
CREATE VIEW embedding_failures AS
WITH failed AS (
    SELECT f.encoder, f.image, f.reason FROM embedding_failure f JOIN image i ON i.id = f.image AND i.blake3 = f.source
    WHERE i.status = 'ok' AND NOT EXISTS (
        SELECT 1 FROM image_vector v
        WHERE v.encoder = f.encoder AND v.image = f.image AND (v.source IS NULL OR v.source = i.blake3)))
SELECT e.name AS encoder, 'reference' AS kind, s.subject_id, r.reference_index,
       NULL AS model, NULL AS prompt_id, NULL AS seed, f.reason
FROM failed f JOIN encoder e ON e.id = f.encoder
JOIN reference_image r ON r.image = f.image JOIN subject s ON s.id = r.subject
UNION ALL
SELECT e.name, 'generation', NULL, NULL, m.name, p.prompt_id, g.seed, f.reason
FROM failed f JOIN encoder e ON e.id = f.encoder
JOIN generation g ON g.image = f.image JOIN model m ON m.id = g.model JOIN prompt p ON p.id = g.prompt
UNION ALL
SELECT e.name, 'prompt', NULL, NULL, NULL, p.prompt_id, NULL, f.reason
FROM prompt_failure f JOIN encoder e ON e.id = f.encoder JOIN prompt p ON p.id = f.prompt;
