"""What life cycle rules need of the audit log."""

import uuid
from collections.abc import Mapping

from lakewarden.audit.log import AuditLog
from lakewarden.audit.records import moment
from lakewarden.kernel.arn import s3
from lakewarden.kernel.clock import Clock

_LIFECYCLE = "lifecycle.s3.amazonaws.com"


class AuditedExpiry:
    """Implements ``storage.expire.ExpiryRecorder``."""

    def __init__(self, log: AuditLog, account: str, region: str, clock: Clock) -> None:
        self._log = log
        self._account = account
        self._region = region
        self._clock = clock

    def expired(self, operation: str, bucket: str, key: str, rule: str, details: Mapping[str, str]) -> None:
        """The removal as a data event whose identity is the service; durable when it returns."""
        event = str(uuid.uuid4())
        self._log.append(
            {
                "eventVersion": "1.11",
                "userIdentity": {"type": "AWSService", "invokedBy": _LIFECYCLE, "accountId": self._account},
                "eventTime": moment(self._clock()),
                "eventSource": "s3.amazonaws.com",
                "eventName": operation,
                "awsRegion": self._region,
                "sourceIPAddress": _LIFECYCLE,
                "userAgent": _LIFECYCLE,
                "requestParameters": {"bucketName": bucket, "key": key, **details},
                "responseElements": None,
                "additionalEventData": {"lifecycleRule": rule},
                "requestID": event,
                "eventID": event,
                "readOnly": False,
                "resources": [
                    {"type": "AWS::S3::Object", "ARN": s3(f"{bucket}/{key}")},
                    {"type": "AWS::S3::Bucket", "ARN": s3(bucket), "accountId": self._account},
                ],
                "eventType": "AwsServiceEvent",
                "managementEvent": False,
                "recipientAccountId": self._account,
                "eventCategory": "Data",
            }
        ).result()
