-- Alarms as they came over alarms.v1, for the page about the platform's health; kept as long as the topic keeps them.

CREATE TABLE alarms (
    partition    integer NOT NULL,
    place        bigint  NOT NULL,               -- offset in the partition
    time_ms      bigint  NOT NULL,
    kind         text    NOT NULL,
    source       text    NOT NULL,
    camera_id    text    NOT NULL,
    text         text    NOT NULL,
    PRIMARY KEY (partition, place, time_ms)
);
CREATE INDEX alarms_by_time ON alarms (time_ms DESC);
