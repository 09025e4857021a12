"""What the proof is made with: each module runs one kind of it, and writes its page in docs/."""
