"""``python -m lakewarden``."""

from lakewarden.cli import main

if __name__ == "__main__":
    main()
