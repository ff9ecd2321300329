"""What the pages of both platforms share: one look, one way to render, one set of headers, small scripts of our own."""
