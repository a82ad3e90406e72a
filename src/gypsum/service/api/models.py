"""Requests and answers, as OpenAPI describes them."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from gypsum.options import Mode
from gypsum.service.accounts.keys import Scope

State = Literal["draft", "queued", "running", "done", "failed", "cancelled"]
Privacy = Literal["private", "unlisted", "public"]
WebhookEvent = Literal["scan.done", "scan.failed", "scan.cancelled"]

LICENCE = "CC BY 4.0"


def _visible(text: str) -> str:
    """Names are one line, of characters that can be seen and stored."""
    if any(unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") for c in text):
        raise ValueError("can't hold control characters")
    return text


def storable(text: str) -> str:
    """Text that the database can hold. Raises ValueError."""
    if "\0" in text:
        raise ValueError("can't hold NUL characters")
    return text


_LINE = StringConstraints(strip_whitespace=True, min_length=1)
Title = Annotated[str, _LINE, Field(max_length=200), AfterValidator(_visible)]
Name = Annotated[str, _LINE, Field(max_length=100), AfterValidator(_visible)]
Email = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=254, to_lower=True),
    Field(pattern=r"^[^\s@<>()\[\],;:\\\"]{1,64}@[^\s@<>()\[\],;:\\\"]{1,189}$"),
    AfterValidator(_visible),
]
Password = Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]
Code = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z -]{1,40}$")]
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,200}$")]


class Body(BaseModel):
    """A request's body: nothing in it goes unnoticed."""

    model_config = ConfigDict(extra="forbid")


# Accounts


class SignUpIn(Body):
    """A new account."""

    email: Email = Field(examples=["ada@example.org"])
    password: Password = Field(examples=["four random words here"])
    name: Name = Field(examples=["Ada"])


class SignInIn(Body):
    """Who signs in."""

    email: Annotated[str, StringConstraints(max_length=1000), AfterValidator(storable)]
    password: Password
    code: Code | None = None
    """Of accounts with a second factor: the authenticator's code, or a recovery code."""


class UserOut(BaseModel):
    """A person, as they see themselves."""

    id: UUID
    email: str
    name: str
    verified: bool
    is_admin: bool
    created_at: datetime
    second_factor: bool
    """Whether a code is asked for beside the password."""


class UserPatch(Body):
    """What changes; another address needs the password."""

    name: Name | None = None
    email: Email | None = None
    password: Password | None = None


class DeleteIn(Body):
    """The password, as a signature."""

    password: Password


class PasswordIn(Body):
    """The old password and the new one."""

    current: Password
    new: Password


class FactorOut(BaseModel):
    """A new authenticator's key, which is shown this once."""

    key: str = Field(description="In base 32, to be typed.")
    uri: str = Field(description="What authenticator apps open.")
    qr: str = Field(description="The same as a QR code: an SVG.")


class FactorIn(Body):
    """The code that the authenticator shows."""

    code: Code


class FactorDropIn(Body):
    """Password and code, as signatures."""

    password: Password
    code: Code


class RecoveryOut(BaseModel):
    """Codes for when the authenticator is lost, each good once. They are shown this once."""

    codes: list[str]


class AddressIn(Body):
    """Whose password was forgotten."""

    email: Email


class TokenIn(Body):
    """A link's token."""

    token: Token


class ResetIn(TokenIn):
    """A link's token and the new password."""

    password: Password


class SessionOut(BaseModel):
    """A browser that is signed in."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    agent: str
    address: str
    current: bool


class SessionsOut(BaseModel):
    """All of them."""

    items: list[SessionOut]


class UsageOut(BaseModel):
    """What is stored and what may be."""

    bytes: int
    quota_bytes: int
    scans: int
    quota_scans: int


class KeyIn(Body):
    """A new API key."""

    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = None


class KeyOut(BaseModel):
    """A key, but for the key itself."""

    id: UUID
    name: str
    prefix: str
    scopes: list[Scope]
    created_at: datetime
    used_at: datetime | None
    expires_at: datetime | None


class NewKeyOut(KeyOut):
    """A key that was just made; it is not shown again."""

    key: str = Field(examples=["gyp_2Yx…"])


class KeysOut(BaseModel):
    """All keys in use."""

    items: list[KeyOut]


# Scans


class ScanIn(Body):
    """A new scan; its files come next."""

    title: Title = Field(examples=["Grandmother's vase"])
    mode: Mode = Mode.PHOTO
    options: Annotated[dict[str, JsonValue], Field(max_length=50)] = Field(
        default_factory=dict, examples=[{"quality": "normal", "format": ["glb", "usdz"]}]
    )
    privacy: Privacy = "private"
    notify_email: bool = False


class ScanPatch(Body):
    """What changes; mode and options only before the scan was started."""

    title: Title | None = None
    privacy: Privacy | None = None
    notify_email: bool | None = None
    mode: Mode | None = None
    options: Annotated[dict[str, JsonValue], Field(max_length=50)] | None = None


class ReviseIn(Body):
    """Options that change; null takes one back to its default."""

    options: Annotated[dict[str, JsonValue], Field(max_length=50)] = Field(
        default_factory=dict, examples=[{"faces": 20000}]
    )


class FileOut(BaseModel):
    """A file that was uploaded, or is on its way."""

    id: UUID
    name: str
    media_type: str
    bytes: int
    offset: int
    state: Literal["uploading", "ready", "refused"]
    problem: str | None
    created_at: datetime
    upload_url: str


class FilesOut(BaseModel):
    """All files of a scan."""

    items: list[FileOut]


class FileCounts(BaseModel):
    """How many files there are."""

    ready: int
    uploading: int
    refused: int


class ScanOut(BaseModel):
    """A scan."""

    id: UUID
    title: str
    mode: str
    options: dict[str, JsonValue]
    state: State
    privacy: Privacy
    share_url: str | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    progress: float = Field(ge=0, le=1)
    stage: str | None
    doing: str | None
    seconds_left: float | None
    message: str | None
    revision: int
    size_bytes: int
    files: FileCounts
    thumbnail_url: str | None
    notify_email: bool
    author: str | None = None
    licence: str | None = None


class ScansOut(BaseModel):
    """Some scans, and how to ask for more."""

    items: list[ScanOut]
    next: str | None = None


class ResultOut(BaseModel):
    """A file that a scan made."""

    id: UUID
    kind: Literal["model", "preview", "thumbnail", "report", "log", "viewer"]
    format: str
    name: str
    bytes: int
    media_type: str
    url: str


class ResultsOut(BaseModel):
    """All that a scan made."""

    items: list[ResultOut]


class LogOut(BaseModel):
    """The last lines."""

    lines: list[str]


class SharedOut(BaseModel):
    """A scan as others see it."""

    title: str
    mode: str
    state: State
    author: str
    licence: str | None
    finished_at: datetime | None
    share_url: str
    thumbnail_url: str | None
    results: list[ResultOut]


class GalleryItem(BaseModel):
    """A scan in the gallery."""

    share_token: str
    share_url: str
    title: str
    mode: str
    author: str
    licence: str
    finished_at: datetime | None
    thumbnail_url: str | None


class GalleryOut(BaseModel):
    """Some of the gallery, and how to ask for more."""

    items: list[GalleryItem]
    next: str | None = None


# Webhooks


class WebhookIn(Body):
    """Where to tell of what."""

    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(_visible)] = Field(
        examples=["https://example.org/hooks/gypsum"]
    )
    events: Annotated[list[WebhookEvent], Field(min_length=1, max_length=3)]


class WebhookOut(BaseModel):
    """A webhook, but for its secret."""

    id: UUID
    url: str
    events: list[WebhookEvent]
    created_at: datetime
    disabled_at: datetime | None
    last_status: str | None = None


class NewWebhookOut(WebhookOut):
    """A webhook that was just made; its secret is not shown again."""

    secret: str


class WebhooksOut(BaseModel):
    """All webhooks."""

    items: list[WebhookOut]


class HealthOut(BaseModel):
    """Whether the service is well."""

    status: Literal["ok"]
