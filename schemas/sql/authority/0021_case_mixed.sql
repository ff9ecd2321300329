-- Of which videos more may have been indexed than `case_indexed` says: the setting was `always` since. What stands there
-- already may be of that kind, so it is dropped and read again once where faces are indexed on a case only.

ALTER TABLE case_indexed ADD COLUMN mixed boolean NOT NULL DEFAULT true;
ALTER TABLE case_indexed ALTER COLUMN mixed SET DEFAULT false;
