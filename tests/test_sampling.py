"""Drawing against torch's softmax, against brute force over all subsets, and against the frequencies of many draws."""

import itertools
import math
from itertools import islice

import numpy as np
import pytest
import tiny
import torch
from scipy import stats  # type: ignore[import-untyped]

from charlm.config import ModelConfig, SampleConfig
from charlm.model import CharRNN
from charlm.sampling import chances, distribution, draws, generate, next_id, uniforms
from charlm.stepping import Folded, Stepper, fold
from charlm.vocabulary import UNKNOWN, Vocabulary

SYMBOLS = Vocabulary(("\n", " ", "a", "b", "c", "é"))


def config(**given: object) -> SampleConfig:
    return SampleConfig(**{"temperature": 1.0, **given})


def logits(count: int = 8, seed: int = 0, scale: float = 2.0) -> np.ndarray:
    return (np.random.default_rng(seed).normal(size=count) * scale).astype(np.float32)


def shares(values: np.ndarray, **given: object) -> np.ndarray:
    weights = distribution(values, config(**given)).astype(np.float64)
    return weights / weights.sum()


def network(vocabulary: Vocabulary = SYMBOLS, scale: float = 4.0) -> CharRNN:
    model = CharRNN(len(vocabulary), ModelConfig(hidden_size=12, embedding_size=4), torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= scale
    return model.eval()


def written(folded: Folded, prompt: str = "", vocabulary: Vocabulary = SYMBOLS, **given: object) -> str:
    return "".join(generate(folded, vocabulary, prompt, config(**{"length": 60, **given})))


# --- the distribution ---


@pytest.mark.parametrize("temperature", [0.05, 0.5, 1.0, 1.7, 5.0])
@pytest.mark.parametrize("seed", range(3))
def test_temperature_is_the_softmax_of_torch(temperature: float, seed: int) -> None:
    expected = torch.softmax(torch.tensor(logits(50, seed)).double() / temperature, 0).numpy()
    assert shares(logits(50, seed), temperature=temperature) == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("k", range(1, 9))
def test_top_k_keeps_the_k_likeliest(k: int) -> None:
    values = logits()
    order = sorted(range(8), key=lambda i: -values[i])[:k]
    expected = np.zeros(8)
    expected[order] = np.exp(values[order]) / np.exp(values[order]).sum()
    assert shares(values, top_k=k) == pytest.approx(expected, rel=1e-5)
    assert shares(values, top_k=k + 8) == pytest.approx(shares(values), rel=1e-6)


@pytest.mark.parametrize("p", [0.01, 0.3, 0.5, 0.75, 0.9, 0.99])
@pytest.mark.parametrize("seed", range(4))
def test_top_p_is_the_smallest_set_that_has_the_probability(p: float, seed: int) -> None:
    """Brute force: of all subsets with probability p or more the smallest, of those the likeliest."""
    values = logits(6, seed)
    full = shares(values)
    sets = [c for size in range(1, 7) for c in itertools.combinations(range(6), size) if full[list(c)].sum() >= p]
    chosen = min(sets, key=lambda c: (len(c), -full[list(c)].sum()))
    assert set(shares(values, top_p=p).nonzero()[0]) == set(chosen)
    kept = shares(values, top_p=p)[list(chosen)]
    assert kept == pytest.approx(full[list(chosen)] / full[list(chosen)].sum(), rel=1e-5)


def test_the_order_is_temperature_top_k_top_p() -> None:
    values = np.log(np.array([0.4, 0.3, 0.2, 0.1], np.float32))
    assert shares(values, top_k=2, top_p=0.57) == pytest.approx([1, 0, 0, 0])  # 0.4 of 0.7 is 0.571
    assert shares(values, top_k=2, top_p=0.58) == pytest.approx([4 / 7, 3 / 7, 0, 0], rel=1e-5)
    squared = np.array([16, 9, 4, 1]) / 30
    assert shares(values, temperature=0.5, top_p=0.52)[0] == pytest.approx(1)  # 16 of 30 is 0.533
    assert shares(values, temperature=0.5) == pytest.approx(squared, rel=1e-5)


def test_of_equal_ones_the_first_stays() -> None:
    assert shares(np.zeros(5, np.float32), top_k=2) == pytest.approx([0.5, 0.5, 0, 0, 0])
    assert shares(np.zeros(4, np.float32), top_p=0.5) == pytest.approx([0.5, 0.5, 0, 0])


def test_extreme_logits_stay_numbers() -> None:
    values = np.array([3e38, -3e38, 0, 88], np.float32) / 4
    for temperature in (0.0, 1e-6, 1.0, 5.0):
        assert next_id(values, config(temperature=temperature), 0.5) == 0


# --- the draw ---


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53, 0.5, 2**-60])
@pytest.mark.parametrize("given", [{}, {"top_k": 1}, {"top_k": 3}, {"top_p": 0.4}])
def test_the_ends_of_the_unit_interval_pick_what_can_be_picked(uniform: float, given: dict[str, float]) -> None:
    for seed in range(20):
        values = logits(9, seed, scale=30.0)  # most have no weight at all in float32
        picked = next_id(values, config(**given), uniform, never=int(values.argmax()))
        assert picked != values.argmax()
        values[values.argmax()] = -np.inf
        assert distribution(values, config(**given))[picked] > 0


def test_a_uniform_number_picks_by_its_place_in_the_sum() -> None:
    values = np.log(np.array([0.1, 0.2, 0.3, 0.4], np.float32))
    picked = [next_id(values, config(), u) for u in (0.0, 0.09, 0.11, 0.29, 0.31, 0.59, 0.61, 0.99)]
    assert picked == [0, 0, 1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("given", [{}, {"temperature": 0.6}, {"top_k": 4}, {"top_p": 0.8, "temperature": 1.5}])
def test_frequencies_of_many_draws_are_the_distribution(given: dict[str, float]) -> None:
    values, draws = logits(7, seed=3, scale=1.0), 20_000
    counts = np.bincount([next_id(values, config(**given), u) for u in islice(uniforms(5), draws)], minlength=7)
    expected = shares(values, **given) * draws
    assert not counts[expected == 0].any()
    possible = expected > 0
    assert stats.chisquare(counts[possible], expected[possible] * (draws / expected.sum())).pvalue > 1e-3


def test_uniform_numbers_are_uniform_and_reproducible() -> None:
    numbers = list(islice(uniforms(9), 5000))
    assert numbers == list(islice(uniforms(9), 5000)) != list(islice(uniforms(10), 5000))
    assert stats.kstest(numbers, "uniform").pvalue > 1e-3 and 0 <= min(numbers) <= max(numbers) < 1


def test_the_logits_of_the_caller_are_left_alone() -> None:
    values = logits()
    before = values.copy()
    next_id(values, config(top_k=2, top_p=0.5), 0.7, never=1)
    assert np.array_equal(values, before)


# --- text ---


def test_temperature_zero_is_the_likeliest_path() -> None:
    model = network()
    chars = list(SYMBOLS.encode_prompt("ab").ids)
    with torch.no_grad():
        for _ in range(60):
            chars.append(int(model(torch.tensor([chars]))[0][0, -1].argmax()))
    assert written(fold(model), "ab", temperature=0.0) == SYMBOLS.decode(chars[2:])


def test_one_uniform_number_a_character_in_order() -> None:
    folded = fold(network())
    stepper, expected = Stepper(folded), ""
    stepper.step(2)
    char, dice = 3, uniforms(8)
    for _ in range(60):
        char = next_id(stepper.step(char), config(), next(dice))
        expected += SYMBOLS.symbols[char]
    assert written(folded, "ab", seed=8) == expected


def test_the_seed_decides_the_text_and_its_length_does_not() -> None:
    folded = fold(network(scale=6.0))
    text = written(folded, "a", seed=1, length=200)
    assert text == written(folded, "a", seed=1, length=200) and len(text) == 200
    assert written(folded, "a", seed=1, length=50) == text[:50]
    assert text != written(folded, "a", seed=2, length=200)
    assert text != written(folded, "ac", seed=1, length=200)


def test_an_empty_prompt_stands_at_the_beginning_of_a_line() -> None:
    folded = fold(network())
    assert written(folded, "") == written(folded, "\n") != written(folded, "a")
    bare = Vocabulary(("x", "y"))
    model = fold(network(bare))
    assert written(model, "", bare) == written(model, "x", bare)  # no line ends, no blank: the first symbol


def test_unknown_characters_of_a_prompt_are_read_as_the_nearest_known() -> None:
    folded = fold(network())
    assert written(folded, "Âbé") == written(folded, "abé")
    assert written(folded, "字") == written(folded, " ")
    assert written(folded, "e\u0301") == written(folded, "é")  # composed, as the text was


def test_the_unknown_symbol_is_never_drawn() -> None:
    vocabulary = Vocabulary(("a", "b", UNKNOWN))
    model = network(vocabulary)
    with torch.no_grad():
        model.decoder_bias.copy_(torch.tensor([0.0, 0.0, 50.0]))
    for given in ({}, {"temperature": 0.0}, {"temperature": 5.0}, {"top_k": 1}, {"top_p": 0.01}):
        text = written(fold(model), "", vocabulary, **given)
        assert len(text) == 60 and set(text) <= {"a", "b"}
    assert UNKNOWN in vocabulary.encode_prompt("字").text  # but it is read


def test_text_of_a_trained_network_is_like_its_text() -> None:
    """A language with one way to go on: whoever learned it writes it."""
    text = "abcdefg\n" * 100
    from charlm.corpus import corpus_from_text

    trainer = tiny.trainer(corpus_from_text(text, "cycle"), steps=150, hidden_size=16)
    list(trainer.events())
    vocabulary = trainer.corpus.vocabulary
    sampled = written(fold(trainer.model), "", vocabulary, temperature=0.5)
    assert sampled == text[:60]
    assert math.exp(-trainer.best) > 0.9


# --- what a draw was made from ---


@pytest.mark.parametrize("given", [{}, {"temperature": 0.4}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 4, "top_p": 0.8}])
@pytest.mark.parametrize("never", [None, 2])
def test_chances_are_the_shares_of_even_draws(given: dict[str, float], never: int | None) -> None:
    """Many uniform numbers, evenly spaced: how often each character comes out."""
    values, many = logits(6, scale=1.5), 20_000
    drawn = [next_id(values, config(**given), (i + 0.5) / many, never) for i in range(many)]
    counted = np.bincount(drawn, minlength=6) / many
    found = chances(values, config(**given), never)
    assert found == pytest.approx(counted, abs=1e-3) and found.sum() == pytest.approx(1)
    assert never is None or found[never] == 0


def test_without_temperature_one_character_has_every_chance() -> None:
    values = np.array([1.0, 5.0, 3.0, 5.5], np.float32)
    assert chances(values, config(temperature=0.0)).tolist() == [0, 0, 0, 1]
    assert chances(values, config(temperature=0.0), never=3).tolist() == [0, 1, 0, 0]


def test_draws_tell_what_generate_writes_and_the_logits_behind_it() -> None:
    folded, settings = fold(network()), config(length=30, seed=5)
    ids, rows = zip(*draws(folded, SYMBOLS, "ab", settings), strict=True)
    assert "".join(SYMBOLS.symbols[i] for i in ids) == "".join(generate(folded, SYMBOLS, "ab", settings))
    stepper = Stepper(folded)
    forced = [stepper.step(i) for i in [*SYMBOLS.encode("ab").tolist(), *ids]]
    assert np.array_equal(np.stack(rows), np.stack(forced[1:-1]))
