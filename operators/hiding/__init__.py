"""Bytes hidden in pictures, so that they come back from a copy that was coded, blurred, scaled or filmed."""
