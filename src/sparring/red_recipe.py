"""Recipes of the language wing: which model, which harms, who attacks, what repairs it, what it must still be able to do."""

import inspect
import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sparring.core.attack import Attack
from sparring.core.cases import Cases
from sparring.core.defence import Defence
from sparring.core.errors import InvalidSpec, NotHeldOut
from sparring.core.judge import Judge
from sparring.core.spec import build, check_spec, digest, resolve
from sparring.core.threat import ThreatModel
from sparring.core.vital import Vital
from sparring.domains.language.harm import Harm, joined_cases
from sparring.domains.language.judge import ByHarm, ByReward
from sparring.domains.language.judges.state import StateJudge
from sparring.domains.language.target import Chat
from sparring.domains.language.taxonomy import taxonomy
from sparring.measure.limits import Limits

Node = dict[str, Any]

# What `sparring redteam --harm NAME` calls them.
HARMS = {
    "offence": "language.harms.offence",
    "leak": "language.harms.leak",
    "contact": "language.harms.contact",
    "bias": "language.harms.bias",
    "dialogue": "language.harms.dialogue",
    "desk": "language.harms.support_desk",
}
# Harms that are looked for by injection, each in recipes of its own: no red model is needed, and the customers' errands
# say what a repair costs.
INJECTED = ("language.harms.support_desk", "language.harms.stated_rule")
INJECTIONS: list[Node] = [
    *(
        {"use": "prompt.template", "family": name}
        for name in ("naive", "ignore-previous", "context-completion", "fake-turn")
    ),
    {"use": "prompt.tailored", "queries": 96, "tries": 4},
]
ERRANDS: list[Node] = [{"use": "language.vitals.errands"}, {"use": "language.vitals.look_alike_errands"}]
_GIVEN = ("harms", "red", "families", "threat", "judge")  # what a node is given where it takes it and names none
_VITALS: list[Node] = [
    {"use": "language.vitals.over_refusal"},
    {"use": "language.vitals.plain_questions"},
    {"use": "language.vitals.perplexity"},
]


class RedRecipe(BaseModel):
    """One red-team campaign with its repairs. A node `{use: learned.few_shot, examples: 5}` is a constructor call.

    Args:
        name: of the run and its folder.
        seed: same seed, same result.
        target: a constructor call such as `{use: language.smollm2.smollm2}`, a folder or GGUF file, the address of an
            endpoint, or `path/to/file.py:function` (a function of one text is the target itself, one without
            parameters returns it).
        model: which of an endpoint's models.
        system: prompt that the target works under.
        red: the red language model, named like the target; null lets the target's own base model play it.
        red_model: which of a red endpoint's models; null for `model`.
        harms: name -> node. Everything here that takes `harms` is given them.
        cases: places for attempts per harm, for each attack.
        learn: places per harm on the training split; null for as many as `cases`.
        minutes: as many cases as fit into so much time, and `cases` at most; null for all of them.
        seen: attacks, on the training split, whose breaks the repairs learn from.
        book: folder of a case book that people wrote (`sparring ui`), from which the repairs learn too.
        attacks: what every repaired target is measured with, on the test split.
        repairs: name -> defence, or null to measure the target as it is; each starts from the same target.
        held_out: families that no repair may learn from.
        vitals: what the target must still be able to do.
        opinions: more judges, whose rates stand beside the judge's.
        threat: what the red team may write; null for what the harms say.
        limits: repair -> what `sparring check` expects of its scorecard.
        batch: cases in flight at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[\w.-]+$")
    seed: int = 0
    target: Node | str
    model: str | None = None
    system: str = ""
    red: Node | str | None = None
    red_model: str | None = None
    harms: dict[str, Node]
    cases: int = Field(default=40, ge=1)
    learn: int | None = Field(default=None, ge=1)
    minutes: float | None = Field(default=None, gt=0)
    seen: list[Node] = []
    book: str | None = None
    attacks: list[Node]
    repairs: dict[str, Node | None] = {}
    held_out: list[str] = []
    vitals: list[Node] = _VITALS
    opinions: list[Node] = []
    threat: Node | None = None
    limits: dict[str, Limits] = {}
    batch: int = Field(default=256, ge=1)
    base: Path = Field(default=Path(), exclude=True, repr=False)

    def model_post_init(self, context: Any) -> None:
        if not self.harms or not self.attacks:
            raise InvalidSpec("a red-team recipe needs harms to look for and attacks to look with.")
        if not self.seen and any(_needs_breaks(node) for node in self.repairs.values() if node):
            raise InvalidSpec("a repair learns from what broke the target: name the attacks that look for it in seen.")
        nodes = [
            *self.harms.values(),
            *self.seen,
            *self.attacks,
            *self.repairs.values(),
            *self.vitals,
            *self.opinions,
            *([self.threat] if self.threat else []),
        ]
        for node in nodes:
            check_spec(_fill(node, dict.fromkeys(_GIVEN, "")))
        families = {name for name in map(_family, self.attacks) if name is not None}
        seen = set(map(_family, self.seen))
        for family in self.held_out:
            if families and family not in families:
                raise InvalidSpec(
                    f"held_out names {family!r}, but nothing here measures it; there is {', '.join(sorted(families))}."
                )
            if family in seen and any(self.repairs.values()):
                raise NotHeldOut(
                    f"{family} is held out, but the repairs learn from it (seen). Take it out of one of them."
                )

    @cached_property
    def built_harms(self) -> dict[str, Harm]:
        built = {name: build(node) for name, node in self.harms.items()}
        for name, harm in built.items():
            if not isinstance(harm, Harm):
                raise InvalidSpec(f"{self.harms[name].get('use')} is no harm. See: sparring list harms")
        return {harm.name: harm for harm in built.values()}

    @cached_property
    def built_threat(self) -> ThreatModel:
        if self.threat is not None:
            return build(self.threat)
        own = {digest(harm.threat): harm for harm in self.built_harms.values()}
        if len(own) > 1:
            raise InvalidSpec(
                f"{' and '.join(harm.name for harm in own.values())} let an adversary write different things; name one "
                "threat for all, or look for them in recipes of their own."
            )
        return next(iter(own.values())).threat

    @cached_property
    def judge(self) -> ByHarm:
        return ByHarm({name: harm.judge for name, harm in self.built_harms.items()})

    @property
    def built_opinions(self) -> list[Judge]:
        """The scorer that red language models train on (a gap to the judge is reward hacking), and the recipe's own.

        Where the state decides, a scorer of replies has nothing to add.
        """
        own = [build(node) for node in self.opinions]
        for judge in own:
            if not isinstance(judge, Judge):
                raise InvalidSpec(
                    f"an opinion is a judge, such as {{use: language.judges.word_list.garak}}; got {judge}."
                )
        rewarded = {name: harm for name, harm in self.built_harms.items() if not isinstance(harm.judge, StateJudge)}
        return [ByReward(rewarded), *own] if rewarded else own

    @property
    def taxonomy(self) -> dict[str, tuple[str, ...]]:
        """Harm -> ids with scheme and edition."""
        known = taxonomy()
        return {
            name: tuple(
                f"{one} ({known[one].scheme}, {known[one].edition})" if one in known else one for one in harm.taxonomy
            )
            for name, harm in self.built_harms.items()
        }

    @property
    def built_vitals(self) -> list[Vital]:
        return [build(node) for node in self.vitals]

    def built_attacks(self, red: Chat | None, seen: bool = False) -> list[Attack[Any, Any, Any]]:
        found = [self._filled(node, red) for node in (self.seen if seen else self.attacks)]
        for attack in found:
            if not isinstance(attack, Attack):
                raise InvalidSpec(f"{type(attack).__name__} is no attack. See: sparring list attacks")
        return found

    def built_repairs(self, red: Chat | None = None) -> dict[str, Defence | None]:
        """The repairs by name.

        Args:
            red: for repairs that red-team by themselves.

        Raises:
            NotHeldOut: if one learns from a family that is held out.
        """
        nodes = self.repairs or {"as-is": None}
        built = {name: None if node is None else self._filled(node, red) for name, node in nodes.items()}
        for name, repair in built.items():
            if not isinstance(repair, Defence | None):
                raise InvalidSpec(f"repair {name!r} is no defence. See: sparring list defences")
            both = sorted(set(self.held_out) & set(repair.families if repair else ()))
            if both:
                raise NotHeldOut(
                    f"{', '.join(both)} is held out, but the repair {name!r} learns from it. Take it out of one of them."
                )
        return built

    @property
    def families(self) -> tuple[str, ...]:
        """What the repairs learn from."""
        own = [name for name in map(_family, self.seen) if name is not None]
        return tuple(dict.fromkeys([*own, *(["people"] if self.book else [])]))

    def open_cases(self, split: str) -> Cases:
        count = self.learn or self.cases if split == "train" else self.cases
        return joined_cases([harm.cases(count, split=split) for harm in self.built_harms.values()], split)

    def asked(self) -> Node:
        """What decides the result, as plain data; files by their full paths, so that it can be read anywhere."""
        data = self.model_dump(mode="json", exclude={"base"})
        for key in ("target", "red"):
            path = self.base / data[key].partition(":")[0] if isinstance(data[key], str) else None
            if path is not None and path.exists():
                data[key] = str(path.resolve()) + data[key][len(data[key].partition(":")[0]) :]
        data["book"] = self.book and str((self.base / self.book).resolve())
        return json.loads(json.dumps(data))

    def _filled(self, node: Node, red: Chat | None) -> Any:
        """The node's value, given what it takes and names none of: harms, red model, families, threat and judge."""
        given = {"red": red, "families": self.families, "threat": self.built_threat, "judge": self.judge}
        return build(_fill(node, {"harms": tuple(self.built_harms.values()), **given}))


def parse_red_recipe(data: Mapping[str, Any], base: Path = Path()) -> RedRecipe:
    """A red-team recipe from plain data.

    Raises:
        InvalidSpec: for a key or name that nothing here understands.
        NotHeldOut: if a repair learns from a family that is held out.
    """
    known = [name for name in RedRecipe.model_fields if name != "base"]
    for key in data:
        if key not in known:
            raise InvalidSpec(f"a red-team recipe has no key {key!r}; its keys are {', '.join(known)}.")
    try:
        return RedRecipe(**{key: value for key, value in data.items() if value is not None}, base=base)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if not re.match("dict|function|str", str(part)))
        told = "is missing" if first["type"] == "missing" else f"got {first['input']!r}: {first['msg']}"
        raise InvalidSpec(f"recipe key {where!r} {told}.") from error


def _needs_breaks(node: Node) -> bool:
    """Whether a repair has to learn from what broke the target, as far as its class tells."""
    kind = resolve(node["use"])
    return getattr(kind, "learns", True) is not False and getattr(kind, "searches", False) is not True


def _family(node: Node) -> str | None:
    """The family of an attack's node; None where only the built attack could tell."""
    kind = resolve(node["use"])
    if "family" in inspect.signature(kind).parameters and "family" in node:
        return str(node["family"])
    return kind.family if isinstance(kind.family, str) else None


def _fill(node: Any, given: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_fill(one, given) for one in node]
    if not isinstance(node, dict) or "use" not in node:
        return node
    takes = inspect.signature(resolve(node["use"])).parameters
    own = {key: _fill(value, given) for key, value in node.items()}
    return {**{key: value for key, value in given.items() if key in takes and value is not None}, **own}
