"""How `operators/weights/heads.onnx` was trained: see `operators/weights/HEADS.md`."""
