-- Index of the operating platform. Files hold the media; here is where they lie and what was signed about them.
-- Records are those of operator.video.v1 without their media. The first record of a name wins; other versions of it
-- are conflicts: kept as proof, never shown.

CREATE TABLE videos (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video_id     text    NOT NULL UNIQUE CHECK (video_id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'),
    camera_id    text    NOT NULL,
    capture_ms   bigint  NOT NULL,
    received_ms  bigint  NOT NULL,
    record       bytea   NOT NULL,
    digest       bytea   NOT NULL CHECK (octet_length(digest) = 32),
    init_bytes   integer NOT NULL,
    bytes        bigint  NOT NULL,               -- how many bytes of the file count
    chunks       bigint  NOT NULL DEFAULT 0,     -- how many are stored
    frames       bigint  NOT NULL DEFAULT 0,
    next_seq     bigint  NOT NULL DEFAULT 0,
    missing      bigint  NOT NULL DEFAULT 0,     -- chunks that no signed gap accounts for
    next_frame   bigint  NOT NULL DEFAULT 0,
    tail         bytea   NOT NULL,               -- digest that the next chunk must name
    end_record   bytea,
    end_digest   bytea,
    end_ms       bigint,
    fault        text    NOT NULL DEFAULT ''     -- name of the error that checking the whole video gave
);
CREATE INDEX videos_by_camera ON videos (camera_id, capture_ms DESC);

CREATE TABLE chunks (
    video        bigint  NOT NULL REFERENCES videos ON DELETE CASCADE,
    seq          bigint  NOT NULL CHECK (seq >= 0),
    first_frame  bigint  NOT NULL,
    frames       integer NOT NULL CHECK (frames > 0),
    capture_ms   bigint  NOT NULL,
    first_pts    bigint  NOT NULL,
    end_pts      bigint  NOT NULL,
    at           bigint  NOT NULL,               -- place of the fragment in the file
    bytes        integer NOT NULL,
    digest       bytea   NOT NULL CHECK (octet_length(digest) = 32),
    received_ms  bigint  NOT NULL,
    record       bytea   NOT NULL,
    PRIMARY KEY (video, seq)
);
CREATE INDEX chunks_by_frame ON chunks (video, first_frame);

CREATE TABLE heads (
    video        bigint  NOT NULL REFERENCES videos ON DELETE CASCADE,
    seq          bigint  NOT NULL,
    received_ms  bigint  NOT NULL,
    record       bytea   NOT NULL,
    PRIMARY KEY (video, seq)
);

CREATE TABLE conflicts (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    video        bigint  NOT NULL REFERENCES videos ON DELETE CASCADE,
    kind         text    NOT NULL,               -- VideoStart, OperatorChunk, VideoHead, VideoEnd
    seq          bigint  NOT NULL DEFAULT -1,
    digest       bytea   NOT NULL,
    received_ms  bigint  NOT NULL,
    record       bytea   NOT NULL,
    UNIQUE (video, kind, seq, digest)
);

CREATE TABLE refusals (
    partition    integer NOT NULL,
    place        bigint  NOT NULL,               -- offset in the partition
    received_ms  bigint  NOT NULL,
    reason       text    NOT NULL,
    PRIMARY KEY (partition, place, received_ms)
);
