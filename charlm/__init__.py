"""CharLM: teach a recurrent network your own text, and see how it learns.

The parts, from the ground up. A module imports only modules of lower levels (tests/test_shape.py reads this table):

    level 0  errors notes events metrics cells evaluation copies muon
    level 1  config encoding history
    level 2  text model one_character log
    level 3  vocabulary stepping picture
    level 4  corpus streams sampling insight
    level 5  corpora recipes yardsticks trainer
    level 6  checkpoint
    level 7  recording archive card space racing
    level 8  jobs terminal
    level 9  hub
    level 10 ui pretrained __main__

A level is as low as its imports allow, so that no two modules of one level know each other: text before vocabulary
before corpus is part of the table, not an exception to it.

Fifteen modules are here that a first sketch of this table did not have. `cells` holds the recurrences themselves (pure
tensor functions with a backward pass of their own), so that `model` stays a page about what the networks are.
`encoding` finds out how a file's bytes are to be read; `text` is what is then done with the characters.
`one_character` is the tutorial's sigmoid RNN with its update written out; `muon` is the optimizer of the others.
`evaluation` holds the two protocols of validation; it takes any model, so that trainer, terminal and tests share it.
`notes` are sentences for people that are no errors. `log` is how a run's events are kept and followed, without torch;
`terminal` is what train.py and __main__ share. `archive` is the one way in for a run from elsewhere, as a zip or from
the Hub. `card`, `picture` and `space` are what the Hub is told, made without it; `pretrained` is a run in three lines
of Python. `racing` sets up fair races and lets them take turns. `copies` tells a quotation from an invention.

gradio and plotly are imported in `charlm.ui` alone, huggingface_hub in `charlm.hub` alone; `import charlm` loads none
of them.
"""

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from charlm.pretrained import CharLM as CharLM


def _is_virtual(processors: str = "/proc/cpuinfo") -> bool:
    """Whether this is a virtual machine, as far as Linux on x86 tells."""
    try:
        with open(processors, "rb") as file:
            return b" hypervisor" in file.read(4096)  # the first processor's flags
    except OSError:
        return False


# Read when torch and NumPy are loaded, so it stands here: how many turns a thread that waits for another one spins
# before it sleeps. A thousand are some 30 us; the library's own choice is 300,000. Beside another busy process few
# turns are better: two trainings of two threads each on two cores do three quarters of what one does alone, and a
# twentieth with 50,000. But in a virtual machine a core that sleeps is handed to others, and comes back late: alone
# there, 50,000 were faster than 1,000 in 15 of 16 comparisons, 1.3 times in the middle, and 2.4 to 6.4 times while the
# host was busy. The one-character step is too small for two threads.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "50000" if _is_virtual() else "1000")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`from charlm import CharLM` loads torch; `import charlm` does not."""
    if name != "CharLM":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from charlm.pretrained import CharLM

    return CharLM
