-- In which frames of its span a track was detected, from the first to the last: beyond them its region is only guessed
-- to be there, and may lie where somebody else is. Two tracks detected at once are two persons. Null: not noted (of
-- evidence taken in before); empty: detected nowhere in this chunk.

ALTER TABLE spans ADD COLUMN detected int8range;
