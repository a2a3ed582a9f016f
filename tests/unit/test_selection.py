"""What a person narrows a plan to, and what is refused word for word."""

from __future__ import annotations

import pytest

from hygiene_core.config.selection import parse_selection
from hygiene_core.errors import UsageProblem
from hygiene_core.model.plan import Mode, Selection
from hygiene_core.testing import GIB, MIB

FORMS = "it narrows nothing; write for example kind:image, name:odoo*, size>1GiB or verdict:retained."
KINDS = "known here: image, container, volume, builder, runner_workdir, run_cache."
BOUNDED = "only names narrow a bounded plan, which is about whole caches; write for example name:embedded."


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], Selection()),
        (["kind:image", "kind:volume", "kind:image"], Selection(kinds=("image", "volume"))),
        (["kind:container", "kind:builder"], Selection(kinds=("container", "builder"))),
        (["name:odoo-*", "name:a:1"], Selection(names=("odoo-*", "a:1"))),
        (["size>1GiB", "size>20MiB"], Selection(min_bytes=GIB)),
        (["size>20 MiB"], Selection(min_bytes=20 * MIB)),
        (["verdict:retained"], Selection(verdicts=("retained",))),
        (["verdict:retained", "verdict:candidate"], Selection(verdicts=("retained", "candidate"))),
        (["name:size>1GiB"], Selection(names=("size>1GiB",))),
    ],
)
def test_words_that_narrow(words: list[str], meant: Selection):
    assert parse_selection(words) == meant


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", f'"": {FORMS}'),
        ("foo", f'"foo": {FORMS}'),
        ("foo:bar", f'"foo:bar": {FORMS}'),
        ("KIND:image", f'"KIND:image": {FORMS}'),
        ("size<1GiB", f'"size<1GiB": {FORMS}'),
        ("size:1GiB", f'"size:1GiB": {FORMS}'),
        ("kind>image", f'"kind>image": {FORMS}'),
        ("--select", f'"--select": {FORMS}'),
        ("kind:", f'"kind:": "" is not a kind that is planned; {KINDS}'),
        ("kind:images", '"kind:images": "images" is not a kind that is planned; did you mean "image"?'),
        ("kind:log", f'"kind:log": "log" is not a kind that is planned; {KINDS}'),
        ("kind:*", f'"kind:*": "*" is not a kind that is planned; {KINDS}'),
        (
            "verdict:protected",
            (
                '"verdict:protected": "protected" is not a verdict that is planned; '
                "known here: candidate, retained."
            ),
        ),
        (
            "verdict:in_use",
            '"verdict:in_use": "in_use" is not a verdict that is planned; known here: candidate, retained.',
        ),
        (
            "verdict:unknown",
            '"verdict:unknown": "unknown" is not a verdict that is planned; known here: candidate, retained.',
        ),
        ("verdict:", '"verdict:": "" is not a verdict that is planned; known here: candidate, retained.'),
        ("name:", '"name:": is empty.'),
        ("name: ", '"name: ": is only white space.'),
        ("name:[", '"name:[": "[" has a [ that is never closed.'),
        (
            "name:\x1b[2J",
            '"name:\\u001b[2J": "\\u001b[2J" has a character that cannot be printed.',
        ),
        ("size>", '"size>": is empty; write for example "20GiB".'),
        ("size>0B", '"size>0B": 0 is refused: it is no size, and never means "no limit".'),
        ("size>20", '"size>20": "20" has no unit; write for example "20GiB".'),
        ("size>-1GiB", '"size>-1GiB": "-1GiB" is negative.'),
        ("size>1e3", '"size>1e3": "1e3" is in scientific notation; write for example "20GiB".'),
        ("size>\uff11GiB", '"size>\uff11GiB": "\uff11GiB" has digits other than 0 to 9.'),
        ("size>1gib", '"size>1gib": "1gib" has the unknown unit "gib"; did you mean "GiB"?'),
    ],
)
def test_a_word_that_cannot_be_read_is_refused(word: str, said: str):
    with pytest.raises(UsageProblem) as refused:
        parse_selection(["kind:image", word])
    assert str(refused.value) == (
        f"refused [USAGE]: --select {said} Nothing was planned. See: hygiene plan --help"
    )


@pytest.mark.parametrize("word", ["kind:image", "kind:builder", "size>1GiB", "verdict:retained", "kind:odd"])
def test_a_bounded_plan_is_narrowed_by_names_alone(word: str):
    assert parse_selection(["name:embedded"], Mode.BOUNDED) == Selection(names=("embedded",))
    with pytest.raises(UsageProblem) as refused:
        parse_selection([word], Mode.BOUNDED)
    assert refused.value.message == f'--select "{word}": {BOUNDED} Nothing was planned.'


def test_a_word_of_no_mode_is_refused_in_both():
    with pytest.raises(UsageProblem, match="narrows nothing"):
        parse_selection(["foo"], Mode.BOUNDED)
