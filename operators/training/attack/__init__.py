"""Networks of an attacker who learns from masked faces: one restores them, one tells them apart."""
