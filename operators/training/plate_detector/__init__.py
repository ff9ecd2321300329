"""How the plate detector is trained: drawn plates in photographs, labelled street pictures, network, loop, export."""
