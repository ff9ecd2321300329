-- How many were in view, in steps of ten seconds, as it came over operator.events.v1; kept as long as alarms are.

CREATE TABLE movement (
    camera_id    text    NOT NULL,
    from_ms      bigint  NOT NULL,               -- begin of the ten seconds; a chunk counts where it begins
    frames       integer NOT NULL,
    unseen       integer NOT NULL,               -- of those, masked whole: nobody counted there
    people       bigint  NOT NULL,               -- sum over the frames
    plates       bigint  NOT NULL,
    most_people  integer NOT NULL,               -- in one frame
    most_plates  integer NOT NULL,
    received_ms  bigint  NOT NULL,               -- when the last of it came
    PRIMARY KEY (camera_id, from_ms)
);
CREATE INDEX movement_by_time ON movement (received_ms);

-- Which chunks are counted in `movement`: a record that comes again doesn't count again.
CREATE TABLE counted (
    video_id     text    NOT NULL,
    chunk_seq    integer NOT NULL,
    partition    integer NOT NULL,
    place        bigint  NOT NULL,               -- offset in the partition
    received_ms  bigint  NOT NULL,
    PRIMARY KEY (video_id, chunk_seq)
);
CREATE INDEX counted_by_place ON counted (partition, place);
