-- A look's vector is the direction of the weighted sum of its views: `weight` is the sum's length, `chunks` how many
-- chunks gave views to it.

ALTER TABLE track_features ADD COLUMN weight real NOT NULL DEFAULT 1;
ALTER TABLE track_features ADD COLUMN chunks integer NOT NULL DEFAULT 1;
