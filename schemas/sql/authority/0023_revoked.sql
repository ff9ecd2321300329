-- An address that was taken back, as its key may be in others' hands; it expires with that, and the day gets another one.

ALTER TABLE upload_addresses ADD COLUMN revoked_ms bigint;
