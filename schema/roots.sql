
-- The directories given with --root, links resolved when they were given. An image whose path lies in one of them is
-- opened only if it really lies in one of them then, wherever links lead.
CREATE TABLE root (
    path TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;
