/** One file by tus 1.0.0: resumable, in pieces, each with its checksum where the browser has one. */
import { address, Failure, failure, UNREACHABLE } from "../api/client.ts";
import { forget, identity, keep, recall } from "./memory.ts";

/** A lost connection costs at most one piece. */
const PIECE = 8 * 2 ** 20;
const WAITS_S = [1, 2, 4, 8, 15, 30];
/** Nothing was sent or heard for so long: the connection is dead. */
const SILENT_MS = 60_000;
const VERSION = { "Tus-Resumable": "1.0.0" };

export interface Reports {
  /** Bytes that the server has, or that are on their way. */
  sent: (bytes: number) => void;
  /** Why it pauses, and null when it goes on. */
  waiting: (why: string | null) => void;
}

interface Answer {
  status: number;
  header: (name: string) => string | null;
  body: string;
}

const base64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes));

const metadata = (file: File): string => {
  const pairs = { filename: file.name, filetype: file.type || "application/octet-stream" };
  return Object.entries(pairs)
    .map(([name, value]) => `${name} ${base64(new TextEncoder().encode(value))}`)
    .join(",");
};

/** XMLHttpRequest, because fetch doesn't say how much has been sent. */
function send(
  method: string,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
  body?: Blob,
  sent?: (bytes: number) => void,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = (): void => request.abort();
    let timer = 0;
    const alive = (): void => {
      clearTimeout(timer);
      timer = window.setTimeout(stop, SILENT_MS);
    };
    request.open(method, url);
    for (const [name, value] of Object.entries({ ...VERSION, ...headers })) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = (event) => {
      alive();
      sent?.(event.loaded);
    };
    request.onload = () =>
      resolve({
        status: request.status,
        header: (name) => request.getResponseHeader(name),
        body: request.responseText,
      });
    request.onerror = () => reject(new Failure(UNREACHABLE, 0));
    request.onabort = () =>
      reject(signal.aborted ? signal.reason : new Failure(UNREACHABLE, 0));
    request.onloadend = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    };
    signal.addEventListener("abort", stop);
    alive();
    request.send(body ?? null);
  });
}

const succeeded = (answer: Answer): boolean => answer.status >= 200 && answer.status < 300;

/** Trying again may help: no connection, a busy server, an offset or a checksum that did not fit. */
const passing = (error: unknown): boolean =>
  error instanceof Failure &&
  (error.status === 0 || error.status >= 500 || [408, 409, 423, 429, 460].includes(error.status));

async function checksum(piece: Blob): Promise<Record<string, string>> {
  // Pages without TLS have no crypto.subtle.
  if (!("subtle" in crypto)) return {};
  const digest = await crypto.subtle.digest("SHA-1", await piece.arrayBuffer());
  return { "Upload-Checksum": `sha1 ${base64(new Uint8Array(digest))}` };
}

/** Seconds, or less when the connection comes back. */
function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      removeEventListener("online", done);
      signal.removeEventListener("abort", done);
      if (signal.aborted) reject(signal.reason as Error);
      else resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener("online", done);
    signal.addEventListener("abort", done);
  });
}

/** Uploads a file into a scan, however often the connection is lost. */
export async function upload(
  scan: string,
  file: File,
  reports: Reports,
  signal: AbortSignal,
): Promise<void> {
  const id = identity(scan, file);
  let failures = 0;
  for (;;) {
    try {
      const url = recall(id) ?? (await create(scan, file, signal));
      keep(id, url);
      let offset = await whereFrom(url, signal);
      if (offset === null) {
        forget(id);
        continue;
      }
      reports.waiting(null);
      reports.sent(offset);
      while (offset < file.size) {
        offset = await sendPiece(url, file, offset, reports, signal);
        failures = 0;
      }
      forget(id);
      return;
    } catch (error) {
      if (signal.aborted || !passing(error)) {
        if (!signal.aborted) forget(id);
        throw error;
      }
      const seconds = WAITS_S[Math.min(failures++, WAITS_S.length - 1)] ?? 30;
      reports.waiting(error instanceof Failure && error.status === 0
        ? "No connection; it goes on by itself"
        : "The server is busy; it goes on by itself");
      await pause(seconds, signal);
    }
  }
}

async function create(scan: string, file: File, signal: AbortSignal): Promise<string> {
  const answer = await send(
    "POST",
    address(`/scans/${scan}/uploads`),
    { "Upload-Length": String(file.size), "Upload-Metadata": metadata(file) },
    signal,
  );
  if (!succeeded(answer)) throw failure(answer.status, answer.body);
  const place = answer.header("Location");
  if (!place) throw new Failure("The server did not say where to send the file.", answer.status);
  return new URL(place, location.href).pathname;
}

/** Bytes that the server has; null where it no longer knows the upload. */
async function whereFrom(url: string, signal: AbortSignal): Promise<number | null> {
  const answer = await send("HEAD", url, {}, signal);
  if (answer.status === 404 || answer.status === 410) return null;
  if (!succeeded(answer)) throw failure(answer.status, answer.body);
  return Number(answer.header("Upload-Offset") ?? 0);
}

async function sendPiece(
  url: string,
  file: File,
  offset: number,
  reports: Reports,
  signal: AbortSignal,
): Promise<number> {
  const piece = file.slice(offset, offset + PIECE);
  const headers = {
    "Content-Type": "application/offset+octet-stream",
    "Upload-Offset": String(offset),
    ...(await checksum(piece)),
  };
  const answer = await send("PATCH", url, headers, signal, piece, (bytes) =>
    reports.sent(offset + bytes));
  if (!succeeded(answer)) throw failure(answer.status, answer.body);
  return Number(answer.header("Upload-Offset") ?? offset + piece.size);
}

/** Takes back what was begun. */
export async function abandon(scan: string, file: File): Promise<void> {
  const id = identity(scan, file);
  const url = recall(id);
  forget(id);
  if (url) await send("DELETE", url, {}, new AbortController().signal);
}
