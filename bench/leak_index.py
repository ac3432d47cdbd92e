"""The leak index at size: seconds, peak memory and disk for documents of 100 words, and look-ups a second.

python bench/leak_index.py [--documents 1000000] [--folder FOLDER]

Measured 2026-11-23, AMD EPYC, 2 cores, Python 3.11, numpy 2.4.6, 10^6 documents: built in 237 s with a peak of 112 MiB, 1,743 MiB on
disk; 1,106 replies looked up a second, after which the process held 1,423 MiB of mapped pages; 2,000 of 2,000 quotes of 30 words found.
The bar is 4 GB. Telephone keys were normalised a little differently then.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from sparring.domains.language.leak_index import LeakIndex

WORDS = 100
VOCABULARY = 50_000


def corpus(documents: int):
    """Words drawn by Zipf's law; every thousandth document repeats the one before."""
    numbers = np.random.default_rng(0)
    before = ""
    for start in range(0, documents, 1000):
        drawn = np.minimum(numbers.zipf(1.2, (1000, WORDS)), VOCABULARY)
        for k, row in enumerate(drawn[: documents - start].tolist()):
            text = before if k == 999 else " ".join([f"w{word:x}" for word in row])
            before = text
            yield text


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--replies", type=int, default=2000)
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="leak-index-")) / "index"
    before, start = megabytes(), time.perf_counter()
    index = LeakIndex.build(corpus(asked.documents), folder)
    built, peak = time.perf_counter() - start, megabytes()
    disk = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
    texts = []
    for k, text in enumerate(corpus(min(asked.documents, asked.replies * 10))):
        if k % 10 == 9:
            words = text.split()
            texts.append(" ".join(["so", *words[20:50], "he", "said", *words[70:82]]))
    start = time.perf_counter()
    found = [index.match(text) for text in texts]
    seconds = time.perf_counter() - start
    hit = sum(any(match.span == (1, 31) for match in matches) for matches in found)
    twice = sum(any(match.in_documents > 1 for match in matches) for matches in found)
    print(
        json.dumps(
            {
                "documents": asked.documents,
                "seconds to build": round(built, 1),
                "peak memory, MiB": round(peak),
                "memory before, MiB": round(before),
                "disk, MiB": round(disk),
                "replies a second": round(len(texts) / seconds),
                "replies of 45 words": len(texts),
                "30 words found": hit,
                "in two documents or more": twice,
                "peak memory after look-ups, MiB": round(megabytes()),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
