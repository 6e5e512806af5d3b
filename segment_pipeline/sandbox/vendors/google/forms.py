"""The requests and resources of Google's Data Manager that Customer Match needs, field by field."""

from collections.abc import Mapping

from segment_pipeline.sandbox.vendors.google.messages import (
    DURATION,
    FLAG,
    INSTANT,
    INT32,
    INT64,
    OPAQUE,
    TEXT,
    TYPES,
    Enum,
    Kind,
    Message,
)


def enum(label: str, unspecified: str, names: str) -> Enum:
    return Enum(f"{TYPES}{label}", (unspecified, *names.split()))


PRODUCTS = "GOOGLE_ADS DISPLAY_VIDEO_PARTNER DISPLAY_VIDEO_ADVERTISER DATA_PARTNER"
ACCOUNTS = f"{PRODUCTS} GOOGLE_ANALYTICS_PROPERTY GOOGLE_AD_MANAGER_AUDIENCE_LINK FLOODLIGHT_CONFIG GOOGLE_AD_MANAGER"
CONSENTS = enum("ConsentStatus", "CONSENT_STATUS_UNSPECIFIED", "CONSENT_GRANTED CONSENT_DENIED")
TERMS = enum("TermsOfServiceStatus", "TERMS_OF_SERVICE_STATUS_UNSPECIFIED", "ACCEPTED REJECTED")
ENCODINGS = enum("Encoding", "ENCODING_UNSPECIFIED", "HEX BASE64")
SOURCES = enum("DataSourceType", "DATA_SOURCE_TYPE_UNSPECIFIED", " ".join(f"DATA_SOURCE_TYPE_{name}" for name in (
    "FIRST_PARTY", "THIRD_PARTY_CREDIT_BUREAU", "THIRD_PARTY_VOTER_FILE", "THIRD_PARTY_PARTNER_DATA")))  # fmt: skip
KEY_TYPES = "CONTACT_ID MOBILE_ID USER_ID PAIR_ID PSEUDONYMOUS_ID"

ACCOUNT = Message("ProductAccount", {
    "product": enum("Product", "PRODUCT_UNSPECIFIED", PRODUCTS), "accountId": TEXT,
    "accountType": enum("ProductAccount.AccountType", "ACCOUNT_TYPE_UNSPECIFIED", ACCOUNTS)})  # fmt: skip
DESTINATION = Message("Destination", {
    "reference": TEXT, "loginAccount": ACCOUNT, "linkedAccount": ACCOUNT, "operatingAccount": ACCOUNT,
    "productDestinationId": TEXT})  # fmt: skip
CONSENT = Message("Consent", {"adUserData": CONSENTS, "adPersonalization": CONSENTS})
ADDRESS = Message("AddressInfo", dict.fromkeys(
    ("givenName", "familyName", "regionCode", "postalCode", "addressLine", "city", "administrativeArea"), TEXT))  # fmt: skip
IDENTIFIERS: Mapping[str, Kind] = {"emailAddress": TEXT, "phoneNumber": TEXT, "address": ADDRESS}
IDENTIFIER = Message("UserIdentifier", IDENTIFIERS, tuple(IDENTIFIERS))
DATA: Mapping[str, Kind] = {
    "userData": Message("UserData", {"userIdentifiers": [IDENTIFIER]}),
    "mobileData": Message("MobileData", {"mobileIds": [TEXT]}),
    "userIdData": Message("UserIdData", {"userId": TEXT}),
    **dict.fromkeys(("pairData", "ppidData", "compositeData", "googleUserIdData", "partnerProvidedIdData"), OPAQUE),
}
MEMBER = Message("AudienceMember", {"destinationReferences": [TEXT], **DATA, "consent": CONSENT}, tuple(DATA))
REMOVE = Message("RemoveAudienceMembersRequest", {
    "destinations": [DESTINATION], "audienceMembers": [MEMBER], "validateOnly": FLAG, "encoding": ENCODINGS,
    "encryptionInfo": OPAQUE})  # fmt: skip
INGEST = Message("IngestAudienceMembersRequest", {
    **REMOVE.fields, "consent": CONSENT,
    "termsOfService": Message("TermsOfService", {"customerMatchTermsOfServiceStatus": TERMS})})  # fmt: skip
REMOVE_ALL = Message("RemoveAllAudienceMembersRequest", {
    "destinations": [DESTINATION], "removeAsOfTime": INSTANT, "validateOnly": FLAG})  # fmt: skip
MOBILE = Message("MobileIdInfo", {
    "dataSourceType": SOURCES, "keySpace": enum("MobileIdInfo.KeySpace", "KEY_SPACE_UNSPECIFIED", "IOS ANDROID"),
    "appId": TEXT})  # fmt: skip
INGESTED = Message("IngestedUserListInfo", {
    "uploadKeyTypes": [enum("IngestedUserListInfo.UploadKeyType", "UPLOAD_KEY_TYPE_UNSPECIFIED", KEY_TYPES)],
    "contactIdInfo": Message("ContactIdInfo", {"dataSourceType": SOURCES, "matchRatePercentage": INT32}),
    "mobileIdInfo": MOBILE,
    "userIdInfo": Message("UserIdInfo", {"dataSourceType": SOURCES}),
    **dict.fromkeys(("pairIdInfo", "pseudonymousIdInfo", "partnerAudienceInfo"), OPAQUE)})  # fmt: skip
NETWORKS = ("displayNetworkMembersCount", "searchNetworkMembersCount", "youtubeMembersCount", "gmailMembersCount")
USER_LIST = Message("UserList", {
    "name": TEXT, "id": INT64, "readOnly": FLAG, "displayName": TEXT, "description": TEXT,
    "membershipStatus": enum("UserList.MembershipStatus", "MEMBERSHIP_STATUS_UNSPECIFIED", "OPEN CLOSED"),
    "integrationCode": TEXT, "membershipDuration": DURATION,
    "closingReason": enum("UserList.ClosingReason", "CLOSING_REASON_UNSPECIFIED", "UNUSED"),
    "accessReason": enum(
        "UserList.AccessReason", "ACCESS_REASON_UNSPECIFIED", "OWNED SHARED LICENSED SUBSCRIBED AFFILIATED"),
    "accountAccessStatus": enum("UserList.AccessStatus", "ACCESS_STATUS_UNSPECIFIED", "ENABLED DISABLED"),
    "sizeInfo": Message("SizeInfo", dict.fromkeys(NETWORKS, INT64)),
    "targetNetworkInfo": Message("TargetNetworkInfo", {"eligibleForDisplay": FLAG, "eligibleForSearch": FLAG}),
    "ingestedUserListInfo": INGESTED})  # fmt: skip
STATUS = Message("RetrieveRequestStatusRequest", {"requestId": TEXT})
LIST = Message("ListUserListsRequest", {"pageSize": INT32, "pageToken": TEXT, "filter": TEXT})
GET = Message("GetUserListRequest", {})
CREATE = Message("CreateUserListRequest", {"validateOnly": FLAG})
UPDATE = Message("UpdateUserListRequest", {"updateMask": TEXT, "validateOnly": FLAG})
DELETE = Message("DeleteUserListRequest", {"validateOnly": FLAG})
