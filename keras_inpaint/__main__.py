"""`python -m keras_inpaint`: the command line, where no script of it is on the path."""

import sys

from keras_inpaint.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
