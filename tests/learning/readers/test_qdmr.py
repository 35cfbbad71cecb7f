"""Break: every operator of QDMR as steps, the domains read, and what cannot be said."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from centerlm.errors import InputError
from centerlm.learning.readers import read_qdmr

HEAD = ("question_id", "question_text", "decomposition", "operators", "split")


def write(folder: Path, *rows: tuple[str, ...], name: str = "QDMR_dev.csv") -> Path:
    out = io.StringIO(newline="")
    csv.writer(out).writerows([HEAD, *rows])
    path = folder / name
    path.write_text(out.getvalue(), encoding="utf-8", newline="")
    return path


def row(decomposition: str, operators: str, id_: str = "DROP_dev_1") -> tuple[str, ...]:
    return (id_, "what ?", decomposition, str(operators.split()), "dev")


def steps(folder: Path, decomposition: str, operators: str) -> list[str]:
    read = read_qdmr(write(folder, row(decomposition, operators)))
    assert not read.skipped, read.skipped
    return str(read.guidance[0].plan).splitlines()


@pytest.mark.parametrize(
    ("decomposition", "operators", "plan"),
    [
        (
            "return Salt 2 ;return actor that played in  #1 ;return brother of #2",
            "select project project",
            ["1 [documents] Which actor played in Salt 2?",
             "2 [documents] Who is the brother of #1?"],
        ),
        (
            "return people ;return #1 that were killed ;return number of  #2",
            "select filter aggregate",
            ["1 [documents] Which people were killed?", "2 [calculator] count(#1)"],
        ),
        (
            "return field goals of Ada ;return yards of #1 ;return sum of #2",
            "select project aggregate",
            ["1 [documents] What are the field goals of Ada?",
             "2 [documents each #1] What are the yards of #1?", "3 [calculator] sum(#2)"],
        ),
        (
            "return goals of Ada ;return goals of Bo ;return number of #1 ;return number of #2 ;"
            "return which is lowest of #3 ,  #4",
            "select select aggregate aggregate comparison",
            ["1 [documents] What are the goals of Ada?", "2 [documents] What are the goals of Bo?",
             "3 [calculator] count(#1)", "4 [calculator] count(#2)",
             "5 [calculator] argmin(goals of Ada: #3, goals of Bo: #4)"],
        ),
        (
            "return when was the truce ;return when was the siege of Vell ;"
            "return which was first of #1 ,  #2",
            "select select comparison",
            ["1 [documents] When was the truce?", "2 [documents] When was the siege of Vell?",
             "3 [calculator] earlier(truce: #1, siege of Vell: #2)"],
        ),
        (
            "return year of the truce ;return year of the siege ;"
            "return the  difference of #2 and  #1 in years",
            "select select arithmetic",
            ["1 [documents] What is the year of the siege?",
             "2 [documents] What is the year of the truce?", "3 [calculator] #1 - #2"],
        ),
        (
            "return goals in May ;return goals in June ;return #1 ,  #2",
            "select select union",
            ["1 [documents] What are the goals in May?",
             "2 [documents] What are the goals in June?", "3 [calculator] union(#1, #2)"],
        ),
        (
            "return Ada Brandt ;return Bo Holm ;return teams of both #1 and  #2",
            "select select intersection",
            ["1 [documents] What are the teams of Ada Brandt?",
             "2 [documents] What are the teams of Bo Holm?", "3 [calculator] intersection(#1, #2)"],
        ),
        (
            "return rivers of Istria ;return rivers of Moravia ;return #1 besides  #2",
            "select select discard",
            ["1 [documents] What are the rivers of Istria?",
             "2 [documents] What are the rivers of Moravia?", "3 [calculator] difference(#1, #2)"],
        ),
        (
            "return countries ;return size of #1 ;return #1 where  #2 is highest",
            "select project superlative",
            ["1 [documents] What are the countries?",
             "2 [documents each #1] What is the size of #1?", "3 [calculator] argmax(#1, #2)"],
        ),
        (
            "return median age in Vell ;return is #1 lower than 23",
            "select boolean",
            ["1 [documents] What is the median age in Vell?", "2 [calculator] compare(#1, 23)",
             "3 [calculator] same(#2, less)"],
        ),
        (
            "return capital of Istria ;return if #1 is Norburg",
            "select boolean",
            ["1 [documents] What is the capital of Istria?",
             '2 [calculator] same(#1, "Norburg")'],
        ),
        (
            "return winner in Vell ;return if the Bills beat #1",
            "select boolean",
            ["1 [documents] What is the winner in Vell?",
             "2 [documents] Is it true that the Bills beat #1?"],
        ),
        (
            "return goals of Ada ;return yards of #1 ;return the average of #2",
            "select project aggregate",
            ["1 [documents] What are the goals of Ada?",
             "2 [documents each #1] What are the yards of #1?", "3 [calculator] sum(#2)",
             "4 [calculator] count(#2)", "5 [calculator] #3 / #4"],
        ),
        (
            "return clubs of Vell ;return matches of #1 ;return number of #2 for each #1 ;"
            "return #1 where #3 is the highest",
            "select project group comparative",
            ["1 [documents] What are the clubs of Vell?",
             "2 [documents each #1] How many matches of #1?", "3 [calculator] argmax(#1, #2)"],
        ),
        (
            "return goals ;return yards of #1 ;return #1 where #2 is higher than 35 ;"
            "return number of #3",
            "select project comparative aggregate",
            ["1 [documents] What are the goals with yards higher than 35?",
             "2 [calculator] count(#1)"],
        ),
        (
            "return goals of Ada ;return the second of #1 ;return #1 besides #2 ;"
            "return the  largest of #3",
            "select project discard aggregate",
            ["1 [documents] What are the goals of Ada?",
             "2 [documents] What is the second of #1?", "3 [calculator] difference(#1, #2)",
             "4 [documents] What is the largest of #3?"],
        ),
    ],
)  # fmt: skip
def test_operators(tmp_path: Path, decomposition: str, operators: str, plan: list[str]) -> None:
    assert steps(tmp_path, decomposition, operators) == plan


@pytest.mark.parametrize(
    ("decomposition", "operators", "kind"),
    [
        ("return a ;return b of #1 ;return which is true of #1 , #2",
         "select project comparison", "comparison"),
        ("return a ;return goals of #1 ;return sum of #2 for each #1",
         "select project group", "group"),
        ("return a ;return #1 where #1 is in #1", "select comparative", "filter by value"),
        ("return dates ;return months of #1 and #1 in months", "select arithmetic", "arithmetic"),
        ("return percent besides #1", "discard", "malformed"),
        ("return men ;return percent besides #1", "select discard", "discard"),
        ("return men ;return #1 sorted by age", "select sort", "sort"),
        ("return men ;return #2 of b", "select project", "malformed"),
        ("return men", "select project", "malformed"),
        ("return men return women", "select", "malformed"),
        ("return men", "mingle", "unknown operator"),
        ("return " + "x" * 250, "select", "too long"),
        ("return if is #1 the " * 5_000, "boolean", "too long"),
        (";".join(["return men"] * 99), "select " * 99, "too many steps"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_listed(
    tmp_path: Path, decomposition: str, operators: str, kind: str
) -> None:
    read = read_qdmr(write(tmp_path, row(decomposition, operators)))
    assert ([s.kind for s in read.skipped], read.guidance) == ([kind], ())
    assert read.skipped[0].where.endswith("QDMR_dev.csv:2")


ROWS = [
    row("return rivers of Istria", "select", id_)
    for id_ in ("DROP_dev_1", "CLEVR_dev_2", "HOTPOT_dev_3", "GEO_dev_4")
]


def test_other_domains_and_hotpot_are_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path, *ROWS)
    read = read_qdmr(path)
    assert [g.by for g in read.guidance] == ["qdmr:drop"]
    assert read.counts == {
        "qdmr: clevr left out": 1, "qdmr: hotpot left out": 1, "qdmr: geo left out": 1,
    }  # fmt: skip
    assert [g.by for g in read_qdmr(path, domains=["hotpot"]).guidance] == []
    more = read_qdmr(path, domains=["clevr"], hotpot=True)
    assert [(g.by, g.plan.steps[0].sources[0]) for g in more.guidance] == [
        ("qdmr:clevr", "image"), ("qdmr:hotpot", "documents"),
    ]  # fmt: skip


def test_ids_of_the_two_files_differ(tmp_path: Path) -> None:
    low = read_qdmr(write(tmp_path, ROWS[0])).guidance[0].id
    high = read_qdmr(write(tmp_path, ROWS[0], name="QDMR-high-level_dev.csv")).guidance[0].id
    assert (low, high) == ("DROP_dev_1", "DROP_dev_1:high")


def test_rows_with_other_columns_or_operators_are_listed_by_line(tmp_path: Path) -> None:
    broken = (("DROP_dev_1", "two\nlines"), ("DROP_dev_2", "q", "return a", "nonsense(", "dev"))
    read = read_qdmr(write(tmp_path, *broken, ROWS[0]))
    assert [(s.where.rpartition(":")[2], s.kind) for s in read.skipped] == [
        ("2", "not a record"), ("4", "not a record"),
    ]  # fmt: skip
    assert len(read.guidance) == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"a,b\n1,2\n", "no column 'question_id'"), (b"\xff\xfea,b", "not UTF-8"), (b"", "no column")],
)
def test_what_is_no_csv_of_break_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "QDMR_dev.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_qdmr(path)
