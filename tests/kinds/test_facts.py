"""The facts that `observe` of a kind hands to its `actions`: a dataclass for each, narrowed once."""

from __future__ import annotations

from importlib import import_module
from pkgutil import walk_packages

from reconciler import kinds
from reconciler.core.changes import NO_FACTS, Facts, Observed
from reconciler.kinds.shared.unit_facts import UnitFacts
from reconciler.kinds.users.facts import HomeFacts


def test_facts_are_those_of_the_form_that_is_asked_for() -> None:
    """Facts of another form, or none, count as those of nothing."""
    seen = Observed(None, UnitFacts("a.service", stamp="/s"))

    assert UnitFacts("a.service", stamp="/s") == seen.facts(UnitFacts)
    assert HomeFacts() == seen.facts(HomeFacts) == Observed(None).facts(HomeFacts)
    assert NO_FACTS is Observed(None).private


def test_facts_of_nothing_can_be_made_of_every_form() -> None:
    """Every field of a form has a default: `facts` relies on it."""
    for module in walk_packages(kinds.__path__, f"{kinds.__name__}."):
        import_module(module.name)
    made = [form() for form in Facts.__subclasses__()]

    assert {"AccountFacts", "KeyFacts", "UnitFacts", "VendorFacts"} <= {
        type(facts).__name__ for facts in made
    }
