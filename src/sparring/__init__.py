"""A sparring partner for a model: attack it, train it on what broke it, measure what is left, report it with error bars."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sparring.measure.campaign import measure as measure

# Loaded on first use, so that `import sparring` costs nothing.
_HOMES = {
    "measure": "sparring.measure.campaign",
    "replay": "sparring.measure.replay",
    "Scorecard": "sparring.measure.scorecard",
    "BlackBox": "sparring.domains.image.target",
    "Classifier": "sparring.domains.image.target",
    "LabelBox": "sparring.domains.image.target",
    "hugging_face": "sparring.domains.image.target",
    "load_weights": "sparring.domains.image.weights",
    "arrays": "sparring.domains.image.data",
    "cifar10_jpeg": "sparring.domains.image.data",
    "digits": "sparring.domains.image.data",
    "fashion_mnist": "sparring.domains.image.data",
    "loader": "sparring.domains.image.data",
    "road_signs": "sparring.domains.image.road_signs",
    "Corruption": "sparring.domains.image.threat",
    "Patch": "sparring.domains.image.threat",
    "RotateTranslate": "sparring.domains.image.threat",
    "Cases": "sparring.core.cases",
    "LpBall": "sparring.core.ball",
    "Budget": "sparring.core.budget",
    "Seed": "sparring.core.seed",
    "Schedule": "sparring.core.schedule",
    "Validation": "sparring.core.validation",
    "Suite": "sparring.attack.suite",
    "APGD": "sparring.attack.gradient.apgd",
    "APGDTargeted": "sparring.attack.gradient.apgd_targeted",
    "FAB": "sparring.attack.gradient.fab",
    "FABTargeted": "sparring.attack.gradient.fab_targeted",
    "FGSM": "sparring.attack.gradient.fgsm",
    "FMN": "sparring.attack.gradient.fmn",
    "PGD": "sparring.attack.gradient.pgd",
    "Square": "sparring.attack.query.square",
    "HopSkipJump": "sparring.attack.query.hop_skip_jump",
    "GaussianNoise": "sparring.attack.query.gaussian_noise",
    "UniformNoise": "sparring.attack.query.uniform_noise",
    "Corruptions": "sparring.attack.physical.corruptions",
    "Spatial": "sparring.attack.physical.spatial",
    "Sticker": "sparring.attack.physical.sticker",
    "Universal": "sparring.attack.physical.universal",
    "Restarts": "sparring.attack.compose.restarts",
    "WorstOf": "sparring.attack.compose.worst_of",
    "Average": "sparring.attack.compose.average",
    "Transfer": "sparring.attack.compose.transfer",
    "Standard": "sparring.train.plain.standard",
    "Augmented": "sparring.train.plain.augmented",
    "AdversarialTraining": "sparring.train.minimax.adversarial_training",
    "ATTA": "sparring.train.minimax.atta",
    "FGSMRS": "sparring.train.minimax.fgsm_rs",
    "Free": "sparring.train.minimax.free",
    "MART": "sparring.train.minimax.mart",
    "NFGSM": "sparring.train.minimax.nfgsm",
    "TRADES": "sparring.train.minimax.trades",
    "Rounds": "sparring.train.rounds",
    "EMA": "sparring.train.parts.ema",
    "SWA": "sparring.train.parts.swa",
    "WeightPerturbation": "sparring.train.parts.weight_perturbation",
    "ShiftFlip": "sparring.train.parts.shift_flip",
    "RadiusRamp": "sparring.train.parts.radius_ramp",
    "LocalChat": "sparring.domains.language.local_chat",
    "Endpoint": "sparring.domains.language.endpoint",
    "FunctionChat": "sparring.domains.language.function_chat",
    "ReplyCache": "sparring.domains.language.cache",
    "Retries": "sparring.domains.language.retry",
    "Spending": "sparring.domains.language.spending",
    "smollm2": "sparring.domains.language.smollm2",
    "open_chat": "sparring.domains.language.open",
    "Sampling": "sparring.domains.language.target",
    "Conversation": "sparring.domains.language.conversation",
    "Prompts": "sparring.domains.language.threat",
    "Offence": "sparring.domains.language.harms.offence",
    "Leak": "sparring.domains.language.harms.leak",
    "Contact": "sparring.domains.language.harms.contact",
    "Bias": "sparring.domains.language.harms.bias",
    "Dialogue": "sparring.domains.language.harms.dialogue",
    "OverRefusal": "sparring.domains.language.vitals.over_refusal",
    "PlainQuestions": "sparring.domains.language.vitals.plain_questions",
    "Perplexity": "sparring.domains.language.vitals.perplexity",
    "Direct": "sparring.attack.prompt.direct",
    "ZeroShot": "sparring.attack.learned.zero_shot",
    "FewShot": "sparring.attack.learned.few_shot",
    "Supervised": "sparring.attack.learned.supervised",
    "Reinforce": "sparring.attack.learned.reinforce",
    "MultiTurn": "sparring.attack.learned.multi_turn",
    "Blocklist": "sparring.mitigate.blocklist",
    "PromptAugmentation": "sparring.mitigate.prompt_augmentation",
    "Stack": "sparring.mitigate.stack",
    "WithoutData": "sparring.train.feedback.without_data",
    "Unlikelihood": "sparring.train.feedback.unlikelihood",
    "SafeReply": "sparring.train.feedback.safe_reply",
    "Preference": "sparring.train.feedback.preference",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"sparring has no {name!r}; it has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*_HOMES, "__version__"])
