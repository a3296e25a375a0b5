"""The terminal's side of the chat's window: keys, painting, modes and signals.

`trionet.chat.window` has the window itself.
"""
