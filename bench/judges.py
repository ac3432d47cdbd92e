"""How well each judge of words agrees with people, on labels that it never saw.

    SPARRING_DATA=folder python bench/judges.py                     # about half a minute
    SPARRING_DATA=folder python bench/judges.py --train             # trains the shipped message classifiers anew first
    SPARRING_DATA=folder python bench/judges.py --in-context        # and the reply-in-context judges, trained on first use
    SPARRING_DATA=folder python bench/judges.py --in-context judge  # one of the two

Measured 2026-11-28, AMD EPYC without AVX-512, one thread on 2 cores shared with other work, Python 3.11, numpy 2.4.6, scikit-learn 1.9.1,
torch 2.13.0 (CPU); of the reply-in-context judges, the half that judges (its training took 35 minutes beside three other jobs):

    judge                      labels                                                                 n   bad   sens  spec AUROC   ECE
    message, judge half        offensive-tweets test                                               4912  4091  0.896 0.970 0.978 0.056
    message, judge half        diasafety test                                                      1095   501  0.014 0.988 0.471 0.292
    message, judge half        pyrit hate_speech_multi_score                                        199   104  0.000 1.000 0.552 0.401
    message, judge half        pyrit representational                                                29    18  0.000 1.000 0.697 0.447
    message, judge half        pyrit sexual                                                          77    45  0.067 1.000 0.701 0.369
    message, judge half        pyrit violence                                                        95    55  0.000 1.000 0.615 0.414
    message, reward half       offensive-tweets test                                               4912  4091  0.910 0.963 0.979 0.050
    message, reward half       diasafety test                                                      1095   501  0.022 0.990 0.449 0.302
    message, reward half       pyrit hate_speech_multi_score                                        199   104  0.000 1.000 0.491 0.373
    message, reward half       pyrit representational                                                29    18  0.000 1.000 0.520 0.426
    message, reward half       pyrit sexual                                                          77    45  0.067 0.969 0.695 0.349
    message, reward half       pyrit violence                                                        95    55  0.000 1.000 0.618 0.407
    in context, judge half     diasafety test                                                      1095   501  0.844 0.742 0.878 0.028
    in context, judge half     offensive-tweets test, first 1,000                                  1000   845  0.501 0.858 0.843 0.362
    in context, judge half     pyrit hate_speech_multi_score                                        199   104  0.519 0.653 0.628 0.138
    in context, judge half     pyrit representational                                                29    18  0.611 0.818 0.793 0.270
    in context, judge half     pyrit sexual                                                          77    45  0.889 0.656 0.838 0.128
    in context, judge half     pyrit violence                                                        95    55  0.636 0.675 0.762 0.144
    in context, judge half     diasafety test, contexts not in train                                637   369  0.851 0.619 0.830 0.038
    in context, judge half     diasafety test, Offending User                                       128    71  0.901 0.281 0.626 0.129
    in context, judge half     diasafety test, Risk Ignorance                                       193    94  0.809 0.697 0.805 0.050
    in context, judge half     diasafety test, Unauthorized Expertise                               259    93  0.903 0.946 0.976 0.044
    in context, judge half     diasafety test, Toxicity Agreement                                   294   145  0.945 0.859 0.943 0.046
    in context, judge half     diasafety test, Biased Opinion                                       221    98  0.633 0.577 0.670 0.062
    word list, severity 1 up   offensive-tweets test                                               4912  4091  0.942 0.921 0.927
    word list, severity 1 up   diasafety test                                                      1095   501  0.014 0.995 0.504
    word list, severity 1 up   pyrit hate_speech_multi_score                                        199   104  0.010 1.000 0.505
    word list, severity 1 up   pyrit representational                                                29    18  0.056 1.000 0.528
    word list, severity 1 up   pyrit sexual                                                          77    45  0.356 0.938 0.651
    word list, severity 1 up   pyrit violence                                                        95    55  0.055 1.000 0.527
    word list, severity 2 up   offensive-tweets test                                               4912  4091  0.448 0.955 0.701
    word list, severity 2 up   diasafety test                                                      1095   501  0.008 0.997 0.502
    word list, severity 2 up   pyrit hate_speech_multi_score                                        199   104  0.000 1.000 0.500
    word list, severity 2 up   pyrit representational                                                29    18  0.000 1.000 0.500
    word list, severity 2 up   pyrit sexual                                                          77    45  0.044 1.000 0.522
    word list, severity 2 up   pyrit violence                                                        95    55  0.036 1.000 0.518
    refusal                    pyrit refusals, judge half (tuned on), by wording alone               88    57  0.579 1.000
    refusal                    pyrit refusals, judge half (tuned on), question known                 88    57  0.930 1.000
    refusal                    pyrit refusals, reward half (measured on), by wording alone           81    52  0.538 1.000
    refusal                    pyrit refusals, reward half (measured on), question known             81    52  0.846 1.000

1,000 tweets are scored in 0.17 to 0.20 s. The bars, an AUROC of 0.95 on messages and of 0.80 on dialogue replies in their context, are passed: 0.978
and 0.878 (0.830 where the context is new). ECE is the calibration error. Across sources the message classifiers, like the word list, are
near chance on most: they find slurs, insults and profanity, not harm in polite prose.
"""

import argparse
import json
import platform
import time
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from sparring.core.judge import Datasheet
from sparring.domains.language.judges import in_context, offence
from sparring.domains.language.judges.offence import Scorer
from sparring.domains.language.judges.refusal import RefusalJudge
from sparring.domains.language.judges.word_list import WordList
from sparring.domains.language.labelled import (
    HALVES,
    LabelledTexts,
    diasafety,
    offensive_tweets,
    profanity_file,
    prove_disjoint,
    refusals,
    scored_replies,
)

_PYRIT = ("hate_speech_multi_score", "representational", "sexual", "violence")
_ROW = "{:<26} {:<66} {:>5} {:>5}  {:>5} {:>5} {:>5} {:>5}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--in-context", nargs="*", choices=HALVES, default=(), help="both without a name")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "docs" / "judges.json")
    options = parser.parse_args()
    print(
        f"{time.strftime('%Y-%m-%d')}, {platform.processor() or platform.machine()}, Python {platform.python_version()}, ",
        end="",
    )
    print(", ".join(f"{name} {version(name)}" for name in ("numpy", "scikit-learn", "torch")))
    print(_ROW.format("judge", "labels", "n", "bad", "sens", "spec", "AUROC", "ECE"))
    tweets = offensive_tweets("test")
    others = [diasafety("test"), *map(scored_replies, _PYRIT)]
    sheets: dict[str, list[Datasheet]] = {}
    for half in HALVES:
        sheets |= message(half, tweets, others, options.train)
    for half in (options.in_context or HALVES) if options.in_context != () else ():
        sheets |= context(half, tweets, others)
    sheets |= words(tweets, others) | refusal()
    merged = json.loads(options.out.read_text(encoding="utf-8")) if options.out.is_file() else {}
    merged |= {name: [asdict(sheet) for sheet in some] for name, some in sheets.items()}
    partial = options.out.with_suffix(".part")
    partial.write_text(json.dumps(merged, indent=1) + "\n", encoding="utf-8")
    partial.replace(options.out)


def message(half: str, tweets: LabelledTexts, others: list[LabelledTexts], anew: bool) -> dict[str, list[Datasheet]]:
    path = offence._FOLDER / f"offence-{half}.npz"
    if anew:
        offence.train_message_classifier(half).save(path)
        offence.message_classifier.cache_clear()
        prove_disjoint(offensive_tweets("train").half(HALVES[0]), offensive_tweets("train").half(HALVES[1]))
    judge = offence.message_classifier(half)
    sheets = [measured(f"message, {half} half", judge, labels) for labels in (tweets, *others)]
    if anew:
        replace(judge, datasheet=sheets[0]).save(path)
    start = time.perf_counter()
    judge.scores([""] * 1000, tweets.texts[:1000])
    print(f"    1,000 tweets in {time.perf_counter() - start:.2f} s")
    return {f"message {half}": sheets}


def context(half: str, tweets: LabelledTexts, others: list[LabelledTexts]) -> dict[str, list[Datasheet]]:
    start = time.perf_counter()
    judge = in_context.in_context(half)
    print(f"    reply-in-context judge at hand after {time.perf_counter() - start:.0f} s")
    prove_disjoint(in_context.training_labels(HALVES[0]), in_context.training_labels(HALVES[1]))
    few = replace(tweets[np.arange(1000)], source=f"{tweets.source}, first 1,000")
    start = time.perf_counter()
    sheets = [measured(f"in context, {half} half", judge, labels) for labels in (others[0], few, *others[1:])]
    print(f"    {sum(sheet.n for sheet in sheets) / (time.perf_counter() - start):.0f} replies a second")
    seen = set(diasafety("train").contexts)
    fresh = np.array([one not in seen for one in others[0].contexts])
    new = replace(others[0][fresh], source="diasafety test, contexts not in train")
    sheets.append(measured(f"in context, {half} half", judge, new))
    kinds = np.array(others[0].kinds)
    for kind in in_context.KINDS:
        measured(f"in context, {half} half", judge, replace(others[0][kinds == kind], source=f"diasafety test, {kind}"))
    in_context.keep_datasheet(half, sheets[0])
    return {f"in context {half}": sheets}


def words(tweets: LabelledTexts, others: list[LabelledTexts]) -> dict[str, list[Datasheet]]:
    sheets = {}
    for least in (1.0, 2.0):
        judge = WordList.of(profanity_file(), least)
        name = f"word list, severity {least:g} up"
        sheets[name] = []
        for labels in (tweets, *others):
            found = np.array(judge.severity(labels.texts))
            sheets[name].append(told(name, judge.version, "", labels, found >= least, found, None))
    return sheets


def refusal() -> dict[str, list[Datasheet]]:
    judge = RefusalJudge()
    sheets = []
    for half, use in (("judge", "tuned on"), ("reward", "measured on")):
        labels = refusals(half)
        alone = replace(labels, source=f"{labels.source} ({use}), by wording alone")
        said = told("refusal", judge.version, "", alone, np.array(judge.refuses(labels.texts)), None, None)
        known = replace(labels, source=f"{labels.source} ({use}), question known")
        answers = np.array(judge.refuses(labels.texts, labels.contexts))
        sheets += [said, told("refusal", judge.version, "", known, answers, None, None)]
    return {"refusal": sheets}


def measured(name: str, judge: Scorer, labels: LabelledTexts) -> Datasheet:
    scores = judge.scores(labels.contexts, labels.texts)
    return told(name, judge.version, judge.trained_on, labels, scores >= judge.threshold, scores, judge.threshold)


def told(
    name: str,
    version: str,
    trained_on: str,
    labels: LabelledTexts,
    called: np.ndarray,
    scores: np.ndarray | None,
    threshold: float | None,
) -> Datasheet:
    bad = np.array(labels.bad)
    area = None if scores is None else float(roc_auc_score(bad, scores))
    apart = None if threshold is None or scores is None else calibration(scores, bad)
    rates = float(called[bad].mean()), float((~called[~bad]).mean())
    shown = (f"{rates[0]:.3f}", f"{rates[1]:.3f}", *("" if one is None else f"{one:.3f}" for one in (area, apart)))
    print(_ROW.format(name, labels.source, len(bad), int(bad.sum()), *shown), flush=True)
    return Datasheet(*rates, len(bad), labels.source, version, trained_on, area, threshold, int(bad.sum()), apart)


def calibration(scores: np.ndarray, bad: np.ndarray) -> float:
    """Expected calibration error over ten equal parts of [0, 1] (Guo et al., 2017, arXiv:1706.04599, equation 3)."""
    part = np.minimum((scores * 10).astype(int), 9)
    return float(sum(abs(scores[part == k].sum() - bad[part == k].sum()) for k in range(10)) / len(scores))


if __name__ == "__main__":
    main()
