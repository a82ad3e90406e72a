"""The service's calls. Written by scripts/python_client.py from the API's description.

Changes belong there.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from gypsum.remote.connection import Connection

JsonValue = Any


class AddressIn(TypedDict):
    """Whose password was forgotten."""

    email: str


class DeleteIn(TypedDict):
    """The password, as a signature."""

    password: str


class FactorDropIn(TypedDict):
    """Password and code, as signatures."""

    password: str
    code: str


class FactorIn(TypedDict):
    """The code that the authenticator shows."""

    code: str


class FactorOut(TypedDict):
    """A new authenticator's key, which is shown this once."""

    key: str
    uri: str
    qr: str


class FeaturesOut(TypedDict):
    """What this service does."""

    sign_up: bool
    mail: bool


class FileCounts(TypedDict):
    """How many files there are."""

    ready: int
    uploading: int
    refused: int


class FileOut(TypedDict):
    """A file that was uploaded, or is on its way."""

    id: str
    name: str
    media_type: str
    bytes: int
    offset: int
    state: Literal["uploading", "ready", "refused"]
    problem: str | None
    created_at: str
    upload_url: str


class FilesOut(TypedDict):
    """All files of a scan."""

    items: list[FileOut]


class FormatOut(TypedDict):
    """What a model can be written as."""

    name: str
    title: str
    extension: str
    description: str


class GalleryItem(TypedDict):
    """A scan in the gallery."""

    share_token: str
    share_url: str
    title: str
    mode: str
    author: str
    licence: str
    finished_at: str | None
    thumbnail_url: str | None


class GalleryOut(TypedDict):
    """Some of the gallery, and how to ask for more."""

    items: list[GalleryItem]
    next: NotRequired[str | None]


class KeyIn(TypedDict):
    """A new API key."""

    name: str
    scopes: list[Scope]
    expires_in_days: NotRequired[int | None]


class KeyOut(TypedDict):
    """A key, but for the key itself."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: str
    used_at: str | None
    expires_at: str | None


class KeysOut(TypedDict):
    """All keys in use."""

    items: list[KeyOut]


class LimitsOut(TypedDict):
    """How much the service takes."""

    file_bytes: int
    scan_bytes: int
    scan_files: int
    unpacked_bytes: int
    user_scans: int
    user_waiting: int


class LogOut(TypedDict):
    """The last lines."""

    lines: list[str]


Mode = Literal["photo", "splat", "lidar", "featureless"]


class ModeOut(TypedDict):
    """A kind of scan."""

    name: str
    title: str
    summary: str
    accepts: list[str]
    formats: list[str]
    options: list[OptionOut]


class NewKeyOut(TypedDict):
    """A key that was just made; it is not shown again."""

    id: str
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: str
    used_at: str | None
    expires_at: str | None
    key: str


class NewWebhookOut(TypedDict):
    """A webhook that was just made; its secret is not shown again."""

    id: str
    url: str
    events: list[Literal["scan.done", "scan.failed", "scan.cancelled"]]
    created_at: str
    disabled_at: str | None
    last_status: NotRequired[str | None]
    secret: str


class OptionOut(TypedDict):
    """One option, with all that a form needs."""

    name: str
    title: str
    help: str
    type: Literal["boolean", "integer", "number", "choice", "text", "list"]
    default: NotRequired[JsonValue]
    choices: NotRequired[list[str] | None]
    minimum: NotRequired[float | None]
    maximum: NotRequired[float | None]
    unit: NotRequired[str]
    group: str
    advanced: bool
    needs_format: NotRequired[list[str] | None]


class OptionsOut(TypedDict):
    """All that can be asked for."""

    modes: list[ModeOut]
    formats: list[FormatOut]
    limits: LimitsOut
    features: FeaturesOut


class PasswordIn(TypedDict):
    """The old password and the new one."""

    current: str
    new: str


class RecoveryOut(TypedDict):
    """Codes for when the authenticator is lost, each good once. They are shown this once."""

    codes: list[str]


class ResetIn(TypedDict):
    """A link's token and the new password."""

    token: str
    password: str


class ResultOut(TypedDict):
    """A file that a scan made."""

    id: str
    kind: Literal["model", "preview", "thumbnail", "report", "log", "viewer"]
    format: str
    name: str
    bytes: int
    media_type: str
    url: str


class ResultsOut(TypedDict):
    """All that a scan made."""

    items: list[ResultOut]


class ReviseIn(TypedDict):
    """Options that change; null takes one back to its default."""

    options: NotRequired[dict[str, JsonValue]]


class ScanIn(TypedDict):
    """A new scan; its files come next."""

    title: str
    mode: NotRequired[Mode]
    options: NotRequired[dict[str, JsonValue]]
    privacy: NotRequired[Literal["private", "unlisted", "public"]]
    notify_email: NotRequired[bool]


class ScanOut(TypedDict):
    """A scan."""

    id: str
    title: str
    mode: str
    options: dict[str, JsonValue]
    state: Literal["draft", "queued", "running", "done", "failed", "cancelled"]
    privacy: Literal["private", "unlisted", "public"]
    share_url: str | None
    created_at: str
    queued_at: str | None
    started_at: str | None
    finished_at: str | None
    progress: float
    stage: str | None
    doing: str | None
    seconds_left: float | None
    message: str | None
    revision: int
    size_bytes: int
    files: FileCounts
    thumbnail_url: str | None
    notify_email: bool
    author: NotRequired[str | None]
    licence: NotRequired[str | None]


class ScanPatch(TypedDict):
    """What changes; mode and options only before the scan was started."""

    title: NotRequired[str | None]
    privacy: NotRequired[Literal["private", "unlisted", "public"] | None]
    notify_email: NotRequired[bool | None]
    mode: NotRequired[Mode | None]
    options: NotRequired[dict[str, JsonValue] | None]


class ScansOut(TypedDict):
    """Some scans, and how to ask for more."""

    items: list[ScanOut]
    next: NotRequired[str | None]


Scope = Literal["scans:read", "scans:write", "account"]


class SessionOut(TypedDict):
    """A browser that is signed in."""

    id: str
    created_at: str
    seen_at: str
    agent: str
    address: str
    current: bool


class SessionsOut(TypedDict):
    """All of them."""

    items: list[SessionOut]


class SharedOut(TypedDict):
    """A scan as others see it."""

    title: str
    mode: str
    state: Literal["draft", "queued", "running", "done", "failed", "cancelled"]
    author: str
    licence: str | None
    finished_at: str | None
    share_url: str
    thumbnail_url: str | None
    results: list[ResultOut]


class SignInIn(TypedDict):
    """Who signs in."""

    email: str
    password: str
    code: NotRequired[str | None]


class SignUpIn(TypedDict):
    """A new account."""

    email: str
    password: str
    name: str


class TokenIn(TypedDict):
    """A link's token."""

    token: str


class UsageOut(TypedDict):
    """What is stored and what may be."""

    bytes: int
    quota_bytes: int
    scans: int
    quota_scans: int


class UserOut(TypedDict):
    """A person, as they see themselves."""

    id: str
    email: str
    name: str
    verified: bool
    is_admin: bool
    created_at: str
    second_factor: bool


class UserPatch(TypedDict):
    """What changes; another address needs the password."""

    name: NotRequired[str | None]
    email: NotRequired[str | None]
    password: NotRequired[str | None]


class WebhookIn(TypedDict):
    """Where to tell of what."""

    url: str
    events: list[Literal["scan.done", "scan.failed", "scan.cancelled"]]


class WebhookOut(TypedDict):
    """A webhook, but for its secret."""

    id: str
    url: str
    events: list[Literal["scan.done", "scan.failed", "scan.cancelled"]]
    created_at: str
    disabled_at: str | None
    last_status: NotRequired[str | None]


class WebhooksOut(TypedDict):
    """All webhooks."""

    items: list[WebhookOut]


class Api:
    """All calls that take and give JSON; each raises ServiceError where the service refuses."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def create_account(self, body: SignUpIn) -> UserOut:
        """Make an account and sign in."""
        answer: UserOut = self.connection.call("POST", "/api/v1/accounts", body=body)
        return answer

    def sign_in(self, body: SignInIn) -> UserOut:
        """Sign in: the answer sets the session's cookie."""
        answer: UserOut = self.connection.call("POST", "/api/v1/session", body=body)
        return answer

    def sign_out(self) -> None:
        """Sign this browser out."""
        self.connection.call("DELETE", "/api/v1/session")

    def get_me(self) -> UserOut:
        """Who is signed in."""
        answer: UserOut = self.connection.call("GET", "/api/v1/me")
        return answer

    def delete_me(self, body: DeleteIn) -> None:
        """Delete the account with all scans, files, keys and webhooks. There is no way back."""
        self.connection.call("DELETE", "/api/v1/me", body=body)

    def change_me(self, body: UserPatch) -> UserOut:
        """Change the name that others see, or, with the password, the e-mail address."""
        answer: UserOut = self.connection.call("PATCH", "/api/v1/me", body=body)
        return answer

    def change_password(self, body: PasswordIn) -> None:
        """Change the password. All other browsers are signed out."""
        self.connection.call("POST", "/api/v1/me/password", body=body)

    def begin_second_factor(self, body: DeleteIn) -> FactorOut:
        """Get a key for an authenticator app (TOTP). Nothing changes until a code confirms it."""
        answer: FactorOut = self.connection.call("POST", "/api/v1/me/second-factor", body=body)
        return answer

    def end_second_factor(self, body: FactorDropIn) -> None:
        """Ask for the password alone from now on."""
        self.connection.call("DELETE", "/api/v1/me/second-factor", body=body)

    def confirm_second_factor(self, body: FactorIn) -> RecoveryOut:
        """Ask for codes from now on. All other browsers are signed out."""
        answer: RecoveryOut = self.connection.call(
            "POST", "/api/v1/me/second-factor/confirm", body=body
        )
        return answer

    def list_sessions(self) -> SessionsOut:
        """Where one is signed in."""
        answer: SessionsOut = self.connection.call("GET", "/api/v1/me/sessions")
        return answer

    def end_session(self, session_id: str) -> None:
        """Sign a browser out from afar."""
        self.connection.call("DELETE", f"/api/v1/me/sessions/{session_id}")

    def get_usage(self) -> UsageOut:
        """What is stored, and what may be."""
        answer: UsageOut = self.connection.call("GET", "/api/v1/me/usage")
        return answer

    def send_verification(self) -> None:
        """Send the letter again that confirms the e-mail address."""
        self.connection.call("POST", "/api/v1/me/verify")

    def verify_address(self, body: TokenIn) -> None:
        """Confirm an e-mail address by the token of its letter."""
        self.connection.call("POST", "/api/v1/verify", body=body)

    def request_reset(self, body: AddressIn) -> None:
        """Send a letter with which a new password can be chosen."""
        self.connection.call("POST", "/api/v1/password-resets", body=body)

    def confirm_reset(self, body: ResetIn) -> None:
        """Choose a new password by the token of a letter. All browsers are signed out."""
        self.connection.call("POST", "/api/v1/password-resets/confirm", body=body)

    def list_keys(self) -> KeysOut:
        """The keys in use."""
        answer: KeysOut = self.connection.call("GET", "/api/v1/keys")
        return answer

    def create_key(self, body: KeyIn) -> NewKeyOut:
        """Make a key for a program. The key is told once."""
        answer: NewKeyOut = self.connection.call("POST", "/api/v1/keys", body=body)
        return answer

    def revoke_key(self, key_id: str) -> None:
        """End a key at once."""
        self.connection.call("DELETE", f"/api/v1/keys/{key_id}")

    def get_options(self) -> OptionsOut:
        """Modes, their options and formats, and the service's limits: all that a form needs."""
        answer: OptionsOut = self.connection.call("GET", "/api/v1/options")
        return answer

    def create_scan(self, body: ScanIn, *, idempotency_key: str | None = None) -> ScanOut:
        """Begin a scan. Then upload files to it, and start it."""
        answer: ScanOut = self.connection.call(
            "POST", "/api/v1/scans", body=body, key=idempotency_key
        )
        return answer

    def list_scans(
        self,
        *,
        q: str | None = None,
        state: Literal["draft", "queued", "running", "done", "failed", "cancelled"] | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> ScansOut:
        """One's scans, the newest first; `q` is looked for in titles."""
        answer: ScansOut = self.connection.call(
            "GET", "/api/v1/scans", query={"q": q, "state": state, "cursor": cursor, "limit": limit}
        )
        return answer

    def get_scan(self, scan_id: str) -> ScanOut:
        """A scan: what it is and how far it is."""
        answer: ScanOut = self.connection.call("GET", f"/api/v1/scans/{scan_id}")
        return answer

    def change_scan(self, scan_id: str, body: ScanPatch) -> ScanOut:
        """Change title, privacy or notice; mode and options only while it is a draft."""
        answer: ScanOut = self.connection.call("PATCH", f"/api/v1/scans/{scan_id}", body=body)
        return answer

    def delete_scan(self, scan_id: str) -> None:
        """Delete a scan with its files and results. There is no way back."""
        self.connection.call("DELETE", f"/api/v1/scans/{scan_id}")

    def list_files(self, scan_id: str) -> FilesOut:
        """A scan's files: there, on their way, or refused, with the reason."""
        answer: FilesOut = self.connection.call("GET", f"/api/v1/scans/{scan_id}/files")
        return answer

    def delete_file(self, scan_id: str, file_id: str) -> None:
        """Take a file out of a scan."""
        self.connection.call("DELETE", f"/api/v1/scans/{scan_id}/files/{file_id}")

    def start_scan(self, scan_id: str, *, idempotency_key: str | None = None) -> ScanOut:
        """Start a scan whose files are all there; a failed or cancelled one is tried again."""
        answer: ScanOut = self.connection.call(
            "POST", f"/api/v1/scans/{scan_id}/start", key=idempotency_key
        )
        return answer

    def revise_scan(
        self, scan_id: str, body: ReviseIn, *, idempotency_key: str | None = None
    ) -> ScanOut:
        """Run a scan again with other options; what does not depend on them is not done again."""
        answer: ScanOut = self.connection.call(
            "POST", f"/api/v1/scans/{scan_id}/revise", body=body, key=idempotency_key
        )
        return answer

    def cancel_scan(self, scan_id: str) -> ScanOut:
        """Stop a scan that waits or runs; what it finished is kept for the next start."""
        answer: ScanOut = self.connection.call("POST", f"/api/v1/scans/{scan_id}/cancel")
        return answer

    def get_log(self, scan_id: str, *, tail: int | None = None) -> LogOut:
        """The last lines of what the scan said."""
        answer: LogOut = self.connection.call(
            "GET", f"/api/v1/scans/{scan_id}/log", query={"tail": tail}
        )
        return answer

    def describe_uploads(self, scan_id: str) -> None:
        """What of tus this service speaks; the same for every scan."""
        self.connection.call("OPTIONS", f"/api/v1/scans/{scan_id}/uploads")

    def describe_upload(self, file_id: str) -> None:
        """What of tus this service speaks; the same for every upload."""
        self.connection.call("OPTIONS", f"/api/v1/uploads/{file_id}")

    def list_results(self, scan_id: str) -> ResultsOut:
        """What the last run made, each with a link that is good for some minutes."""
        answer: ResultsOut = self.connection.call("GET", f"/api/v1/scans/{scan_id}/results")
        return answer

    def get_shared(self, share_token: str) -> SharedOut:
        """A scan by its link. Where it was taken is not told."""
        answer: SharedOut = self.connection.call("GET", f"/api/v1/shared/{share_token}")
        return answer

    def get_gallery(
        self, *, q: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> GalleryOut:
        """Public scans, the last finished first; `q` is looked for in titles."""
        answer: GalleryOut = self.connection.call(
            "GET", "/api/v1/gallery", query={"q": q, "cursor": cursor, "limit": limit}
        )
        return answer

    def list_webhooks(self) -> WebhooksOut:
        """One's webhooks, and how the last delivery of each went."""
        answer: WebhooksOut = self.connection.call("GET", "/api/v1/webhooks")
        return answer

    def create_webhook(self, body: WebhookIn) -> NewWebhookOut:
        """Tell an address of what happens. The secret, which signs what is sent, is told once."""
        answer: NewWebhookOut = self.connection.call("POST", "/api/v1/webhooks", body=body)
        return answer

    def delete_webhook(self, webhook_id: str) -> None:
        """Tell an address no more."""
        self.connection.call("DELETE", f"/api/v1/webhooks/{webhook_id}")

    def test_webhook(self, webhook_id: str) -> None:
        """Send the event `ping`; the list tells how it went."""
        self.connection.call("POST", f"/api/v1/webhooks/{webhook_id}/test")
