-- What a vector was made of and by: width of the face in pixels (null: not known, taken for the smallest), which
-- embedder made it, and the key it is turned by (0: not turned; see operators/rotation.py). Keys' secrets are in the
-- key store, never here.

ALTER TABLE track_features ADD COLUMN width real, ADD COLUMN embedder text NOT NULL DEFAULT 'face-embedder',
    ADD COLUMN template_key integer NOT NULL DEFAULT 0;
ALTER TABLE subject_features ADD COLUMN width real, ADD COLUMN embedder text NOT NULL DEFAULT 'face-embedder',
    ADD COLUMN template_key integer NOT NULL DEFAULT 0;

CREATE TABLE template_keys (
    number  integer PRIMARY KEY CHECK (number > 0),
    made_ms bigint NOT NULL
);

-- Half-precision neighbours are found in half the memory, then put in order by the whole vectors.
DROP INDEX subject_features_by_looks;
CREATE INDEX subject_features_by_looks ON subject_features
    USING hnsw ((embedding::halfvec(128)) halfvec_cosine_ops);
DROP INDEX subject_features_by_camera;
CREATE INDEX subject_features_by_camera ON subject_features (camera_id, from_ms) INCLUDE (to_ms);
CREATE INDEX subject_features_by_time ON subject_features (from_ms) INCLUDE (to_ms);
CREATE INDEX subject_features_by_video ON subject_features (video_id);
