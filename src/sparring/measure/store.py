"""The record: runs, verdicts and attempts in a database, written once however often a run is interrupted."""

import contextlib
import datetime
import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sql
import torch
from safetensors.torch import load_file, save

from sparring.core.errors import RunMismatch, SparringError

_TABLES = sql.MetaData()
RUNS = sql.Table(
    "runs", _TABLES,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("asked", sql.Text, nullable=False),
    sql.Column("versions", sql.Text, nullable=False),
    sql.Column("started", sql.String, nullable=False),
    sql.Column("ended", sql.String),
    sql.Column("status", sql.String, nullable=False),
)  # fmt: skip
ROWS = sql.Table(
    "rows", _TABLES,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("bout", sql.String, primary_key=True),
    sql.Column("case", sql.Integer, primary_key=True),
    sql.Column("id", sql.String, nullable=False),
    sql.Column("outcome", sql.SmallInteger, nullable=False),
    sql.Column("by", sql.String),
    sql.Column("note", sql.String),
)  # fmt: skip
# A block of cases is written whole or not at all; its row says that it was.
BLOCKS = sql.Table(
    "blocks", _TABLES,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("bout", sql.String, primary_key=True),
    sql.Column("block", sql.Integer, primary_key=True),
    sql.Column("forwards", sql.Integer, nullable=False),
    sql.Column("input_backwards", sql.Integer, nullable=False),
    sql.Column("claimed", sql.Integer, nullable=False),
    sql.Column("seconds", sql.Float, nullable=False),
    sql.Column("payload", sql.String),
)  # fmt: skip
# What other judges said about the same replies.
OPINIONS = sql.Table(
    "opinions", _TABLES,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("bout", sql.String, primary_key=True),
    sql.Column("judge", sql.String, primary_key=True),
    sql.Column("case", sql.Integer, primary_key=True),
    sql.Column("outcome", sql.SmallInteger, nullable=False),
)  # fmt: skip
# What a run found out along the way and must not decide differently when it goes on.
FACTS = sql.Table(
    "facts", _TABLES,
    sql.Column("run", sql.String, primary_key=True),
    sql.Column("name", sql.String, primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
)  # fmt: skip


class Store:
    """One database and, beside it, a folder of attempts named by their digest.

    Args:
        workspace: folder for `sparring.db` and `attempts/`; None keeps verdicts in memory, texts in a temporary folder
            that goes with this object, and tensors nowhere.
        url: of another database, such as PostgreSQL's; attempts still lie in the workspace.
    """

    def __init__(self, workspace: Path | str | None = None, url: str | None = None) -> None:
        self.workspace = None if workspace is None else Path(workspace)
        self._spare: tempfile.TemporaryDirectory[str] | None = None
        with saving(self.workspace):
            if self.workspace is not None:
                (self.workspace / "attempts").mkdir(parents=True, exist_ok=True)
            place = "sqlite://" if self.workspace is None else f"sqlite:///{self.workspace / 'sparring.db'}"
            options = {"poolclass": sql.pool.StaticPool} if url is None and self.workspace is None else {}
            self.engine = sql.create_engine(url or place, **options)
            if self.engine.dialect.name == "sqlite" and self.workspace is not None:
                sql.event.listen(self.engine, "connect", _write_ahead)
            _TABLES.create_all(self.engine)

    def open(self, run: str, asked: dict[str, Any], versions: dict[str, str]) -> None:
        """Starts a run, or goes on with it if exactly the same was asked.

        Raises:
            RunMismatch: if the run of this name was asked something else.
        """
        text = json.dumps(asked, sort_keys=True)
        with saving(self.workspace), self.engine.begin() as connection:
            found = connection.execute(sql.select(RUNS.c.asked).where(RUNS.c.run == run)).scalar()
            if found is None:
                values = {"run": run, "asked": text, "versions": json.dumps(versions), "status": "running"}
                connection.execute(RUNS.insert().values(started=_now(), **values))
            elif found != text:
                raise RunMismatch(_difference(run, json.loads(found), json.loads(text)))

    def finish(self, run: str) -> None:
        with saving(self.workspace), self.engine.begin() as connection:
            connection.execute(RUNS.update().where(RUNS.c.run == run).values(ended=_now(), status="done"))

    def reopen(self, run: str, outcome: int, batch: int) -> None:
        """Takes back the blocks with a case of this outcome, in every bout, so that they are asked again.

        What was said about such bouts as a whole, their exhibits and surveys, goes with them.

        Args:
            batch: cases in a block.
        """
        with saving(self.workspace), self.engine.begin() as connection:
            query = sql.select(ROWS.c.case).where(ROWS.c.run == run, ROWS.c.outcome == outcome).distinct()
            blocks = sorted({case // batch for case in connection.execute(query).scalars()})
            for block in blocks:
                for table in (ROWS, OPINIONS):
                    inside = table.c.case.between(block * batch, (block + 1) * batch - 1)
                    connection.execute(table.delete().where(table.c.run == run, inside))
                connection.execute(BLOCKS.delete().where(BLOCKS.c.run == run, BLOCKS.c.block == block))
            if blocks:
                told = FACTS.c.name.like("exhibits %") | FACTS.c.name.like("survey %")
                connection.execute(FACTS.delete().where(FACTS.c.run == run, told))

    def fact(self, run: str, name: str) -> Any:
        """What `remember` wrote under this name, or None."""
        with self.engine.connect() as connection:
            query = sql.select(FACTS.c.value).where(FACTS.c.run == run, FACTS.c.name == name)
            found = connection.execute(query).scalar()
        return None if found is None else json.loads(found)

    def remember(self, run: str, name: str, value: Any) -> None:
        """Writes a fact once; a second writing changes nothing."""
        if self.fact(run, name) is None:
            with saving(self.workspace), self.engine.begin() as connection:
                connection.execute(FACTS.insert().values(run=run, name=name, value=json.dumps(value)))

    def done(self, run: str, bout: str) -> set[int]:
        """The blocks of a bout that are written."""
        with self.engine.connect() as connection:
            query = sql.select(BLOCKS.c.block).where(BLOCKS.c.run == run, BLOCKS.c.bout == bout)
            return set(connection.execute(query).scalars())

    def write(
        self,
        run: str,
        bout: str,
        block: int,
        rows: list[dict[str, Any]],
        spent: dict[str, Any],
        opinions: Sequence[dict[str, Any]] = (),
    ) -> None:
        """One block's verdicts, all or none."""
        with saving(self.workspace), self.engine.begin() as connection:
            for table, found in ((ROWS, rows), (OPINIONS, opinions)):
                if found:
                    connection.execute(table.insert(), [{"run": run, "bout": bout, **row} for row in found])
            connection.execute(BLOCKS.insert().values(run=run, bout=bout, block=block, **spent))

    def outcomes(self, run: str, bout: str, size: int, missing: int) -> np.ndarray:
        """Int8, shape (case,): outcome codes by position; `missing` where there is no row."""
        query = sql.select(ROWS.c.case, ROWS.c.outcome).where(ROWS.c.run == run, ROWS.c.bout == bout)
        return self._codes(query, size, missing)

    def opinions(self, run: str, bout: str, judge: str, size: int, missing: int) -> np.ndarray:
        """Int8, shape (case,): what another judge said, in the form of `outcomes`."""
        which = (OPINIONS.c.run == run, OPINIONS.c.bout == bout, OPINIONS.c.judge == judge)
        return self._codes(sql.select(OPINIONS.c.case, OPINIONS.c.outcome).where(*which), size, missing)

    def _codes(self, query: sql.Select, size: int, missing: int) -> np.ndarray:
        found = np.full(size, missing, np.int8)
        with self.engine.connect() as connection:
            for part in connection.execution_options(yield_per=10_000).execute(query).partitions():
                positions, values = zip(*part, strict=True)
                found[list(positions)] = values
        return found

    def spent(self, run: str, bout: str) -> dict[str, Any]:
        """Sums over a bout's blocks: forwards, input_backwards, claimed, seconds."""
        columns = [
            sql.func.coalesce(sql.func.sum(BLOCKS.c[name]), 0)
            for name in ("forwards", "input_backwards", "claimed", "seconds")
        ]
        with self.engine.connect() as connection:
            row = connection.execute(sql.select(*columns).where(BLOCKS.c.run == run, BLOCKS.c.bout == bout)).one()
        return {"forwards": int(row[0]), "input_backwards": int(row[1]), "claimed": int(row[2]), "seconds": row[3]}

    def keep(self, positions: list[int], inputs: torch.Tensor) -> str | None:
        """Stores attempts beside the database, in float32 as they were judged; their digest, or None without a workspace."""
        if self.workspace is None or not positions:
            return None
        tensors = {"positions": torch.tensor(positions), "inputs": inputs.detach().cpu().contiguous()}
        return self._beside(save(tensors), "safetensors")

    def keep_lines(self, lines: Sequence[dict[str, Any]]) -> str:
        """Stores one JSON object per line beside the database; returns their digest."""
        return self._beside("\n".join(map(json.dumps, lines)).encode(), "jsonl")

    def lines(self, name: str) -> list[dict[str, Any]]:
        """What `keep_lines` stored under this digest."""
        return [json.loads(line) for line in (self._folder / name).read_text().splitlines()]

    def kept(self, run: str, bout: str) -> Iterator[tuple[list[int], Any]]:
        """The stored attempts of a bout that broke their case, block by block: positions and inputs."""
        for name in self._payloads(run, bout):
            if name.endswith(".safetensors"):
                tensors = load_file(self._folder / name)
                yield tensors["positions"].tolist(), tensors["inputs"]
                continue
            lines = [line for line in self.lines(name) if line.get("outcome", "broken") == "broken"]
            if lines:
                yield [line["position"] for line in lines], [line["input"] for line in lines]

    def said(self, run: str, bout: str) -> Iterator[dict[str, Any]]:
        """Every line that was kept of a bout of texts, in order; one block is in memory at a time."""
        for name in self._payloads(run, bout):
            if name.endswith(".jsonl"):
                yield from self.lines(name)

    def _payloads(self, run: str, bout: str) -> list[str]:
        query = sql.select(BLOCKS.c.payload).where(
            BLOCKS.c.run == run, BLOCKS.c.bout == bout, BLOCKS.c.payload.is_not(None)
        )
        with self.engine.connect() as connection:
            names = list(connection.execute(query.order_by(BLOCKS.c.block)).scalars())
        return names if self.workspace is not None or self._spare is not None else []

    @property
    def _folder(self) -> Path:
        if self.workspace is not None:
            return self.workspace / "attempts"
        if self._spare is None:
            self._spare = tempfile.TemporaryDirectory(prefix="sparring-")
        return Path(self._spare.name)

    def _beside(self, content: bytes, suffix: str) -> str:
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{suffix}"
        with saving(self.workspace):
            path = self._folder / name
            partial = path.with_name(path.name + ".part")
            partial.write_bytes(content)
            partial.replace(path)
        return name


@contextlib.contextmanager
def saving(workspace: Path | None) -> Iterator[None]:
    """Turns a full or read-only disk into one sentence; what was committed before stays."""
    try:
        yield
    except (OSError, sql.exc.OperationalError) as error:
        raise SparringError(
            f"could not write to {workspace or 'the database'} ({getattr(error, 'orig', error)}). What was finished is "
            "kept: free some space, or name another workspace, and run the same command again to go on."
        ) from error


def _write_ahead(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _difference(run: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    keys = sorted(key for key in {*before, *now} if before.get(key) != now.get(key))
    first = keys[0]
    return (
        f"run {run!r} was asked something else: {', '.join(keys)} differ ({first} was {_short(before.get(first))}, "
        f"now {_short(now.get(first))}). Repeat the old settings to go on with it, or give this run another name."
    )


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
