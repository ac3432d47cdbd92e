"""JUnit XML of what a gate checked, which every CI system shows."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from sparring.core.shown import shown
from sparring.measure.limits import Finding


def write_junit(findings: Mapping[str, Sequence[Finding]], path: Path | str) -> Path:
    """One test suite per scorecard, one test case per limit.

    Args:
        findings: name of the scorecard -> what was found.
        path: of the file; its folders are made.
    """
    path = Path(path)
    every = [finding for found in findings.values() for finding in found]
    root = ElementTree.Element("testsuites", _counts("sparring check", every))
    for name, found in findings.items():
        suite = ElementTree.SubElement(root, "testsuite", _counts(_plain(name), found))
        for finding in found:
            case = ElementTree.SubElement(suite, "testcase", {"classname": _plain(name), "name": finding.name})
            if not finding.passed:
                failure = ElementTree.SubElement(case, "failure", {"message": _plain(finding.text)})
                failure.text = _plain(finding.text)
    path.parent.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _counts(name: str, found: Sequence[Finding]) -> dict[str, str]:
    failed = sum(not finding.passed for finding in found)
    return {"name": name, "tests": str(len(found)), "failures": str(failed), "errors": "0"}


def _plain(text: str) -> str:
    """Without the characters that XML forbids, in one line."""
    return shown(" ".join(text.split("\n")))
