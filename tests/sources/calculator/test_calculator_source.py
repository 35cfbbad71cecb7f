"""The calculator as a source."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from centerlm.finding import Finding, Status
from centerlm.sources.base import Binding, Seek
from centerlm.sources.calculator import Calculator


def ask(template: str, **values: object) -> Finding:
    bound = {int(k[1:]): Binding(v) for k, v in values.items()}  # pyright: ignore[reportArgumentType]
    return asyncio.run(Calculator().seek(Seek("shown text", template, bound)))


def test_a_typed_answer() -> None:
    finding = ask("1998 - #3", v3="12 May 1950")
    assert (finding.status, finding.answer, finding.value) == (Status.FOUND, "48", 48)
    assert finding.source == "calculator"
    assert finding.usage == Calculator().bound(Seek("")) and finding.usage.calls == 1


def test_prose_is_a_failed_finding() -> None:
    finding = ask("Is #1 greater than #2?", v1=1, v2=2)
    assert finding.status is Status.FAILED
    assert finding.reason.startswith("not computable: ")


def test_without_a_template_the_text_is_computed() -> None:
    finding = asyncio.run(Calculator().seek(Seek("2 + 2")))
    assert finding.answer == "4"


def test_notes_reach_the_finding() -> None:
    assert "1 item without an answer" in ask("sum(#1)", v1=(1, None, 2)).text


def test_loading_the_units_does_not_stop_the_loop() -> None:
    code = """
import asyncio, time
from centerlm.sources.base import Seek
from centerlm.sources.calculator import Calculator, evaluate
evaluate("1 + 1", {})

async def main():
    gaps, running = [], True
    async def tick():
        while running:
            begin = time.perf_counter()
            await asyncio.sleep(0.005)
            gaps.append(time.perf_counter() - begin)
    ticking = asyncio.create_task(tick())
    finding = await Calculator().seek(Seek("5 km + 300 m"))
    running = False
    await ticking
    assert finding.answer == "5.3 km", finding
    print(len(gaps))

asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5  # a blocked loop would have ticked once or twice


def test_importing_it_loads_no_heavy_library() -> None:
    code = (
        "import sys, centerlm.sources.calculator, centerlm.sources.registry, "
        "centerlm.sources.expert, centerlm.sources.person\n"
        "print([m for m in ('lark', 'pint', 'msgspec', 'aiohttp', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
