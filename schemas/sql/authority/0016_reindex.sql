-- A second index of faces beside the one in use, while another embedder reads all evidence again; see
-- streams/authority/reindex.py. `next.track_features` has the columns of `track_features`, always
-- (tests/integration/test_reindex.py).

CREATE SCHEMA next;
CREATE TABLE next.track_features (LIKE public.track_features INCLUDING ALL);

CREATE TABLE reindexing (
    only_one  boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    embedder  text NOT NULL
);
CREATE TABLE reindexed (
    video_id  text NOT NULL,
    chunk_seq bigint NOT NULL,
    PRIMARY KEY (video_id, chunk_seq)
);
