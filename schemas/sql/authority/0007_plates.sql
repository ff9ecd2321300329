-- The index of plates: what was read along each track, and the plate library: one line per subject whose text is known.
-- Glimpses hold texts and probabilities, no pixels (operators/plate_track.py). The vector says what a plate looks like
-- where nobody can read it (operators/plate_look.py).

CREATE TABLE track_plates (
    video_id   text NOT NULL REFERENCES videos,
    track      bigint NOT NULL,
    state      text NOT NULL CHECK (state IN ('read', 'too-small', 'unclear')),
    chunk_seq  bigint NOT NULL,          -- where the best glimpse is
    frame_no   bigint NOT NULL,
    quality    real NOT NULL,
    text       text,
    characters real[],                   -- how sure each character of the text is
    confidence real NOT NULL DEFAULT 0,
    glimpses   jsonb NOT NULL DEFAULT '[]',
    embedding  vector(128),
    weight     real NOT NULL DEFAULT 0,
    PRIMARY KEY (video_id, track),
    CHECK ((state = 'read') = (text IS NOT NULL))
);

CREATE TABLE plates (
    subject_id text PRIMARY KEY REFERENCES subjects ON DELETE CASCADE,
    video_id   text NOT NULL,
    camera_id  text NOT NULL,
    from_ms    bigint NOT NULL,
    to_ms      bigint NOT NULL,
    text       text NOT NULL,
    keys       integer[] NOT NULL,       -- of the text with up to two signs left out (operators/plate_text.py)
    characters real[] NOT NULL,
    confidence real NOT NULL,
    quality    real NOT NULL,
    frame_no   bigint NOT NULL           -- of the best glimpse
);
CREATE INDEX plates_by_text ON plates (text text_pattern_ops);
CREATE INDEX plates_by_end ON plates (reverse(text) text_pattern_ops);
CREATE INDEX plates_by_keys ON plates USING gin (keys);
CREATE INDEX plates_by_video ON plates (video_id);

-- What a search of plates covers, by video, so that no search has to count it: brought up to date with each chunk.
CREATE TABLE plate_videos (
    video_id  text PRIMARY KEY REFERENCES videos,
    chunks    bigint NOT NULL,
    plates    bigint NOT NULL,
    too_small bigint NOT NULL,
    unclear   bigint NOT NULL,
    unindexed bigint NOT NULL,
    unopened  bigint NOT NULL,
    erased    bigint NOT NULL,
    gaps      bigint NOT NULL
);
