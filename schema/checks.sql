-- The same checks and the same trigger in words that cost less. For a list of more than two, SQLite makes a table of its own
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
