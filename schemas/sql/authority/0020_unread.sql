-- Evidence that is stored, and in which nobody has looked for faces and plates yet; see streams/authority/unread.py.
-- Where `failed` it isn't what was taken in, and nobody will.

CREATE TABLE unread (
    video_id  text NOT NULL REFERENCES videos ON DELETE CASCADE,
    chunk_seq bigint NOT NULL,
    noted_at  bigint GENERATED ALWAYS AS IDENTITY,
    failed    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (video_id, chunk_seq)
);
CREATE INDEX ON unread (noted_at) WHERE NOT failed;
