"""Steps of a plan: an action, and why it is done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from reconciler.core.actions import Action, ChangePackages, Phase, Unit, phase
from reconciler.core.address import Address
from reconciler.core.basics.frozen import frozen


@frozen
class Cause:
    """Why a step is there."""

    address: Address
    """The resource or part on whose behalf it is done."""
    why: str = ""
    """In words."""
    unit: str = ""
    """The unit, for a step with a unit verb."""
    once: bool = False
    """Nothing on the host tells afterwards whether it was done (a job that ran and ended): it stays owed
    until a run has done it.
    """
    kept: str = ""
    """The reason that keeps a held step from being done, where that is not `on_change`."""
    passing: bool = False
    """Whether `kept` may no longer hold for another run."""

    @property
    def reason(self) -> str:
        """Why it is there, and what keeps it from being done."""
        return "; ".join(filter(None, (self.why, self.kept)))


@frozen
class Step:
    """One action and everything that asked for it.

    `held`: it is owed but must not be done now (`on_change: none`); it is recorded and shown, never executed.
    """

    action: Action
    causes: tuple[Cause, ...]
    held: bool = False

    @property
    def phase(self) -> Phase:
        """The phase of the action."""
        return phase(self.action)

    def without(self, addresses: Collection[Address]) -> Step | None:
        """This step for those causes only that are not in `addresses`; None when nothing is left to do."""
        causes = tuple(cause for cause in self.causes if cause.address not in addresses)
        if len(causes) == len(self.causes):
            return self
        if not causes:
            return None
        if isinstance(self.action, ChangePackages):
            return replace(self, action=_packages_of(self.action, causes), causes=causes)
        if not isinstance(self.action, Unit) or not self.action.units:
            return replace(self, causes=causes)
        dropped = {cause.unit for cause in self.causes if cause.address in addresses}
        units = tuple(unit for unit in self.action.units if unit not in dropped)
        if not units:
            return None
        causes = tuple(cause for cause in causes if cause.unit in units)
        return replace(self, action=replace(self.action, units=units), causes=causes)


def _packages_of(action: ChangePackages, causes: Collection[Cause]) -> ChangePackages:
    """The part of a transaction that these causes asked for."""
    names = {cause.address.name for cause in causes}
    return ChangePackages(
        tuple(wanted for wanted in action.install if wanted.partition(">=")[0] in names),
        *(
            tuple(name for name in packages if name in names)
            for packages in (action.remove, action.hold, action.unhold)
        ),
    )
