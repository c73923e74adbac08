"""The audit trail: CloudTrail's records in a durable, hash-chained log."""
