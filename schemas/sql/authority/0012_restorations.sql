-- Restorations as jobs. Their fragments lie sealed in files, under a key of their own in the key store. `made` and `report`
-- say what was done (JSON); `lines` is the watermark. Times are milliseconds since 1970.

CREATE TABLE restorations (
    restoration_id text PRIMARY KEY,
    action      text NOT NULL,
    subject_id  text NOT NULL,
    video_id    text NOT NULL,
    tracks      bigint[] NOT NULL,
    person      text NOT NULL,
    case_id     text NOT NULL,
    purpose     text NOT NULL,
    everyone    boolean NOT NULL,
    with_gaps   boolean NOT NULL,
    lossless    boolean NOT NULL,
    burnt       boolean NOT NULL,
    entry       bigint NOT NULL,           -- of the access log: that it was asked for
    created_ms  bigint NOT NULL,
    until_ms    bigint NOT NULL,           -- then its key is destroyed
    state       text NOT NULL DEFAULT 'waiting',  -- running, done, gaps, failed, cancelled, gone
    frames      bigint NOT NULL DEFAULT 0,
    error       text NOT NULL DEFAULT '',
    gaps        jsonb NOT NULL DEFAULT '[]',
    manifest    jsonb
);
CREATE INDEX restorations_unfinished ON restorations (created_ms) WHERE state IN ('waiting', 'running');
CREATE INDEX restorations_by_person ON restorations (person, created_ms);

CREATE TABLE restoration_chunks (
    restoration_id  text NOT NULL REFERENCES restorations ON DELETE CASCADE,
    chunk_seq       bigint NOT NULL,
    operator_digest bytea NOT NULL,        -- of the signed chunk that it was made from
    digest          bytea NOT NULL,        -- of the fragment that was made
    bytes           bigint NOT NULL,
    frames          bigint NOT NULL,
    made            jsonb NOT NULL,
    PRIMARY KEY (restoration_id, chunk_seq)
);
