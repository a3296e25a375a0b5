"""The chat's window on a terminal: keys, painting, modes and signals.

`trionet.chat.window` is the window itself.
"""
