"""A trained network in Python, from the Hub or from a folder:

from charlm import CharLM

model = CharLM.from_pretrained("user/name")
print(model.generate("Once upon a time", length=300, temperature=0.8))
"""

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from charlm.checkpoint import Checkpoint, load_checkpoint
from charlm.config import SampleConfig
from charlm.hub import pull_run
from charlm.sampling import generate
from charlm.stepping import Folded, fold


@dataclass(frozen=True)
class CharLM:
    """A network that writes. `repo` and `commit` say where it came from; "" for a folder of this machine."""

    checkpoint: Checkpoint
    folded: Folded
    repo: str = ""
    commit: str = ""

    @classmethod
    def from_pretrained(cls, repo: str, revision: str = "", token: str = "") -> "CharLM":
        """A run on the Hub: USER/NAME, never a folder that happens to have that name. Nothing stays on the disk.

        Without `token` nobody is signed in, which is enough for all that is public. Raises HubError or CheckpointError.
        """
        with tempfile.TemporaryDirectory(prefix="charlm-") as name:
            folder = Path(name) / "run"
            pulled = pull_run(repo, folder, token, revision=revision)
            return cls._of(folder, pulled.repo, pulled.commit)

    @classmethod
    def from_folder(cls, folder: str | Path) -> "CharLM":
        """A run folder of this machine. Raises CheckpointError."""
        return cls._of(Path(folder), "", "")

    @classmethod
    def _of(cls, folder: Path, repo: str, commit: str) -> "CharLM":
        checkpoint = load_checkpoint(folder)
        return cls(checkpoint, fold(checkpoint.model), repo, commit)

    def stream(self, prompt: str = "", **settings: Any) -> Iterator[str]:
        """One character after the other that go on after the prompt.

        Settings are those of SampleConfig: length, temperature, top_k, top_p, seed (drawn when it is not given).
        Raises ConfigError for a value that cannot be.
        """
        config = SampleConfig(**{"seed": secrets.randbelow(2**31), **settings})
        return generate(self.folded, self.checkpoint.vocabulary, prompt, config)

    def generate(self, prompt: str = "", **settings: Any) -> str:
        """The same as one text, with the prompt before it."""
        return prompt + "".join(self.stream(prompt, **settings))
