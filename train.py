"""Train a character-level network on a text, in the terminal:  python train.py TEXT [--seconds 60] [--run NAME]"""

import sys

from charlm.terminal import train

if __name__ == "__main__":
    sys.exit(train(sys.argv[1:]))
