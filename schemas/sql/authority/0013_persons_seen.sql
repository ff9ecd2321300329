-- Persons across the videos of one camera: face subjects that are one person by their looks (operators/subjects.py),
-- merged again whenever one of them changes. `threshold`: lowest cosine of any two of them, `calibration`: what it was
-- set by. A subject in no person was never clear enough to be compared, or may itself be several.

CREATE TABLE persons_seen (
    person_id   text PRIMARY KEY,            -- name of its first subject
    camera_id   text NOT NULL,
    threshold   real NOT NULL,
    calibration text NOT NULL
);
CREATE INDEX persons_seen_by_camera ON persons_seen (camera_id);

CREATE TABLE person_subjects (
    subject_id text PRIMARY KEY REFERENCES subjects ON DELETE CASCADE,
    person_id  text NOT NULL REFERENCES persons_seen ON DELETE CASCADE
);
CREATE INDEX person_subjects_by_person ON person_subjects (person_id);
