-- What must not be destroyed, and what was destroyed because its time was over. Times are milliseconds since 1970.

CREATE TABLE holds (
    hold        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    camera_id   text,                    -- null: every camera
    video_id    text,                    -- null: every video
    from_ms     bigint NOT NULL,
    to_ms       bigint NOT NULL,
    reason      text NOT NULL,
    set_by      text NOT NULL,
    set_ms      bigint NOT NULL,
    released_by text,
    released_ms bigint
);

-- `done_ms` is null while it is under way: a service that was killed takes it up again. Parts of these kinds that come
-- late stay closed.
CREATE TABLE retired (
    video_id   text NOT NULL,
    camera_id  text NOT NULL,
    kinds      text[] NOT NULL,          -- empty: the whole video, its file too
    reason     text NOT NULL,
    start_ms   bigint NOT NULL,
    end_ms     bigint NOT NULL,
    bytes      bigint NOT NULL,
    retired_ms bigint NOT NULL,
    done_ms    bigint,
    PRIMARY KEY (video_id, kinds)
);
CREATE INDEX retired_unfinished ON retired (video_id) WHERE done_ms IS NULL;
