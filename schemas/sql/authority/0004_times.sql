-- When evidence was captured, as the pipeline signed it; null in records that don't say.

ALTER TABLE videos ADD COLUMN end_ms bigint;              -- the latest end of its evidence
ALTER TABLE evidence ADD COLUMN capture_ms bigint, ADD COLUMN end_ms bigint;
