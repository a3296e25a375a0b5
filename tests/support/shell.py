"""The essence of a shell, as the arguments of a program that is a shell for `trionet`."""

# It has the terminal, gives it to the program, and takes it back when the program stops. The next
# line typed resumes the program, in the foreground unless it is `bg`.
SHELL = """
import os, signal, sys, termios, fcntl
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
modes = termios.tcgetattr(0)
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    from trionet.cli.main import main
    main()
while True:
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        sys.exit(os.waitstatus_to_exitcode(status))
    assert os.WSTOPSIG(status) in (signal.SIGTSTP, signal.SIGTTIN)
    os.tcsetpgrp(0, os.getpgrp())
    as_before = termios.tcgetattr(0) == modes
    os.write(1, b"stopped\\n" if as_before else b"stopped with other modes\\n")
    if sys.stdin.readline() == "fg\\n":
        os.tcsetpgrp(0, child)
    os.killpg(child, signal.SIGCONT)
"""
