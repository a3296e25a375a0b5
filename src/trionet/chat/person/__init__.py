"""What a person at a chat client types and reads, whatever that client looks like. Pure.

The window (`trionet.chat.window`) and the lines of `chat join --linear` (`trionet.cli.linear`)
share it: what typed lines mean, what is asked of the link, how events and times are worded.
"""
