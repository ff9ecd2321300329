-- Several looks of one track, where its views aren't alike: it may have gone over from one person to another.

ALTER TABLE track_features ADD COLUMN look integer NOT NULL DEFAULT 0;
ALTER TABLE track_features DROP CONSTRAINT track_features_pkey;
ALTER TABLE track_features ADD PRIMARY KEY (video_id, track, look);

ALTER TABLE subject_features ADD COLUMN track bigint, ADD COLUMN look integer NOT NULL DEFAULT 0;
UPDATE subject_features f SET track = s.best_track FROM subjects s WHERE s.subject_id = f.subject_id;
ALTER TABLE subject_features ALTER COLUMN track SET NOT NULL;
ALTER TABLE subject_features DROP CONSTRAINT subject_features_pkey;
ALTER TABLE subject_features ADD PRIMARY KEY (subject_id, track, look);
