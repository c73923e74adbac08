"""Handlers of the listings of objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from lakewarden.guard import AuthorizedCall
from lakewarden.storage.errors import InvalidArgument
from lakewarden.storage.model import Listing, StoredObject, Version
from lakewarden.storage.rules import Rules
from lakewarden.storage.service import StorageService, when
from lakewarden.storage.versions import NULL
from lakewarden.storage.words import encoded, from_token, quoted, token_of

LONGEST_PAGE = 1000


class ListingCalls:
    """Listings show what the caller may know of: other people's query results are not there."""

    def __init__(self, service: StorageService, rules: Rules, account: str) -> None:
        self._service = service
        self._rules = rules
        self._owner = {"ID": account, "DisplayName": account}

    def v2(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListObjectsV2."""
        params = call.params
        token = params.get("ContinuationToken")
        after = from_token(token) if token is not None else params.get("StartAfter", "")
        found, members = self._list(call, after, owned=bool(params.get("FetchOwner")))
        members["KeyCount"] = len(found.objects) + len(found.prefixes)
        members["ContinuationToken"] = token
        if params.get("StartAfter"):
            members["StartAfter"] = encoded(params, params["StartAfter"])
        if found.truncated:
            members["NextContinuationToken"] = token_of(found.next_after)
        return members

    def v1(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListObjects."""
        marker = call.params.get("Marker", "")
        found, members = self._list(call, marker, owned=True)
        members["Marker"] = encoded(call.params, marker)
        if found.truncated and call.params.get("Delimiter"):
            members["NextMarker"] = encoded(call.params, found.next_after)
        return members

    def versions(self, call: AuthorizedCall) -> Mapping[str, Any]:
        """ListObjectVersions: every version of every object, and the markers of deletions."""
        params = call.params
        marker, version = params.get("KeyMarker", ""), params.get("VersionIdMarker", "")
        if version and not marker:
            raise InvalidArgument("A version-id marker cannot be specified without a key marker.")
        limit, prefix, delimiter = _asked(params)
        found = self._service.list_versions(
            params["Bucket"], prefix, delimiter, (marker, version), limit, self._rules.visible(call.call)
        )
        members = _page(params, limit, found.truncated, found.prefixes)
        members["Versions"] = [
            self._entry(params, one.stored, owned=True) | _version(one) for one in found.versions if not one.marker
        ]
        members["DeleteMarkers"] = [
            {"Key": encoded(params, one.stored.key), "LastModified": when(one.stored.modified), "Owner": self._owner}
            | _version(one)
            for one in found.versions
            if one.marker
        ]
        members["KeyMarker"] = encoded(params, marker)
        members["VersionIdMarker"] = version
        if found.truncated:
            members["NextKeyMarker"] = encoded(params, found.next_after[0])
            members["NextVersionIdMarker"] = found.next_after[1] or None
        return members

    def _list(self, call: AuthorizedCall, after: str, *, owned: bool) -> tuple[Listing, dict[str, Any]]:
        params = call.params
        limit, prefix, delimiter = _asked(params)
        found = self._service.list(params["Bucket"], prefix, delimiter, after, limit, self._rules.visible(call.call))
        members = _page(params, limit, found.truncated, found.prefixes)
        return found, members | {"Contents": [self._entry(params, one, owned=owned) for one in found.objects]}

    def _entry(self, params: Mapping[str, Any], stored: StoredObject, *, owned: bool) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "Key": encoded(params, stored.key),
            "LastModified": when(stored.modified),
            "ETag": quoted(stored.etag),
            "Size": stored.size,
            "StorageClass": "STANDARD",
        }
        if stored.sums.values:
            entry["ChecksumAlgorithm"] = [kind.upper() for kind in stored.sums.values]
            entry["ChecksumType"] = stored.sums.type
        return entry | {"Owner": self._owner} if owned else entry


def _asked(params: Mapping[str, Any]) -> tuple[int, str, str]:
    """Most entries, prefix and delimiter; raises InvalidArgument."""
    limit = params.get("MaxKeys", LONGEST_PAGE)
    if limit < 0:
        raise InvalidArgument("Argument maxKeys must be an integer between 0 and 2147483647")
    if params.get("EncodingType", "url") != "url":
        raise InvalidArgument("Invalid Encoding Method specified in Request")
    return min(limit, LONGEST_PAGE), params.get("Prefix", ""), params.get("Delimiter", "")


def _page(params: Mapping[str, Any], limit: int, truncated: bool, prefixes: Sequence[str]) -> dict[str, Any]:
    """What all three listings say about a page."""
    _, prefix, delimiter = _asked(params)
    return {
        "Name": params["Bucket"],
        "Prefix": encoded(params, prefix),
        "Delimiter": encoded(params, delimiter) if delimiter else None,
        "MaxKeys": limit,
        "IsTruncated": truncated,
        "EncodingType": params.get("EncodingType"),
        "CommonPrefixes": [{"Prefix": encoded(params, one)} for one in prefixes],
    }


def _version(one: Version) -> dict[str, Any]:
    return {"VersionId": one.stored.version or NULL, "IsLatest": one.latest}
