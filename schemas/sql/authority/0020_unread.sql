-- Evidence that is stored, and in which nobody has looked for faces and plates yet; see streams/authority/unread.py.

CREATE TABLE unread (
    video_id  text NOT NULL REFERENCES videos ON DELETE CASCADE,
    chunk_seq bigint NOT NULL,
    noted_at  bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (video_id, chunk_seq)
);
CREATE INDEX ON unread (noted_at);
