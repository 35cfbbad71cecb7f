"""Networks in TensorFlow Lite form, run by LiteRT (the extra `labels`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from centerlm.media.loading import load


class Network:
    """One network with one picture in and one table out; loaded with the first picture."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loaded: Any = None

    def run(self, pixels: Any) -> Any:
        """The table of an RGB picture (uint8), which is scaled to the network's square.

        Raises:
            MissingExtraError: LiteRT is not installed.
        """
        cv2, numpy = load("cv2"), load("numpy")
        if self._loaded is None:
            runtime = load("ai_edge_litert.interpreter", extra="labels")
            self._loaded = runtime.Interpreter(str(self._path), num_threads=1)
            self._loaded.allocate_tensors()
        given = self._loaded.get_input_details()[0]
        made = self._loaded.get_output_details()[0]
        side = int(given["shape"][1])
        square = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_AREA)
        self._loaded.set_tensor(given["index"], square[None].astype(numpy.uint8))
        self._loaded.invoke()
        table = self._loaded.get_tensor(made["index"])[0].astype(numpy.float32)
        scale, zero = made["quantization"]
        return (table - zero) * scale if scale else table
