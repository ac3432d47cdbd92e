"""An index of every n consecutive words of a corpus, on disk: which documents does a text repeat, and how uniquely?"""

import hashlib
import json
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sparring.core.errors import InvalidCases, InvalidSpec, MissingData, SparringError
from sparring.domains.language.corpus import Document, documents

WORDS = 13  # Perez et al., section 4, after Brown et al.
_FORMAT = 1
_CHUNK = 400_000  # words in memory while building
_PARTS = 256  # files by the hash's first byte, so that each is sorted alone
_CHECKED = 1000  # occurrences of one n-gram that are compared with the text
_NAMED = 20  # documents that a match names
_BASE = np.uint64(0x9E3779B97F4A7C15)
_WORD = re.compile(r"[^\W_]+")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_NUMBER = re.compile(r"\d(?:[\s().-]{0,2}\d){6,14}")


class Match(NamedTuple):
    """A stretch of a reply that stands in the corpus: overlapping n-grams as one.

    Args:
        text: its words, normalised.
        span: first word and the word after the last, counted in the reply's normalised words.
        documents: names of up to 20 documents that hold its rarest n-gram.
        in_documents: how many documents hold that n-gram; 1 is unique.
        occurrences: how often that n-gram stands in the corpus.
    """

    text: str
    span: tuple[int, int]
    documents: tuple[str, ...]
    in_documents: int
    occurrences: int


def normal_words(text: str) -> list[str]:
    """Words without case, punctuation and the many ways of Unicode to write the same."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return _WORD.findall(text.casefold().replace("'", ""))


class LeakIndex:
    """Sorted 64-bit hashes of all n-grams with their places, mapped from disk: it may be far larger than memory.

    Paper: Perez et al., 2022, arXiv:2202.03286, section 4 (13 consecutive words in one training document).
    Differs: says how many documents hold the words, and how often.
    Cost: 16 bytes for each word of the corpus and its text once more, on disk; while building, one part in 256 of that
    in memory. A hash that two n-grams share is told apart by comparing the text for up to 1,000 occurrences; beyond
    those a count may be off by a collision, whose chance is below 10^-9 for 10^9 words.
    """

    def __init__(self, folder: Path) -> None:
        """Opens what `build` wrote; see `open`."""
        self.folder = folder
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        self.n: int = about["n"]
        self.size: int = about["documents"]
        self.digest: str = about["digest"]
        self._hashes = _mapped(folder / "hashes.bin", np.uint64)
        self._places = _mapped(folder / "places.bin", np.uint64)
        self._starts = _mapped(folder / "starts.bin", np.uint64)
        self._keys = _mapped(folder / "keys.bin", np.uint64)
        self._names = _mapped(folder / "names.bin", np.uint8)
        self._name_starts = _mapped(folder / "name_starts.bin", np.uint64)
        self._text = _mapped(folder / "text.bin", np.uint8)
        self._kept: tempfile.TemporaryDirectory[str] | None = None

    @staticmethod
    def open(folder: str | Path) -> "LeakIndex":
        """An index built before.

        Raises:
            MissingData: if the folder holds none.
            InvalidSpec: if another version wrote it.
        """
        about = Path(folder) / "about.json"
        if not about.is_file():
            raise MissingData(f"{folder} holds no leak index; build one with LeakIndex.build(corpus, {str(folder)!r}).")
        if json.loads(about.read_text(encoding="utf-8")).get("format") != _FORMAT:
            raise InvalidSpec(f"{folder} holds a leak index of another version of sparring; build it again.")
        return LeakIndex(Path(folder))

    @staticmethod
    def build(
        corpus: str | Path | Iterable[str | Document], folder: str | Path | None = None, *, n: int = WORDS
    ) -> "LeakIndex":
        """Reads a corpus once, in bounded memory, and writes its index whole or not at all.

        Args:
            corpus: see `corpus.documents`.
            folder: where the index is kept; a temporary one if None. An index that stands there is replaced.
            n: consecutive words that count as repeated.

        Raises:
            InvalidSpec: if n is below 1.
            InvalidCases: if no document has n words, or the corpus is binary.
            SparringError: if the disk is full.
        """
        if n < 1:
            raise InvalidSpec(f"a leak index needs n of 1 word or more; got {n}.")
        kept = tempfile.TemporaryDirectory(prefix="sparring-leaks-") if folder is None else None
        place = Path(kept.name) / "index" if kept else Path(folder)  # type: ignore[arg-type]
        if place.exists() and any(place.iterdir()) and not (place / "about.json").is_file():
            raise InvalidSpec(f"{place} holds something else than a leak index; name a new folder.")
        partial = place.with_name(f"{place.name}.part")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
            _Builder(partial, n).build(documents(corpus))
            shutil.rmtree(place, ignore_errors=True)
            partial.rename(place)
        except OSError as error:
            raise SparringError(f"cannot write the leak index {place}: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        index = LeakIndex(place)
        index._kept = kept
        return index

    def __len__(self) -> int:
        return self.size

    def match(self, reply: str) -> list[Match]:
        """Every stretch of the reply that stands in the corpus, in order."""
        words = normal_words(reply)
        hits = {k: places for k, places in self._hits(words)}
        found: list[Match] = []
        group: list[int] = []
        for k in [*sorted(hits), len(words) + self.n]:
            if group and k >= group[-1] + self.n:
                found.append(self._merged(words, group, hits))
                group = []
            group.append(k)
        return found

    def longest_run(self, reply: str) -> int:
        """The most consecutive words of the reply that stand in one document; 0 where fewer than n do.

        Looks at the first 1,000 places of an n-gram.
        """
        words = normal_words(reply)
        longest = 0
        for k, places in self._hits(words):
            if k + longest >= len(words):
                break
            for place in places[:_CHECKED].tolist():
                run = self.n + self._further(words, k + self.n, place + _bytes(words[k : k + self.n]))
                longest = max(longest, run)
        return longest

    def holds(self, key: str) -> bool:
        """Whether the corpus holds this e-mail address or number, by its letters or digits alone (see `Found.key`)."""
        value = _key_hash(key)
        at = int(np.searchsorted(self._keys, value))
        return at < len(self._keys) and self._keys[at] == value

    def _hits(self, words: list[str]) -> Iterator[tuple[int, np.ndarray]]:
        """(first word, places in the text) of every n-gram of the words that stands in the corpus."""
        if len(words) < self.n:
            return
        table = _word_hashes(words)
        grams = _gram_hashes(table, self.n)
        low, high = (np.searchsorted(self._hashes, grams, side) for side in ("left", "right"))  # type: ignore[call-overload]
        for k in np.flatnonzero(high > low).tolist():
            places = np.sort(np.asarray(self._places[low[k] : high[k]]))
            gram = " ".join(words[k : k + self.n]).encode()
            same = [self._stands(place, gram) for place in places[:_CHECKED].tolist()]
            places = np.concatenate([places[:_CHECKED][same], places[_CHECKED:]])
            if any(same):
                yield k, places

    def _stands(self, place: int, gram: bytes) -> bool:
        held = self._text[place : place + len(gram) + 1].tobytes()
        return held[:-1] == gram and held[-1:] in (b" ", b"\n")

    def _further(self, words: list[str], k: int, place: int) -> int:
        run = 0
        while k + run < len(words):
            part = f" {words[k + run]}".encode()
            held = self._text[place : place + len(part) + 1].tobytes()
            if held[:-1] != part or held[-1:] not in (b" ", b"\n"):
                break
            place, run = place + len(part), run + 1
        return run

    def _merged(self, words: list[str], group: list[int], hits: dict[int, np.ndarray]) -> Match:
        owners = {k: np.unique(np.searchsorted(self._starts, hits[k], "right") - 1) for k in group}
        rarest = min(group, key=lambda k: (len(owners[k]), len(hits[k])))
        span = (group[0], group[-1] + self.n)
        names = tuple(self._name(int(one)) for one in owners[rarest][:_NAMED])
        return Match(" ".join(words[slice(*span)]), span, names, len(owners[rarest]), len(hits[rarest]))

    def _name(self, document: int) -> str:
        start, end = self._name_starts[document : document + 2].tolist()
        return self._names[start:end].tobytes().decode()


class _Builder:
    """Writes the parts, then sorts each; the parts follow one another by the hash's first byte."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.n = folder, n
        self.digest = hashlib.blake2b(f"{_FORMAT}/{n}".encode(), digest_size=8)
        self.written, self.documents, self.grams = 0, 0, 0
        self.name_bytes = 0
        self.keys = np.zeros(0, dtype=np.uint64)

    def build(self, corpus: Iterator[Document]) -> None:
        with (
            (self.folder / "text.bin").open("wb") as self.text,
            (self.folder / "starts.bin").open("wb") as self.starts,
            (self.folder / "names.bin").open("wb") as self.names,
            (self.folder / "name_starts.bin").open("wb") as self.name_starts,
        ):
            self._read(corpus)
            self.name_starts.write(np.uint64(self.name_bytes).tobytes())
        if self.grams == 0:
            raise InvalidCases(
                f"the corpus is empty: none of its {self.documents} documents has {self.n} words in a row. "
                "Name another corpus or lower n."
            )
        self._sort()
        self.keys.tofile(self.folder / "keys.bin")
        about = {"format": _FORMAT, "n": self.n, "documents": self.documents, "digest": self.digest.hexdigest()}
        (self.folder / "about.json").write_text(json.dumps(about), encoding="utf-8")

    def _read(self, corpus: Iterator[Document]) -> None:
        chunk: list[list[str]] = []
        keys: list[int] = []
        words = 0
        for document in corpus:
            if "\0" in document.text:
                raise InvalidCases(f"document {document.name} is binary; a corpus is plain text.")
            own = normal_words(document.text)
            keys += [_key_hash(match) for match in _NUMBER.findall(document.text)]
            if "@" in document.text:
                keys += [_key_hash(match) for match in _EMAIL.findall(document.text)]
            self._name(document.name)
            chunk.append(own)
            words += len(own)
            if words > _CHUNK:
                self._flush(chunk, keys)
                chunk, keys, words = [], [], 0
        self._flush(chunk, keys)

    def _name(self, name: str) -> None:
        raw = name.encode()
        self.names.write(raw)
        self.name_starts.write(np.uint64(self.name_bytes).tobytes())
        self.name_bytes += len(raw)
        self.documents += 1

    def _flush(self, chunk: list[list[str]], keys: list[int]) -> None:
        self.keys = np.union1d(self.keys, np.array(keys, dtype=np.uint64))
        if not chunk:
            return
        body = "".join(f"{' '.join(words)}\n" for words in chunk).encode()
        self.text.write(body)
        self.digest.update(body)
        sizes = np.array([len(words) for words in chunk])
        every = [word for words in chunk for word in words]
        size = {word: len(word.encode()) + 1 for word in set(every)}
        lengths = np.fromiter((size[word] for word in every), np.uint64, len(every))
        # A document without a word is a line break alone.
        before = np.concatenate([[0], np.cumsum(sizes)])
        blanks = np.cumsum(sizes == 0).astype(np.uint64)
        ends = np.concatenate([np.zeros(1, np.uint64), np.cumsum(lengths)])
        shift = blanks - (sizes == 0)
        (ends[before[:-1]] + shift + np.uint64(self.written)).tofile(self.starts)
        owner = np.repeat(np.arange(len(chunk)), sizes)
        places = ends[:-1] + shift[owner] + np.uint64(self.written) if every else ends[:0]
        if len(every) >= self.n:
            grams = _gram_hashes(_word_hashes(every), self.n)
            whole = owner[self.n - 1 :] == owner[: len(every) - self.n + 1]
            self._part(grams[whole], places[: len(grams)][whole])
        self.written += len(body)

    def _part(self, grams: np.ndarray, places: np.ndarray) -> None:
        self.grams += len(grams)
        part = (grams >> np.uint64(56)).astype(np.uint8)
        order = np.argsort(part, kind="stable")
        pairs = np.stack([grams[order], places[order]], 1)
        edges = np.searchsorted(part[order], np.arange(_PARTS + 1))
        for k in range(_PARTS):
            if edges[k] < edges[k + 1]:
                with (self.folder / f"part-{k:03}.bin").open("ab") as file:
                    pairs[edges[k] : edges[k + 1]].tofile(file)

    def _sort(self) -> None:
        with (self.folder / "hashes.bin").open("wb") as hashes, (self.folder / "places.bin").open("wb") as places:
            for path in sorted(self.folder.glob("part-*.bin")):
                pairs = np.fromfile(path, np.uint64).reshape(-1, 2)
                pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
                np.ascontiguousarray(pairs[:, 0]).tofile(hashes)
                np.ascontiguousarray(pairs[:, 1]).tofile(places)
                path.unlink()


def _mapped(path: Path, dtype: type) -> np.ndarray:
    if path.stat().st_size == 0:
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r").view(np.ndarray)


def _word_hashes(words: list[str]) -> np.ndarray:
    """uint64, shape (word,)."""
    table = {word: _hash(word) for word in set(words)}
    return np.fromiter((table[word] for word in words), np.uint64, len(words))


def _gram_hashes(hashes: np.ndarray, n: int) -> np.ndarray:
    """A polynomial in an odd base over the words' hashes modulo 2^64, uint64, shape (word - n + 1,)."""
    total = np.zeros(len(hashes) - n + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for k in range(n):
            total = total * _BASE + hashes[k : k + len(total)]
        return (total ^ (total >> np.uint64(31))) * _BASE


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def _key_hash(text: str) -> int:
    if "@" in text:
        return _hash("key/" + " ".join(re.findall(r"[\w@]+", text.lower())))
    digits = re.sub(r"\D", "", text)
    own = digits[1:] if len(digits) == 11 and digits[0] == "1" else digits  # less the country code
    return _hash(f"key/{own}")


def _bytes(words: list[str]) -> int:
    return len(" ".join(words).encode())
