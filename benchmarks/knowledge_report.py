"""The report of knowledge.py: JSON, Markdown, and the figure of accuracy by hops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from centerlm.evaluation.statistics import mcnemar, paired_difference
from centerlm.finding import Usage
from knowledge_runs import ARMS, Outcome, Recall
from knowledge_training import FORMATS, Taught
from reporting import config_lines, percent, share_of, table, versions, write

PACKAGES = ("centerlm", "torch", "transformers", "peft", "numpy", "tokenizers", "xllamacpp")
_COLOURS = {
    "a": "#9a9a9a",
    "b": "#c58b2a",
    "c": "#b0413e",
    "d": "#2a6fb0",
    "e": "#2c8a57",
    "f": "#c58b2a",
    "g": "#b0413e",
}
_LABELS = {
    "a": "(a) model asked directly",
    "b": "(b) trained on answers",
    "c": "(c) trained on chains of thought",
    "d": "(d) center asks the same model",
    "e": "(e) center asks three experts",
    "f": "(f) as (d), its center trained on answers",
    "g": "(g) as (d), its center trained on chains",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """What one seed gave."""

    seed: int
    taught: Mapping[str, Taught]
    recalls: Sequence[Recall]
    outcomes: Sequence[Outcome]


def write_report(
    measured: Sequence[Measured], config: Mapping[str, Any], out: Path, name: str
) -> Path:
    """Write NAME.json, NAME.md and NAME.svg; returns the Markdown."""
    outcomes = [outcome for m in measured for outcome in m.outcomes]
    arms = [arm for arm in ARMS if any(o.arm == arm for o in outcomes)]
    report: dict[str, Any] = {
        "scenario": "knowledge",
        "arms": {arm: _arm([o for o in outcomes if o.arm == arm]) for arm in arms},
        "recall": _recall(measured),
        "training": {
            str(m.seed): {name: taught.record for name, taught in m.taught.items()}
            for m in measured
        },
        "paired": _paired(measured, arms),
        "config": {**config, "versions": versions(PACKAGES)},
    }
    out.mkdir(parents=True, exist_ok=True)
    draw(report, out / f"{name}.svg")
    return write(out, name, report, as_markdown(report, f"{name}.svg"))


def _arm(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    hops = sorted({o.hops for o in outcomes})
    usage = sum((o.usage for o in outcomes), Usage())
    planned = {
        str(h): share_of([bool(o.planned) for o in outcomes if o.hops == h])
        for h in hops
        if outcomes[0].planned is not None
    }
    return {
        "what": ARMS[outcomes[0].arm],
        "hops": {str(h): share_of([o.right for o in outcomes if o.hops == h]) for h in hops},
        "planned": planned,
        "calls_a_question": round(usage.calls / len(outcomes), 2),
        "tokens_a_question": round(usage.tokens / len(outcomes)),
    }


def _recall(measured: Sequence[Measured]) -> dict[str, Any]:
    """By model, over all seeds: the share of single facts right."""
    found: dict[str, Any] = {}
    for name in dict.fromkeys(recall.model for m in measured for recall in m.recalls):
        mine = [recall for m in measured for recall in m.recalls if recall.model == name]
        unseen = [ok for recall in mine for ok in recall.held_out]
        found[name] = {
            "trained wording": share_of([ok for recall in mine for ok in recall.trained]),
            "held-out wording": share_of(unseen) if unseen else None,
        }
    return found


def _paired(measured: Sequence[Measured], arms: Sequence[str]) -> list[dict[str, Any]]:
    """The arms of the center against each other arm, on the same questions of 2 hops or more."""
    lines: list[dict[str, Any]] = []
    for first in (arm for arm in ("d", "e") if arm in arms):
        for second in (arm for arm in ("a", "b", "c", "f", "g") if arm in arms):
            ours, theirs = (
                {(m.seed, o.id): o.right for m in measured for o in m.outcomes if o.arm == arm}
                for arm in (first, second)
            )
            hops = {(m.seed, o.id): o.hops for m in measured for o in m.outcomes}
            both = [key for key in ours if key in theirs and hops[key] > 1]
            if both:
                pair = [ours[key] for key in both], [theirs[key] for key in both]
                lines.append(
                    {
                        "first": first,
                        "second": second,
                        "n": len(both),
                        "difference": asdict(paired_difference(*pair)),
                        "mcnemar": asdict(mcnemar(*pair)),
                    }
                )
    return lines


def draw(report: Mapping[str, Any], target: Path) -> None:
    """Accuracy by hops with 95 % bars, one line an arm."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # No time and no random ids in the file: the same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "centerlm"
    figure, axes = pyplot.subplots(figsize=(7.2, 4.2))
    count = len(report["arms"])
    for number, (arm, entry) in enumerate(report["arms"].items()):
        hops = entry["hops"]
        at = [int(h) + 0.07 * (number - (count - 1) / 2) for h in hops]
        values = [100 * share["value"] for share in hops.values()]
        low = [100 * (share["value"] - share["low"]) for share in hops.values()]
        high = [100 * (share["high"] - share["value"]) for share in hops.values()]
        axes.errorbar(
            at,
            values,
            yerr=[low, high],
            marker="o",
            markersize=5,
            linewidth=2 if arm in ("d", "e") else 1.4,
            linestyle="--" if arm in ("f", "g") else "-",
            elinewidth=0.8,
            color=_COLOURS[arm],
            label=_LABELS[arm],
        )
    known = report["recall"].get("all")
    if known:
        axes.axhline(
            100 * known["trained wording"]["value"], color="black", linestyle=":", linewidth=1
        )
        axes.annotate(
            "single facts recalled",
            (1, 100 * known["trained wording"]["value"]),
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xlabel("facts that the question joins (hops)")
    axes.set_ylabel("answers right, %")
    axes.set_ylim(0, 105)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 0.95))
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
    pyplot.close(figure)


def as_markdown(report: Mapping[str, Any], plot: str) -> str:
    config, arms = report["config"], report["arms"]
    hops = sorted({h for entry in arms.values() for h in entry["hops"]}, key=int)
    lines = [
        "# Knowledge in weights",
        "",
        "One model learns all single facts of a fictional world by heart, three experts a field of "
        f"them each ({' and '.join(map(str, config['facts']))} facts; no documents anywhere). Then "
        "questions are asked that join facts which no trained question joins. Same facts, same "
        "base, same recall: only "
        f"the way to the answer differs. Trained compositions have {config['trained_hops']} hops. "
        "Per cent right (exact match) with 95 % intervals (Wilson).",
        "",
        f"![answers right by hops]({plot})",
        "",
        *table(
            ["", "way", *hops, "calls", "tokens"],
            [
                [
                    f"({arm})",
                    entry["what"],
                    *(percent(entry["hops"].get(h)) for h in hops),
                    f"{entry['calls_a_question']:g}",
                    str(entry["tokens_a_question"]),
                ]
                for arm, entry in arms.items()
            ],
        ),
        "",
        "Calls and tokens are a question's, over all hops.",
        "",
        "## Where the center fails",
        "",
        "Questions of which the plans of all levels are word for word the right ones; what is "
        "wrong beyond that is a fact not recalled.",
        "",
        *table(
            ["", *hops],
            [
                [f"({arm}), all plans right", *(percent(entry["planned"].get(h)) for h in hops)]
                for arm, entry in arms.items()
                if entry["planned"]
            ],
        ),
        "",
        "## Single facts recalled",
        "",
        *table(
            ["model", "facts", "wording of the compositions", "wording never trained"],
            [
                [
                    name,
                    str(entry["trained wording"]["n"]),
                    percent(entry["trained wording"]),
                    percent(entry["held-out wording"]),
                ]
                for name, entry in report["recall"].items()
            ],
        ),
        "",
        "## The center against the other ways, 2 hops and more",
        "",
        "The same questions, in percentage points.",
        "",
        *table(
            ["first", "second", "n", "difference", "McNemar p"],
            [
                [
                    *(f"({pair['first']})", f"({pair['second']})", str(pair["n"])),
                    percent(pair["difference"], sign="+"),
                    f"{pair['mcnemar']['p']:.2g}",
                ]
                for pair in report["paired"]
            ],
        ),
        "",
        "## What was trained",
        "",
        "Tokens are those computed; what examples of a row share is computed once. The answers and "
        "chains of (b) and (c) go on from the model of (a), with single facts again on top of the "
        "tokens that the center processes; the center starts from the base and sees no answer. "
        f"Those of (f) and (g) start there too and process as many tokens: {FORMATS} of the "
        "center's plans, and answers of compositions and their parts, or plans worked out with "
        "their answers in one reply. (d), (f) and (g) differ by the center's training alone.",
        "",
        *table(
            ["seed", "model", "tokens", "updates", "known after each round of facts"],
            [
                [
                    seed,
                    name,
                    f"{record['tokens']:,}",
                    str(record["updates"]),
                    ", ".join(f"{100 * share:.1f}" for share in record.get("recall_by_round", ())),
                ]
                for seed, models in report["training"].items()
                for name, record in models.items()
            ],
        ),
    ]
    return "\n".join([*lines, *config_lines(config)]) + "\n"
