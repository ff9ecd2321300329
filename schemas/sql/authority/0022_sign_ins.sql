-- From where a sign-in under way was begun (an address, of IPv6 its /64): whoever begins many pushes out their own.

ALTER TABLE sign_ins ADD COLUMN address text NOT NULL DEFAULT '';
