"""The chat's window as a pure model: keys and events in, rows of styled text and calls out.

Layout: `model.Window` is the whole. It has rooms (`rooms`), each with a log (`log`, of `entries`)
and a draft (`editor`). `composition` makes the rows of a screen of it. Nothing here knows of a
terminal, a connection or a clock: `trionet.cli.window` has the terminal's side.
"""
