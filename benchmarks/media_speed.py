"""How long processing takes and how much memory: clips of several lengths, made by looping one.

Every measurement is a process of its own with an empty data folder (but the weights), so that
nothing is cached and peaks of memory are its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import av

from centerlm.media.decode import frames, probe
from centerlm.models.weights import home

LENGTHS = {"10 s": 10.0, "2 min": 120.0, "60 min": 3600.0}
FULL_SECONDS = 2.0
"""Seconds of the clip of which every frame is decoded and seen by every processor."""


def looped(clip: Path, seconds: float, out: Path) -> Path:
    """The clip's packets again and again, as they are, for about so many seconds."""
    if out.is_file():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part.mp4")
    with av.open(str(part), "w") as made, av.open(str(clip)) as first:
        streams = {s.index: made.add_stream_from_template(s) for s in first.streams if _kept(s)}
        offset = 0.0
        while offset < seconds:
            with av.open(str(clip)) as read:
                length = read.duration / 1e6
                for packet in read.demux([s for s in read.streams if _kept(s)]):
                    if packet.dts is None or packet.pts is None:
                        continue
                    if offset + float(packet.pts * packet.time_base) >= seconds:
                        continue
                    move = round(offset / packet.time_base)
                    packet.pts, packet.dts = packet.pts + move, packet.dts + move
                    packet.stream = streams[packet.stream.index]
                    made.mux(packet)
            offset += length
    return part.replace(out)


def _kept(stream: Any) -> bool:
    return stream.type in ("video", "audio")


def measure(clip: Path, work: Path) -> list[dict[str, Any]]:
    """A row for each length, and one for every frame seen by every processor."""
    rows: list[dict[str, Any]] = []
    for name, seconds in LENGTHS.items():
        path = looped(clip, seconds, work / "looped" / f"{int(seconds)}.mp4")
        rows.append({"file": name, **_child("sampled", path, work)})
    path = work / "looped" / "10.mp4"
    rows.append({"file": f"{FULL_SECONDS:g} s, every frame", **_child("full", path, work)})
    rows.append({"file": "10 s, every frame decoded, nothing looked for",
                 **_child("decode", path, work)})  # fmt: skip
    return rows


def _child(how: str, path: Path, work: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=work) as folder:
        (Path(folder) / "models").symlink_to(home() / "models")
        done = subprocess.run(
            [sys.executable, __file__, how, str(path)],
            env={**os.environ, "CENTERLM_HOME": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1])


def main(how: str, path: Path) -> None:
    """What a child process measures."""
    started, cpu = time.monotonic(), time.process_time()
    length = probe(path).seconds
    match how:
        case "sampled":
            from centerlm.media.processing import process

            told = len(process(path, names=["motion", "text", "objects", "speech"]).observations)
        case "full":
            told = _every_frame(path)
            length = FULL_SECONDS
        case _:
            told = sum(1 for _ in frames(path))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = time.monotonic() - started
    print(json.dumps({"length": length, "seconds": seconds, "cpu": time.process_time() - cpu,
                      "peak_mb": peak, "observations": told}))  # fmt: skip


def _every_frame(path: Path) -> int:
    from centerlm.media.objects import Objects
    from centerlm.media.sampling import Sample
    from centerlm.media.screen_text import ScreenText
    from centerlm.media.tracking import Motion

    motion, text, objects = Motion(), ScreenText(), Objects()
    seen = 0
    for frame in frames(path, end=FULL_SECONDS):
        motion.see(Sample(frame, 0, False))
        seen += len(text.lines(frame.pixels)) + len(objects.detect(frame.pixels))
    return seen + len(motion.end())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
