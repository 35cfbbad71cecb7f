from __future__ import annotations

from pathlib import Path

import pytest

from books_data import long_novel, novel
from centerlm.errors import InputError
from centerlm.evaluation.novels import Novel, dev_novels, positions, read_novels


def test_dev_are_authors_of_whom_nothing_appeared_before() -> None:
    path = Path("x.txt")
    novels = [
        Novel(path, "Early", "A", 1850),
        Novel(path, "Early", "B", 1900),
        Novel(path, "Late", "C", 1890),
    ]
    assert [n.title for n in dev_novels(novels)] == ["C"]
    unknown = [Novel(path, "", "D", 0)]
    assert dev_novels(unknown) == unknown


def test_a_folder_with_its_table(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.txt").write_text("text")
    table = tmp_path / "metadata.csv"
    table.write_text("file,author,title,year\na.txt,Ann,First,1890\n")
    (read,) = read_novels(tmp_path)
    assert (read.author, read.title, read.year) == ("Ann", "First", 1890)
    table.write_text("file,author,title,year\nb.txt,Ann,First,1890\n")
    with pytest.raises(InputError, match=r"b\.txt.*not in"):
        read_novels(tmp_path)
    (tmp_path / "empty").mkdir()
    table.unlink()
    with pytest.raises(InputError, match="has no novels"):
        read_novels(tmp_path / "empty")


def test_positions_are_before_paragraphs_and_nothing_is_shown_twice() -> None:
    text = long_novel()
    found = positions(text, 5)
    assert len(found) == 5 and [p.at for p in found] == sorted(p.at for p in found)
    for position in found:
        following = " ".join(text[position.at :].split())
        assert following.startswith(position.passage)
        assert not following.startswith(position.later)
        assert position.later.split(". ")[0] in following
        assert len({position.passage, position.later, *position.distractors}) == 6
        before = " ".join(text[: position.at].split())
        assert all(d not in before and d in following for d in position.distractors)
        assert before.endswith(position.last_chapter)
        assert following.startswith(position.chapter)
    assert positions(text, 5) == found


@pytest.mark.parametrize("text", ["", "Two lines.\nNo more.", novel(1)[:300]])
def test_short_texts_have_no_positions(text: str) -> None:
    assert positions(text) == []
