"""The policy simulator."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, Operation, Rule
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, operation, page
from lakewarden.identity.service import IdentityService
from lakewarden.identity.simulate import Simulator
from lakewarden.kernel.call import Call


def operations(service: IdentityService, simulator: Simulator) -> Sequence[Operation]:
    """The rows of the simulator."""

    def custom(params: Params) -> Mapping[str, Any]:
        return page(simulator.custom(params), params, "EvaluationResults")

    def principal(params: Params) -> Mapping[str, Any]:
        return page(simulator.principal(params), params, "EvaluationResults")

    def simulating(action: str) -> Rule:
        """On the principal whose policies are told, and on the caller whose tags and names are used."""

        def rule(call: Call) -> Sequence[Access]:
            asked = [call.params.get("PolicySourceArn"), call.params.get("CallerArn")]
            found = [rules.on_arn(service, arn, action) for arn in asked if arn]
            return found or [Access(action)]

        return rule

    return (
        operation("SimulateCustomPolicy", simulating("iam:SimulateCustomPolicy"), custom, read=True),
        operation("SimulatePrincipalPolicy", simulating("iam:SimulatePrincipalPolicy"), principal, read=True),
        operation(
            "GetContextKeysForCustomPolicy",
            rules.listing("iam:GetContextKeysForCustomPolicy"),
            lambda params: {"ContextKeyNames": simulator.keys_of_custom(params["PolicyInputList"])},
            read=True,
        ),
        operation(
            "GetContextKeysForPrincipalPolicy",
            simulating("iam:GetContextKeysForPrincipalPolicy"),
            lambda params: {
                "ContextKeyNames": simulator.keys_of_principal(
                    params["PolicySourceArn"], params.get("PolicyInputList") or ()
                )
            },
            read=True,
        ),
    )
