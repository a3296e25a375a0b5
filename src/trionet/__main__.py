"""``python -m trionet`` is the command ``trionet``."""

if __name__ == "__main__":
    from trionet.cli.main import main

    main()
