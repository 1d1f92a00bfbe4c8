"""CharLM: teach a recurrent network your own text, and see how it learns.

The parts, from the ground up. A module imports only modules of lower levels (tests/test_shape.py reads this table):

    level 0  errors
    level 1  config events metrics text vocabulary cells evaluation
    level 2  corpus corpora streams model history recipes
    level 3  log yardsticks stepping sampling insight trainer
    level 4  checkpoint
    level 5  recording hub
    level 6  jobs
    level 7  terminal ui
    level 8  __main__

Four modules are here that a first sketch of this table did not have. `cells` holds the recurrences themselves (pure
tensor functions with a backward pass of their own), so that `model` stays a page about what the networks are.
`evaluation` holds the two protocols of validation; it takes any model, so that trainer, terminal and tests share it.
`log` is how a run's events are kept and followed, without torch; `terminal` is what train.py and __main__ share.

gradio and plotly are imported in `charlm.ui` alone, huggingface_hub in `charlm.hub` alone; `import charlm` loads neither.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the one-character step is small: a second thread makes it slower

__version__ = "0.1.0"
