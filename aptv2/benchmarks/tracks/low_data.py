"""Few examples: networks fine-tuned on k animals a species, drawn with several seeds.

The paper shows low-data fine-tuning in a figure; its numbers of animals and its AP are not known
here, so nothing published stands beside ours. Training starts from weights of AP-10K and has a
schedule in steps (:mod:`aptv2.benchmarks.few`).
"""

from __future__ import annotations

from aptv2.benchmarks.cells import TITLES, Cell, Entry, Plan, Table, Training, ap

NAME = "low-data"
NETWORKS = ("hrnet_w32", "vitpose_b", "vitpose_l")
INIT = "ap10k"


def _cell(network: str, shots: int, seed: int, plan: Plan) -> Cell:
    variant = f"{network}-k{shots}-seed{seed}"
    training = Training(
        f"aptv2-low-{variant}",
        network,
        INIT,
        few=shots,
        few_seed=seed,
        official=plan.official,
    )
    return Cell(NAME, variant, training, plan.boxes, official=plan.official)


def cells(plan: Plan) -> list[Cell]:
    """One a network, number of animals and seed; those we draw by one seed are nested."""
    return [
        _cell(network, shots, seed, plan)
        for seed in range(plan.seeds)
        for shots in plan.shots
        for network in NETWORKS
    ]


def tables(plan: Plan) -> list[Table]:
    """Mean AP over the seeds."""
    entries = {
        (TITLES[network], f"k = {shots}"): Entry(
            tuple(ap(_cell(network, shots, seed, plan)) for seed in range(plan.seeds)), seeds=True
        )
        for network in NETWORKS
        for shots in plan.shots
    }
    note = (
        f"k labelled animals a species; mean and spread over {plan.seeds} seeds. The paper has a "
        "figure of low-data fine-tuning, whose numbers are not known here."
    )
    rows, columns = (
        tuple(TITLES[network] for network in NETWORKS),
        tuple(f"k = {shots}" for shots in plan.shots),
    )
    return [Table(NAME, "Low data", rows, columns, entries, note)]
