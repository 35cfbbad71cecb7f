"""The demonstration: a library of real facts in short articles, and six questions about it."""

from centerlm.demo.articles import build_demo_library
from centerlm.demo.questions import QUESTIONS, DemoQuestion, demo_questions, is_right

__all__ = ["QUESTIONS", "DemoQuestion", "build_demo_library", "demo_questions", "is_right"]
