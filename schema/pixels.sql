-- What is decided and known of pixels.

-- What becomes of transparent pixels: one choice for the whole data set, so that references and generations are seen
-- alike, by every encoder. It is part of the fingerprints of encoders.
CREATE TABLE pixel_choice (
    only         INTEGER PRIMARY KEY CHECK (only = 1),
    transparency TEXT    NOT NULL CHECK (transparency IN ('drop', 'white', 'black'))
) STRICT;
INSERT INTO pixel_choice (only, transparency) VALUES (1, 'drop');

-- What a picture looks like, by the BLAKE3 of its file, as decoded under that choice. A content that is not here has
-- not been decoded yet.
CREATE TABLE appearance (
    content     BLOB    PRIMARY KEY CHECK (length(content) = 32),
    translucent INTEGER NOT NULL CHECK (translucent >= 0),       -- pixels that are not wholly opaque
    blank       INTEGER NOT NULL CHECK (blank IN (0, 1))         -- one colour throughout, or nothing that is visible
) STRICT, WITHOUT ROWID;
CREATE INDEX appearance_blank ON appearance (content) WHERE blank = 1;
