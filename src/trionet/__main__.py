"""``python -m trionet`` is the command ``trionet``."""

if __name__ == "__main__":
    # This loads `trionet.cli` first, which has Ctrl-C end the process without a traceback.
    from trionet.cli.main import main

    main()
