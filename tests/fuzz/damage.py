"""Damage whole files and read them: `python damage.py SEED COUNT` prints what breaks the promise, then how much did.

The promise: the reader gives the same, other values of a file that nothing seals, or one sentence that names the file
or a field, of a kind that the package promises, within time and memory. It is a process of its own, because the worst
fault ends it.
"""

import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from specimens import Specimen, specimens

MEMORY_BYTES = 8 * 2**30
SECONDS = 10.0
PROMISED = (ValueError, TypeError, OSError, MemoryError)
# Words by which one knows Python's and the libraries' own messages.
FOREIGN = (
    "no attribute",
    "object is not",
    "NoneType",
    "invalid literal",
    "could not convert",
    "Errno",
    "unpack requires",
    "codec",
)
NUMBERS = (
    b"0",
    b"-1",
    b"1e400",
    b"nan",
    b"9" * 400,
    b"1e38",
    b"",
    b"abc",
    b"99999999",
    b"2147483648",
    b"/dev/zero",
    b"((((",
    b"%s%n",
)

Draws = np.random.Generator
Mutation = Callable[[bytes, Draws], bytes]


def flip(whole: bytes, draws: Draws) -> bytes:
    """One to four flipped bits."""
    found = bytearray(whole)
    for _ in range(draws.integers(1, 5)):
        found[draws.integers(len(found))] ^= 1 << int(draws.integers(8))
    return bytes(found)


def early(whole: bytes, draws: Draws) -> bytes:
    """A few bytes of the first 600, where headers lie, replaced by extreme ones."""
    found = bytearray(whole)
    place = int(draws.integers(min(600, len(found))))
    extreme = [b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\xff\xff\xff\x7f", b"\0\0\0\0"]
    new = extreme[draws.integers(len(extreme))]
    found[place : place + len(new)] = new
    return bytes(found)


def cut(whole: bytes, draws: Draws) -> bytes:
    """The beginning alone."""
    return whole[: int(draws.integers(len(whole)))]


def lose(whole: bytes, draws: Draws) -> bytes:
    """Some bytes missing in the middle."""
    first = int(draws.integers(len(whole)))
    return whole[:first] + whole[first + int(draws.integers(1, 64)) :]


def repeat(whole: bytes, draws: Draws) -> bytes:
    """A part twice."""
    first, last = sorted(int(n) for n in draws.integers(len(whole), size=2))
    return whole[:last] + whole[first:]


def append(whole: bytes, draws: Draws) -> bytes:
    """More bytes at the end."""
    return whole + draws.bytes(int(draws.integers(1, 5000)))


def number(whole: bytes, draws: Draws) -> bytes:
    """A word of a text header replaced by an odd one."""
    end = whole.find(b"\n\n") if b"NRRD" in whole[:4] else min(len(whole), 1000)
    starts = [n for n in range(1, end) if whole[n - 1 : n] in b" :,(=[\n" and whole[n : n + 1].isalnum()]
    if not starts:
        return flip(whole, draws)
    first = starts[draws.integers(len(starts))]
    last = first
    while last < len(whole) and whole[last : last + 1] not in (b" ", b"\n", b",", b")", b"]"):
        last += 1
    return whole[:first] + NUMBERS[draws.integers(len(NUMBERS))] + whole[last:]


def tag(whole: bytes, draws: Draws) -> bytes:
    """A DICOM tag with an odd value."""
    if whole[128:132] != b"DICM":
        return number(whole, draws)
    dataset = pydicom.dcmread(BytesIO(whole))
    elements = [element for element in dataset.iterall() if element.VR != "SQ" and element.keyword != "PixelData"]
    element = elements[draws.integers(len(elements))]
    if element.VR in ("US", "SS"):
        element._value = int(draws.choice([0, 1, 2, 7, 8, 32, 4096, 32767, 65535][: 8 if element.VR == "SS" else 9]))
    else:
        element._value = str(draws.choice(["", "0", "-1", "1e300", "-1e-300", "nan", "abc", "9" * 300, "1.2.3", " "]))
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    written = BytesIO()
    try:
        pydicom.dcmwrite(written, dataset)
    except Exception:  # pydicom writes no such value: another way
        return flip(whole, draws)
    return written.getvalue()


MUTATIONS: tuple[Mutation, ...] = (flip, early, cut, lose, repeat, append, number, tag)


def fault(specimen: Specimen, whole: bytes, right: np.ndarray, damaged: bytes) -> str:
    """What breaks the promise, "" if it is kept."""
    specimen.target.write_bytes(damaged)
    start = time.perf_counter()
    try:
        found = specimen.read(specimen.path)
    except PROMISED as error:
        said = str(error)
        if time.perf_counter() - start > SECONDS:
            return f"took {time.perf_counter() - start:.0f} s to say {said[:200]}"
        known = (
            specimen.target.stem in said
            or specimen.path.name in said
            or any(word in said for word in (" must ", "labels"))
        )
        if not known or "\n" in said or len(said) > 2000 or any(word in said for word in FOREIGN):
            return f"says {type(error).__name__}: {said[:300]!r}"
        return ""
    except Exception as error:
        return f"raises {type(error).__name__}: {str(error)[:300]!r}"
    if time.perf_counter() - start > SECONDS:
        return f"took {time.perf_counter() - start:.0f} s"
    same = found.shape == right.shape and np.array_equal(found, right)
    sealed = specimen.sealed is not None and damaged[: specimen.sealed] == whole[: specimen.sealed]
    return "" if same or not sealed else "gives other values"


def main(seed: int, count: int, only: str = "") -> int:
    """Damage each specimen so many times; the number of faults."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    warnings.simplefilter("ignore")
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        for specimen in specimens(Path(folder)):
            if only not in specimen.name:
                continue
            whole, right = specimen.target.read_bytes(), specimen.read(specimen.path)
            for n in range(count):
                draws = np.random.default_rng([seed, n])
                mutate = MUTATIONS[n % len(MUTATIONS)]
                print(f"{specimen.name} {n} {mutate.__name__}", end="\r", flush=True)  # the last words of a crash
                said = fault(specimen, whole, right, mutate(whole, draws))
                if said:
                    faults += 1
                    print(f"{specimen.name} {n} {mutate.__name__}: {said}", flush=True)
            specimen.target.write_bytes(whole)
    print(f"{faults} faults in {count} tries of each kind")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
