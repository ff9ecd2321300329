-- The access log's Merkle tree: the hash of every complete subtree (2^level leaves, the index-th of its level), so that
-- appending and proving read as many rows as the tree has levels; and the signed checkpoints with their certificates.

CREATE TABLE log_nodes (
    level smallint NOT NULL,
    index bigint NOT NULL,
    hash  bytea NOT NULL,
    PRIMARY KEY (level, index)
);

CREATE TABLE log_signers (
    signer      bytea PRIMARY KEY,  -- SHA-256 of the certificate
    certificate bytea NOT NULL
);

CREATE TABLE checkpoints (
    size   bigint PRIMARY KEY,
    note   text NOT NULL,
    signer bytea NOT NULL REFERENCES log_signers
);

INSERT INTO log_nodes SELECT 0, seq, leaf FROM access_log;

DO $$
DECLARE made bigint := 1; at_level smallint := 0;
BEGIN
    WHILE made > 0 LOOP
        INSERT INTO log_nodes
        SELECT at_level + 1, l.index / 2, sha256('\x01'::bytea || l.hash || r.hash)
        FROM log_nodes l JOIN log_nodes r ON r.level = l.level AND r.index = l.index + 1
        WHERE l.level = at_level AND l.index % 2 = 0;
        GET DIAGNOSTICS made = ROW_COUNT;
        at_level := at_level + 1;
    END LOOP;
END $$;

CREATE TRIGGER log_nodes_keep_rows BEFORE UPDATE OR DELETE ON log_nodes
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_nodes_keep_all BEFORE TRUNCATE ON log_nodes
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_signers_keep_rows BEFORE UPDATE OR DELETE ON log_signers
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER log_signers_keep_all BEFORE TRUNCATE ON log_signers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_keep_rows BEFORE UPDATE OR DELETE ON checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_keep_all BEFORE TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
