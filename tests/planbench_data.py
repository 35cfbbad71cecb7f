"""A small domain in the layout of PlanBench: things are taken, and put on one another."""

from __future__ import annotations

import json
from pathlib import Path

DOMAIN = """(define (domain shelf) (:requirements :strips)
(:predicates (free ?x) (hand) (held ?x) (below ?x ?y))
(:action take :parameters (?x) :precondition (and (free ?x) (hand))
 :effect (and (held ?x) (not (free ?x)) (not (hand))))
(:action put :parameters (?x ?y) :precondition (and (held ?x) (free ?y))
 :effect (and (below ?y ?x) (free ?x) (hand) (not (held ?x)) (not (free ?y)))))
"""
PROBLEM = """(define (problem p) (:domain shelf) (:objects a b c)
(:init (free a) (free b) (free c) (hand)) (:goal (and (below a b) (below b c))))
"""
PLAN = "take blue; put blue red; take green; put green blue"


def planbench(folder: Path, name: str = "shelf") -> Path:
    """A domain in the layout of PlanBench, with one instance; returns its folder."""
    base = folder / "planbench"
    (base / "instances" / "shelf" / "basic").mkdir(parents=True)
    (base / "instances" / "shelf" / "domain.pddl").write_text(DOMAIN)
    (base / "instances" / "shelf" / "basic" / "instance-7.pddl").write_text(PROBLEM)
    (base / name).mkdir()
    (base / name / "config.yaml").write_text(
        "instance_dir: shelf/basic\ndomain_file: shelf/domain.pddl\n"
        "instances_template: instance-{}.pddl\n"
        'encoded_objects: {"a": "red block", "b": "blue block", "c": "green block"}\n'
    )
    query = "Take and put blocks.\n[STATEMENT]\nExample.\n[STATEMENT]\nGoal: all.\nMy plan is:\n"
    row = {"instance_id": 7, "query": query,
           "ground_truth_plan": "\n".join(f"({a})" for a in PLAN.split("; "))}  # fmt: skip
    (base / name / "task_1_plan_generation.json").write_text(json.dumps({"instances": [row]}))
    return base / name
