"""The golden checkpoints: runs of each format version that every later version must load.

    python tests/golden_run.py      writes tests/golden/v<FORMAT_VERSION>/; done once for a version, and never again

One run a cell, as small as can be; the LSTM's is whole, with text and trainer, so that it can be trained on.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import tiny  # noqa: E402
import torch  # noqa: E402

from charlm.checkpoint import CONFIG, FORMAT_VERSION, WEIGHTS, load_checkpoint  # noqa: E402
from charlm.recording import recorded  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"
SETTINGS = {"hidden_size": 6, "embedding_size": 3, "steps": 6, "evaluations": 2, "average": 0.9}
PROBE = "the of and\n"


def logits_of(folder: Path) -> list[list[float]]:
    """What a run says to a few characters: (T, V) numbers."""
    checkpoint = load_checkpoint(folder)
    ids = torch.tensor([checkpoint.vocabulary.encode_prompt(PROBE).ids])  # (1, T)
    with torch.inference_mode():
        logits, _ = checkpoint.model(ids, None)  # (1, T, V)
    return [[round(value, 5) for value in row] for row in logits[0].tolist()]


def main() -> None:
    target = GOLDEN / f"v{FORMAT_VERSION}"
    if target.exists():
        sys.exit(f"{target} is there: a golden checkpoint is never made again")
    with tempfile.TemporaryDirectory() as name:
        for cell in tiny.CELLS:
            folder, corpus = Path(name) / cell, tiny.corpus(600)
            layers = 2 if cell == "gru" else 1
            list(recorded(tiny.run(folder, corpus, **{**SETTINGS, "cell": cell, "num_layers": layers}), folder))
            (target / cell).mkdir(parents=True)
            for path in folder.iterdir():
                if cell == "lstm" or path.name in (CONFIG, WEIGHTS):
                    shutil.copy(path, target / cell)
    facts = {cell: logits_of(target / cell) for cell in tiny.CELLS}
    (target / "logits.json").write_text(json.dumps(facts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
