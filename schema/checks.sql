-- The same checks and triggers in words that cost less. For a list of more than two, SQLite makes a table of its own
-- each time a row is written, which takes longer than to write the row. What is checked does not change and the rows do not,
-- so the text is all that has to change (see soundness.sql).
PRAGMA writable_schema = ON;
UPDATE sqlite_schema
SET sql = replace(replace(sql,
    'CHECK (status IN (''pending'', ''ok'', ''missing'', ''unreadable'', ''oversized''))',
    'CHECK (status = ''pending'' OR status = ''ok'' OR status = ''missing'' OR status = ''unreadable'' OR status = ''oversized'')'),
    'CHECK (format IN (''jpeg'', ''png'', ''webp'', ''gif'', ''bmp'', ''tiff''))',
    'CHECK (format = ''jpeg'' OR format = ''png'' OR format = ''webp'' OR format = ''gif'' OR format = ''bmp'' OR format = ''tiff'')')
WHERE type = 'table' AND name = 'image';
UPDATE sqlite_schema
SET sql = replace(sql,
    'CHECK (scene_type IN (''neutral'', ''occlusion'', ''interaction''))',
    'CHECK (scene_type = ''neutral'' OR scene_type = ''occlusion'' OR scene_type = ''interaction'')')
WHERE type = 'table' AND name = 'prompt';
UPDATE sqlite_schema
SET sql = replace(sql,
    'CHECK (kind IN (''human'', ''animal'', ''object''))',
    'CHECK (kind = ''human'' OR kind = ''animal'' OR kind = ''object'')')
WHERE type = 'table' AND name IN ('subject', 'region');
UPDATE sqlite_schema
SET sql = replace(sql,
    'CHECK (state IN (''pending'', ''running'', ''done'', ''failed''))',
    'CHECK (state = ''pending'' OR state = ''running'' OR state = ''done'' OR state = ''failed'')')
WHERE type = 'table' AND name = 'job';
PRAGMA writable_schema = RESET;

DROP TRIGGER metrics_of_image_first_seen;
CREATE TRIGGER metrics_of_image_first_seen AFTER UPDATE OF blake3 ON image
WHEN old.blake3 IS NULL AND new.blake3 IS NOT NULL
BEGIN
    UPDATE metric_value SET source = new.blake3
    WHERE source IS NULL AND generation = (SELECT id FROM generation WHERE image = new.id);
END;

-- The same of `IN (SELECT …)`: a table each time. A prompt that comes in has no image yet, a generation has one image, and few
-- images are references.
DROP TRIGGER prompt_subject_added;
CREATE TRIGGER prompt_subject_added AFTER INSERT ON prompt_subject
WHEN EXISTS (SELECT 1 FROM generation WHERE prompt = new.prompt)
BEGIN
    DELETE FROM image_score WHERE generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

DROP TRIGGER windows_of_added_prompt_subject;
CREATE TRIGGER windows_of_added_prompt_subject AFTER INSERT ON prompt_subject
WHEN EXISTS (SELECT 1 FROM generation WHERE prompt = new.prompt)
BEGIN
    DELETE FROM window_score WHERE generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

DROP TRIGGER regions_of_added_prompt_subject;
CREATE TRIGGER regions_of_added_prompt_subject AFTER INSERT ON prompt_subject
WHEN EXISTS (SELECT 1 FROM generation WHERE prompt = new.prompt)
BEGIN
    DELETE FROM region_score WHERE generation IN (SELECT id FROM generation WHERE prompt = new.prompt);
END;

DROP TRIGGER image_vector_changed;
CREATE TRIGGER image_vector_changed AFTER UPDATE OF part, row ON image_vector
BEGIN
    DELETE FROM image_score WHERE encoder = new.encoder AND generation = (SELECT id FROM generation WHERE image = new.image);
END;

CREATE TRIGGER reference_vector_changed AFTER UPDATE OF part, row ON image_vector
WHEN EXISTS (SELECT 1 FROM reference_image WHERE image = new.image)
BEGIN
    DELETE FROM image_score WHERE encoder = new.encoder AND generation IN (
        SELECT g.id FROM reference_image r
        JOIN prompt_subject ps ON ps.subject = r.subject
        JOIN generation g ON g.prompt = ps.prompt
        WHERE r.image = new.image);
END;

DROP TRIGGER image_vector_gone;
CREATE TRIGGER image_vector_gone AFTER DELETE ON image_vector
BEGIN
    DELETE FROM image_score WHERE encoder = old.encoder AND generation = (SELECT id FROM generation WHERE image = old.image);
END;

CREATE TRIGGER reference_vector_gone AFTER DELETE ON image_vector
WHEN EXISTS (SELECT 1 FROM reference_image WHERE image = old.image)
BEGIN
    DELETE FROM image_score WHERE encoder = old.encoder AND generation IN (
        SELECT g.id FROM reference_image r
        JOIN prompt_subject ps ON ps.subject = r.subject
        JOIN generation g ON g.prompt = ps.prompt
        WHERE r.image = old.image);
END;
