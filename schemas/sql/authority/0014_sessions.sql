-- Who is signed in by a browser, and who is about to. Tokens are kept as their SHA-256 only.

CREATE TABLE sessions (
    token     bytea PRIMARY KEY,
    principal text NOT NULL REFERENCES principals ON DELETE CASCADE,
    made_ms   bigint NOT NULL,
    seen_ms   bigint NOT NULL
);

CREATE TABLE sign_ins (
    browser  bytea PRIMARY KEY,          -- of the cookie that the answer has to come with
    state    bytea NOT NULL,
    nonce    text NOT NULL,
    verifier text NOT NULL,
    target   text NOT NULL,
    ends_ms  bigint NOT NULL
);
