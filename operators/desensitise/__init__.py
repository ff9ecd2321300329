"""Paint over what must not be seen. The only place that builds a `DesensitisedFrame`."""
