-- Whether vectors that no key has turned are left is asked with every search.

CREATE INDEX subject_features_plain ON subject_features (video_id) WHERE template_key = 0;
