"""streams: which characters come when, against slices of the text itself."""

import inspect
import re
import string
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charlm import streams
from charlm.config import TrainConfig
from charlm.errors import TextError
from charlm.recipes import fitted
from charlm.streams import Batch, Chunks, Streams, batches


def dice(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def places(count: int) -> np.ndarray:
    """A text whose characters are their own places."""
    return np.arange(count, dtype=np.uint16)


def from_the_start(chars: int, b: int, t: int) -> Streams:
    """An epoch whose offset happens to be 0, so that places are easy to say."""
    for seed in range(1000):
        made = Streams(places(chars), b, t, dice(seed))
        made.next()
        if made.offset == 0:
            return Streams(places(chars), b, t, dice(seed))
    raise AssertionError("no epoch begins at the first character")


def epoch_of(made: Streams) -> list[Batch]:
    return [made.next() for _ in range(made.steps_per_epoch)]


def test_the_picture_in_the_docstring() -> None:
    """The letters drawn there, read from the docstring, are what comes out."""
    text = string.ascii_lowercase + "01"
    rows = [
        re.match(r" *(stream \d|targets) +((?:\w [\w |]*)\w)", line) for line in inspect.getdoc(streams).splitlines()
    ]
    drawn = {row[1]: [half.split() for half in row[2][:17].split("|")] for row in rows if row}
    assert sorted(drawn) == ["stream 0", "stream 1", "stream 2", "targets"]

    made = from_the_start(len(text), 3, 4)
    assert made.steps_per_epoch == 2
    first, second = epoch_of(made)
    for row in range(3):
        assert drawn[f"stream {row}"] == [[text[i] for i in batch.inputs[row]] for batch in (first, second)]
    assert drawn["targets"] == [[text[i] for i in batch.targets[0]] for batch in (first, second)]
    assert (first.is_fresh, second.is_fresh) == (True, False)


@pytest.mark.parametrize(("chars", "b", "t"), [(28, 3, 4), (1000, 7, 13), (1000, 1, 1), (501, 250, 1), (90, 2, 30)])
def test_streams_are_contiguous_tracks_that_share_out_the_text(chars: int, b: int, t: int) -> None:
    made = Streams(places(chars), b, t, dice(3))
    for _ in range(4):
        steps = epoch_of(made)
        inputs = torch.cat([batch.inputs for batch in steps], dim=1)  # (B, whole track)
        targets = torch.cat([batch.targets for batch in steps], dim=1)
        assert all(batch.inputs.shape == (b, t) and batch.inputs.dtype == torch.int64 for batch in steps)
        assert torch.equal(targets, inputs + 1)  # the very next character of the text
        assert torch.equal(inputs[:, 1:], inputs[:, :-1] + 1)  # over the borders of windows, too
        assert torch.equal(inputs[1:, 0], inputs[:-1, -1] + 1)  # a track begins where the one before ends
        assert sorted(inputs.flatten().tolist()) == list(range(made.offset, made.offset + b * t * len(steps)))
        assert [batch.is_fresh for batch in steps] == [True] + [False] * (len(steps) - 1)
        assert int(targets.max()) < chars


def test_every_character_has_its_turn() -> None:
    """In one epoch a piece as long as a batch may be left out; the offset moves, and the end is reached."""
    made = Streams(places(200), 4, 12, dice())
    assert made.steps_per_epoch * 4 * 12 == 144
    offsets, seen = Counter[int](), Counter[int]()
    for _ in range(600):
        for batch in epoch_of(made):
            seen.update(batch.targets.flatten().tolist())
        offsets[made.offset] += 1
    assert sorted(offsets) == list(range(200 - 144))
    assert sorted(seen) == list(range(1, 200))


def test_the_dice_decide_alone() -> None:
    one, two, other = (Streams(places(500), 2, 9, dice(seed)) for seed in (5, 5, 6))
    torch.manual_seed(0)
    first = [one.next().inputs for _ in range(100)]
    torch.manual_seed(1)
    assert all(torch.equal(two.next().inputs, batch) for batch in first)
    assert not all(torch.equal(other.next().inputs, batch) for batch in first)


@pytest.mark.parametrize("after", [0, 1, 5, 6, 7, 13, 100])
@pytest.mark.parametrize("batching", ["streams", "chunks"])
def test_a_cursor_resumes_exactly(batching: str, after: int) -> None:
    config = TrainConfig(steps=1, streams=3, window=11, batching=batching)
    first_dice, second_dice = dice(1), dice(99)
    first, second = (batches(places(250), config, own) for own in (first_dice, second_dice))
    for _ in range(after):
        first.next()
    second.load_state_dict(first.state_dict())
    second_dice.set_state(first_dice.get_state())
    for _ in range(60):
        expected, found = first.next(), second.next()
        assert torch.equal(expected.inputs, found.inputs) and torch.equal(expected.targets, found.targets)
        assert expected.is_fresh == found.is_fresh


@pytest.mark.parametrize("kept", [{}, {"streams": 2, "window": 10, "offset": 9, "cursor": 240}])
def test_another_cut_begins_an_epoch(kept: dict[str, int]) -> None:
    """A run may be extended with other streams or another window: the old place is none of the new ones."""
    made = Streams(places(500), 3, 11, dice())
    made.next()
    made.load_state_dict(kept)
    assert made.next().is_fresh
    assert made.next().inputs.shape == (3, 11)


def test_a_pair_is_a_batch_of_one() -> None:
    pairs, whole = Streams(places(90), 1, 1, dice(4)), Streams(places(90), 1, 1, dice(4))
    for _ in range(300):
        batch = whole.next()
        assert pairs.next_pair() == (int(batch.inputs), int(batch.targets), batch.is_fresh)


def test_chunks_are_random_places_and_always_fresh() -> None:
    made = Chunks(places(300), 5, 20, dice())
    assert made.steps_per_epoch == 3
    starts = Counter[int]()
    for _ in range(1000):
        batch = made.next()
        assert batch.inputs.shape == batch.targets.shape == (5, 20) and batch.is_fresh
        assert torch.equal(batch.inputs, batch.inputs[:, :1] + torch.arange(20))
        assert torch.equal(batch.targets, batch.inputs + 1)
        starts.update(batch.inputs[:, 0].tolist())
    assert sorted(starts) == list(range(280))  # every place, the last target the last character


@pytest.mark.parametrize(("chars", "b", "t", "needed"), [(27, 4, 6, 30), (63, 1, 32, 64), (3, 2, 1, 3)])
def test_a_text_too_short_is_refused_with_the_number_that_is_enough(chars: int, b: int, t: int, needed: int) -> None:
    assert Streams(places(needed), b, t, dice()).steps_per_epoch == 1
    epoch_of(Streams(places(needed), b, t, dice()))
    if chars < needed:
        with pytest.raises(TextError, match=rf"has {chars} characters; {b} streams of windows of {t} need {needed}\."):
            Streams(places(chars), b, t, dice())


def test_a_window_as_long_as_the_text_is_refused() -> None:
    assert Chunks(places(21), 2, 20, dice()).next().targets.max() == 20
    with pytest.raises(TextError, match="has 20 characters; a window of 20 needs one more"):
        Chunks(places(20), 2, 20, dice())


def test_ids_of_every_kind_and_views_of_them() -> None:
    for kind in (np.uint8, np.uint16, np.uint32):
        ids = np.arange(200).astype(kind)[::2]
        batch = batches(ids, TrainConfig(steps=1, streams=2, window=5), dice()).next()
        assert torch.equal(batch.targets, batch.inputs + 2)


@given(st.integers(90, 5000), st.integers(1, 1024), st.integers(1, 2048), st.sampled_from(["streams", "chunks"]))
def test_fitted_settings_always_fit(chars: int, b: int, t: int, batching: str) -> None:
    few, short = fitted(chars, b, t)
    assert 1 <= few <= b and 1 <= short <= t
    made = batches(places(chars), TrainConfig(steps=1, streams=few, window=short, batching=batching), dice(chars))
    assert made.steps_per_epoch >= 4
    assert made.next().inputs.shape == (few, short)


@given(st.integers(1, 1024), st.integers(1, 2048), st.integers(0, 10**6))
def test_a_text_that_is_long_enough_changes_nothing(b: int, t: int, more: int) -> None:
    assert fitted((4 * b + 1) * t + more, b, t) == (b, t)
    few, short = fitted((4 * b + 1) * t - 1, b, t)
    assert few < b or short < t or (b, t) == (1, 1)


def test_fitted_by_hand() -> None:
    assert fitted(90, 32, 64) == (4, 5)
    assert fitted(2000, 32, 64) == (7, 64)
    assert fitted(1_000_000, 32, 64) == (32, 64)
