-- Evidence as it was received: where each record lies in the video's file, and the wraps of its parts under track keys.
-- Times are milliseconds since 1970. Bytes of a video's file behind videos.bytes don't count.

CREATE TABLE videos (
    video_id  text PRIMARY KEY,
    camera_id text NOT NULL,
    start_ms  bigint NOT NULL,
    bytes     bigint NOT NULL
);
CREATE INDEX videos_by_camera ON videos (camera_id, start_ms);

CREATE TABLE evidence (
    video_id        text NOT NULL REFERENCES videos,
    chunk_seq       bigint NOT NULL,
    digest          bytea NOT NULL,      -- of the signed body
    operator_digest bytea NOT NULL,
    previous        bigint NOT NULL,     -- 1 + the last earlier chunk with evidence; 0: none
    parts           integer NOT NULL,
    epoch           text NOT NULL,
    quality         text NOT NULL,
    at              bigint NOT NULL,
    length          integer NOT NULL,
    received_ms     bigint NOT NULL,
    PRIMARY KEY (video_id, chunk_seq)
);
CREATE INDEX evidence_by_epoch ON evidence (epoch);

CREATE TABLE conflicts (
    video_id    text NOT NULL,
    chunk_seq   bigint NOT NULL,
    digest      bytea NOT NULL,
    received_ms bigint NOT NULL,
    PRIMARY KEY (video_id, chunk_seq, digest)
);

CREATE TABLE parts (
    video_id  text NOT NULL,
    chunk_seq bigint NOT NULL,
    part      integer NOT NULL,
    type      text NOT NULL,
    tracks    bigint[] NOT NULL,
    nonce     bytea,                     -- nonce and wrap are null where the part can't be opened: see state
    wrapped   bytea,
    state     text NOT NULL CHECK (state IN ('open', 'erased', 'not-for-me', 'damaged')),
    PRIMARY KEY (video_id, chunk_seq, part),
    FOREIGN KEY (video_id, chunk_seq) REFERENCES evidence
);

-- The first mapping's index: in which frames of which chunk a track is. Boxes stay sealed.
CREATE TABLE spans (
    video_id    text NOT NULL,
    track       bigint NOT NULL,
    chunk_seq   bigint NOT NULL,
    kind        text NOT NULL,
    first_frame bigint NOT NULL,
    last_frame  bigint NOT NULL,
    frames      integer NOT NULL,
    PRIMARY KEY (video_id, track, chunk_seq)
);

CREATE TABLE refusals (
    topic_partition integer NOT NULL,
    topic_offset    bigint NOT NULL,
    received_ms     bigint NOT NULL,
    reason          text NOT NULL,
    PRIMARY KEY (topic_partition, topic_offset)
);

CREATE TABLE upload_addresses (
    version      bigint PRIMARY KEY,
    epoch        text NOT NULL,
    not_before_ms bigint NOT NULL,
    expires_ms   bigint NOT NULL
);

-- Tracks whose keys were destroyed: a key store restored from a backup leaves them out.
CREATE TABLE erasures (
    video_id  text NOT NULL,
    track     bigint NOT NULL,
    erased_ms bigint NOT NULL,
    PRIMARY KEY (video_id, track)
);
