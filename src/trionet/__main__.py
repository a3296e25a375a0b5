"""``python -m trionet`` is the command ``trionet``."""

from trionet.cli import end_quietly

if __name__ == "__main__":
    # Before anything slow is imported: Ctrl-C then ends the process without a traceback.
    end_quietly()
    from trionet.cli.main import main

    main()
