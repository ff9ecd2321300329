"""How the plate reader is trained: drawn plates, the shared labelled pictures, network, loop, export."""
