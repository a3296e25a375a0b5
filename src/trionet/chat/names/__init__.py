"""What members and rooms can be called, and which names look alike. Pure."""
