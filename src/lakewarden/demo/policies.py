"""The IAM documents of the walkthrough, reduced to the services that the demo drives."""

from typing import Any

Document = dict[str, Any]
VERSION = "2012-10-17"
ROLE_PREFIX = "SageMakerStudioExecutionRole_"


def execution_role_name(scientist: str) -> str:
    """One role a person, named after her: that is how the audit trail leads from a query to a person."""
    return f"{ROLE_PREFIX}{scientist}"


def group_policy(account: str) -> Document:
    """DataScientistGroupPolicy: a person may take the execution role that bears her own name, under her own name."""
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": "OwnExecutionRole",
                "Effect": "Allow",
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
                "Resource": f"arn:aws:iam::{account}:role/{ROLE_PREFIX}${{aws:username}}",
                "Condition": {"StringEquals": {"sts:SourceIdentity": "${aws:username}"}},
            }
        ],
    }


_PROFILE = "arn:aws:sagemaker:*:*:user-profile/${sagemaker:DomainId}/${sagemaker:UserProfileName}"


def own_profile_policy() -> Document:
    """The group's right to Studio: each person opens the user profile that bears her own name, and no other."""
    actions = ["sagemaker:DescribeUserProfile", "sagemaker:CreatePresignedDomainUrl"]
    return {
        "Version": VERSION,
        "Statement": [
            {"Sid": "OwnProfile", "Effect": "Allow", "Action": actions, "Resource": _PROFILE},
            {"Sid": "NoOtherProfile", "Effect": "Deny", "Action": actions, "NotResource": _PROFILE},
            {"Sid": "NoNotebookInstances", "Effect": "Deny", "Action": "sagemaker:*NotebookInstance*", "Resource": "*"},
        ],
    }


def own_spaces_policy() -> Document:
    """The execution role's right to Studio: spaces and apps of its own profile."""
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": "OwnSpacesAndApps",
                "Effect": "Allow",
                "Action": [
                    "sagemaker:CreateSpace",
                    "sagemaker:DeleteSpace",
                    "sagemaker:CreateApp",
                    "sagemaker:DeleteApp",
                ],
                "Resource": [
                    "arn:aws:sagemaker:*:*:space/${sagemaker:DomainId}/*",
                    "arn:aws:sagemaker:*:*:app/${sagemaker:DomainId}/*",
                ],
                "Condition": {
                    "ArnLike": {"sagemaker:OwnerUserProfileArn": _PROFILE},
                    "StringEquals": {"sagemaker:SpaceSharingType": "Private"},
                },
            }
        ],
    }


def trust_policy(account: str, scientist: str) -> Document:
    """Who may take the role: its own person only, with a session and source identity that name her."""
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:user/{scientist}"},
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
                "Condition": {"StringEquals": {"sts:RoleSessionName": scientist, "sts:SourceIdentity": scientist}},
            },
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
            },
        ],
    }


def execution_policy(results_bucket: str) -> Document:
    """SageMakerUserProfileExecutionPolicy: coarse access; Lake Formation decides about tables and columns."""
    return {
        "Version": VERSION,
        "Statement": [
            {
                "Sid": "LakeFormationPermissions",
                "Effect": "Allow",
                "Action": [
                    "lakeformation:GetDataAccess",
                    "glue:GetTable",
                    "glue:GetTables",
                    "glue:SearchTables",
                    "glue:GetDatabase",
                    "glue:GetDatabases",
                    "glue:GetPartitions",
                ],
                "Resource": "*",
            },
            {
                "Sid": "QueryResults",
                "Effect": "Allow",
                "Action": ["s3:CreateBucket", "s3:GetBucketLocation", "s3:GetObject", "s3:PutObject"],
                "Resource": [f"arn:aws:s3:::{results_bucket}", f"arn:aws:s3:::{results_bucket}/*"],
            },
            {"Sid": "DenyAssumingOtherIAMRoles", "Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"},
        ],
    }
