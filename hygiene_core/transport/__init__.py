"""How a control side reaches a host."""
