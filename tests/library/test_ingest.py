from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from word_embedder import WordEmbedder

from centerlm.errors import InputError, LibraryError
from centerlm.library import IngestReport, Library, Problem, Progress, media, store, writing
from centerlm.library.document import Document


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "harbour.txt").write_text("The harbour of Aland is deep and never freezes.")
    (folder / "deep" / "tower.md").write_text("# Tower\n\nThe tower of Borg has ninety steps.")
    (folder / "deep" / "program.bin").write_bytes(b"\x7fELF")
    (folder / ".hidden.txt").write_text("nobody sees this")
    return folder


def counts(report: IngestReport) -> tuple[int, int, int, int]:
    return report.added, report.changed, report.unchanged, report.removed


def titles(library: Library, query: str) -> list[str]:
    return [passage.title for passage in library.search(query, 3, mode="words")]


def test_only_what_changed_is_read_again(tmp_path: Path, folder: Path) -> None:
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        report = library.ingest([folder])
        assert counts(report) == (2, 0, 0, 0)
        assert (report.ignored, report.documents, report.passages) == (1, 2, 2)
        assert counts(library.ingest([folder])) == (0, 0, 2, 0)

        (folder / "harbour.txt").write_text("The harbour of Aland was filled up with sand.")
        os.utime(folder / "deep" / "tower.md", ns=(1, 1))  # touched, but the same
        assert counts(library.ingest([folder])) == (0, 1, 1, 0)
        assert counts(library.ingest([folder])) == (0, 0, 2, 0)
        assert titles(library, "freezes") == []
        assert titles(library, "sand") == ["harbour"]

        (folder / "deep" / "tower.md").unlink()
        assert counts(library.ingest([folder])) == (0, 0, 1, 1)
        assert titles(library, "tower steps") == []
        assert library.stats().passages == 1


def test_removed_files_leave_only_with_their_folder_in_sight(tmp_path: Path, folder: Path) -> None:
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        library.ingest([folder])
        shutil.move(folder, tmp_path / "unplugged")
        report = library.ingest([folder / "deep"])
        assert counts(report) == (0, 0, 0, 0)
        assert "does not exist" in report.problems[0].reason
        assert library.stats().files == 2
        shutil.move(tmp_path / "unplugged", folder)
        (folder / "harbour.txt").unlink()
        assert counts(library.ingest([folder / "harbour.txt"])) == (0, 0, 0, 1)


def test_without_the_extra_media_files_say_what_to_install(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(media, "installed", lambda module: module != "av")
    (folder / "deep" / "talk.mp4").write_bytes(b"\0" * 99)
    install = "av is not installed; run: pip install 'centerlm[media]'"
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        report = library.ingest([folder])
        assert (counts(report), report.problems) == ((2, 0, 0, 0), ())
        assert report.remarks == (f"a picture, recording or video was passed over: {install}",)
        path = folder / "deep" / "talk.mp4"
        report = library.ingest([path])
        assert [problem.reason for problem in report.problems] == [f"{path} is not read: {install}"]
        assert report.remarks == ()


def test_files_in_a_folder_that_may_not_be_looked_into_stay() -> None:
    place = Path(tempfile.mkdtemp())
    folder = place / "docs"
    (folder / "deep").mkdir(parents=True)
    for path in (folder / "a.txt", folder / "deep" / "b.txt"):
        path.write_text("The harbour of Aland is deep.")
    root = os.geteuid() == 0
    try:
        if root:  # nothing is locked to root
            for path in (place, folder):
                path.chmod(0o777)
            os.seteuid(65534)
        with Library.open(place / "library", create=True, embedder=None) as library:
            assert counts(library.ingest([folder])) == (2, 0, 0, 0)
            os.seteuid(os.getuid())
            (folder / "deep").chmod(0)
            if root:
                os.seteuid(65534)
            report = library.ingest([folder, folder / "deep" / "b.txt"])
            assert counts(report) == (0, 0, 1, 0)
            assert "check permissions" in report.problems[0].reason
    finally:
        os.seteuid(os.getuid())
        (folder / "deep").chmod(0o755)
        shutil.rmtree(place)


def test_bad_files_are_listed_and_the_rest_goes_on(tmp_path: Path, folder: Path) -> None:
    (folder / "empty.txt").touch()
    (folder / "binary.md").write_bytes(b"\x00\x01" * 99)
    (folder / "book.pdf").write_bytes(b"%PDF-1.4")
    (folder / "loop").symlink_to(folder)
    (folder / "self.txt").symlink_to(folder / "self.txt")
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        long = "l" * 300
        report = library.ingest([folder, tmp_path / "no.txt", "bad\0path", tmp_path / long])
        assert counts(report)[0] == 2
        files = sorted(Path(problem.file).name for problem in report.problems)
        bad = ["bad\0path", "binary.md", "book.pdf", "empty.txt", long, "no.txt", "self.txt"]
        assert files == bad
        assert all("\n" not in problem.reason for problem in report.problems)


def test_a_pipe_with_the_name_of_a_video_is_listed_and_not_waited_for(
    tmp_path: Path, folder: Path
) -> None:
    pipe = folder / "talk.mp4"
    os.mkfifo(pipe)
    release = threading.Timer(5, lambda: os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)))
    release.start()
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        report = library.ingest([folder, pipe])
    release.cancel()
    assert counts(report)[0] == 2
    assert [p.reason for p in report.problems] == [
        f"{pipe} is not a file that can be read; give documents or folders"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_no_text_is_listed_and_the_rest_goes_on(
    tmp_path: Path, folder: Path
) -> None:
    bad = folder / os.fsdecode(b"caf\xe9.txt")
    bad.write_text("Nobody can cite this.")
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        report = library.ingest([folder, bad])
        assert counts(report)[0] == 2
        assert [Path(problem.file).name for problem in report.problems] == ["caf\ufffd.txt"] * 2
        assert "caf\ufffd.txt is not UTF-8; rename it" in report.problems[0].reason


def test_a_file_that_turns_bad_leaves_what_the_library_had(tmp_path: Path, folder: Path) -> None:
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        library.ingest([folder])
        (folder / "harbour.txt").write_bytes(b"\x00\x01\x02")
        report = library.ingest([folder])
        assert "what the library had of it stays" in report.problems[0].reason
        assert titles(library, "harbour") == ["harbour"]


def test_vectors_are_made_once_and_again_for_another_model(
    tmp_path: Path, folder: Path, embedder: WordEmbedder
) -> None:
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        report = library.ingest([folder])
        assert report.without_vectors == 2
    with Library.open(tmp_path / "library", embedder=embedder) as library:
        assert library.ingest([folder]).without_vectors == 0
        library.ingest([folder])
        assert embedder.embedded == 2
        (folder / "harbour.txt").write_text("Nothing is left of it.")
        library.ingest([folder])
        assert embedder.embedded == 3
        assert library.stats().with_vectors == 2
    other = WordEmbedder()
    other.name = "other"
    with Library.open(tmp_path / "library", embedder=other) as library:
        library.ingest([folder])
        assert other.embedded == 2


def test_a_file_that_was_moved_is_not_embedded_again(
    tmp_path: Path, folder: Path, embedder: WordEmbedder
) -> None:
    with Library.open(tmp_path / "library", create=True, embedder=embedder) as library:
        library.ingest([folder])
        shutil.move(folder / "harbour.txt", folder / "deep" / "harbour.txt")
        shutil.move(folder / "deep" / "tower.md", folder / "spire.md")  # titled by its heading
        report = library.ingest([folder])
        assert (counts(report), report.without_vectors) == ((2, 0, 0, 2), 0)
        assert embedder.embedded == 2  # and the search below makes it 3
        files = [p.file for p in library.search("harbour of Aland", 1, mode="meaning")]
        assert files == [str(folder / "deep" / "harbour.txt")]
        # The name is the title of a text, and a part of what its vector is computed from.
        (folder / "deep" / "harbour.txt").rename(folder / "port.txt")
        assert library.ingest([folder]).without_vectors == 0
        assert embedder.embedded == 4


def test_of_a_file_that_was_edited_only_what_is_new_is_embedded(
    tmp_path: Path, embedder: WordEmbedder
) -> None:
    file = tmp_path / "town.md"
    parts = [f"# Part {n}\n\nThe street number {n} leads to the harbour.\n\n" for n in range(9)]
    file.write_text("".join(parts))
    with Library.open(tmp_path / "library", create=True, embedder=embedder) as library:
        before = library.ingest([file]).passages
        assert embedder.embedded == before > 2
        parts[4] = "# Part 4\n\nThe old street is closed since the flood.\n\n"
        file.write_text("".join(parts))
        report = library.ingest([file])
        assert (counts(report), report.without_vectors) == ((0, 1, 0, 0), 0)
        assert embedder.embedded == before + 1
        assert "flood" in library.search("closed since the flood", 1, mode="meaning")[0].text


def test_a_moved_file_whose_old_vectors_another_ingest_removed_is_embedded(
    tmp_path: Path, folder: Path, embedder: WordEmbedder
) -> None:
    with (
        Library.open(tmp_path / "library", create=True, embedder=embedder) as one,
        Library.open(tmp_path / "library", embedder=None) as other,
    ):
        one.ingest([folder])
        shutil.move(folder / "harbour.txt", folder / "deep" / "harbour.txt")

        def overtake(step: Progress) -> None:
            if step.done == 0 and step.phase == "reading":
                other.ingest([folder / "harbour.txt"])

        assert counts(one.ingest([folder], progress=overtake)) == (1, 0, 1, 0)
        assert one.stats().with_vectors == 2
        assert embedder.embedded == 3


def test_vectors_of_two_models_are_never_mixed(
    tmp_path: Path, folder: Path, embedder: WordEmbedder
) -> None:
    other = WordEmbedder()
    other.name = "other"

    def overtake(step: Progress) -> None:
        if step.phase == "embedding" and step.done == 0:
            with Library.open(tmp_path / "library", embedder=embedder) as quicker:
                quicker.ingest([folder])
                with sqlite3.connect(tmp_path / "library" / "library.sqlite") as file:
                    file.execute("DELETE FROM vectors")  # so that those of the slower one are seen

    with Library.open(tmp_path / "library", create=True, embedder=other) as library:
        library.ingest([folder], progress=overtake)
        assert library.stats().with_vectors == 2
    with sqlite3.connect(tmp_path / "library" / "library.sqlite") as file:
        assert file.execute("SELECT count(*) FROM vectors").fetchone() == (0,)


def test_progress_counts_files_and_passages(
    tmp_path: Path, folder: Path, embedder: WordEmbedder
) -> None:
    seen: list[Progress] = []
    with Library.open(tmp_path / "library", create=True, embedder=embedder) as library:
        library.ingest([folder], progress=seen.append)
    assert [(p.phase, p.done, p.total) for p in seen] == [
        ("reading", 0, 2),
        ("reading", 1, 2),
        ("reading", 2, 2),
        ("embedding", 0, 2),
        ("embedding", 2, 2),
    ]


def test_the_size_of_passages_is_fixed_by_the_first_ingest(tmp_path: Path, folder: Path) -> None:
    with Library.open(tmp_path / "library", create=True, embedder=None) as library:
        with pytest.raises(InputError, match="5 words"):
            library.ingest([folder], max_words=5)
        library.ingest([folder], max_words=40)
        library.ingest([folder])
        with pytest.raises(InputError, match="at most 40 words, not 50"):
            library.ingest([folder], max_words=50)


KILLED = """
import os, signal, sys
from centerlm.library import Library
from centerlm.library import writing
writing.COMMIT_PASSAGES = 10
def progress(p):
    if p.done >= int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
Library.open(sys.argv[1], create=True, embedder=None).ingest([sys.argv[2]], progress=progress)
"""


def test_two_ingests_of_the_same_files_agree(tmp_path: Path, folder: Path) -> None:
    with (
        Library.open(tmp_path / "library", create=True, embedder=None) as one,
        Library.open(tmp_path / "library", embedder=None) as other,
    ):
        for change in ("first", "second"):
            (folder / "harbour.txt").write_text(f"The {change} harbour of Aland is deep.")
            (folder / "deep" / "tower.md").write_text(f"The {change} tower of Borg is high.")
            quicker: list[IngestReport] = []

            def overtake(step: Progress, quicker: list[IngestReport] = quicker) -> None:
                if step.done == 0 and not quicker:
                    quicker.append(other.ingest([folder]))

            report = one.ingest([folder], progress=overtake)
            assert (counts(quicker[0])[0] or counts(quicker[0])[1]) == 2
            assert counts(report) == (0, 0, 2, 0)
            assert one.stats().documents == 2
        (folder / "harbour.txt").unlink()

        def remove(step: Progress) -> None:
            if step.done == 0:
                other.ingest([folder])

        assert counts(one.ingest([folder], progress=remove)) == (0, 0, 1, 0)
        assert one.stats().documents == 1


def test_other_writers_need_not_wait_while_files_are_read(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(writing, "COMMIT_SECONDS", 0.0)
    large = folder / "large.txt"
    large.write_text("The lake of Cade is wide. " * 5_000)
    with (
        Library.open(tmp_path / "library", create=True, embedder=None) as library,
        Library.open(tmp_path / "library", embedder=None) as other,
    ):

        def write(step: Progress) -> None:
            del step
            other.ingest([tmp_path / "none.txt"], max_words=120)

        library.ingest([folder], progress=write)
        for path in (folder / "harbour.txt", folder / "deep" / "tower.md", large):
            os.utime(path, (1, 1))
        assert counts(library.ingest([folder], progress=write)) == (0, 0, 3, 0)

        parse = writing.parse
        monkeypatch.setattr(writing, "COMMIT_SECONDS", 1e9)

        def slow(data: bytes, name: str) -> Iterator[Document | Problem]:
            if len(data) > writing.SMALL_BYTES:
                other.ingest([tmp_path / "none.txt"], max_words=120)
            return parse(data, name)

        monkeypatch.setattr(writing, "parse", slow)
        (folder / "harbour.txt").write_text("The harbour of Aland is shallow.")
        large.write_text("The lake of Cade is deep. " * 5_000)
        assert counts(library.ingest([folder])) == (0, 2, 1, 0)


@pytest.mark.parametrize("when", [0, 7, 40, 60])
def test_killed_in_the_middle_the_library_can_be_used_and_filled(tmp_path: Path, when: int) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for number in range(60):
        (folder / f"{number:02}.txt").write_text(f"Page {number} of the harbour book.")
    library_folder = tmp_path / "library"
    command = [sys.executable, "-c", KILLED, str(library_folder), str(folder), str(when)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == -9
    with Library.open(library_folder, embedder=None) as library:
        kept = library.stats().files
        assert kept <= when
        assert len(library.search("harbour", 100)) == kept
        report = library.ingest([folder])
        assert (report.added, report.unchanged) == (60 - kept, kept)
        assert len(library.search("harbour", 100)) == 60


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="choose another folder"):
        Library.open(tmp_path / "file" / "library", create=True)
