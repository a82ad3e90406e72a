/**
 * What goes over the wire. Written by scripts/web_types.py from the API's description;
 * changes belong there.
 */

/** Whose password was forgotten. */
export interface AddressIn {
  email: string;
}

export interface Answer_Balance_ {
  code?: number;
  msg?: string;
  data: Balance | null;
  ok?: boolean;
}

export interface Answer_Begun_ {
  code?: number;
  msg?: string;
  data: Begun | null;
  ok?: boolean;
}

export interface Answer_ModelZip_ {
  code?: number;
  msg?: string;
  data: ModelZip | null;
  ok?: boolean;
}

export interface Answer_Status_ {
  code?: number;
  msg?: string;
  data: Status | null;
  ok?: boolean;
}

/** What may still be done. */
export interface Balance {
  balance: number;
}

/** A task that was begun. */
export interface Begun {
  serialize: string;
  calculateType: number;
}

/** The password, as a signature. */
export interface DeleteIn {
  password: string;
}

/** Password and code, as signatures. */
export interface FactorDropIn {
  password: string;
  code: string;
}

/** The code that the authenticator shows. */
export interface FactorIn {
  code: string;
}

/** A new authenticator's key, which is shown this once. */
export interface FactorOut {
  /** In base 32, to be typed. */
  key: string;
  /** What authenticator apps open. */
  uri: string;
  /** The same as a QR code: an SVG. */
  qr: string;
}

/** What this service does. */
export interface FeaturesOut {
  sign_up: boolean;
  mail: boolean;
}

/** What is wrong with one field. */
export interface FieldError {
  field: string;
  message: string;
}

/** How many files there are. */
export interface FileCounts {
  ready: number;
  uploading: number;
  refused: number;
}

/** A file that was uploaded, or is on its way. */
export interface FileOut {
  id: string;
  name: string;
  media_type: string;
  bytes: number;
  offset: number;
  state: "uploading" | "ready" | "refused";
  problem: string | null;
  created_at: string;
  upload_url: string;
}

/** All files of a scan. */
export interface FilesOut {
  items: FileOut[];
}

/** What a model can be written as. */
export interface FormatOut {
  name: string;
  title: string;
  extension: string;
  description: string;
}

/** A scan in the gallery. */
export interface GalleryItem {
  share_token: string;
  share_url: string;
  title: string;
  mode: string;
  author: string;
  licence: string;
  finished_at: string | null;
  thumbnail_url: string | null;
}

/** Some of the gallery, and how to ask for more. */
export interface GalleryOut {
  items: GalleryItem[];
  next?: string | null;
}

/** Whether the service is well. */
export interface HealthOut {
  status: "ok";
}

export type JsonValue = null | boolean | number | string | JsonValue[] | { [name: string]: JsonValue };

/** A new API key. */
export interface KeyIn {
  name: string;
  scopes: Scope[];
  expires_in_days?: number | null;
}

/** A key, but for the key itself. */
export interface KeyOut {
  id: string;
  name: string;
  prefix: string;
  scopes: Scope[];
  created_at: string;
  used_at: string | null;
  expires_at: string | null;
}

/** All keys in use. */
export interface KeysOut {
  items: KeyOut[];
}

/** How much the service takes. */
export interface LimitsOut {
  file_bytes: number;
  scan_bytes: number;
  scan_files: number;
  unpacked_bytes: number;
  user_scans: number;
  user_waiting: number;
}

/** The last lines. */
export interface LogOut {
  lines: string[];
}

export type Mode = "photo" | "splat" | "lidar" | "featureless";

/** A kind of scan. */
export interface ModeOut {
  name: string;
  title: string;
  summary: string;
  accepts: string[];
  formats: string[];
  options: OptionOut[];
}

/** Where a task's models are. */
export interface ModelZip {
  serialize: string;
  modelUrl: string | null;
}

/** A key that was just made; it is not shown again. */
export interface NewKeyOut {
  id: string;
  name: string;
  prefix: string;
  scopes: Scope[];
  created_at: string;
  used_at: string | null;
  expires_at: string | null;
  key: string;
}

/** A webhook that was just made; its secret is not shown again. */
export interface NewWebhookOut {
  id: string;
  url: string;
  events: ("scan.done" | "scan.failed" | "scan.cancelled")[];
  created_at: string;
  disabled_at: string | null;
  last_status?: string | null;
  secret: string;
}

/** One option, with all that a form needs. */
export interface OptionOut {
  name: string;
  title: string;
  help: string;
  type: "boolean" | "integer" | "number" | "choice" | "text" | "list";
  default?: JsonValue;
  choices?: string[] | null;
  minimum?: number | null;
  maximum?: number | null;
  unit?: string;
  group: string;
  advanced: boolean;
  needs_format?: string[] | null;
}

/** All that can be asked for. */
export interface OptionsOut {
  modes: ModeOut[];
  formats: FormatOut[];
  limits: LimitsOut;
  features: FeaturesOut;
}

/** The old password and the new one. */
export interface PasswordIn {
  current: string;
  new: string;
}

/** What went wrong (RFC 9457). */
export interface ProblemDetails {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  errors?: FieldError[] | null;
}

/** Codes for when the authenticator is lost, each good once. They are shown this once. */
export interface RecoveryOut {
  codes: string[];
}

/** A link's token and the new password. */
export interface ResetIn {
  token: string;
  password: string;
}

/** A file that a scan made. */
export interface ResultOut {
  id: string;
  kind: "model" | "preview" | "thumbnail" | "report" | "log" | "viewer";
  format: string;
  name: string;
  bytes: number;
  media_type: string;
  url: string;
}

/** All that a scan made. */
export interface ResultsOut {
  items: ResultOut[];
}

/** Options that change; null takes one back to its default. */
export interface ReviseIn {
  options?: Record<string, JsonValue>;
}

/** A new scan; its files come next. */
export interface ScanIn {
  title: string;
  mode?: Mode;
  options?: Record<string, JsonValue>;
  privacy?: "private" | "unlisted" | "public";
  notify_email?: boolean;
}

/** A scan. */
export interface ScanOut {
  id: string;
  title: string;
  mode: string;
  options: Record<string, JsonValue>;
  state: "draft" | "queued" | "running" | "done" | "failed" | "cancelled";
  privacy: "private" | "unlisted" | "public";
  share_url: string | null;
  created_at: string;
  queued_at: string | null;
  started_at: string | null;
  finished_at: string | null;
  progress: number;
  stage: string | null;
  doing: string | null;
  seconds_left: number | null;
  message: string | null;
  revision: number;
  size_bytes: number;
  files: FileCounts;
  thumbnail_url: string | null;
  notify_email: boolean;
  author?: string | null;
  licence?: string | null;
}

/** What changes; mode and options only before the scan was started. */
export interface ScanPatch {
  title?: string | null;
  privacy?: "private" | "unlisted" | "public" | null;
  notify_email?: boolean | null;
  mode?: Mode | null;
  options?: Record<string, JsonValue> | null;
}

/** Some scans, and how to ask for more. */
export interface ScansOut {
  items: ScanOut[];
  next?: string | null;
}

export type Scope = "scans:read" | "scans:write" | "account";

/** A browser that is signed in. */
export interface SessionOut {
  id: string;
  created_at: string;
  seen_at: string;
  agent: string;
  address: string;
  current: boolean;
}

/** All of them. */
export interface SessionsOut {
  items: SessionOut[];
}

/** A scan as others see it. */
export interface SharedOut {
  title: string;
  mode: string;
  state: "draft" | "queued" | "running" | "done" | "failed" | "cancelled";
  author: string;
  licence: string | null;
  finished_at: string | null;
  share_url: string;
  thumbnail_url: string | null;
  results: ResultOut[];
}

/** Who signs in. */
export interface SignInIn {
  email: string;
  password: string;
  code?: string | null;
}

/** A new account. */
export interface SignUpIn {
  email: string;
  password: string;
  name: string;
}

/** How far a task is. */
export interface Status {
  serialize: string;
  status: number;
}

/** A link's token. */
export interface TokenIn {
  token: string;
}

/** What is stored and what may be. */
export interface UsageOut {
  bytes: number;
  quota_bytes: number;
  scans: number;
  quota_scans: number;
}

/** A person, as they see themselves. */
export interface UserOut {
  id: string;
  email: string;
  name: string;
  verified: boolean;
  is_admin: boolean;
  created_at: string;
  second_factor: boolean;
}

/** What changes; another address needs the password. */
export interface UserPatch {
  name?: string | null;
  email?: string | null;
  password?: string | null;
}

/** Where to tell of what. */
export interface WebhookIn {
  url: string;
  events: ("scan.done" | "scan.failed" | "scan.cancelled")[];
}

/** A webhook, but for its secret. */
export interface WebhookOut {
  id: string;
  url: string;
  events: ("scan.done" | "scan.failed" | "scan.cancelled")[];
  created_at: string;
  disabled_at: string | null;
  last_status?: string | null;
}

/** All webhooks. */
export interface WebhooksOut {
  items: WebhookOut[];
}
