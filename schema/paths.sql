-- How the paths of images are kept. Without a row here they are absolute. With one, they are relative to the data
-- set's directory, so that a folder that holds both can be moved and shared.
CREATE TABLE path_rule (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    kind TEXT    NOT NULL CHECK (kind IN ('relative'))
) STRICT;
