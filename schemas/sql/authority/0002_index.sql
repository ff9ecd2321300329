-- The index of faces: one best view per track, subjects (the second mapping), and the feature library.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE track_features (
    video_id  text NOT NULL REFERENCES videos,
    track     bigint NOT NULL,
    state     text NOT NULL CHECK (state IN ('indexed', 'too-small', 'unclear')),
    chunk_seq bigint NOT NULL,           -- where the best view is
    frame_no  bigint NOT NULL,
    quality   real NOT NULL,
    embedding vector(128),
    PRIMARY KEY (video_id, track)
);

CREATE TABLE subjects (
    subject_id text PRIMARY KEY,
    video_id   text NOT NULL REFERENCES videos,
    camera_id  text NOT NULL,
    kind       text NOT NULL,
    tracks     bigint[] NOT NULL,
    best_track bigint NOT NULL,
    from_ms    bigint NOT NULL,
    to_ms      bigint NOT NULL
);
CREATE INDEX subjects_by_video ON subjects (video_id);

CREATE TABLE subject_features (
    subject_id text PRIMARY KEY REFERENCES subjects ON DELETE CASCADE,
    video_id   text NOT NULL,
    camera_id  text NOT NULL,
    from_ms    bigint NOT NULL,
    to_ms      bigint NOT NULL,
    quality    real NOT NULL,
    embedding  vector(128) NOT NULL
);
CREATE INDEX subject_features_by_camera ON subject_features (camera_id, from_ms);
CREATE INDEX subject_features_by_looks ON subject_features USING hnsw (embedding vector_cosine_ops);
