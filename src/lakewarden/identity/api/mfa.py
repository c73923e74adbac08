"""Virtual MFA devices."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import Access, AuthorizedCall, Operation
from lakewarden.identity import rules
from lakewarden.identity.api.shapes import Params, listed, moment, operation, page, tag_list, user_answer
from lakewarden.identity.errors import NoSuchEntity
from lakewarden.identity.mfa import MfaDevices
from lakewarden.identity.model import MfaDevice, User
from lakewarden.identity.service import IdentityService, tags_of
from lakewarden.kernel.call import Call


def operations(service: IdentityService, devices: MfaDevices) -> Sequence[Operation]:
    """The rows about MFA devices."""
    of_user = rules.entity(service, User, "UserName")

    def create(params: Params) -> Mapping[str, Any]:
        device, seed = devices.create(
            params["VirtualMFADeviceName"], params.get("Path", "/"), tags_of(params.get("Tags"))
        )
        # No QRCodePNG: authenticator apps take the seed as text.
        return {"VirtualMFADevice": {"SerialNumber": devices.serial(device), "Base32StringSeed": seed}}

    def everything(params: Params) -> Mapping[str, Any]:
        wanted = params.get("AssignmentStatus", "Any")
        found = [one for one in devices.all() if wanted == "Any" or (wanted == "Assigned") is bool(one.user_id)]
        users = {user.id: user for user in service.all(User)} if wanted != "Unassigned" else {}
        return page([_answer(one, users) for one in found], params, "VirtualMFADevices")

    def _answer(device: MfaDevice, users: Mapping[str, User]) -> dict[str, Any]:
        owner = users.get(device.user_id)
        return {
            "SerialNumber": devices.serial(device),
            "User": listed(user_answer(service, owner)) if owner is not None else None,
            "EnableDate": moment(device.enabled) if device.enabled else None,
            "Tags": tag_list(device.tags) or None,
        }

    def of(call: AuthorizedCall) -> Mapping[str, Any]:
        name = rules.user_name(call.call)
        found = [
            {"UserName": name, "SerialNumber": devices.serial(one), "EnableDate": moment(one.enabled)}
            for one in devices.of(name)
        ]
        return page(found, call.params, "MFADevices")

    def one(call: AuthorizedCall) -> Mapping[str, Any]:
        name, serial = rules.user_name(call.call), call.params["SerialNumber"]
        found = next((device for device in devices.of(name) if devices.serial(device) == serial), None)
        if found is None:
            raise NoSuchEntity(f"MFA Device invalid for user {name}.")
        return {"UserName": name, "SerialNumber": serial, "EnableDate": moment(found.enabled)}

    def on_device(call: Call) -> Sequence[Access]:
        return (Access(f"iam:{call.operation}", call.params["SerialNumber"]),)

    def codes(params: Params) -> tuple[str, str, str, str]:
        return (
            params["UserName"], params["SerialNumber"], params["AuthenticationCode1"], params["AuthenticationCode2"]
        )  # fmt: skip

    secret = frozenset({"AuthenticationCode1", "AuthenticationCode2"})
    creating = rules.create_as(service, lambda params: f"mfa{params.get('Path', '/')}{params['VirtualMFADeviceName']}")
    own_user = rules.own_user(service, "iam:ListMFADevices")

    def enable(call: AuthorizedCall) -> Mapping[str, Any]:
        devices.enable(*codes(call.params))
        return {}

    def resync(call: AuthorizedCall) -> Mapping[str, Any]:
        devices.resync(*codes(call.params))
        return {}

    return (
        operation("CreateVirtualMFADevice", creating, create),
        operation("ListVirtualMFADevices", rules.listing("iam:ListVirtualMFADevices"), everything, read=True),
        operation("DeleteVirtualMFADevice", on_device, lambda params: devices.delete(params["SerialNumber"])),
        Operation("ListMFADevices", of, own_user, read_only=True),
        Operation("GetMFADevice", one, rules.own_user(service, "iam:GetMFADevice"), read_only=True),
        Operation("EnableMFADevice", enable, of_user("iam:EnableMFADevice"), read_only=False, hidden=secret),
        Operation("ResyncMFADevice", resync, of_user("iam:ResyncMFADevice"), read_only=False, hidden=secret),
        operation(
            "DeactivateMFADevice",
            of_user("iam:DeactivateMFADevice"),
            lambda params: devices.deactivate(params["UserName"], params["SerialNumber"]),
        ),
    )
