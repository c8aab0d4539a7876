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
