-- Frames that signed gaps tell of: captured, and in no chunk.

ALTER TABLE videos ADD COLUMN lost bigint NOT NULL DEFAULT 0;
