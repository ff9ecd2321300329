-- People, cases, approvals, and how often somebody asked. Times are milliseconds since 1970.

CREATE TABLE people (
    person    text PRIMARY KEY,          -- their first principal; the log names them by it
    name      text NOT NULL,
    roles     text[] NOT NULL,
    disabled  boolean NOT NULL DEFAULT false,
    added_by  text NOT NULL,
    added_ms  bigint NOT NULL
);

CREATE TABLE principals (
    principal text PRIMARY KEY,          -- CN of a client certificate, or oidc:<issuer>#<subject>
    person    text NOT NULL REFERENCES people
);
CREATE INDEX principals_by_person ON principals (person);

CREATE TABLE cases (
    case_id   text PRIMARY KEY,
    terms     bytea NOT NULL,            -- canonical JSON, see FORMATS.md; approvals name its SHA-256
    closed_ms bigint,
    closed_by text REFERENCES people
);

CREATE TABLE approvals (
    case_id     text NOT NULL REFERENCES cases,
    digest      bytea NOT NULL,          -- of the terms that were approved
    approver    text NOT NULL REFERENCES people,
    approved_ms bigint NOT NULL,
    until_ms    bigint NOT NULL,
    entry       bigint NOT NULL,         -- of the access log, which must say the same
    PRIMARY KEY (case_id, digest, approver)
);

CREATE TABLE calls (
    person text NOT NULL REFERENCES people,
    kind   text NOT NULL,
    hour   bigint NOT NULL,              -- since 1970
    number bigint NOT NULL,
    PRIMARY KEY (person, kind, hour)
);
