"""Pure decisions: no clock, no file, no socket. What is needed is an argument; `now` is one of them."""
