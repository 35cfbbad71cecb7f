"""A folder in the form of NExT-QA: 203 videos with one question each."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path


def write_nextqa(folder: Path) -> Path:
    lines = ["video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4"]
    lines += [f"{n},90,4,3,what does the dog do,1,0,DO,sleep,bark,eat,dig,swim" for n in range(203)]
    (folder / "val.csv").write_text("\n".join(lines) + "\n")
    with zipfile.ZipFile(folder / "captions_1fps.zip", "w") as archive:
        for n in range(203):
            texts = {"0": "A dog stands.", "1": "The dog will bark at a cat."}
            archive.writestr(f"{n}.json", json.dumps(texts))
    (folder / "evidence_spans.json").write_text(
        json.dumps({"99": {"duration": 3, "location": {"0": [[1, 2]]}}})
    )
    return folder
