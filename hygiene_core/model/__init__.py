"""The vocabulary: frozen, slotted dataclasses without I/O. `docs/concepts/words.md` defines the words."""
