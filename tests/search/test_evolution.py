"""The search: it keeps the best, pays for nothing twice, forgets nothing, and is the same whenever it is run."""

import itertools
import math
from collections import Counter

import pytest
import torch

from workbench.nets.training.checkpoint import CheckpointError
from workbench.search import Evolution, Found, Stage, evolve, number_of_switches


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def flip(state, generator):
    """One, two or three of the bits turned around."""
    state = list(state)
    for place in torch.randperm(len(state), generator=generator)[: number_of_switches(generator)].tolist():
        state[place] = 1 - state[place]
    return tuple(state)


class Counted:
    """A fitness that writes down what it was asked: squared distance to a target, and a bias that fades with the samples."""

    def __init__(self, target=(1, 0, 1, 1, 0, 1, 0, 1, 1, 0), stop_after=math.inf):
        self.target, self.stop_after, self.asked = target, stop_after, []

    def __call__(self, state, stage):
        if len(self.asked) >= self.stop_after:
            raise KeyboardInterrupt
        self.asked.append((state, stage))
        far = sum((a - b) ** 2 * (1 + k) for k, (a, b) in enumerate(zip(state, self.target, strict=True)))
        return far + state[0] / stage.samples


START = (0,) * 10
STAGES = Evolution(generations=12, offspring=8, stages=(Stage(2, 4), Stage(8, 2), Stage(32, 1)))


def test_it_finds_the_best_and_never_loses_it():
    found = evolve(START, flip, Counted(), Evolution(25, 8), generator=seeded())
    assert found.best == Counted().target
    best = [one.fitness for one in found.history]
    assert all(b <= a for a, b in itertools.pairwise(best)) and best[0] > best[-1]
    assert [one.number for one in found.history] == list(range(26))


@pytest.mark.parametrize("seed", range(3))
def test_it_keeps_the_account(seed):
    fitness = Counted()
    found = evolve(START, flip, fitness, STAGES, generator=seeded(seed))
    assert found.evaluations == len(fitness.asked) == found.history[-1].evaluations
    assert found.samples == sum(stage.samples for _, stage in fitness.asked)
    assert found.fitness == Counted()(found.best, STAGES.stages[-1])
    assert len(set(fitness.asked)) == len(fitness.asked), "nothing is paid for twice"
    assert all(b.samples - a.samples <= STAGES.samples_a_generation for a, b in itertools.pairwise(found.history))


def test_the_stages_are_a_sieve():
    """Eight children see the first stage, the four best of them the second, the two best of those the third; the parent none."""
    fitness = Counted()
    evolve(START, flip, fitness, Evolution(1, 8, STAGES.stages), generator=seeded(1))
    assert fitness.asked[0] == (START, Stage(32, 1))
    by_stage = {stage: [state for state, seen in fitness.asked[1:] if seen == stage] for stage in STAGES.stages}
    assert [len(states) for states in by_stage.values()] == [8, 4, 2] and START not in by_stage[Stage(2, 4)]
    for one, two in itertools.pairwise(STAGES.stages):
        ranked = sorted(by_stage[one], key=lambda state: Counted()(state, one))
        assert set(by_stage[two]) == set(ranked[: one.survivors])


def test_a_child_must_beat_its_parent_on_the_last_stage():
    """A fitness that flatters every child on few samples, and a start that is already the best."""
    flattering = lambda state, stage: 0.0 if stage.samples < 32 else Counted()(state, stage)  # noqa: E731
    found = evolve(Counted().target, flip, flattering, STAGES, generator=seeded())
    assert found.best == Counted().target


def test_the_same_seed_finds_the_same_and_another_one_goes_another_way():
    one, two, other = (evolve(START, flip, Counted(), STAGES, generator=seeded(seed)) for seed in (3, 3, 4))
    assert one == two
    assert one.known != other.known


def test_whoever_is_interrupted_keeps_the_best():
    whole = evolve(START, flip, Counted(), STAGES, generator=seeded(5))
    assert not whole.interrupted
    for after in (1, 2, 30, 70):
        part = evolve(START, flip, Counted(stop_after=after), STAGES, generator=seeded(5))
        assert part.interrupted and part.history == whole.history[: len(part.history)]
        assert part.fitness == Counted()(part.best, STAGES.stages[-1]) == whole.history[len(part.history) - 1].fitness
        assert part.evaluations <= after
    assert len(part.history) > 3 and part.fitness < whole.history[0].fitness


@pytest.mark.parametrize("after", [1, 5, 40, 90])
def test_a_search_goes_on_as_if_nothing_had_happened(tmp_path, after):
    path = tmp_path / "in" / "search.pt"
    whole = evolve(START, flip, Counted(), STAGES, generator=seeded(6))
    part = evolve(START, flip, Counted(stop_after=after), STAGES, generator=seeded(6), checkpoint=path)
    assert part.interrupted and part.evaluations < whole.evaluations
    again = Counted()
    rest = evolve(START, flip, again, STAGES, generator=seeded(6), checkpoint=path)
    assert rest == whole
    assert len(again.asked) == 1 + whole.evaluations - part.evaluations, "the start once more, and what was not done"


def test_a_finished_search_is_read_and_can_be_prolonged(tmp_path):
    path, longer = tmp_path / "search.pt", Evolution(20, 8, STAGES.stages)
    whole = evolve(START, flip, Counted(), longer, generator=seeded(7))
    evolve(START, flip, Counted(), STAGES, generator=seeded(7), checkpoint=path, save_every=5)
    assert evolve(START, flip, Counted(), longer, generator=seeded(7), checkpoint=path) == whole
    read = Counted()
    assert evolve(START, flip, read, longer, generator=seeded(7), checkpoint=path) == whole and len(read.asked) == 1


def test_a_crash_loses_no_more_than_one_generation(tmp_path):
    path = tmp_path / "search.pt"

    class Broken(Counted):
        def __call__(self, state, stage):
            if len(self.asked) == 40:
                raise RuntimeError("out of memory")
            return super().__call__(state, stage)

    with pytest.raises(RuntimeError, match="out of memory"):
        evolve(START, flip, Broken(), STAGES, generator=seeded(8), checkpoint=path)
    assert not list(tmp_path.glob("*.part"))
    rest = evolve(START, flip, Counted(), STAGES, generator=seeded(8), checkpoint=path)
    assert rest == evolve(START, flip, Counted(), STAGES, generator=seeded(8))


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"settings": Evolution(12, 9, STAGES.stages)}, "offspring: the checkpoint has 8, you ask for 9"),
        ({"generator": seeded(10)}, "seed"),
        ({"start": (1,) * 10}, "start"),
        ({"fitness": Counted((0, 1, 1, 1, 1, 1, 1, 1, 1, 1))}, "fitness of the start"),
    ],
)
def test_a_checkpoint_of_another_search_is_refused(tmp_path, change, differs):
    given = {"start": START, "mutate": flip, "fitness": Counted(), "settings": STAGES, "checkpoint": tmp_path / "search.pt"}
    evolve(**given, generator=seeded(9))
    with pytest.raises(CheckpointError, match=differs):
        evolve(**(given | {"generator": seeded(9)} | change))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, torch.tensor(math.nan)])
def test_what_is_not_finite_fools_nobody(bad):
    """Half of all states answer with ``bad``, the start among them."""
    honest = Counted()
    fitness = lambda state, stage: bad if state[0] == 0 else honest(state, stage)  # noqa: E731
    found = evolve(START, flip, fitness, Evolution(25, 8, tries=5), generator=seeded(11))
    assert found.history[0].fitness == math.inf and found.best == honest.target and math.isfinite(found.fitness)
    lost = evolve(START, flip, lambda state, stage: bad, Evolution(3, 4), generator=seeded(11))
    assert lost.fitness == math.inf and len(lost.history) == 4


def test_equal_fitness_may_drift():
    """On a plateau the search moves, which it must to cross one; it never moves upward."""
    stairs = lambda state, stage: float(max(4 - sum(state), 0) // 4)  # noqa: E731
    found = evolve(START, lambda s, g: flip(s, g), stairs, Evolution(30, 2), generator=seeded(12))
    assert found.fitness == 0.0


def test_a_small_space_is_exhausted_and_then_costs_nothing():
    fitness = Counted()
    found = evolve(
        (0, 0, 0), flip, lambda s, stage: fitness(s + START[3:], stage), Evolution(20, 4, tries=10), generator=seeded(13)
    )
    assert found.evaluations == 8 == len(fitness.asked) and found.history[-1].number == 20


def test_the_callback_sees_every_generation_and_the_bar_is_shown(capsys):
    seen: list[Found] = []
    found = evolve(START, flip, Counted(), STAGES, generator=seeded(14), callback=seen.append, progress=True)
    assert [one.history for one in seen] == [found.history[: k + 1] for k in range(13)]
    assert "12/12" in capsys.readouterr().err
    evolve(START, flip, Counted(), STAGES, generator=seeded(14))
    assert capsys.readouterr().err == ""


def test_what_cannot_be_done_is_said_before_any_work(tmp_path):
    fitness = Counted()
    with pytest.raises(TypeError, match="pass generator=torch.Generator|violates type hint"):
        evolve(START, flip, fitness, generator=None)
    with pytest.raises(TypeError, match="unhashable|violates type hint"):
        evolve([0, 1], flip, fitness, generator=seeded())
    with pytest.raises(ValueError, match="save_every=0"):
        evolve(START, flip, fitness, generator=seeded(), checkpoint=tmp_path / "x", save_every=0)
    with pytest.raises(ValueError, match="is a folder"):
        evolve(START, flip, fitness, generator=seeded(), checkpoint=tmp_path)
    assert not fitness.asked
    with pytest.raises(TypeError, match="returned str; it must return one number"):
        evolve(START, flip, lambda state, stage: "low", generator=seeded())
    with pytest.raises(TypeError, match="returned Tensor"):
        evolve(START, flip, lambda state, stage: torch.ones(2), generator=seeded())


def test_settings_are_checked():
    for bad in ({"generations": -1}, {"offspring": 0}, {"tries": 0}, {"offspring": 2.0}):
        with pytest.raises((ValueError, TypeError), match="need to be at least 1|violates type hint"):
            Evolution(**bad)
    with pytest.raises(ValueError, match="no stages"):
        Evolution(stages=())
    for stages in ((Stage(4, 2), Stage(2, 1)), (Stage(2, 2), Stage(4, 3), Stage(5, 1))):
        with pytest.raises(ValueError, match="samples grow and survivors shrink"):
            Evolution(stages=stages)
    for stages in ((Stage(4, 2),), (Stage(4, 17), Stage(8, 1))):
        with pytest.raises(ValueError, match="the last stage leaves one and the first no more than the 16 children"):
            Evolution(stages=stages)
    with pytest.raises(ValueError, match="at least one sample"):
        Stage(0, 1)
    assert STAGES.samples_a_generation == 8 * 2 + 4 * 8 + 2 * 32
    with pytest.raises(AttributeError):
        STAGES.offspring = 3


def test_sizes_of_mutations():
    generator, n = seeded(15), 9000
    counts = Counter(number_of_switches(generator) for _ in range(n))
    for size, share in {1: 5 / 9, 2: 3 / 9, 3: 1 / 9}.items():
        assert abs(counts[size] - n * share) < 5 * (n * share * (1 - share)) ** 0.5
    assert number_of_switches(generator, 1) == 1
    with pytest.raises(ValueError, match="at least one switch"):
        number_of_switches(generator, 0)
