"""Google's user lists: created, found, changed and deleted, as resources of an account."""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from starlette.requests import Request

from segment_pipeline.sandbox.exchange import Answer
from segment_pipeline.sandbox.listing import seal
from segment_pipeline.sandbox.lists import Lists, behind
from segment_pipeline.sandbox.vendors.google import forms, messages, rpc
from segment_pipeline.sandbox.vendors.google.forms import NETWORKS, USER_LIST
from segment_pipeline.sandbox.vendors.google.messages import Document, snake
from segment_pipeline.sandbox.vendors.google.rpc import ACCOUNT, Violations

LONGEST_DAYS, LARGEST_PAGE, USUAL_PAGE = 540, 1000, 50
DAY = timedelta(days=1)
PLAYED = ("CONTACT_ID", "MOBILE_ID", "USER_ID")
CHANGEABLE = ("displayName", "description", "membershipStatus", "integrationCode", "membershipDuration",
              "accountAccessStatus", "targetNetworkInfo")  # fmt: skip
NEEDED = (("allowlisted", "ADVERTISER_NOT_ALLOWLISTED_FOR_UPLOADED_DATA"),
          ("political_declaration", "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED"))  # fmt: skip
FILTERED = ("id", "displayName", "description", "membershipStatus", "integrationCode", "accessReason")
VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s",()]+)'
CONDITION = re.compile(
    rf"\s*(?:(\w+)\s*(=|!=)\s*({VALUE})|IN\(\s*(\w+)\s*,\s*({VALUE}(?:\s*,\s*{VALUE})*)\s*\))\s*(AND\s|$)"
)


class UserLists:
    """The resources over the lists of one store."""

    def __init__(self, lists: Lists) -> None:
        self.store, self.lists = lists.store, lists

    def account(self, request: Request) -> None:
        """Refuses (403) an account that is not the caller's, or a login account without rights."""
        name = "accountTypes/{kind}/accounts/{account}".format(**request.path_params)
        logins = self.store.setting("login_accounts")
        login = request.headers.get("login-account", name).rpartition("/")[2]
        if name != f"accountTypes/GOOGLE_ADS/accounts/{ACCOUNT}" or login not in logins:
            raise rpc.denied()

    def found(self, request: Request) -> sqlite3.Row:
        self.account(request)
        return self.lists.found(request.path_params["id"], rpc.missing())

    def plain(self, row: sqlite3.Row) -> Document:
        """What a list is, without how many are on it."""
        name = f"accountTypes/GOOGLE_ADS/accounts/{ACCOUNT}/userLists/{row['id']}"
        known = {"name": name, "id": row["id"], "displayName": row["name"], "accessReason": "OWNED"}
        return {**known, **json.loads(row["held"])}

    def shown(self, row: sqlite3.Row) -> Document:
        shown, size, rate = self.plain(row), self.lists.size(row["id"]), int(self.store.setting("match_rate"))
        eligible, info = size >= int(self.store.setting("minimum_members")), shown["ingestedUserListInfo"]
        if size and "CONTACT_ID" in info["uploadKeyTypes"]:
            info["contactIdInfo"] = {**info.get("contactIdInfo", {}), "matchRatePercentage": rate}
        networks = {"eligibleForSearch": eligible, **shown.get("targetNetworkInfo", {}), "eligibleForDisplay": eligible}
        return shown | {"sizeInfo": dict.fromkeys(NETWORKS, str(size * rate // 100)), "targetNetworkInfo": networks}

    def create(self, request: Request) -> Answer:
        self.account(request)
        asked, given = messages.query(forms.CREATE, request), messages.body(USER_LIST, request)
        wrong = self.violations()
        self.check(given, wrong)
        self.check_info(given.get("ingestedUserListInfo", {}), wrong)
        for setting, reason in NEEDED:
            if not self.store.setting(setting):
                wrong.add("user_list", reason)
        usual = {"membershipStatus": "OPEN", "accountAccessStatus": "ENABLED", "membershipDuration": self.usual()}
        kept = {name: given[name] for name in (*CHANGEABLE, "ingestedUserListInfo") if given.get(name)}
        with self.store.writing():
            self.check_name(given.get("displayName", ""), "", wrong)
            wrong.refuse()
            if asked.get("validateOnly"):
                return 200, {}
            made = self.lists.create(kept.pop("displayName"), **_written(usual | kept))
        return 200, self.shown(made)

    def get(self, request: Request) -> Answer:
        messages.query(forms.GET, request)
        return 200, self.shown(self.found(request))

    def page(self, request: Request) -> Answer:
        self.account(request)
        asked = messages.query(forms.LIST, request)
        size, keep = max(0, asked.get("pageSize", 0)) or USUAL_PAGE, self.condition(asked.get("filter", ""))
        size = min(size, LARGEST_PAGE)
        try:
            after = behind(asked.get("pageToken"))
        except ValueError:
            raise self.invalid("page_token", "INVALID_PAGE_TOKEN") from None
        found = [row for row in self.lists.page(after, -1) if keep(self.plain(row))]
        told: Document = {"userLists": [self.shown(row) for row in found[:size]]}
        if len(found) > size:
            told["nextPageToken"] = seal(found[size - 1]["number"])
        return 200, told

    def condition(self, text: str) -> Callable[[Document], bool]:
        """What a filter asks for: `=`, `!=` and `IN`, joined by `AND`; other operations are not played."""
        tests: list[tuple[str, bool, list[str]]] = []
        place, more = 0, text.strip()
        while more:
            found = CONDITION.match(text, place)
            field = USER_LIST.own(found[1] or found[4]) if found else None
            if found is None or field not in FILTERED:
                raise self.invalid("filter", "INVALID_FILTER")
            values = [_unquoted(each) for each in re.findall(VALUE, found[3] or found[5])]
            tests.append((field, found[2] != "!=", values))
            place, more = found.end(), found[6]
        return lambda shown: all((shown.get(name) in values) == wanted for name, wanted, values in tests)

    def change(self, request: Request) -> Answer:
        row = self.found(request)
        asked, given = messages.query(forms.UPDATE, request), messages.body(USER_LIST, request)
        wrong, named = self.violations(), [part for part in asked.get("updateMask", "").split(",") if part]
        fields = [USER_LIST.own(name) or name for name in named] or [name for name in given if name in CHANGEABLE]
        for field in fields:
            if field.partition(".")[0] in ("ingestedUserListInfo", "ingested_user_list_info"):
                wrong.add(f"user_list.{snake(field)}", "IMMUTABLE_FIELD_FOR_UPDATE")
            elif field not in CHANGEABLE:
                wrong.add("update_mask", "INVALID_UPDATE_MASK")
        changed = {field: given.get(field) for field in fields if field in CHANGEABLE}
        if "membershipDuration" in changed:
            changed["membershipDuration"] = changed["membershipDuration"] or self.usual()
        self.check({"displayName": row["name"], **changed}, wrong)
        with self.store.writing():
            self.check_name(changed.get("displayName") or row["name"], row["id"], wrong)
            wrong.refuse()
            if asked.get("validateOnly"):
                return 200, {}
            name = changed.pop("displayName", row["name"])
            self.lists.change(row["id"], name=name, **_written(changed))
        return 200, self.shown(self.found(request))

    def drop(self, request: Request) -> Answer:
        row = self.found(request)
        if not messages.query(forms.DELETE, request).get("validateOnly"):
            self.lists.drop(row["id"])
        return 200, {}

    def check(self, given: Document, wrong: Violations) -> None:
        if not given.get("displayName"):
            wrong.add("user_list.display_name")
        duration = given.get("membershipDuration")
        at = "user_list.membership_duration"
        if duration is not None and (duration % DAY or duration < DAY):
            wrong.add(at, "INVALID_FORMAT")
        elif duration is not None and duration > LONGEST_DAYS * DAY:
            wrong.add(at, "MEMBERSHIP_DURATION_TOO_LONG")

    def check_info(self, info: Document, wrong: Violations) -> None:
        keys, at = info.get("uploadKeyTypes") or [], "user_list.ingested_user_list_info"
        if not keys:
            wrong.add(f"{at}.upload_key_types")
        if any(key not in PLAYED for key in keys):
            wrong.add(f"{at}.upload_key_types", "UNSUPPORTED_USER_LIST_UPLOAD_KEY_TYPES")
        mobile = info.get("mobileIdInfo", {})
        for field in ("keySpace", "appId") if "MOBILE_ID" in keys else ():
            if not mobile.get(field):
                wrong.add(f"{at}.mobile_id_info.{snake(field)}")

    def check_name(self, name: str, own: str, wrong: Violations) -> None:
        if self.store.row("SELECT id FROM lists WHERE name = ? AND id != ?", name, own):
            wrong.add("user_list.display_name", "DISPLAY_NAME_ALREADY_USED")

    def usual(self) -> timedelta:
        return timedelta(days=int(self.store.setting("usual_days")))

    def violations(self) -> Violations:
        return Violations(int(self.store.setting("most_violations")))

    def invalid(self, field: str, reason: str) -> Exception:
        wrong = self.violations()
        wrong.add(field, reason)
        return wrong.error()


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def _written(fields: Mapping[str, Any]) -> Document:
    """As it is stored and shown: durations in seconds."""
    return {
        name: f"{value // timedelta(seconds=1)}s" if isinstance(value, timedelta) else value
        for name, value in fields.items()
    }
