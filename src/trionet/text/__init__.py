"""Text that is safe to show: what is replaced, and the character tables behind it. Pure."""
