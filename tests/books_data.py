"""A small novel for tests: people, places, a promise, a death; and the same in other shapes."""

from __future__ import annotations

FRONT = (
    "THE SALT ROAD\n\nby A. Writer\n\nCONTENTS\n\nCHAPTER I. The Letter\n\n"
    "CHAPTER II. The Ferry\n\nCHAPTER III. Marsh End\n\n"
)

FILLER = (
    "The wind had gone round to the east, and the rain came over the flats in long grey sheets. "
    "Nobody was about. The gulls had come inland and stood in the furrows with their heads drawn "
    "in, and the carts that should have gone down to the quay were left standing in the yards. "
    "There was nothing to be done in such weather but to sit by the fire and to listen to the "
    "water running in the gutters, and to wonder how long the bank would hold. "
)

CHAPTERS = (
    (
        "CHAPTER I. The Letter",
        "Edith Hollis had lived at Thornby Hall all her life. Her father, Mr. Hollis, was "
        "a silent man, and he kept to his library. On the morning when the letter came "
        'Edith was standing at the window.\n\n"There is no hope of it, Edith," said Mr. '
        'Hollis. "The ferry will not cross to-day."\n\n"Then I shall walk," said Edith. She '
        'put the letter away in her desk. "I promised Captain Brandt that I would bring '
        'the silver key to Marsh End before the winter, and I will."\n\nMr. Hollis looked at '
        'her for a long time. He had never liked Brandt. "Captain Brandt is a hard man," '
        'he said, "and Thornby Hall is no place for him."',
    ),
    (
        "CHAPTER II. The Ferry",
        "In the evening Edith came to the ferry. Old Tobias Crane sat in the boat and "
        'smoked. "You cannot cross, Miss Hollis," said Tobias. "Captain Brandt was here at '
        'noon, and he turned back."\n\n* * *\n\nThey slept at Widow Lane. In the night Tobias '
        "Crane had died in his chair, and nobody knew it until the morning. Edith wept for "
        "him. She had known him since she was a child at Thornby Hall, and she could not "
        "think of the river without him. Mr. Hollis came to Widow Lane in the carriage and "
        "took her hand.",
    ),
    (
        "CHAPTER III. Marsh End",
        "Captain Brandt met them at Marsh End. He was alone in the house. Edith stood "
        'before him and did not speak. "You have come," said Brandt. "I had given up all '
        'hope of you." He took her to the fire. Mr. Hollis went back to Thornby Hall with '
        'the carriage, and Edith stayed at Marsh End. "Where is it?" Captain Brandt asked. '
        "Edith smiled. She looked at the dark water outside, and she thought of the old "
        "man in his boat.",
    ),
)


def novel(fillers: int = 5) -> str:
    """About `fillers` times 250 words, in three chapters, with a table of contents before them."""
    body = "\n\n".join(
        f"{heading}\n\n{text}\n\n" + "\n\n".join([FILLER.strip()] * fillers)
        for heading, text in CHAPTERS
    )
    return f"{FRONT}{body}\n\nTHE END\n"


def long_novel(paragraphs: int = 60) -> str:
    """The three chapters, each with many paragraphs that all differ."""
    pieces: list[str] = []
    for part, (heading, text) in enumerate(CHAPTERS):
        days = [
            f"On day {number} of part {part} Edith Hollis counted {number * 7} gulls on the flats, "
            f"and wrote {number + 3} lines to Captain Brandt about the {_THINGS[number % 8]} and "
            f"the {_THINGS[(number + part) % 7]}. She did not send them. The rain came over the "
            f"flats in long grey sheets, and the carts were left in yard {number}. There was "
            "nothing to be done in such weather but to sit by the fire and to listen to the water."
            for number in range(paragraphs)
        ]
        pieces.append("\n\n".join([heading, text, *days]))
    return FRONT + "\n\n".join(pieces)


_THINGS = ("ferry", "key", "river", "boat", "letter", "carriage", "bank", "gutter")


def chapters_html(fillers: int = 5) -> dict[str, str]:
    """The chapters as pages of an EPUB, by file name."""
    pages: dict[str, str] = {}
    for number, (heading, text) in enumerate(CHAPTERS):
        paragraphs = text.split("\n\n") + [FILLER] * fillers
        inner = "".join(f"<p>{p}</p>" for p in paragraphs)
        pages[f"{number}.xhtml"] = f"<html><body><h2>{heading}</h2>{inner}</body></html>"
    return pages


GERMAN = (
    "Der Wind hatte sich gedreht und der Regen zog in langen grauen Streifen über das "
    "Land. Niemand war unterwegs. Die Möwen standen in den Furchen, und die Wagen "
    "blieben in den Höfen stehen. "
)
VERSE = (
    "The moon is on the empty road\nAnd silver lies the lea\nThe ferryman has left his load\n"
    "And will not wait for me\nO who will bring the silver key\nAcross the winter tide\n"
    "And who will tell the bitter sea\nThat my true love has died\n"
)
PLAY = (
    "BRANDT. You have come at last, and the night is almost gone.\nEDITH. I have come "
    "because I gave my word to you.\nHOLLIS. And I have come to take her home again.\n"
    "BRANDT. Then take her, sir, and shut the door behind you.\n"
)
