/** Requests to the server, and what went wrong in words. */
import type { ProblemDetails } from "../wire.ts";

const ROOT = "/api/v1";

/** Something a person can read: what is wrong and what to do. */
export class Failure extends Error {
  constructor(
    message: string,
    /** HTTP's, or 0 where the server can't be reached. */
    readonly status: number,
    /** What is wrong with single fields of a form. */
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export const UNREACHABLE = "The server can't be reached. Check your connection and try again.";

type Body = object;

interface Asking {
  body?: Body;
  /** The same twice makes one thing. */
  idempotencyKey?: string;
  signal?: AbortSignal;
}

let signedOut: () => void = () => undefined;

/** What to do when the server no longer knows who we are. */
export function onSignedOut(act: () => void): void {
  signedOut = act;
}

export async function ask<T>(method: string, path: string, asking: Asking = {}): Promise<T> {
  const text = await (await send(method, path, asking)).text();
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  ask<T>("GET", path, signal ? { signal } : {});
export const post = <T>(path: string, body?: Body): Promise<T> =>
  ask<T>("POST", path, body ? { body } : {});
export const patch = <T>(path: string, body: Body): Promise<T> => ask<T>("PATCH", path, { body });
export const remove = (path: string, body?: Body): Promise<void> =>
  ask<void>("DELETE", path, body ? { body } : {});

/** An address of the API. */
export const address = (path: string): string => ROOT + path;

async function send(method: string, path: string, asking: Asking): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (asking.body) headers["Content-Type"] = "application/json";
  if (asking.idempotencyKey) headers["Idempotency-Key"] = asking.idempotencyKey;
  let response: Response;
  try {
    response = await fetch(address(path), {
      method,
      headers,
      body: asking.body ? JSON.stringify(asking.body) : null,
      credentials: "same-origin",
      signal: asking.signal ?? null,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Failure(UNREACHABLE, 0);
  }
  if (response.ok) return response;
  const wrong = failure(response.status, await response.text());
  if (response.status === 401 && path !== "/session") signedOut();
  throw wrong;
}

/** From the body of an answer; its shape is RFC 9457's. */
export function failure(status: number, body: string): Failure {
  const problem = parsed(body);
  const fields: Record<string, string> = {};
  // A form knows its fields by their own names: `faces` for `options.faces`.
  for (const { field, message } of problem?.errors ?? []) fields[field.split(".").at(-1) ?? field] = message;
  return new Failure(problem?.detail || problem?.title || general(status), status, fields);
}

function parsed(body: string): Partial<ProblemDetails> | null {
  try {
    const value: unknown = JSON.parse(body);
    return value !== null && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

function general(status: number): string {
  if (status === 413) return "That is larger than this server takes.";
  if (status === 429) return "Too many requests; wait a minute and try again.";
  if (status >= 500) return "The server has a problem; try again in a moment.";
  return `The server refused that (${status}).`;
}

/** Text for any error that may come out of a request. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
