-- Patterns are answered by the index alone, but for the lines that the answer lists: each line lies on a page of its own.

DROP INDEX plates_by_text;
CREATE INDEX plates_by_text ON plates (text text_pattern_ops)
    INCLUDE (confidence, subject_id, camera_id, from_ms, to_ms);
DROP INDEX plates_by_end;
CREATE INDEX plates_by_end ON plates (reverse(text) text_pattern_ops)
    INCLUDE (text, confidence, subject_id, camera_id, from_ms, to_ms);
