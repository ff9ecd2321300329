"""The authority's desk: pages of the forensic service, over the same library and the same gate as its API."""
