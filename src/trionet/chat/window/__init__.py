"""The chat's window as a pure model: keys and events in, rows of styled text and calls out.

Layout: `model.Window` is the whole window. It has rooms (`rooms`), each with a log (`room_log`,
of `entries`) and a draft (`editor`). `composition` turns it into the rows of a screen. Nothing here
knows of a terminal, a connection or a clock; `trionet.cli.window` handles the terminal.
"""
