/** Short names for what goes over the wire. */
import type {
  FileOut, FormatOut, GalleryItem, JsonValue, KeyOut, ModeOut, OptionOut, OptionsOut, ResultOut, ScanOut,
  SessionOut, SharedOut, UsageOut, UserOut, WebhookOut,
} from "../wire.ts";

export type Value = JsonValue;
export type Values = Record<string, Value>;
export type Choices = OptionsOut;
export type Format = FormatOut;
export type Key = KeyOut;
export type Mode = ModeOut;
export type Option = OptionOut;
export type Privacy = ScanOut["privacy"];
export type Published = GalleryItem;
export type Result = ResultOut;
export type Scan = ScanOut;
export type Session = SessionOut;
export type Shared = SharedOut;
export type StoredFile = FileOut;
export type Usage = UsageOut;
export type User = UserOut;
export type Webhook = WebhookOut;

export interface Listed<T> {
  items: readonly T[];
  next?: string | null;
}
