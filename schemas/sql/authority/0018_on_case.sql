-- Chunks whose faces were indexed for a case, where faces are indexed on a case only; see streams/authority/on_case.py.

CREATE TABLE case_indexed (
    video_id  text NOT NULL REFERENCES videos ON DELETE CASCADE,
    chunk_seq bigint NOT NULL,
    PRIMARY KEY (video_id, chunk_seq)
);
