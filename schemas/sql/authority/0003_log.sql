-- The access log: entries are appended and never changed, by nobody. `entry` is what is hashed, `chain` is
-- SHA-256 (chain of the entry before + entry), `leaf` the leaf hash of RFC 6962.

CREATE TABLE access_log (
    seq     bigint PRIMARY KEY,
    time_ms bigint NOT NULL,
    entry   bytea NOT NULL,
    leaf    bytea NOT NULL,
    chain   bytea NOT NULL
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the access log is only appended to' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER access_log_keeps_rows BEFORE UPDATE OR DELETE ON access_log
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER access_log_keeps_all BEFORE TRUNCATE ON access_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
