-- What must not be dropped, and which videos were dropped because their time was over. Times are milliseconds since 1970.

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

-- `done_ms` is null while the file may still be there: a service that was killed takes it up again.
CREATE TABLE retired (
    video_id   text PRIMARY KEY,
    camera_id  text NOT NULL,
    reason     text NOT NULL,
    start_ms   bigint NOT NULL,
    end_ms     bigint NOT NULL,
    bytes      bigint NOT NULL,
    retired_ms bigint NOT NULL,
    done_ms    bigint
);
CREATE INDEX retired_unfinished ON retired (video_id) WHERE done_ms IS NULL;
