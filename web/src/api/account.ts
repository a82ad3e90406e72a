/** The person, their keys and their webhooks. */
import type { FactorOut, KeyIn, NewKeyOut, RecoveryOut, NewWebhookOut, WebhookIn } from "../wire.ts";
import { get, patch, post, remove } from "./client.ts";
import type { Key, Listed, Session, Usage, User, Webhook } from "./types.ts";

export const signUp = (email: string, password: string, name: string): Promise<User> =>
  post("/accounts", { email, password, name });
export const signIn = (email: string, password: string, code: string | null): Promise<User> =>
  post("/session", code === null ? { email, password } : { email, password, code });
export const signOut = (): Promise<void> => remove("/session");

export const readMe = (): Promise<User> => get("/me");
export const rename = (name: string): Promise<User> => patch("/me", { name });
export const deleteMe = (password: string): Promise<void> => remove("/me", { password });
export const changePassword = (current: string, fresh: string): Promise<void> =>
  post("/me/password", { current, new: fresh });
export const beginFactor = (password: string): Promise<FactorOut> => post("/me/second-factor", { password });
export const confirmFactor = (code: string): Promise<RecoveryOut> => post("/me/second-factor/confirm", { code });
export const endFactor = (password: string, code: string): Promise<void> =>
  remove("/me/second-factor", { password, code });
export const readUsage = (): Promise<Usage> => get("/me/usage");

export const sendVerification = (): Promise<void> => post("/me/verify");
export const verify = (token: string): Promise<void> => post("/verify", { token });
export const askReset = (email: string): Promise<void> => post("/password-resets", { email });
export const reset = (token: string, password: string): Promise<void> =>
  post("/password-resets/confirm", { token, password });

export const listSessions = async (): Promise<readonly Session[]> =>
  (await get<Listed<Session>>("/me/sessions")).items;
export const endSession = (id: string): Promise<void> => remove(`/me/sessions/${id}`);

export const listKeys = async (): Promise<readonly Key[]> => (await get<Listed<Key>>("/keys")).items;
export const createKey = (name: string, scopes: KeyIn["scopes"]): Promise<NewKeyOut> =>
  post("/keys", { name, scopes });
export const revokeKey = (id: string): Promise<void> => remove(`/keys/${id}`);

export const listWebhooks = async (): Promise<readonly Webhook[]> =>
  (await get<Listed<Webhook>>("/webhooks")).items;
export const createWebhook = (url: string, events: WebhookIn["events"]): Promise<NewWebhookOut> =>
  post("/webhooks", { url, events });
export const testWebhook = (id: string): Promise<void> => post(`/webhooks/${id}/test`);
export const deleteWebhook = (id: string): Promise<void> => remove(`/webhooks/${id}`);
